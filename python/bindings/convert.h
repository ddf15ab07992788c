// SPDX-License-Identifier: GPL-2.0-or-later
// Plain structs of the models as Python dicts, shared by the register_*.cc files.
#pragma once

#include <pybind11/pybind11.h>

#include "models/machine/costs.h"
#include "models/scenario/scenario.h"

namespace wakepath::bindings {

pybind11::dict cost_dict(const machine::Cost& c);
pybind11::dict cost_table_dict(const machine::CostTable& table);
pybind11::dict scenario_dict(const scenario::Scenario& s);

}  // namespace wakepath::bindings
