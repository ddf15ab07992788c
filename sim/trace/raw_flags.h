// SPDX-License-Identifier: GPL-2.0-or-later
// The bits of a record's common_flags in the ring buffer, and the latency columns of an Event, both ways.
// Source: include/linux/trace_events.h:enum trace_flag_type, 6.1 to 6.19 (bit 1 said "irq state unknown" on machines
// without irqflags before it said "lazy").
#pragma once

#include <cstdint>

#include "sim/trace/event.h"

namespace wakepath::trace {

enum : std::uint32_t {
  kRawIrqsOff = 1,
  kRawNeedReschedLazy = 2,
  kRawNeedResched = 4,
  kRawHardirq = 8,
  kRawSoftirq = 16,
  kRawPreemptResched = 32,
  kRawNmi = 64,
  kRawBhOff = 128
};

constexpr std::uint8_t flags_of_raw(std::uint32_t raw) {
  std::uint32_t flags = 0;
  if ((raw & kRawIrqsOff) != 0) flags |= kIrqsOff;
  if ((raw & kRawBhOff) != 0) flags |= kBhOff;
  if ((raw & kRawNeedReschedLazy) != 0) flags |= kNeedReschedLazy;
  if ((raw & (kRawNeedResched | kRawPreemptResched)) != 0) flags |= kNeedResched;
  if ((raw & (kRawNeedResched | kRawPreemptResched)) == kRawNeedResched) flags |= kTifOnly;
  if ((raw & kRawHardirq) != 0) flags |= kHardirq;
  if ((raw & kRawSoftirq) != 0) flags |= kSoftirq;
  if ((raw & kRawNmi) != 0) flags |= kNmi;
  return static_cast<std::uint8_t>(flags);
}

constexpr std::uint32_t raw_of_flags(std::uint8_t flags) {
  std::uint32_t raw = 0;
  if ((flags & kIrqsOff) != 0) raw |= kRawIrqsOff;
  if ((flags & kBhOff) != 0) raw |= kRawBhOff;
  if ((flags & kNeedReschedLazy) != 0) raw |= kRawNeedReschedLazy;
  if ((flags & kNeedResched) != 0) raw |= kRawNeedResched;
  if ((flags & kNeedResched) != 0 && (flags & kTifOnly) == 0) raw |= kRawPreemptResched;
  if ((flags & kHardirq) != 0) raw |= kRawHardirq;
  if ((flags & kSoftirq) != 0) raw |= kRawSoftirq;
  if ((flags & kNmi) != 0) raw |= kRawNmi;
  return raw;
}

}  // namespace wakepath::trace
