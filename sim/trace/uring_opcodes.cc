// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/uring_opcodes.h"

#include <algorithm>
#include <array>

namespace wakepath::trace {
namespace {

constexpr auto kOpcodes = std::to_array<std::string_view>({"NOP",
                                                           "READV",
                                                           "WRITEV",
                                                           "FSYNC",
                                                           "READ_FIXED",
                                                           "WRITE_FIXED",
                                                           "POLL_ADD",
                                                           "POLL_REMOVE",
                                                           "SYNC_FILE_RANGE",
                                                           "SENDMSG",
                                                           "RECVMSG",
                                                           "TIMEOUT",
                                                           "TIMEOUT_REMOVE",
                                                           "ACCEPT",
                                                           "ASYNC_CANCEL",
                                                           "LINK_TIMEOUT",
                                                           "CONNECT",
                                                           "FALLOCATE",
                                                           "OPENAT",
                                                           "CLOSE",
                                                           "FILES_UPDATE",
                                                           "STATX",
                                                           "READ",
                                                           "WRITE",
                                                           "FADVISE",
                                                           "MADVISE",
                                                           "SEND",
                                                           "RECV",
                                                           "OPENAT2",
                                                           "EPOLL_CTL",
                                                           "SPLICE",
                                                           "PROVIDE_BUFFERS",
                                                           "REMOVE_BUFFERS",
                                                           "TEE",
                                                           "SHUTDOWN",
                                                           "RENAMEAT",
                                                           "UNLINKAT",
                                                           "MKDIRAT",
                                                           "SYMLINKAT",
                                                           "LINKAT",
                                                           "MSG_RING",
                                                           "FSETXATTR",
                                                           "SETXATTR",
                                                           "FGETXATTR",
                                                           "GETXATTR",
                                                           "SOCKET",
                                                           "URING_CMD",
                                                           "SEND_ZC",
                                                           "SENDMSG_ZC",
                                                           "READ_MULTISHOT",
                                                           "WAITID",
                                                           "FUTEX_WAIT",
                                                           "FUTEX_WAKE",
                                                           "FUTEX_WAITV",
                                                           "FIXED_FD_INSTALL",
                                                           "FTRUNCATE",
                                                           "BIND",
                                                           "LISTEN"});

}  // namespace

std::string_view uring_opcode_name(std::int32_t opcode) {
  const auto i = static_cast<std::size_t>(opcode);
  return i < kOpcodes.size() ? kOpcodes[i] : std::string_view("INVALID");
}

std::int32_t uring_opcode(std::string_view name) {
  const auto* it = std::find(kOpcodes.begin(), kOpcodes.end(), name);
  return it == kOpcodes.end() ? -1 : static_cast<std::int32_t>(it - kOpcodes.begin());
}

}  // namespace wakepath::trace
