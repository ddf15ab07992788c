// SPDX-License-Identifier: GPL-2.0-or-later
// The ftrace events of a Perfetto trace (.pftrace), in the order of time. Perfetto writes them in bundles, each of one
// CPU and in order, but bundles of several CPUs overlap: a first pass notes where each bundle is, a second one merges
// the CPUs. Memory holds that index and one bundle for each CPU.
//
// Compressed packets are unpacked into a temporary file first. Bundles that say that records were lost before them give
// a lost_events. What other data sources wrote into the trace is skipped, and counted as header lines.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/source.h"
#include "sim/trace/spool.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

// Where protobuf was not there at build time: an error that says what to install. The error is one clause.
[[nodiscard]] tl::expected<std::unique_ptr<Source>, std::string> open_perfetto(Spool file, const std::string& path,
                                                                               StringPool& pool);

}  // namespace wakepath::trace
