// SPDX-License-Identifier: GPL-2.0-or-later
// What runs in the child process that reads a trace.dat: libtracecmd on one side, a RecordPipe on the other.
#pragma once

#include <string>

#include "sim/trace/record_pipe.h"

namespace wakepath::trace {

void read_trace_dat(const std::string& path, RecordPipe& out);

}  // namespace wakepath::trace
