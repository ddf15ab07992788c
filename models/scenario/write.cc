// SPDX-License-Identifier: GPL-2.0-or-later
// A resolved scenario as TOML, in the order of the schema, byte for byte the same for the same scenario.
#include "models/scenario/scenario_io.h"
#include "models/scenario/schema.h"

namespace wakepath::scenario {
namespace {

class Writer {
 public:
  explicit Writer(const Scenario& s) : s_(s) {}  // a copy: fields are reached through the schema's mutable references

  std::string text() {
    keys(Part::scenario, &s_, 0);
    kernel();
    section("machine", Part::machine, &s_.machine);
    section("block", Part::block, &s_.block);
    section("device", Part::device, &s_.device);
    section("fs", Part::fs, &s_.fs);
    if (s_.ublk.present) ublk();
    section("vm", Part::vm, &s_.vm);
    section("dio_wq", Part::dio_wq, &s_.dio_wq);
    for (Cgroup& g : s_.cgroups) {
      const auto slash = g.path.rfind('/');
      if (slash != std::string::npos && g.parent == g.path.substr(0, slash)) g.parent.clear();
      section(join_path({"cgroup", g.path}), Part::cgroup, &g);
    }
    for (FioJob& job : s_.workloads) {
      if (job.iodepth_low == job.iodepth) job.iodepth_low = 0;  // so that another iodepth carries it along
      section(join_path({"workload", job.name}), Part::workload, &job);
    }
    for (Program& p : s_.programs) section(join_path({"program", p.name}), Part::program, &p);
    for (RingProgram& r : s_.rings) section(join_path({"ring", r.name}), Part::ring, &r);
    for (TaskRule& t : s_.task_rules) section(join_path({"task", t.glob}), Part::task, &t);
    for (Event& e : s_.events) section(join_path({"event", e.name}), Part::event, &e);
    section("run", Part::run, &s_.run);
    costs();
    return std::move(out_);
  }

 private:
  void line(const std::string& key, const std::string& value) { out_ += key + " = " + value + "\n"; }

  static std::string key_name(const Key& k, std::size_t depth) {
    return join_path(Path(k.parts.begin() + static_cast<std::ptrdiff_t>(depth), k.parts.end()));
  }

  void keys(Part part, void* object, std::size_t depth) {
    for (const Key& k : schema()) {
      if (k.part != part || k.field == nullptr) continue;
      const Ref field = k.field(object);
      const auto value = format(k, field);
      if (!value || *value == "\"\"" || (k.pattern == "notes" && *value == "[]"))
        continue;  // nothing is said by leaving it out
      line(key_name(k, depth), *value);
    }
  }

  void section(const std::string& name, Part part, void* object) {
    out_ += "\n[" + name + "]\n";
    std::size_t depth = 1;
    for (const Part named : {Part::cgroup, Part::workload, Part::program, Part::ring, Part::task, Part::event})
      if (part == named) depth = 2;
    keys(part, object, depth);
  }

  // What followed from other keys is left out, so that it follows from them again when they are changed.
  void ublk() {
    Ublk& u = s_.ublk;
    if (u.threads == u.queues) u.threads = 0;
    if (u.owners == (u.per_io_daemon ? "kublk" : "queue")) u.owners.clear();
    section("ublk", Part::ublk, &u);
    for (FioJob& job : s_.workloads)
      if (job.disk == "ublk") job.disk.clear();
  }

  void kernel() {
    out_ += "\n[kernel]\n";
    line("version", toml_string(s_.kernel.requested));
    if (!s_.kernel.assumed.empty()) line("assume", toml_string(s_.kernel.assumed));
    keys(Part::kernel, &s_.kernel, 1);
    for (const auto& change : s_.kernel.changed) {
      const auto equals = change.find('=');
      line("switches." + change.substr(0, equals), change.substr(equals + 1));
    }
  }

  void costs() {
    section("costs", Part::costs, &s_.costs);
    for (std::size_t i = 0; i < machine::kCostCount; ++i) {
      const machine::Cost& c = s_.costs.entries[i];
      if (c.set) line(machine::cost_name(static_cast<machine::CostId>(i)), format_dist(c));
    }
  }

  Scenario s_;
  std::string out_;
};

}  // namespace

std::string to_toml(const Scenario& s) { return Writer(s).text(); }

}  // namespace wakepath::scenario
