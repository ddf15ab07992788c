// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/topology_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using machine::Topology;

tl::unexpected<std::string> fail(std::string text) { return tl::make_unexpected(std::move(text)); }

std::optional<std::string> first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  return line;
}

std::optional<std::vector<int>> cpu_list_of(const fs::path& file) {
  const auto line = first_line(file);
  if (!line) return std::nullopt;
  const auto cpus = parse_cpu_list(*line);
  if (!cpus || cpus->empty()) return std::nullopt;
  return *cpus;
}

// Folders named PREFIX and a number, 0 and up without a gap.
int count_numbered(const fs::path& folder, const std::string& prefix) {
  int n = 0;
  std::error_code ec;
  while (fs::is_directory(folder / (prefix + std::to_string(n)), ec)) ++n;
  return n;
}

// The CPUs that share the cache of the highest level; nothing where the kernel shows no caches.
std::optional<std::vector<int>> last_level_cache(const fs::path& cpu) {
  std::optional<std::vector<int>> best;
  int best_level = 0;
  const int caches = count_numbered(cpu / "cache", "index");
  for (int i = 0; i < caches; ++i) {
    const fs::path index = cpu / "cache" / ("index" + std::to_string(i));
    const int level = std::atoi(first_line(index / "level").value_or("0").c_str());
    if (level > best_level) best_level = level, best = cpu_list_of(index / "shared_cpu_list");
  }
  return best;
}

std::string add_sysfs_cpu(Topology& t, const fs::path& cpu, int id) {
  auto core = cpu_list_of(cpu / "topology" / "core_cpus_list");
  if (!core) core = cpu_list_of(cpu / "topology" / "thread_siblings_list");
  auto package = cpu_list_of(cpu / "topology" / "package_cpus_list");
  if (!package) package = cpu_list_of(cpu / "topology" / "core_siblings_list");
  if (!core || !package) return fmt::format("CPU {} has no topology (is it offline?)", id);
  t.core.push_back(core->front());
  t.package.push_back(package->front());
  t.llc.push_back(last_level_cache(cpu).value_or(*package).front());
  t.node.push_back(0);
  const auto capacity = first_line(cpu / "cpu_capacity");
  t.capacity.push_back(capacity ? std::atoi(capacity->c_str()) : 1024);
  return {};
}

std::string add_sysfs_nodes(Topology& t, const fs::path& folder) {
  const int nodes = count_numbered(folder, "node");
  for (int n = 0; n < nodes; ++n) {
    const fs::path node = folder / ("node" + std::to_string(n));
    const auto cpus = cpu_list_of(node / "cpulist");
    if (!cpus) return fmt::format("node {} has no CPU; memory without CPUs is not modelled", n);
    for (const int c : *cpus)
      if (c < t.cpus()) t.node[static_cast<std::size_t>(c)] = n;
    std::istringstream distances(first_line(node / "distance").value_or(""));
    for (int d = 0; distances >> d;) t.distance.push_back(d);
  }
  if (nodes == 0) t.distance = {10};
  return {};
}

int number_of(const Json& v) {
  if (v.is_number_integer()) return v.get<int>();
  if (v.is_string()) return std::atoi(v.get<std::string>().c_str());
  return 0;
}

// One row a CPU: "cpu", "node", "socket", "core" and the caches as "l1d:l1i:l2:l3".
ReadTopology from_rows(const Json& rows) {
  Topology t;
  for (const Json& row : rows) {
    if (!row.is_object() || number_of(row.value("cpu", Json())) != t.cpus())
      return fail(fmt::format("the rows of lscpu -J -e must name CPU 0, 1, 2 and so on; row {} does not", t.cpus()));
    if (row.value("online", Json(true)) == Json(false)) return fail(fmt::format("CPU {} is offline", t.cpus()));
    int llc = number_of(row.value("socket", Json(0)));
    for (const auto& [key, value] : row.items())
      if (key.find("l1d") == 0 && value.is_string()) {
        const auto text = value.get<std::string>();
        llc = std::atoi(text.substr(text.rfind(':') + 1).c_str());
      }
    t.core.push_back(number_of(row.value("core", Json(0))));
    t.package.push_back(number_of(row.value("socket", Json(0))));
    t.node.push_back(number_of(row.value("node", Json(0))));
    t.llc.push_back(llc);
    t.capacity.push_back(1024);
  }
  for (int a = 0; a < t.nodes(); ++a)
    for (int b = 0; b < t.nodes(); ++b) t.distance.push_back(a == b ? 10 : 20);
  return t;
}

void collect_fields(const Json& list, std::map<std::string, std::string>& out) {
  for (const Json& f : list) {
    if (!f.is_object()) continue;
    if (f.contains("field") && f.contains("data") && f["field"].is_string() && f["data"].is_string())
      out[f["field"].get<std::string>()] = f["data"].get<std::string>();
    if (f.contains("children")) collect_fields(f["children"], out);
  }
}

// The summary: counts, and the CPUs of each node.
ReadTopology from_summary(const Json& list) {
  std::map<std::string, std::string> fields;
  collect_fields(list, fields);
  const auto number = [&](const char* name, int otherwise) {
    const auto it = fields.find(name);
    return it == fields.end() ? otherwise : std::max(1, std::atoi(it->second.c_str()));
  };
  machine::RegularTopology r;
  r.cpus = number("CPU(s):", 0);
  if (r.cpus < 1) return fail("there is no field \"CPU(s):\"");
  r.threads_per_core = number("Thread(s) per core:", 1);
  r.packages = number("Socket(s):", 1);
  for (const char* name : {"L3:", "L3 cache:"}) {
    const auto it = fields.find(name);
    if (it == fields.end()) continue;
    if (const auto at = it->second.find('('); at != std::string::npos)
      r.cores_per_llc = r.cpus / r.threads_per_core / std::max(1, std::atoi(it->second.c_str() + at + 1));
  }
  if (const auto bad = topology_error(r); !bad.empty()) return fail(bad);
  Topology t = machine::make_topology(r);
  const int nodes = number("NUMA node(s):", 1);
  for (int n = 0; n < nodes; ++n) {
    const auto it = fields.find(fmt::format("NUMA node{} CPU(s):", n));
    const auto cpus = it == fields.end() ? parse_cpu_list("") : parse_cpu_list(it->second);
    if (!cpus) continue;
    for (const int c : *cpus)
      if (c < t.cpus()) t.node[static_cast<std::size_t>(c)] = n;
  }
  t.distance.clear();
  for (int a = 0; a < nodes; ++a)
    for (int b = 0; b < nodes; ++b) t.distance.push_back(a == b ? 10 : 20);
  return t;
}

}  // namespace

ReadTopology topology_from_sysfs(const std::string& folder) {
  fs::path cpus = folder;
  if (fs::is_directory(cpus / "cpu")) cpus /= "cpu";
  const int n = count_numbered(cpus, "cpu");
  if (n == 0) return fail(fmt::format("there is no cpu0 in {}", cpus.string()));
  Topology t;
  for (int c = 0; c < n; ++c)
    if (const auto bad = add_sysfs_cpu(t, cpus / ("cpu" + std::to_string(c)), c); !bad.empty()) return fail(bad);
  if (const auto bad = add_sysfs_nodes(t, cpus / ".." / "node"); !bad.empty()) return fail(bad);
  return t;
}

ReadTopology topology_from_lscpu(const std::string& json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_object() && parsed.contains("cpus") && parsed["cpus"].is_array()) return from_rows(parsed["cpus"]);
  if (parsed.is_object() && parsed.contains("lscpu") && parsed["lscpu"].is_array())
    return from_summary(parsed["lscpu"]);
  return fail("this is not what lscpu -J prints");
}

}  // namespace wakepath::scenario
