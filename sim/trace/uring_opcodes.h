// SPDX-License-Identifier: GPL-2.0-or-later
// Names of io_uring's opcodes as its tracepoints print them, both ways. Source: io_uring/opdef.c, the order of
// include/uapi/linux/io_uring.h:enum io_uring_op, 6.12.
#pragma once

#include <cstdint>
#include <string_view>

namespace wakepath::trace {

[[nodiscard]] std::string_view uring_opcode_name(std::int32_t opcode);  // "INVALID" for what is not known
[[nodiscard]] std::int32_t uring_opcode(std::string_view name);         // -1 likewise

}  // namespace wakepath::trace
