// SPDX-License-Identifier: GPL-2.0-or-later
// Lockstep of the scheduler model with a recorded kernel: a trace file and its setting in, agreement by kind of
// decision out, as JSON.
//
// The setting, as JSON: {"kernel": "6.1", "switches": {NAME: VALUE}, "cpus", "hz", "tunables": {NAME_ns: int},
// "groups":
// [{"name", "shares", "tasks": [comm]}], "changed": {"switches": {...}, "tunables": {...}, "groups": [...]}}. `changed`
// asks for the counterfactual: a second model with these laid over the first, over the same steps.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/error.h"

namespace wakepath::verify {

[[nodiscard]] tl::expected<nlohmann::json, trace::Error> verify_file(const std::string& path,
                                                                     const std::string& setting_json);

}  // namespace wakepath::verify
