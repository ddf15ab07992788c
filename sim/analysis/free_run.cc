// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/free_run.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "sim/trace/event_names.h"
#include "sim/trace/reader.h"

namespace wakepath::analysis {

using trace::Event;
using trace::EventType;
using trace::StringId;

namespace {

class Collector {
 public:
  Collector(const std::vector<std::string>& names, trace::StringPool& pool) : pool_(pool) {
    out_.names = names;
    const std::size_t n = names.size();
    out_.run_ns.resize(n);
    out_.wait_ns.resize(n);
    out_.first_vruntime.resize(n);
    out_.first_ran.resize(n);
    out_.has_vruntime.resize(n);
    woken_.resize(n, -1);
    ran_.resize(n);
    for (const auto& name : names) ids_.push_back(pool.intern(name));
  }

  void on_event(const Event& e) {
    ++out_.records[std::string(trace::name_of(e.type))];
    out_.end_ns = e.ts_ns;
    switch (e.type) {
      case EventType::sched_switch:
        on_switch(e);
        break;
      case EventType::sched_waking:
        on_waking(e);
        break;
      case EventType::sched_stat_runtime:
        on_runtime(e);
        break;
      case EventType::local_timer_entry:
        irq_entry_ = e.ts_ns;
        break;
      case EventType::hrtimer_expire_entry:
        on_timer(e);
        break;
      default:
        break;
    }
    if (e.type == EventType::sched_switch) last_irq_ = -1;
  }

  [[nodiscard]] bool any() const { return !out_.sequence.empty(); }
  FreeRun take() { return std::move(out_); }

 private:
  [[nodiscard]] std::optional<std::size_t> index(StringId comm) const {
    const auto it = std::find(ids_.begin(), ids_.end(), comm);
    if (it == ids_.end()) return std::nullopt;
    return static_cast<std::size_t>(it - ids_.begin());
  }

  void on_switch(const Event& e) {
    const auto& sw = e.u.sw;
    if (running_since_ >= 0) {
      const std::int64_t ran = e.ts_ns - running_since_;
      if (const auto i = index(sw.prev_comm))
        out_.run_ns[*i] += ran;
      else if (sw.prev_pid != 0)
        other_ran(sw, ran);
    }
    const auto next = index(sw.next_comm);
    if (!any() && !next) return;  // the release: nobody of the experiment has run yet
    if (!any()) out_.begin_ns = e.ts_ns;
    running_since_ = out_.running_since_ns = e.ts_ns;
    out_.running = next ? static_cast<int>(*next) : -1;
    if (next) {
      put(static_cast<std::uint8_t>(*next));
      if (woken_[*next] >= 0) out_.wait_ns[*next].push_back(e.ts_ns - woken_[*next]);
      woken_[*next] = -1;
    } else if (sw.next_pid == 0) {
      put(static_cast<std::uint8_t>(ids_.size()));
    }
  }

  void put(std::uint8_t who) {
    if (out_.sequence.empty() || out_.sequence.back() != who) out_.sequence.push_back(who);
  }

  void other_ran(const Event::Switch& sw, std::int64_t ran) {
    out_.other_ns += ran;
    auto& turns = out_.others[pool_.str(sw.prev_comm)];
    if (!turns.empty()) turns.back().run_ns += ran;
  }

  void on_waking(const Event& e) {
    if (const auto i = index(e.u.task.comm)) {
      woken_[*i] = any() ? e.ts_ns : -1;  // who waits for the release waits for the program that records
      return;
    }
    if (!any()) return;
    const std::string& comm = pool_.str(e.u.task.comm);
    const bool soft = (e.flags & trace::kSoftirq) != 0 && (e.flags & trace::kHardirq) == 0;
    out_.others[comm].push_back({e.ts_ns, 0, soft ? last_irq_ : -1, soft});
    out_.other_prio[comm] = e.u.task.prio;
  }

  void on_runtime(const Event& e) {
    const auto i = index(e.u.runtime.comm);
    if (!i) return;
    ran_[*i] += e.u.runtime.runtime_ns;
    if (!e.u.runtime.has_vruntime || out_.has_vruntime[*i]) return;
    out_.has_vruntime[*i] = true;
    out_.first_vruntime[*i] = static_cast<std::int64_t>(e.u.runtime.vruntime);
    out_.first_ran[*i] = ran_[*i];
  }

  void on_timer(const Event& e) {
    const std::string& function = pool_.str(e.u.timer.function);
    if (function != "tick_sched_timer" && function != "tick_nohz_handler") return;
    last_irq_ = irq_entry_;
    if (out_.tick_ns < 0 && any()) out_.tick_ns = irq_entry_;
  }

  trace::StringPool& pool_;
  FreeRun out_;
  std::vector<StringId> ids_;
  std::vector<std::int64_t> woken_, ran_;
  std::int64_t running_since_ = -1, irq_entry_ = -1, last_irq_ = -1;
};

double part_of(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

}  // namespace

tl::expected<FreeRun, trace::Error> read_free_run(const std::string& path, const std::vector<std::string>& names) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(path, pool);
  if (!reader) return tl::make_unexpected(reader.error());
  Collector collector(names, pool);
  Event e;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) return tl::make_unexpected(more.error());
    if (!*more) break;
    collector.on_event(e);
  }
  const trace::Report& r = reader->report();
  if (r.bad_lines > 0)
    return tl::make_unexpected(trace::Error{path, r.first_bad.front().line, r.first_bad.front().reason});
  if (r.losses > 0)
    return tl::make_unexpected(trace::Error{path, 0, "has lost records: a free run cannot be compared"});
  if (!collector.any()) return tl::make_unexpected(trace::Error{path, 0, "no task of the case runs in it"});
  return collector.take();
}

std::int64_t edit_distance(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  std::vector<std::int64_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<std::int64_t>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::int64_t diagonal = row[0];
    row[0] = static_cast<std::int64_t>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::int64_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

namespace {

// The greatest share of `a` at or below some x that is more than the share of `b` at or below x and its slack.
double exceeds(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  double worst = 0;
  std::size_t j = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::int64_t reach = a[i] + std::max(kWaitSlackNs, a[i] / 20);
    while (j < b.size() && b[j] <= reach) ++j;
    worst = std::max(worst, part_of(static_cast<std::int64_t>(i + 1), static_cast<std::int64_t>(a.size())) -
                                part_of(static_cast<std::int64_t>(j), static_cast<std::int64_t>(b.size())));
  }
  return worst;
}

}  // namespace

double wait_distance(std::vector<std::int64_t> a, std::vector<std::int64_t> b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty() ? 0.0 : 1.0;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return std::max(exceeds(a, b), exceeds(b, a));
}

nlohmann::json start_json(const FreeRun& f) {
  nlohmann::json j{{"begin_ns", f.begin_ns}, {"end_ns", f.end_ns}, {"tick_ns", f.tick_ns}};
  j["vruntime"] = nlohmann::json::object();
  for (std::size_t i = 0; i < f.names.size(); ++i) {
    if (f.has_vruntime[i]) j["vruntime"][f.names[i]] = {{"vruntime", f.first_vruntime[i]}, {"ran_ns", f.first_ran[i]}};
  }
  j["others"] = nlohmann::json::object();
  for (const auto& [comm, turns] : f.others) {
    auto& out = j["others"][comm] = {{"prio", 120}, {"turns", nlohmann::json::array()}};
    if (const auto it = f.other_prio.find(comm); it != f.other_prio.end()) out["prio"] = it->second;
    for (const FreeRunTurn& t : turns)
      out["turns"].push_back(
          {{"at_ns", t.at_ns}, {"run_ns", t.run_ns}, {"irq_ns", t.irq_ns}, {"softirq", t.in_softirq}});
  }
  j["records"] = f.records;
  return j;
}

namespace {

// `span`: from its first switch; what runs at the end of the records runs on.
nlohmann::json side_json(const FreeRun& f, std::int64_t span) {
  nlohmann::json tasks = nlohmann::json::object();
  for (std::size_t i = 0; i < f.names.size(); ++i) {
    std::vector<std::int64_t> waits = f.wait_ns[i];
    std::sort(waits.begin(), waits.end());
    const auto at = [&](std::size_t percent) -> nlohmann::json {
      if (waits.empty()) return nullptr;
      return waits[(waits.size() - 1) * percent / 100];
    };
    std::int64_t ran = f.run_ns[i];
    if (f.running == static_cast<int>(i)) ran += std::max<std::int64_t>(0, f.begin_ns + span - f.running_since_ns);
    tasks[f.names[i]] = {{"cpu_share", part_of(ran, span)},
                         {"wakeups", waits.size()},
                         {"wait_ns", {{"p50", at(50)}, {"p90", at(90)}, {"p99", at(99)}}}};
  }
  return {{"switches", f.sequence.empty() ? 0 : f.sequence.size() - 1},
          {"span_ns", span},
          {"others_share", part_of(f.other_ns, span)},
          {"tasks", tasks}};
}

}  // namespace

nlohmann::json compare_free_runs(const FreeRun& real, const FreeRun& simulated) {
  const std::int64_t span = real.end_ns - real.begin_ns;
  const auto distance = edit_distance(real.sequence, simulated.sequence);
  const auto common =
      std::mismatch(real.sequence.begin(), real.sequence.end(), simulated.sequence.begin(), simulated.sequence.end());
  nlohmann::json waits = nlohmann::json::object();
  for (std::size_t i = 0; i < real.names.size(); ++i)
    waits[real.names[i]] = wait_distance(real.wait_ns[i], simulated.wait_ns[i]);
  return {{"real", side_json(real, span)},
          {"simulated", side_json(simulated, span)},
          {"edits", distance},
          {"edit_share", part_of(distance, static_cast<std::int64_t>(real.sequence.size()))},
          {"same_until", common.first - real.sequence.begin()},
          {"wait_distance", waits}};
}

}  // namespace wakepath::analysis
