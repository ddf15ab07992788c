// SPDX-License-Identifier: GPL-2.0-or-later
// Cost tables and random quantities as plain Python dicts: read here, changed through --set lines only.
#include "python/bindings/bindings.h"
#include "python/bindings/convert.h"

#include "models/machine/costs.h"

namespace wakepath::bindings {

namespace {

const char* kind_name(machine::Cost::Kind kind) {
  switch (kind) {
    case machine::Cost::Kind::constant:
      return "constant";
    case machine::Cost::Kind::uniform:
      return "uniform";
    case machine::Cost::Kind::exponential:
      return "exponential";
    case machine::Cost::Kind::quantiles:
      return "quantiles";
  }
  return "constant";
}

}  // namespace

py::dict cost_dict(const machine::Cost& c) {
  py::dict d;
  d["kind"] = kind_name(c.kind);
  d["ns"] = c.ns;
  d["low"] = c.low;
  d["high"] = c.high;
  d["quantiles"] = c.kind == machine::Cost::Kind::quantiles
                       ? py::cast(std::vector<std::int64_t>(c.q.begin(), c.q.end()))
                       : py::object(py::list());
  d["mean_ns"] = c.mean_ns();
  d["estimate"] = c.estimate;
  d["source"] = c.source;
  return d;
}

py::dict cost_table_dict(const machine::CostTable& table) {
  py::dict entries;
  for (std::size_t i = 0; i < machine::kCostCount; ++i)
    entries[machine::cost_name(static_cast<machine::CostId>(i))] = cost_dict(table.entries[i]);
  py::dict d;
  d["name"] = table.name;
  d["source"] = table.source;
  d["entries"] = entries;
  return d;
}

void register_costs(py::module_& m) {
  m.def(
      "cost_names",
      [] {
        py::dict names;
        for (std::size_t i = 0; i < machine::kCostCount; ++i) {
          const auto id = static_cast<machine::CostId>(i);
          names[machine::cost_name(id)] = machine::cost_text(id);
        }
        return names;
      },
      "Name and meaning of every entry of a cost table, in order.");
}

}  // namespace wakepath::bindings
