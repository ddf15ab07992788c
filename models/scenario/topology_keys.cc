// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/topology_keys.h"

#include <filesystem>

#include "models/block/queue_map.h"
#include "models/scenario/topology_files.h"

namespace wakepath::scenario {
namespace {

using MaybeError = std::optional<Error>;
using machine::Topology;

// At the key, or at the first key of its section that is there.
Error at(const Scenario& s, const Document& doc, const Path& path, std::string message, std::string suggestion) {
  if (const Entry* e = doc.find(path)) return e->error(std::move(message), std::move(suggestion));
  for (const Entry& e : doc.entries())
    if (e.path.size() > 2 && e.path[0] == path[0] && e.path[1] == path[1])
      return e.error(std::move(message), std::move(suggestion));
  if (const Entry* e = doc.find({"machine", "cpus"})) return e->error(std::move(message), std::move(suggestion));
  return {s.file, 0, std::move(message), std::move(suggestion)};
}

Path topology(const char* key) { return {"machine", "topology", key}; }

Result<Topology> from_files(Scenario& s, const Document& doc) {
  TopologyKeys& k = s.machine.topology;
  const bool sysfs = !k.sysfs.empty();
  const Path path = topology(sysfs ? "sysfs" : "lscpu");
  const Entry* named = doc.find(path);
  namespace fs = std::filesystem;
  fs::path file = sysfs ? k.sysfs : k.lscpu;
  std::error_code ec;
  if (named != nullptr && file.is_relative()) {
    const fs::path beside = fs::path(named->file).parent_path() / file;
    if (fs::exists(beside, ec)) file = beside;
  }
  ReadTopology read;
  if (sysfs) {
    read = topology_from_sysfs(file.string());
  } else {
    const auto text = read_file(file.string(), named != nullptr ? named->error({}) : Error{s.file, 0, {}, {}});
    if (!text) return tl::make_unexpected(text.error());
    read = topology_from_lscpu(*text);
  }
  if (!read)
    return tl::make_unexpected(
        at(s, doc, path, join_path(path) + ": " + read.error(),
           sysfs ? "copy /sys/devices/system/cpu and node with their folders" : "make it with: lscpu -J -e > FILE"));
  if (doc.find({"machine", "cpus"}) == nullptr) s.machine.cpus = read->cpus();
  return *read;
}

Result<Topology> from_lists(const Scenario& s, const Document& doc) {
  const TopologyKeys& k = s.machine.topology;
  Topology t;
  const auto n = static_cast<std::size_t>(s.machine.cpus);
  const auto or_all_same = [&](const std::vector<int>& given, int value) {
    return given.empty() ? std::vector<int>(n, value) : given;
  };
  t.core = k.core;
  if (t.core.empty())
    for (std::size_t c = 0; c < n; ++c) t.core.push_back(static_cast<int>(c));
  t.package = or_all_same(k.package, 0);
  t.node = or_all_same(k.node, 0);
  t.llc = !k.llc.empty() ? k.llc : t.package;
  t.capacity = or_all_same(k.capacity, 1024);
  for (const auto& [key, list] :
       {std::pair{"core", &t.core}, std::pair{"llc", &t.llc}, std::pair{"package", &t.package},
        std::pair{"node", &t.node}, std::pair{"capacity", &t.capacity}})
    if (list->size() != n)
      return tl::make_unexpected(at(s, doc, topology(key),
                                    "machine.topology." + std::string(key) + " names " + std::to_string(list->size()) +
                                        " CPUs, the machine has " + std::to_string(n),
                                    "give one number for each CPU, or set machine.cpus"));
  return t;
}

Result<Topology> from_numbers(const Scenario& s, const Document& doc) {
  const TopologyKeys& k = s.machine.topology;
  machine::RegularTopology r;
  r.cpus = s.machine.cpus;
  r.threads_per_core = k.threads_per_core.value_or(1);
  r.cores_per_llc = k.cores_per_llc.value_or(0);
  r.packages = k.packages.value_or(1);
  r.nodes = k.nodes.value_or(1);
  r.threads_adjacent = k.numbering == "threads_adjacent";
  const std::string bad = machine::topology_error(r);
  if (!bad.empty())
    return tl::make_unexpected(at(s, doc, topology("threads_per_core"), "machine.topology: " + bad,
                                  "machine.cpus = threads x cores x packages; or list core, llc, package, node"));
  return machine::make_topology(r);
}

// From here on the lists hold, so that a result repeats without the files.
void keep_lists(TopologyKeys& k, const Topology& t) {
  k = {};
  k.core = t.core;
  k.llc = t.llc;
  k.package = t.package;
  k.node = t.node;
  if (t.capacity != std::vector<int>(t.capacity.size(), 1024)) k.capacity = t.capacity;
  if (t.nodes() > 1) k.node_distance = t.distance;
}

MaybeError check_queue_map(const Scenario& s, const Document& doc) {
  if (s.block.queue_map.empty()) return std::nullopt;
  const auto m = block::map_from_list(s.block.queue_map, s.block.hw_queues);
  const std::string bad = block::queue_map_error(m, s.machine.cpus);
  if (bad.empty()) return std::nullopt;
  return at(s, doc, {"block", "queue_map"}, "block.queue_map: " + bad,
            "give one queue from 0 to block.hw_queues - 1 for each CPU, or leave it out");
}

}  // namespace

MaybeError resolve_topology(Scenario& s, const Document& doc) {
  TopologyKeys& k = s.machine.topology;
  const bool files = !k.sysfs.empty() || !k.lscpu.empty();
  const bool lists = !k.core.empty() || !k.llc.empty() || !k.package.empty() || !k.node.empty();
  const bool numbers = k.threads_per_core || k.cores_per_llc || k.packages || k.nodes || !k.numbering.empty();
  if ((files ? 1 : 0) + (lists ? 1 : 0) + (numbers ? 1 : 0) > 1 || (!k.sysfs.empty() && !k.lscpu.empty()))
    return at(s, doc, topology("core"), "machine.topology is given in two ways",
              "give counts (threads_per_core, ...), lists (core, llc, ...), or one file (sysfs, lscpu)");
  auto t = files ? from_files(s, doc) : lists ? from_lists(s, doc) : from_numbers(s, doc);
  if (!t) return t.error();
  if (!files && !k.node_distance.empty()) t->distance = k.node_distance;
  if (lists && k.node_distance.empty())
    for (int a = 0; a < t->nodes(); ++a)
      for (int b = 0; b < t->nodes(); ++b) t->distance.push_back(a == b ? 10 : 20);
  if (!files && !lists && !k.capacity.empty()) t->capacity = k.capacity;
  if (t->cpus() != s.machine.cpus)
    return at(s, doc, {"machine", "cpus"},
              "machine.cpus is " + std::to_string(s.machine.cpus) + ", the topology has " + std::to_string(t->cpus()),
              "leave machine.cpus out, or correct it");
  if (const auto bad = machine::topology_error(*t); !bad.empty())
    return at(s, doc, topology("core"), "machine.topology: " + bad, "such a machine cannot exist");
  s.machine.resolved = std::move(*t);
  if (files) keep_lists(k, s.machine.resolved);
  return check_queue_map(s, doc);
}

}  // namespace wakepath::scenario
