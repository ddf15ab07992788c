// SPDX-License-Identifier: GPL-2.0-or-later
// The table of kernel switches by version, as plain data for `wakepath kernels`.
#include "models/kernel/switches.h"
#include "python/bindings/bindings.h"

#include "models/kernel/versions.h"
#include "models/sched/sched.h"

namespace wakepath::bindings {

namespace {

py::object typed(const std::string& text, bool is_bool) {
  if (is_bool) return py::bool_(text == "true" || text == "1");
  return py::int_(std::stoll(text));
}

std::string resolve(const std::string& requested, const std::string& assume) {
  const auto r = kernel::resolve(requested, assume);
  if (!r) raise_input_error(r.error().message, "kernel version", 0, r.error().suggestion);
  return r->version;
}

py::list switches(const std::string& version) {
  const kernel::Switches values = kernel::switches_of(version);
  py::list rows;
  for (const kernel::SwitchInfo& info : kernel::switch_list()) {
    const kernel::Cell cell = kernel::cell(version, info.name);
    py::dict d;
    d["name"] = info.name;
    d["doc"] = info.doc;
    d["value"] = typed(kernel::get_switch(values, info.name), info.is_bool);
    d["grade"] = kernel::grade_name(cell.grade);
    d["source"] = cell.source;
    rows.append(d);
  }
  return rows;
}

}  // namespace

void register_kernel(py::module_& m) {
  m.def("weight_of_nice", &sched::weight_of_nice, py::arg("nice"), "Scheduler weight of a nice value; 1024 at 0.");
  m.def(
      "kernel_versions", [] { return kernel::versions(); }, "Versions that have a table, ascending.");
  m.def(
      "kernel_previous", [](const std::string& v) { return kernel::previous_version(v); }, py::arg("version"));
  m.def("kernel_resolve", &resolve, py::arg("requested"), py::arg("assume") = "", "Table a version string means.");
  m.def("kernel_switches", &switches, py::arg("version"), "Rows name, doc, value, grade, source of one version.");
  m.def(
      "kernel_differences",
      [](const std::string& a, const std::string& b) {
        py::list names;
        for (const kernel::Difference& d : kernel::differences(a, b)) names.append(d.name);
        return names;
      },
      py::arg("before"), py::arg("after"), "Switches whose value differs between two versions.");
}

}  // namespace wakepath::bindings
