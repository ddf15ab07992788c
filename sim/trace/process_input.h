// SPDX-License-Identifier: GPL-2.0-or-later
// What another program prints, as an Input. No shell is involved. A program that ends with a status other than 0 is an
// error at the end of its output, with the first line that it said on standard error.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "sim/trace/input.h"
#include "sim/trace/spool.h"

namespace wakepath::trace {

// `file` (may be empty) lives as long as the program reads it. The error is one clause.
[[nodiscard]] tl::expected<std::unique_ptr<Input>, std::string> run_program(const std::vector<std::string>& command,
                                                                            std::unique_ptr<Spool> file);

// `perf script --ns` of a perf.data file; without perf, an error that says how to install it.
[[nodiscard]] tl::expected<std::unique_ptr<Input>, std::string> perf_script(Spool file, bool call_chains);

}  // namespace wakepath::trace
