// SPDX-License-Identifier: GPL-2.0-or-later
// scenario_dict: the parts of a scenario that results, baselines and reports speak about.
#include "python/bindings/convert.h"

#include <pybind11/stl.h>

namespace wakepath::bindings {

namespace py = pybind11;

namespace {

const char* preempt_name(scenario::Preempt p) {
  switch (p) {
    case scenario::Preempt::none:
      return "none";
    case scenario::Preempt::voluntary:
      return "voluntary";
    case scenario::Preempt::full:
      return "full";
    case scenario::Preempt::lazy:
      return "lazy";
  }
  return "none";
}

py::dict kernel_dict(const scenario::Kernel& k) {
  py::dict d;
  d["version"] = k.version;
  d["requested"] = k.requested;
  d["assumed"] = k.assumed;
  d["changed"] = k.changed;
  d["hz"] = k.hz;
  d["preempt"] = preempt_name(k.preempt);
  d["irq_time_accounting"] = k.irq_time_accounting;
  return d;
}

py::dict device_dict(const scenario::Device& v) {
  py::dict d;
  d["law"] = v.law;
  d["servers"] = v.servers;
  d["service_ns"] = cost_dict(v.service_ns);
  d["latency_ns"] = cost_dict(v.latency_ns);
  d["read_service_ns"] = cost_dict(v.read_service_ns);
  d["grid_ns"] = v.grid_ns;
  d["iops_cap"] = v.iops_cap;
  d["cap_burst"] = v.cap_burst;
  d["coalesce_n"] = v.coalesce_n;
  d["coalesce_ns"] = v.coalesce_ns;
  d["copies_data"] = v.copies_data;
  d["source"] = v.source;
  return d;
}

py::dict workload_dict(const scenario::FioJob& j) {
  py::dict d;
  d["name"] = j.name;
  d["rw"] = j.rw;
  d["ioengine"] = j.ioengine;
  d["bs"] = j.bs;
  d["iodepth"] = j.iodepth;
  d["iodepth_batch_submit"] = j.iodepth_batch_submit;
  d["iodepth_batch_complete_min"] = j.iodepth_batch_complete_min;
  d["iodepth_batch_complete_max"] = j.iodepth_batch_complete_max;
  d["numjobs"] = j.numjobs;
  d["cpus_allowed"] = j.cpus_allowed;
  d["nice"] = j.nice;
  d["cgroup"] = j.cgroup;
  return d;
}

py::dict cgroup_dict(const scenario::Cgroup& g) {
  py::dict d;
  d["path"] = g.path;
  d["parent"] = g.parent;
  d["cpu_weight"] = g.cpu_weight;
  d["cpu_shares"] = g.cpu_shares;
  d["cpu_idle"] = g.cpu_idle;
  if (!g.cpu_max.empty()) d["cpu_max"] = g.cpu_max;
  return d;
}

}  // namespace

py::dict scenario_dict(const scenario::Scenario& s) {
  py::dict d;
  d["name"] = s.name;
  d["title"] = s.title;
  d["file"] = s.file;
  d["notes"] = s.notes;
  d["kernel"] = kernel_dict(s.kernel);
  py::dict machine;
  machine["platform"] = s.machine.platform;
  machine["source"] = s.machine.source;
  machine["cpus"] = s.machine.cpus;
  d["machine"] = machine;
  d["device"] = device_dict(s.device);
  py::dict fs;
  fs["type"] = s.fs.type;
  fs["written"] = s.fs.written;
  d["fs"] = fs;
  py::list cgroups, workloads, programs;
  for (const auto& g : s.cgroups) cgroups.append(cgroup_dict(g));
  for (const auto& j : s.workloads) workloads.append(workload_dict(j));
  for (const auto& p : s.programs) programs.append(p.name);
  d["cgroups"] = cgroups;
  d["workloads"] = workloads;
  d["programs"] = programs;
  py::list rules;
  for (const auto& r : s.task_rules) {
    py::dict rule;
    rule["glob"] = r.glob;
    rule["nice"] = r.nice;
    rules.append(rule);
  }
  d["task_rules"] = rules;
  d["costs"] = cost_table_dict(s.costs);
  py::dict run;
  run["duration_ns"] = s.run.duration_ns;
  run["warmup_ns"] = s.run.warmup_ns;
  run["seed"] = s.run.seed;
  run["samples"] = s.run.samples;
  d["run"] = run;
  return d;
}

}  // namespace wakepath::bindings
