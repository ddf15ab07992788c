// SPDX-License-Identifier: GPL-2.0-or-later
// From merged entries to the struct: each key's field, then what several keys decide together (kernel tables, fio's
// defaults, the tree of groups, the completeness of the costs).
#include <algorithm>

#include "models/kernel/features.h"
#include "models/kernel/switches.h"
#include "models/kernel/versions.h"
#include "models/scenario/document.h"
#include "models/scenario/event.h"
#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"
#include "models/scenario/topology_keys.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

using Kind = Value::Kind;
using MaybeError = std::optional<Error>;

template <class T, class Name>
T& named(std::vector<T>& all, const std::string& name, Name T::*member) {
  for (T& one : all) {
    if (one.*member == name) return one;
  }
  all.emplace_back();
  all.back().*member = name;
  return all.back();
}

std::string group_path(std::string_view text) {
  while (!text.empty() && text.front() == '/') text.remove_prefix(1);
  while (!text.empty() && text.back() == '/') text.remove_suffix(1);
  return std::string(text);
}

void* struct_of(Scenario& s, Part part, const Path& path) {
  switch (part) {
    case Part::cgroup:
      return &named(s.cgroups, group_path(path[1]), &Cgroup::path);
    case Part::workload:
      return &named(s.workloads, path[1], &FioJob::name);
    case Part::program:
      return &named(s.programs, path[1], &Program::name);
    case Part::ring:
      return &named(s.rings, path[1], &RingProgram::name);
    case Part::task:
      return &named(s.task_rules, path[1], &TaskRule::glob);
    case Part::event:
      return &named(s.events, path[1], &Event::name);
    default:
      return part_of(s, part);
  }
}

// [cgroup.g], [workload.fio] and the like without keys.
void touch_section(Scenario& s, const Path& path) {
  if (path.size() != 2) return;
  for (const auto& [name, part] :
       {std::pair{"cgroup", Part::cgroup}, std::pair{"workload", Part::workload}, std::pair{"program", Part::program},
        std::pair{"ring", Part::ring}, std::pair{"task", Part::task}, std::pair{"event", Part::event}}) {
    if (path[0] == name) struct_of(s, part, path);
  }
}

MaybeError apply_cost(Scenario& s, const Entry& e) {
  for (std::size_t i = 0; i < machine::kCostCount; ++i) {
    if (e.path[1] != machine::cost_name(static_cast<machine::CostId>(i))) continue;
    auto cost = parse_dist(e);
    if (!cost) return cost.error();
    s.costs.entries[i] = std::move(*cost);
  }
  return std::nullopt;
}

MaybeError apply_entry(Scenario& s, const Entry& e) {
  if (e.value.is(Kind::table) && e.path.size() == 2 && find_key(e.path).key == nullptr) {
    touch_section(s, e.path);
    return std::nullopt;
  }
  const Lookup found = find_key(e.path);
  if (found.key == nullptr) return unknown_key(e.path, e.error({}));
  const Key& key = *found.key;
  if (key.part == Part::none || key.type == Type::any) return std::nullopt;  // read by name elsewhere
  if (key.field == nullptr) return apply_cost(s, e);
  return assign(key, key.field(struct_of(s, key.part, e.path)), e);
}

MaybeError kernel_version(Scenario& s, const Document& doc, const std::string& file) {
  const Entry* version = doc.find({"kernel", "version"});
  const Entry* assume = doc.find({"kernel", "assume"});
  if (version == nullptr) {
    return Error{file, 0, "kernel.version is missing", "add [kernel] version = \"6.12\", or give --kernel"};
  }
  for (const Entry* e : {version, assume}) {
    if (e == nullptr || e->value.is(Kind::string)) continue;
    return e->error(join_path(e->path) + " must be a string",
                    "write " + e->path.back() + " = \"" + (e->value.text.empty() ? "6.12" : e->value.text) + "\"");
  }
  const std::string assumed = assume == nullptr ? std::string() : assume->value.text;
  const auto resolved = kernel::resolve(version->value.text, assumed);
  if (!resolved) {
    const Entry* at = assumed.empty() ? version : assume;
    return at->error(join_path(at->path) + ": " + resolved.error().message, resolved.error().suggestion);
  }
  s.kernel.version = resolved->version;
  s.kernel.requested = resolved->requested;
  s.kernel.assumed = resolved->assumed;
  s.kernel.switches = kernel::switches_of(resolved->version);
  if (!assumed.empty()) {
    add_note(s, "kernel " + resolved->requested + " is assumed to follow the rules of " + resolved->version);
  }
  return std::nullopt;
}

// Features are switches under the names of debugfs; an explicit switch wins.
MaybeError kernel_features(Scenario& s, const Document& doc) {
  for (const Entry& e : doc.entries()) {
    if (e.path.size() != 4 || e.path[0] != "kernel" || e.path[2] != "features") continue;
    const kernel::Feature& f = *kernel::find_feature(e.path[3]);
    if (!kernel::version_has(f, s.kernel.version)) {
      const std::string since =
          f.last.empty() ? "from " + std::string(f.first) + " on" : "up to " + std::string(f.last);
      return e.error("kernel " + s.kernel.version + " has no feature " + e.path[3], "kernels " + since + " have it");
    }
    const std::string bad = kernel::set_switch(*s.kernel.switches, f.switch_name, e.value.text);
    if (!bad.empty()) return e.error(join_path(e.path) + " must be true or false, not '" + e.value.text + "'");
  }
  return std::nullopt;
}

MaybeError kernel_switches(Scenario& s, const Document& doc) {
  if (auto bad = kernel_features(s, doc)) return bad;
  for (const Entry& e : doc.entries()) {
    if (e.path.size() != 3 || e.path[0] != "kernel" || e.path[1] != "switches") continue;
    const std::string bad = kernel::set_switch(*s.kernel.switches, e.path[2], e.value.text);
    if (!bad.empty()) return e.error(bad, "wakepath kernels " + s.kernel.version + " lists them");
  }
  s.kernel.changed = kernel::changed_switches(*s.kernel.switches, s.kernel.version);
  return std::nullopt;
}

// Tunables and models that the chosen kernel does not have.
MaybeError kernel_fit(const Scenario& s, const Document& doc) {
  const bool eevdf = s.kernel.switches->eevdf;
  for (const char* name : {"latency_ns", "min_granularity_ns", "wakeup_granularity_ns", "idle_min_granularity_ns"}) {
    const Entry* e = doc.find({"kernel", "sched", name});
    if (e != nullptr && eevdf) {
      return e->error("kernel " + s.kernel.version + " is EEVDF and has no " + name,
                      "its tunable is kernel.sched.base_slice_ns");
    }
  }
  const Entry* slice = doc.find({"kernel", "sched", "base_slice_ns"});
  if (slice != nullptr && !eevdf) {
    return slice->error("kernel " + s.kernel.version + " is CFS and has no base_slice_ns",
                        "its tunables are latency_ns, min_granularity_ns and wakeup_granularity_ns");
  }
  const Entry* preempt = doc.find({"kernel", "preempt"});
  if (preempt != nullptr && s.kernel.preempt == Preempt::lazy && !s.kernel.switches->preempt_lazy) {
    return preempt->error("kernel " + s.kernel.version + " has no lazy preemption",
                          "it came with 6.13; write none, voluntary or full");
  }
  return std::nullopt;
}

MaybeError costs_complete(const Scenario& s, const Document& doc, const std::string& file) {
  std::string missing, first;
  int count = 0;
  for (std::size_t i = 0; i < machine::kCostCount; ++i) {
    if (s.costs.entries[i].set) continue;
    const char* name = machine::cost_name(static_cast<machine::CostId>(i));
    if (count++ == 0) first = name;
    if (count <= 6) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  if (count == 0) return std::nullopt;
  Error e{file, 0, {}, {}};
  // Point at the table that lacks it: where the other entries stand.
  for (const Entry& entry : doc.entries()) {
    if (entry.path.size() == 2 && entry.path[0] == "costs") {
      e.file = entry.file;
      e.line = entry.line;
      break;
    }
  }
  e.message = "the cost table lacks " + std::to_string(count) + (count == 1 ? " entry: " : " entries: ") + missing +
              (count > 6 ? ", ..." : "");
  e.suggestion = "add " + first + " = { ns = 0, source = \"...\" } under [costs]; 0 is allowed";
  return e;
}

// What fio does with its own options before the first I/O (init.c:fixup_options, fio 3.33).
void fix_up(FioJob& job) {
  if (job.rw == "readwrite") job.rw = "rw";
  if (job.sync == "0") job.sync = "none";
  if (job.sync == "1") job.sync = "sync";
  if (job.ioengine == "psync" || job.ioengine == "sync")
    job.iodepth = 1;  // a synchronous engine has one I/O in flight, whatever is asked for
  if (job.iodepth_low == 0 || job.iodepth_low > job.iodepth) job.iodepth_low = job.iodepth;
  if (job.iodepth_batch_submit == 0 || job.iodepth_batch_submit > job.iodepth) job.iodepth_batch_submit = job.iodepth;
  job.iodepth_batch_complete_max = std::max(job.iodepth_batch_complete_max, job.iodepth_batch_complete_min);
  std::sort(job.cpus_allowed.begin(), job.cpus_allowed.end());
  job.cpus_allowed.erase(std::unique(job.cpus_allowed.begin(), job.cpus_allowed.end()), job.cpus_allowed.end());
  job.cgroup = group_path(job.cgroup);
}

void fix_up(Scenario& s) {
  Ublk& u = s.ublk;
  u.queues = std::min(u.queues, s.machine.cpus);  // nr_cpu_ids
  if (u.threads == 0) u.threads = u.queues;
  if (u.owners.empty()) u.owners = u.per_io_daemon ? "kublk" : "queue";
  u.server_cgroup = group_path(u.server_cgroup);
  for (FioJob& job : s.workloads)
    if (job.disk.empty()) job.disk = "ublk";
}

// cpu.max and its burst, as the kernel accepts them.
MaybeError group_limits(Scenario& s, const Document& doc) {
  for (Cgroup& g : s.cgroups) {
    const auto place = [&](const char* key, std::string message, std::string suggestion) {
      for (const Entry& e : doc.entries())
        if (e.path.size() == 4 && e.path[0] == "cgroup" && group_path(e.path[1]) == g.path && e.path[3] == key)
          return e.error(join_path(e.path) + ": " + message, std::move(suggestion));
      return Error{s.file, 0, std::move(message), std::move(suggestion)};
    };
    g.max.burst_us = g.cpu_max_burst.value_or(0);
    g.max.phase_ns = g.cpu_max_phase;
    if (!g.cpu_max.empty()) {
      const auto parsed = parse_cpu_max(g.cpu_max);
      if (!parsed) return place("max", parsed.error().message, parsed.error().suggestion);
      if (parsed->quota_us >= 0) g.max.quota_us = parsed->quota_us;
      g.max.period_us = parsed->period_us;
    }
    if (g.max.burst_us > 0 && !g.max.quota_us) {
      return place("max_burst", "a burst needs a quota", "give cpu.max = \"QUOTA PERIOD\" too");
    }
    if (g.max.quota_us && g.max.burst_us > *g.max.quota_us) {
      return place("max_burst", "a burst of " + std::to_string(g.max.burst_us) + " us is more than the quota",
                   "it is at most " + std::to_string(*g.max.quota_us));
    }
  }
  return std::nullopt;
}

std::string parent_by_path(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

Error group_error(const Document& doc, const std::string& path, const std::string& message,
                  const std::string& suggestion) {
  for (const Entry& e : doc.entries()) {
    if (e.path[0] == "cgroup" && e.path.size() > 1 && group_path(e.path[1]) == path) {
      const Entry* parent = doc.find({"cgroup", e.path[1], "parent"});
      return (parent == nullptr ? e : *parent).error(message, suggestion);
    }
  }
  return {{}, 0, message, suggestion};
}

// Fills parents, adds those a path implies, and puts parents before children.
MaybeError group_tree(Scenario& s, const Document& doc) {
  for (std::size_t i = 0; i < s.cgroups.size(); ++i) {  // grows while it runs
    Cgroup& g = s.cgroups[i];
    if (g.path.empty()) return group_error(doc, "", "a cgroup needs a name", "write [cgroup.NAME]");
    const std::string implied = parent_by_path(g.path);
    g.parent = group_path(g.parent);
    if (!g.parent.empty() && !implied.empty() && g.parent != implied) {
      return group_error(doc, g.path,
                         "cgroup '" + g.path + "' has the parent '" + implied + "' by its path, not '" + g.parent + "'",
                         "remove the parent key");
    }
    if (g.parent.empty()) g.parent = implied;
    const std::string path = g.path, parent = g.parent;
    const auto known = [&](const Cgroup& c) { return c.path == parent; };
    if (parent.empty() || std::any_of(s.cgroups.begin(), s.cgroups.end(), known)) continue;
    if (parent != implied) {
      std::vector<std::string> names;
      for (const Cgroup& c : s.cgroups) names.push_back(c.path);
      const std::string near = did_you_mean(parent, names);
      return group_error(doc, path, "cgroup '" + path + "' has the unknown parent '" + parent + "'",
                         near.empty() ? "declare it: [cgroup.\"" + parent + "\"]" : near);
    }
    add_note(s, "cgroup " + parent + " is implied by " + path + " and has the default weight");
    s.cgroups.emplace_back();
    s.cgroups.back().path = parent;
  }
  std::vector<Cgroup> ordered;
  while (ordered.size() < s.cgroups.size()) {
    const std::size_t before = ordered.size();
    const auto placed = [&](const std::string& p) {
      return std::any_of(ordered.begin(), ordered.end(), [&](const Cgroup& c) { return c.path == p; });
    };
    for (const Cgroup& g : s.cgroups) {
      if (!placed(g.path) && (g.parent.empty() || placed(g.parent))) ordered.push_back(g);
    }
    if (ordered.size() > before) continue;
    for (const Cgroup& g : s.cgroups) {
      if (placed(g.path)) continue;
      return group_error(doc, g.path, "the parents of cgroup '" + g.path + "' form a cycle",
                         "remove one parent key of the cycle");
    }
  }
  s.cgroups = std::move(ordered);
  return std::nullopt;
}

}  // namespace

void add_note(Scenario& s, const std::string& note) {
  if (std::find(s.notes.begin(), s.notes.end(), note) == s.notes.end()) s.notes.push_back(note);
}

Result<Scenario> apply(const Document& doc, const std::string& file) {
  Scenario s;
  s.file = file;
  for (const Entry& e : doc.entries()) {
    if (auto bad = apply_entry(s, e)) return tl::make_unexpected(*bad);
  }
  for (const auto& n : doc.notes()) add_note(s, n);
  if (auto bad = kernel_version(s, doc, file)) return tl::make_unexpected(*bad);
  if (auto bad = kernel_switches(s, doc)) return tl::make_unexpected(*bad);
  if (auto bad = kernel_fit(s, doc)) return tl::make_unexpected(*bad);
  if (auto bad = costs_complete(s, doc, file)) return tl::make_unexpected(*bad);
  if (auto bad = group_tree(s, doc)) return tl::make_unexpected(*bad);
  if (auto bad = resolve_topology(s, doc)) return tl::make_unexpected(*bad);
  if (auto bad = group_limits(s, doc)) return tl::make_unexpected(*bad);
  for (Event& e : s.events) {
    if (auto bad = resolve_event(s, doc, e)) return tl::make_unexpected(*bad);
  }
  s.ublk.present = doc.has_section({"ublk"});
  if (s.ublk.present) fix_up(s);
  for (FioJob& job : s.workloads) fix_up(job);
  for (Program& p : s.programs) p.cgroup = group_path(p.cgroup);
  for (RingProgram& r : s.rings) r.cgroup = group_path(r.cgroup);
  if (doc.find({"run", "duration"}) == nullptr && doc.find({"run", "warmup"}) == nullptr) {
    add_note(s, "default window: " + format_time(s.run.duration_ns) + " after " + format_time(s.run.warmup_ns) +
                    " of warm-up");
  }
  if (auto bad = check(s, doc)) return tl::make_unexpected(*bad);
  return s;
}

}  // namespace wakepath::scenario
