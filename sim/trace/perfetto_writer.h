// SPDX-License-Identifier: GPL-2.0-or-later
// Writes a Perfetto trace (.pftrace) for ui.perfetto.dev and trace_processor: the records as ftrace bundles, from which
// Perfetto makes the tracks of CPUs and tasks, and beside them tracks of workqueues, I/Os and counters with flows from
// submission to wakeup (perfetto_tracks.h).
//
// What Perfetto has no place for is left out: the preempt depth, the I/O priority of a request. Tracepoints that it has
// no message for are generic events with the kernel's names.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "sim/trace/writer.h"

namespace wakepath::trace {

// Where protobuf was not there at build time: an error that says what to install.
[[nodiscard]] tl::expected<std::unique_ptr<Writer>, Error> create_perfetto_writer(const std::string& path,
                                                                                  const StringPool& pool);

}  // namespace wakepath::trace
