// SPDX-License-Identifier: GPL-2.0-or-later
// trace.dat of trace-cmd, read with its own library (libtracecmd) in a child process (record_pipe.h). Fields are taken
// from the records' binary form by the names in the file's own format descriptions; words that a number stands for
// (prev_state, an interrupt's target) are taken as the file's print format prints them.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/source.h"
#include "sim/trace/spool.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

// Where the library was not there at build time: an error that says what to install. The error is one clause.
[[nodiscard]] tl::expected<std::unique_ptr<Source>, std::string> open_trace_dat(Spool file, const std::string& path,
                                                                                StringPool& pool);

}  // namespace wakepath::trace
