// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/pelt.h"

namespace wakepath::sched {

namespace {

// y^n * 2^32 for n = 0..31 with y^32 = 1/2 (kernel/sched/sched-pelt.h).
constexpr std::uint32_t kDecay[32] = {
    0xffffffff, 0xfa83b2da, 0xf5257d14, 0xefe4b99a, 0xeac0c6e6, 0xe5b906e6, 0xe0ccdeeb, 0xdbfbb796,
    0xd744fcc9, 0xd2a81d91, 0xce248c14, 0xc9b9bd85, 0xc5672a10, 0xc12c4cc9, 0xbd08a39e, 0xb8fbaf46,
    0xb504f333, 0xb123f581, 0xad583ee9, 0xa9a15ab4, 0xa5fed6a9, 0xa2704302, 0x9ef5325f, 0x9b8d39b9,
    0x9837f050, 0x94f4efa8, 0x91c3d373, 0x8ea4398a, 0x8b95c1e3, 0x88980e80, 0x85aac367, 0x82cd8698,
};

}  // namespace

std::uint64_t pelt_decay(std::uint64_t value, std::uint64_t periods) {
  if (periods > 32 * 63) return 0;
  value >>= periods / 32;
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(value) * kDecay[periods % 32]) >> 32);
}

void pelt_end_periods(Pelt& avg, std::uint64_t units, std::uint64_t load, std::uint64_t runnable, bool running) {
  units += avg.period_contrib;
  const std::uint64_t periods = units / 1024;
  units %= 1024;
  // The rest of the old period, decayed; the whole periods between; the begun one.
  const auto head = static_cast<std::uint32_t>(pelt_decay(1024 - avg.period_contrib, periods));
  const auto whole = static_cast<std::uint32_t>(kPeltLoadAvgMax - pelt_decay(kPeltLoadAvgMax, periods) - 1024);
  const std::uint32_t contrib = head + whole + static_cast<std::uint32_t>(units);
  avg.period_contrib = static_cast<std::uint32_t>(units);
  avg.load_sum = pelt_decay(avg.load_sum, periods) + load * contrib;
  avg.runnable_sum = pelt_decay(avg.runnable_sum, periods) + ((runnable * contrib) << 10);
  avg.util_sum = static_cast<std::uint32_t>(pelt_decay(avg.util_sum, periods)) + (running ? contrib << 10 : 0U);
}

void pelt_update_averages(Pelt& avg, std::uint64_t load_multiplier) {
  const std::uint32_t divider = avg.divider();
  avg.load_avg = load_multiplier * avg.load_sum / divider;
  avg.runnable_avg = avg.runnable_sum / divider;
  avg.util_avg = avg.util_sum / divider;
  avg.changed = true;
}

}  // namespace wakepath::sched
