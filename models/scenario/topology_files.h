// SPDX-License-Identifier: GPL-2.0-or-later
// The topology of a real machine from its own files: the CPU and node folders of sysfs, or what lscpu prints as JSON.
#pragma once

#include <string>
#include <tl/expected.hpp>

#include "models/machine/topology.h"

namespace wakepath::scenario {

using ReadTopology = tl::expected<machine::Topology, std::string>;  // or what is wrong with the files

ReadTopology topology_from_sysfs(const std::string& folder);  // .../system, or .../system/cpu
ReadTopology topology_from_lscpu(const std::string& json);    // lscpu -J -e, or lscpu -J

}  // namespace wakepath::scenario
