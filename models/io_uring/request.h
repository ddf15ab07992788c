// SPDX-License-Identifier: GPL-2.0-or-later
// One request of a ring (struct io_kiocb) from its SQE to its CQE, with the direct I/O it may be.
//
// References: one, unless io-wq runs it; then the worker holds another (io_wq_submit_work), and who drops the last
// frees it. Source: io_uring/io_uring.c, 6.1 and 6.12.
#pragma once

#include <cstdint>

#include "models/fs/dio.h"
#include "models/io_uring/io_wq.h"

namespace wakepath::io_uring {

class Ring;

enum class Op : std::uint8_t { nop, read, write, fsync, uring_cmd };

inline int kernel_opcode(Op op) {  // IORING_OP_*
  switch (op) {
    case Op::nop:
      return trace::kUringNop;
    case Op::read:
      return trace::kUringRead;
    case Op::write:
      return trace::kUringWrite;
    case Op::fsync:
      return trace::kUringFsync;
    case Op::uring_cmd:
      return trace::kUringCmd;
  }
  return -1;
}

struct Request;

// A character device that takes commands (file_operations.uring_cmd).
struct CommandFile {
  static constexpr int kQueued = -529;  // -EIOCBQUEUED
  virtual ~CommandFile() = default;
  // In the submitter's context: the command's result, or kQueued: the driver ends it with Ring::command_done().
  virtual Call<int> uring_cmd(KTask& t, Request& cmd) = 0;
  // What the driver asked for with Ring::complete_in_task(), in the context of the command's task.
  virtual Call<void> command_task_work(KTask& t, Request& cmd) = 0;
};

// What an SQE points at. Registered files and buffers are flags of the SQE, as in the kernel.
struct File {
  fs::Inode inode;
  bool direct = true;  // O_DIRECT
  bool block_device = false;
  bool cached = true;               // reads find their pages in the page cache
  CommandFile* commands = nullptr;  // of Op::uring_cmd
};

struct Sqe {
  Op op = Op::nop;
  File* file = nullptr;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 4096;
  std::uint64_t user_data = 0;
  bool link = false, hardlink = false, drain = false, async = false;  // IOSQE_IO_LINK ... IOSQE_ASYNC
  bool fixed_file = false, fixed_buffer = false;
  bool nowait = false;    // RWF_NOWAIT
  bool cqe_skip = false;  // IOSQE_CQE_SKIP_SUCCESS
  // Op::uring_cmd: the driver's own fields.
  std::uint16_t cmd_op = 0, cmd_queue = 0, cmd_tag = 0;
  std::int32_t cmd_result = 0;
};

struct Cqe {
  std::uint64_t user_data = 0;
  int res = 0;
};

struct Request final : IoWork, fs::IoCompletion {
  explicit Request(Ring& owner) : ring(owner) { dio.completion = this; }

  // What its turn in a pass of task work does.
  enum class Turn : std::uint8_t { rw_complete, submit, complete, fail, command };
  Call<void> run_turn(KTask& t);

  Call<void> ki_complete(ExecContext& ctx) override;  // io_complete_rw
  // io-wq
  Call<void> run(KTask& worker) override;
  IoWork* put() override;
  Call<void> free(KTask& worker) override;

  [[nodiscard]] bool linked() const { return sqe.link || sqe.hardlink; }

  Ring& ring;
  Sqe sqe;
  fs::Dio dio;
  Request* link = nullptr;  // the next of its chain
  Request* next_turn = nullptr;
  Turn turn = Turn::complete;
  int res = 0;
  int refs = 1;
  std::uint32_t seq = 0;         // SQEs before it, for drain
  std::uint32_t work_count = 0;  // DEFER_TASKRUN: items up to this one, as its adder saw them
  bool force_async = false, drain = false, failed = false, skip_cqe = false, polled_done = false;
  bool alive = false;
  bool file_looked_up = false;  // its descriptor has been resolved and paid for
  bool in_iopoll = false;       // its end leaves a mark for who polls
  bool to_free = false;         // a worker dropped the last reference
};

}  // namespace wakepath::io_uring
