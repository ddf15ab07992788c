// SPDX-License-Identifier: GPL-2.0-or-later
#include <string>

#include "calibration/recorder/load.h"

namespace wakepath::recorder {
namespace {

void probe_overhead(Probe& p, Target& target, bool write) {
  constexpr int kDepth = 32, kRounds = 200;
  const LoopSetting s{.depth = kDepth,
                      .batch = kDepth,
                      .complete_min = 1,
                      .complete_max = kDepth,
                      .write = write,
                      .stamp = true,
                      .max_records = 100'000};
  p.out.cost(cost_of_stamps(p.options, target, s, 0.02, p.options.quick ? 16 : kRounds));
}

void probe_depths(Probe& p, Target& target, bool write, double share) {
  for (const int depth : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
    if (p.is_time_up()) return p.out.lack("loops", "no time left");
    p.progress(write ? "loops, writes" : "loops, reads", share);
    const LoopSetting s{.depth = depth,
                        .batch = depth,
                        .complete_min = 1,
                        .complete_max = depth,
                        .write = write,
                        .stamp = true,
                        .seconds = p.seconds(0.5),
                        .max_records = 4000};
    const LoopResult r = run_loop(p.options, target, s);
    p.out.loop(std::string(write ? "write" : "read") + "/" + std::to_string(depth), r.totals);
    p.out.ios(r.ios, r.calls, write, p.options.bytes);
  }
}

}  // namespace

void probe_loops(Probe& p) {
  Target target(p.options, 256);
  if (!p.options.read_only) probe_depths(p, target, true, 0.5);
  probe_depths(p, target, false, 0.7);
  if (p.is_time_up()) return p.out.lack("overhead", "no time left");
  p.progress("cost of recording", 0.9);
  probe_overhead(p, target, !p.options.read_only);
}

}  // namespace wakepath::recorder
