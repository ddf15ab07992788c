// SPDX-License-Identifier: GPL-2.0-or-later
// The ublk driver: a block device whose requests a user-space server gets as completions of uring commands and ends by
// submitting the next command.
//
// A slot is a (queue, tag). Its states: new, ACTIVE (the driver holds the server's command), OWNED (the server has the
// request). FETCH makes it ACTIVE; dispatch, in task work of the task that fetched it, makes it OWNED and posts the
// command's CQE; COMMIT_AND_FETCH ends the request in the server's own context and makes it ACTIVE again.
//
// A request is handed over by task work of one command, the carrier, for a whole batch. What a batch is depends on the
// version (switch ublk_batch): a queue's list that fills until the server takes it; a run of one queue, of one task, or
// of one task and ring, among the requests of a flushed plug.
//
// Invariants (broken ones end the run as machine::Violation):
//   I1 a dispatch reaches the slot of its request's own queue and tag
//   I2 that slot is ACTIVE before and OWNED after it
//   I3 in the task that fetched it, unless the request is aborted
//   I4 the requests of a batch have the key of the version in common
//   I5 FETCH (dispatch COMMIT)* for each slot, all by one task
//   I6 at most one started request a slot
// Not modelled: zoned devices, batch I/O commands, QUIESCE, the built-in driver's plain task work, partial copies.
// Source: drivers/block/ublk_drv.c (ublk_queue_rq, ublk_queue_rqs, __ublk_ch_uring_cmd, ublk_commit_completion), 6.1
// and 6.12; later forms as in the io_uring specification section 3.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/fs/dio.h"
#include "models/io_uring/ring.h"

namespace wakepath::ublk {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;

enum class Cmd : std::uint16_t {  // UBLK_U_IO_*
  fetch_req = 0x20,
  commit_and_fetch_req = 0x21,
  need_get_data = 0x22,
  register_io_buf = 0x23,
  unregister_io_buf = 0x24
};
const char* cmd_name(Cmd c);

// Switch ublk_batch. Single: after the lists went and before queue_rqs came, both for 6.15.
enum class Batch : std::uint8_t { queue_list, queue_run, task_run, task_ring_run, single };

// Where USER_COPY finds byte `byte` of a request's data in the character device.
constexpr std::uint64_t user_copy_offset(int queue, int tag, std::uint64_t byte) {
  constexpr std::uint64_t kBuffers = 0x80000000;
  return kBuffers + (static_cast<std::uint64_t>(queue) << 41U) + (static_cast<std::uint64_t>(tag) << 25U) + byte;
}

class Device final : public block::Driver, public io_uring::CommandFile {
 public:
  static constexpr int kResOk = 0, kResNeedGetData = 1, kResAbort = -19;  // of a command's CQE
  static constexpr int kBusy = -16, kInvalid = -22;

  Device(Machine& m, workqueue::Workqueues& wqs, const scenario::Ublk& conf);
  ~Device() override;

  block::Queue& queue() { return queue_; }
  fs::Filesystem& disk() { return disk_; }  // /dev/ublkb0
  [[nodiscard]] int queues() const { return static_cast<int>(queues_.size()); }
  [[nodiscard]] int depth() const { return block_.queue_depth; }
  [[nodiscard]] bool live() const { return live_; }
  std::function<void()> on_live;  // START_DEV returns

  // What the server reads from the descriptor of a slot that it owns.
  struct Descriptor {
    bool write;
    std::uint64_t sector;
    std::uint32_t bytes;
  };
  [[nodiscard]] Descriptor descriptor(int queue, int tag) const;
  // The task exits: its commands are cancelled, what it was given fails or, with recovery, waits for another server.
  Call<void> cancel(KTask& t);
  Call<void> pause_for_copy(KTask& t, const Descriptor& d);  // USER_COPY's copy, in pread or pwrite

  // block::Driver
  Call<void> queue_rq(ExecContext& ctx, block::Request& rq) override;
  Call<void> queue_rqs(ExecContext& ctx, block::Request* list) override;
  [[nodiscard]] bool has_queue_rqs() const override { return batch_ != Batch::queue_list && batch_ != Batch::single; }
  // io_uring::CommandFile
  Call<int> uring_cmd(KTask& t, io_uring::Request& cmd) override;
  Call<void> command_task_work(KTask& t, io_uring::Request& cmd) override;

  struct Counters {
    std::uint64_t started = 0, batches = 0, dispatched = 0, committed = 0, get_data = 0, aborted = 0, requeued = 0,
                  reissued = 0, largest_batch = 0, cross_llc = 0;
  } counters;
  struct Refusal {
    Cmd cmd;
    int queue, tag;
    std::string task;
    int res;
  };
  [[nodiscard]] const std::vector<Refusal>& refusals() const { return refusals_; }
  [[nodiscard]] const std::vector<std::uint64_t>& committed_by_queue() const { return by_queue_; }
  // Every started request is with the driver, with the server, or waits for one.
  void check() const;

 private:
  struct Slot {
    bool fetched = false, active = false, owned = false, get_data = false;
    io_uring::Request* cmd = nullptr;   // while ACTIVE
    block::Request* request = nullptr;  // started, not ended
    KTask* task = nullptr;              // who fetched it
    block::Request* carried = nullptr;  // the batch that rides on cmd
  };
  struct QueueState {
    std::vector<Slot> slots;
    KTask* daemon = nullptr;  // of the whole queue, once it is ready
    int ready = 0;
    bool canceling = false;
    std::vector<block::Request*> list;  // Batch::queue_list
  };
  Slot& slot(int queue, int tag) {
    return queues_[static_cast<std::size_t>(queue)].slots[static_cast<std::size_t>(tag)];
  }
  Slot& slot(const block::Request& rq) { return slot(rq.hctx->index, rq.tag); }
  // commands.cc
  Call<int> run_command(KTask& t, io_uring::Request& cmd);
  [[nodiscard]] int check_command(const KTask& t, const io_uring::Request& cmd);
  [[nodiscard]] int check_fetch(const QueueState& q, const Slot& s) const;
  Call<int> fetch(KTask& t, io_uring::Request& cmd);
  Call<int> commit(KTask& t, io_uring::Request& cmd);
  Call<int> get_data(KTask& t, io_uring::Request& cmd);
  void became_ready();
  Call<void> reissue(KTask& t);  // what waits for a new server
  // dispatch.cc
  Call<bool> start(ExecContext& ctx, block::Request& rq);
  Call<void> hand_over(ExecContext& ctx, block::Request& rq);
  Call<void> send(ExecContext& ctx, block::Request* first, block::Request& carrier);
  [[nodiscard]] bool same_batch(const block::Request& a, const block::Request& b);
  Call<void> dispatch(KTask& t, int carrier_queue, block::Request& rq);
  void check_batch(const KTask& t, const io_uring::Request& carrier, const block::Request* first);
  void check_target(int queue, const block::Request& rq);
  void give_to_server(Slot& s, int res);
  Call<void> give_up(ExecContext& ctx, block::Request& rq);
  Call<void> cross_llc(ExecContext& ctx, int cpu, int other);
  [[nodiscard]] machine::Time copy_ns(const block::Request& rq);

  Machine& machine_;
  const kernel::Switches& k_;
  const scenario::Ublk& conf_;
  Batch batch_;
  scenario::Block block_;
  block::Queue queue_;
  fs::Filesystem disk_;
  std::vector<QueueState> queues_;
  std::vector<block::Request*> waiting_;  // for another server
  std::vector<Refusal> refusals_;
  std::vector<std::uint64_t> by_queue_;
  bool live_ = false;
};

}  // namespace wakepath::ublk
