// SPDX-License-Identifier: GPL-2.0-or-later
// The operations of a ring program ([ring.NAME] ops): one text each, read by parse_ring_op.
//
//   nop | read FILE | write FILE | fsync FILE   [xN] [async] [link] [hardlink] [drain] [fixed_file] [fixed_buffer]
//                                               [nowait] [buffered] [uncached]        SQEs are prepared, not submitted
//   submit                      io_uring_enter with what is prepared, nothing to wait for
//   submit_and_wait N           the same, then N completions are waited for and taken
//   wait N [timeout TIME]       N completions are waited for and taken; after the timeout those that are there
//   run TIME | sleep TIME       CPU time in user mode; nanosleep
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/units.h"

namespace wakepath::scenario {

struct RingOp {
  enum class Kind : std::uint8_t { nop, read, write, fsync, submit, submit_and_wait, wait, run, sleep };
  Kind kind = Kind::nop;
  std::string file;
  int count = 1;  // xN; completions of the waits
  std::int64_t time_ns = -1;
  bool async = false, link = false, hardlink = false, drain = false, fixed_file = false, fixed_buffer = false,
       nowait = false, buffered = false, uncached = false;
  [[nodiscard]] bool prepares() const { return kind <= Kind::fsync; }
  [[nodiscard]] bool enters() const { return kind == Kind::submit || kind == Kind::submit_and_wait; }
  [[nodiscard]] bool waits() const { return kind == Kind::wait || kind == Kind::submit_and_wait; }
};

Parsed<RingOp> parse_ring_op(std::string_view text);

// What a turn over the list does to the rings, or what is wrong with it.
struct RingFault {
  int op = 0;  // position in the list
  std::string message, suggestion;
};
// More prepared than the ring has entries, or a wait for more than was submitted (it would never end).
std::vector<RingFault> ring_faults(const std::vector<RingOp>& ops, int entries, bool repeats);

}  // namespace wakepath::scenario
