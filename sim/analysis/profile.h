// SPDX-License-Identifier: GPL-2.0-or-later
// One pass over a trace for a replay: its programs and requests (io_program.h) and where CPU time went (cpu_time.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/error.h"

namespace wakepath::analysis {

// {"programs", "time", "shortest", "trace"}. `shortest`: the least time between two records of a CPU in one context,
// for plain and for scheduler records: what writing one costs at most.
[[nodiscard]] tl::expected<nlohmann::json, trace::Error> profile_file(const std::string& path);

}  // namespace wakepath::analysis
