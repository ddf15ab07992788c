// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "models/verify/assembler.h"
#include "models/verify/counterfactual.h"
#include "models/verify/ensemble.h"
#include "models/verify/placement.h"
#include "models/verify/setting.h"
#include "sim/analysis/analyze.h"
#include "sim/trace/reader.h"
#include "sim/trace/scan.h"
#include "sim/trace/string_pool.h"

namespace wakepath::verify {

using nlohmann::json;
using trace::Error;
using trace::EventType;

namespace {

constexpr std::int64_t kOrderLooked = 10000;  // records after which a file out of order is given up

struct Placements {
  Placements(const Settings& s, const trace::StringPool& pool)
      : base(s.base.switches, s.base.cpus, s.hz, s.pinned, pool) {
    if (s.changed) changed.emplace(s.changed->switches, s.base.cpus, s.hz, s.pinned, pool);
  }
  void on_event(const trace::Event& e, std::int64_t line) {
    base.on_event(e, line);
    if (changed) changed->on_event(e, line);
  }
  PlacementJudge base;
  std::optional<PlacementJudge> changed;
};

// Steps for one model or two.
class Fork final : public StepSink {
 public:
  Fork(const Settings& settings, const trace::StringPool& pool) : base(settings.base, pool) {
    if (!settings.changed) return;
    changed.emplace(*settings.changed, pool, &base);
    difference.emplace();
    base.collect_decisions(&difference->base);
    changed->collect_decisions(&difference->changed);
  }
  void on_step(const Step& s) override {
    base.on_step(s);
    if (!changed) return;
    changed->on_step(s);
    difference->compare(false);
  }
  void finish() {
    base.finish();
    if (!changed) return;
    changed->finish();
    difference->compare(true);
  }

  Ensemble base;
  std::optional<Ensemble> changed;
  std::optional<Difference> difference;
};

std::int64_t count(const trace::Report& r, EventType t) { return r.by_type[static_cast<std::size_t>(t)]; }

// Why the file cannot be judged at all; "": it can.
std::string unfit(const trace::Report& r, std::int64_t stamps_back, bool vruntime_seen, const Settings& settings) {
  if (r.perf_records > 0 && r.ftrace_records > 0) {
    return fmt::format("mixes {} ftrace records and {} of perf script: verify one recording at a time",
                       r.ftrace_records, r.perf_records);
  }
  if (stamps_back * 100 > r.records) {
    return fmt::format(
        "{} of {} records are older than the one before on their CPU: sort it by time, or record it again", stamps_back,
        r.records);
  }
  if (count(r, EventType::sched_switch) == 0) {
    return "holds no sched_switch: record sched:sched_switch, sched_waking, sched_wakeup and sched_stat_runtime";
  }
  if (vruntime_seen && !settings.base.prints_vruntime) {
    return fmt::format("prints vruntime in sched_stat_runtime, which kernel {} does not: try --kernel 6.1",
                       settings.version);
  }
  const std::int64_t runtimes = count(r, EventType::sched_stat_runtime);
  if (!vruntime_seen && settings.base.prints_vruntime && runtimes > 0) {
    return fmt::format("prints no vruntime in sched_stat_runtime, which kernel {} does: try --kernel 6.12",
                       settings.version);
  }
  return {};
}

json divergence_json(const Divergence& d) {
  return {{"kind", name_of(d.kind)},
          {"line", d.line},
          {"ts_ns", d.ts_ns},
          {"cpu", d.cpu},
          {"task", trace::scan::printable(d.task)},
          {"trace", d.trace},
          {"model", d.model},
          {"state", d.state}};
}

json warm_up_text() {
  return {
      "CFS: a task counts from its first printed vruntime on, and again from the next one where it was placed "
      "against a min_vruntime that was not known yet",
      "CFS: a group's entity counts from the first placement that tells its vruntime, or after five ticks",
      "EEVDF: a decision counts where every start that is possible up to it, of those tried, comes to the same answer"};
}

json result_json(const Fork& models, const Placements& placements, const Assembler& assembler, const trace::Report& r,
                 const std::string& path, const Settings& settings) {
  const Judge& judge = models.base.judge();
  const PlacementJudge& placement = placements.base;
  json out{{"schema", "wakepath.verify/1"}, {"kernel", settings.version}};
  out["agreement"] = judge.agreement();
  out["agreement"]["placement"] = placement.to_json();
  out["below_bars"] = judge.below_bars();
  if (const std::string why = placement.below_bar(); !why.empty()) out["below_bars"].push_back(why);
  out["divergences"] = json::array();
  for (const Divergence& d : judge.divergences()) out["divergences"].push_back(divergence_json(d));
  for (const Divergence& d : placement.divergences()) out["divergences"].push_back(divergence_json(d));
  out["judged"] = judge.judged() + placement.judged();
  out["warm_up"] = {{"rules", warm_up_text()},
                    {"tasks_assumed_runnable", models.base.assumed_tasks()},
                    {"resynchronised", models.base.resyncs()},
                    {"gaps", assembler.gaps()},
                    {"wakeups_without_waking", assembler.unpaired()}};
  out["trace"] = analysis::to_json(r);
  out["trace"]["file"] = trace::scan::printable(path);
  if (!models.difference) return out;
  out["changed"] = models.difference->to_json(models.changed->judge(), [&](std::int32_t pid) {
    return trace::scan::printable(models.base.first().name_of_pid(pid));
  });
  out["changed"]["placement"] = placements.changed->to_json();
  return out;
}

}  // namespace

tl::expected<json, Error> verify_file(const std::string& path, const std::string& setting_json) {
  const auto settings = settings_of(setting_json);
  if (!settings) return tl::make_unexpected(Error{"setting", 0, settings.error()});
  trace::StringPool pool;
  auto reader = trace::Reader::open(path, pool);
  if (!reader) return tl::make_unexpected(reader.error());
  Fork models(*settings, pool);
  Assembler assembler(pool, models);
  Placements placements(*settings, pool);
  trace::Event e;
  bool vruntime_seen = false;
  int most_cpu = 0;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    const trace::Report& r = reader->report();
    if (e.type == EventType::sched_stat_runtime && e.u.runtime.has_vruntime) vruntime_seen = true;
    most_cpu = std::max<int>(most_cpu, e.cpu);
    if (r.records == kOrderLooked) {
      if (std::string why = unfit(r, assembler.stamps_back(), vruntime_seen, *settings); !why.empty()) {
        return tl::make_unexpected(Error{path, r.lines, why});
      }
    }
    assembler.on_event(e, r.lines);
    placements.on_event(e, r.lines);
  }
  assembler.finish();
  models.finish();
  const trace::Report& r = reader->report();
  if (std::string why = unfit(r, assembler.stamps_back(), vruntime_seen, *settings); !why.empty()) {
    return tl::make_unexpected(Error{path, 0, why});
  }
  if (most_cpu >= settings->base.cpus) {
    return tl::make_unexpected(Error{path, 0,
                                     fmt::format("has records of CPU {}, the setting says cpus = {}: give the setting "
                                                 "of this trace with --setting",
                                                 most_cpu, settings->base.cpus)});
  }
  return result_json(models, placements, assembler, r, path, *settings);
}

}  // namespace wakepath::verify
