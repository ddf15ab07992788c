// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/event.h"

#include <algorithm>

#include "models/kernel/switches.h"
#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

using MaybeError = std::optional<Error>;

constexpr const char* kWhat =
    "an event sets cgroup.PATH.cpu.weight, shares, idle, max or max_burst, task.GLOB.nice, slice or policy, or "
    "recorder=on";

MaybeError check_group(const Scenario& s, Event& e, const Key& key, const Entry& place) {
  static const std::pair<const char*, Event::What> files[] = {{"weight", Event::What::cpu_weight},
                                                              {"shares", Event::What::cpu_shares},
                                                              {"idle", Event::What::cpu_idle},
                                                              {"max", Event::What::cpu_max},
                                                              {"max_burst", Event::What::cpu_max_burst}};
  const auto file = std::find_if(std::begin(files), std::end(files),
                                 [&](const auto& f) { return key.parts.size() == 4 && key.parts[3] == f.first; });
  if (file == std::end(files)) return place.error("event " + e.name + " cannot set this", kWhat);
  e.what = file->second;
  std::vector<std::string> names;
  for (const Cgroup& g : s.cgroups) names.push_back(g.path);
  if (std::find(names.begin(), names.end(), e.group.path) == names.end()) {
    const std::string near = did_you_mean(e.group.path, names);
    return place.error("event " + e.name + ": unknown cgroup '" + e.group.path + "'",
                       near.empty() ? "declare it: [" + join_path({"cgroup", e.group.path}) + "]" : near);
  }
  if (e.what == Event::What::cpu_max) {
    const auto parsed = parse_cpu_max(e.group.cpu_max);
    if (!parsed) return place.error("event " + e.name + ": " + parsed.error().message, parsed.error().suggestion);
    if (parsed->quota_us >= 0) e.group.max.quota_us = parsed->quota_us;
    e.group.max.period_us = parsed->period_us;
  }
  return std::nullopt;
}

}  // namespace

MaybeError resolve_event(const Scenario& s, const Document& doc, Event& e) {
  const Entry* place = doc.find({"event", e.name, "set"});
  if (place == nullptr) {
    Error nothing{s.file, 0, "event " + e.name + " changes nothing", "add " + join_path({"event", e.name, "set"})};
    if (const Entry* at = doc.find({"event", e.name, "at"})) nothing.file = at->file, nothing.line = at->line;
    return nothing;
  }
  if (e.set == kRecorderOn) return std::nullopt;
  const auto layer = read_set(e.set);
  if (!layer) return place->error("event " + e.name + ": " + layer.error().message, layer.error().suggestion);
  const Entry& change = layer->entries.front();
  const Lookup found = find_key(change.path);
  const bool of_group = found.key != nullptr && found.key->part == Part::cgroup;
  const bool of_task = found.key != nullptr && found.key->part == Part::task && change.path.back() != "at";
  if (layer->entries.size() != 1 || (!of_group && !of_task)) {
    return place->error("event " + e.name + " cannot set " + join_path(change.path), kWhat);
  }
  e.group.path = e.task.glob = change.path[1];
  void* const part = of_group ? static_cast<void*>(&e.group) : &e.task;
  if (auto bad = assign(*found.key, found.key->field(part), change)) {
    return place->error("event " + e.name + ": " + bad->message, bad->suggestion);
  }
  if (of_group) return check_group(s, e, *found.key, *place);
  e.what = Event::What::task;
  if (e.task.slice_ns && !s.kernel.switches->custom_slice) {
    return place->error("kernel " + s.kernel.version + " has no slice of a task's own", "it came with 6.12");
  }
  return std::nullopt;
}

}  // namespace wakepath::scenario
