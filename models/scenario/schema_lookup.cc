// SPDX-License-Identifier: GPL-2.0-or-later
// Finding a key by what the user wrote: exact, by alias, with or without _ns; and saying which key was meant otherwise.
#include <algorithm>

#include "models/kernel/versions.h"
#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"

namespace wakepath::scenario {
namespace {

struct Alias {
  Path from, to;  // "*" stands for the same part on both sides
};

const std::vector<Alias>& aliases() {
  static const std::vector<Alias> all{
      {{"cgroup", "*", "weight"}, {"cgroup", "*", "cpu", "weight"}},
      {{"cgroup", "*", "shares"}, {"cgroup", "*", "cpu", "shares"}},
      {{"cgroup", "*", "idle"}, {"cgroup", "*", "cpu", "idle"}},
      {{"cgroup", "*", "cpu.weight"}, {"cgroup", "*", "cpu", "weight"}},
      {{"cgroup", "*", "cpu.shares"}, {"cgroup", "*", "cpu", "shares"}},
      {{"cgroup", "*", "cpu.idle"}, {"cgroup", "*", "cpu", "idle"}},
      {{"cgroup", "*", "cpu.max"}, {"cgroup", "*", "cpu", "max"}},
      {{"cgroup", "*", "cpu.max.burst"}, {"cgroup", "*", "cpu", "max_burst"}},
      {{"cgroup", "*", "cpu", "max", "burst"}, {"cgroup", "*", "cpu", "max_burst"}},
      {{"cgroup", "*", "cpu", "max.burst"}, {"cgroup", "*", "cpu", "max_burst"}},
      {{"block", "nr_requests"}, {"block", "queue_depth"}},
      {{"workload", "*", "readwrite"}, {"workload", "*", "rw"}},
      {{"workload", "*", "blocksize"}, {"workload", "*", "bs"}},
      {{"workload", "*", "iodepth_batch"}, {"workload", "*", "iodepth_batch_submit"}},
      {{"workload", "*", "iodepth_batch_complete"}, {"workload", "*", "iodepth_batch_complete_min"}},
      {{"workload", "*", "start_delay"}, {"workload", "*", "startdelay"}},
  };
  return all;
}

bool matches(const Path& pattern, const Path& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern[i] != "*" && pattern[i] != path[i]) return false;
  }
  return true;
}

const Key* exact(const Path& path) {
  for (const Key& k : schema()) {
    if (matches(k.parts, path)) return &k;
  }
  return nullptr;
}

bool is_time(Type t) { return t == Type::time_ns || t == Type::dist || t == Type::duration; }

}  // namespace

Lookup find_key(const Path& path) {
  if (const Key* k = exact(path)) return {k, path, UnitRule::of_key};
  for (const Alias& a : aliases()) {
    if (!matches(a.from, path)) continue;
    Path to = a.to;
    for (std::size_t i = 0; i < to.size(); ++i) {
      if (to[i] == "*") to[i] = path[i];
    }
    return {exact(to), to, UnitRule::of_key};
  }
  // A time may be named with or without its unit: device.latency = "60us", run.duration_ns = 5000000000.
  Path other = path;
  std::string& last = other.back();
  const bool has_ns = last.size() > 3 && last.compare(last.size() - 3, 3, "_ns") == 0;
  if (has_ns)
    last.resize(last.size() - 3);
  else
    last += "_ns";
  if (const Key* k = exact(other); k != nullptr && is_time(k->type) && k->part != Part::costs) {
    return {k, other, has_ns ? UnitRule::bare_is_ns : UnitRule::needs_unit};
  }
  return {};
}

bool is_section(const Path& path) {
  for (const Key& k : schema()) {
    if (k.parts.size() <= path.size()) continue;
    if (matches(Path(k.parts.begin(), k.parts.begin() + static_cast<std::ptrdiff_t>(path.size())), path)) return true;
  }
  return false;
}

static bool is_alike(const std::string& a, const std::string& b) {
  return edit_distance(a, b) * 2 <= std::max(a.size(), b.size());
}

Error unknown_key(const Path& path, Error where) {
  // Candidates are the schema's keys and sections of this length, with the user's own names put in where they stand.
  // Of those that are compared whole each part must be alike: a long section would else outweigh another key.
  std::vector<std::string> names, alike;
  for (const Key& k : schema()) {
    Path candidate = k.parts;
    if (candidate.size() > path.size()) candidate.resize(path.size());
    for (std::size_t i = 0; i < candidate.size(); ++i) {
      if (candidate[i] == "*" && i < path.size()) candidate[i] = path[i];
    }
    names.push_back(join_path(candidate));
    if (std::equal(path.begin(), path.end(), candidate.begin(), candidate.end(), is_alike))
      alike.push_back(names.back());
  }
  const std::string written = join_path(path);
  std::string near;
  // A typo in the last part is likelier than one in the section: look among the siblings first.
  std::vector<std::string> siblings;
  const std::string parent = written.substr(0, written.size() - join_path({path.back()}).size());
  for (const auto& n : names) {
    if (!parent.empty() && n.rfind(parent, 0) == 0) siblings.push_back(n);
  }
  if (!siblings.empty()) {
    std::vector<std::string> last;
    for (const auto& s : siblings) last.push_back(s.substr(parent.size()));
    near = nearest(path.back(), last);
    if (!near.empty()) near = parent + near;
  }
  if (near.empty()) near = nearest(written, alike);
  if (near.empty() && path.size() > 1) {  // the right name in the wrong section
    for (const Key& k : schema()) {
      if (k.parts.back() == path.back()) near = k.pattern;
    }
  }
  where.message = "unknown key '" + written + "'";
  where.suggestion = near.empty() ? "wakepath explain lists the keys" : "did you mean '" + near + "'?";
  if (path.size() > 1 && path[0] == "cgroup" && near.empty()) {
    where.suggestion =
        "a group's keys are cpu.weight, cpu.shares, cpu.idle, cpu.max, cpu.max_burst, cpu.max_phase, parent; a name "
        "with "
        "dots or / is quoted";
  }
  return where;
}

std::string_view type_unit(Type t) {
  switch (t) {
    case Type::duration:
      return "time with unit";
    case Type::time_ns:
    case Type::dist:
      return "ns";
    case Type::fio_us:
      return "us";
    case Type::fio_s:
      return "s";
    case Type::fio_size:
      return "bytes";
    default:
      return "";
  }
}

std::string type_text(const Key& k) {
  switch (k.type) {
    case Type::boolean:
      return "true or false";
    case Type::integer: {
      if (k.low >= k.high) return "integer";
      const bool open = k.high >= 1 << 30;
      return "integer" +
             (open ? " from " + std::to_string(k.low) : " " + std::to_string(k.low) + ".." + std::to_string(k.high));
    }
    case Type::real:
      return "number";
    case Type::text:
      return "string";
    case Type::choice: {
      std::string out = "one of";
      for (const auto& c : k.choices) out += " " + c;
      return out;
    }
    case Type::duration:
      return "time with unit, \"500ms\"";
    case Type::time_ns:
      return "integer, or time with unit";
    case Type::fio_us:
    case Type::fio_s:
      return "time as fio reads it";
    case Type::fio_size:
      return "size as fio reads it, \"4k\"";
    case Type::cpus:
      return "list of CPUs, [0, 2] or \"0,2-3\"";
    case Type::ids:
      return "list of integers";
    case Type::dist:
      return "integer, time with unit, or {low=, high=}, {mean=, kind=\"exponential\"}, {quantiles=[...]}";
    case Type::list:
      return "list of strings";
    case Type::any:
      if (k.parts.size() < 3) return "string";
      for (const auto& one : kernel::switch_list())
        if (one.name == k.parts.back() && !one.is_bool) return "integer, ns";
      return "true or false";  // a switch
  }
  return "";
}

}  // namespace wakepath::scenario
