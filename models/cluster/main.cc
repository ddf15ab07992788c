// SPDX-License-Identifier: GPL-2.0-or-later
// wakepath_cluster: one fleet in a process of its own, because SimGrid's engine is one a process. Reads a request as
// JSON from standard input, writes the result to standard output; `wakepath cluster` is its user.
//
// Request: {"file", "sets": [], "search_dirs": [], "machine", "kernel", "seed", "duration", "warmup", "progress":
// bool, "alone": bool, "threads": as many as the CPUs that it may use}. Lines of standard error: {"progress": share}
// and, with exit status 2, {"error": {file, line, message, suggestion}}.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include <sched.h>

#include "models/cluster/fleet.h"

namespace {

using namespace wakepath;
using nlohmann::json;

scenario::LoadOptions options_of(const json& request) {
  scenario::LoadOptions o;
  o.sets = request.value("sets", std::vector<std::string>{});
  o.search_dirs = request.value("search_dirs", std::vector<std::string>{});
  const auto text = [&](const char* name, std::optional<std::string>& out) {
    if (request.contains(name) && request[name].is_string()) out = request[name].get<std::string>();
  };
  text("machine", o.machine_file);
  text("kernel", o.kernel);
  text("seed", o.seed);
  text("duration", o.duration);
  text("warmup", o.warmup);
  return o;
}

int usable_cpus() {
  cpu_set_t mask;
  return sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
}

int refuse(const scenario::Error& e) {
  const json line{
      {"error", {{"file", e.file}, {"line", e.line}, {"message", e.message}, {"suggestion", e.suggestion}}}};
  std::cerr << line.dump() << std::endl;
  return 2;
}

}  // namespace

int main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const json request = json::parse(text, nullptr, false);
  if (!request.is_object() || !request.contains("file")) return refuse({"request", 0, "not a request", {}});
  try {
    const auto conf = cluster::load_cluster(request["file"].get<std::string>(), options_of(request));
    if (!conf) return refuse(conf.error());
    if (request.value("check", false)) return 0;
    cluster::Fleet fleet(*conf, request.value("threads", usable_cpus()));
    const bool alone = request.value("alone", false);
    if (alone) fleet.keep_inboxes();
    const bool tell = request.value("progress", false);
    fleet.run([&](double share) {
      if (tell) std::cerr << "{\"progress\": " << share << "}" << std::endl;
      return true;
    });
    if (alone) fleet.run_alone();
    std::cout << fleet.result().dump() << std::endl;
    std::cout.flush();
    std::_Exit(0);  // SimGrid's own end would look at transfers under way
  } catch (const scenario::Error& e) {
    return refuse(e);
  }
}
