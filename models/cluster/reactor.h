// SPDX-License-Identifier: GPL-2.0-or-later
// One thread on one CPU that serves its share of a node's partitions, as Seastar's reactors do in Redpanda and
// ScyllaDB: it takes messages from its sockets, appends records, tells followers, counts the quorum, and sleeps in
// io_getevents when there is nothing to do; a socket that becomes readable, or its timer, completes a poll request in
// the same ring.
//
// Two ways to make a record durable (log.durability). direct: one asynchronous direct write each. fsync: buffered
// writes to the partition's file, then IOCB_CMD_FDSYNC, one under way per partition: what is written meanwhile is the
// next one's. The kernel does an aio fsync in a worker of system_wq (fs/aio.c:aio_fsync_work), so a starved kworker
// starves it too.
//
// Two scheduling groups with shares, as Seastar has them: the log's, and background work. Of those that have something
// to do, the one that is behind in time over shares runs, up to the task quota; one that had nothing to do gains
// nothing by that.
//
// Source: seastar src/core/reactor_backend.cc (linux-aio backend) and reactor.cc (task_queue, run_some_tasks), as
// published; the work per record is a cost.
// reactor.cc: the loop; reactor_disk.cc: what it writes; reactor_quorum.cc: what it answers.
#pragma once

#include <memory>
#include <vector>

#include "models/aio/aio.h"
#include "models/cluster/config.h"
#include "models/cluster/message.h"
#include "models/cluster/raft.h"
#include "models/fs/dio.h"
#include "models/machine/local_timer.h"
#include "sim/engine/fifo.h"

namespace wakepath::cluster {

class Node;

class alignas(64) Reactor {
 public:
  Reactor(Node& node, int index, int cpu);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  [[nodiscard]] machine::KTask& task() { return *task_; }
  void serve(int partition, bool first_boot);                                 // before it starts
  machine::Call<void> deliver(machine::ExecContext& softirq, MessagePtr& m);  // takes it
  [[nodiscard]] const Raft& raft(int partition) const { return served_.at(place(partition)).raft; }
  void prefetch(int partition) const { served_[place(partition)].prefetch(); }  // a message for it has come

 private:
  struct Ballot {  // a vote on its way to the disk
    Vote vote;
    std::vector<MessagePtr> then;  // what is sent afterwards
  };
  struct Served;
  // One write: a record of the log, or a vote. Whole cache lines: the writes of a fleet do not stay in the cache.
  struct alignas(64) Append {
    fs::Dio dio;
    Served* of = nullptr;  // its partition
    Replica* log = nullptr;
    std::int64_t index = 0;
    Replica::Entry entry;
    std::uint32_t cuts = 0;  // of the log, before the write
    Time sent = 0;           // what made it write this was
    Steps steps;
    std::unique_ptr<Ballot> ballot;  // null: a record
  };
  struct Pending {  // a record that waits for its quorum, at its leader
    std::int64_t index = 0;
    Time handled = 0;
    MessagePtr request;
  };
  struct Buffered {  // fsync: written to the page cache, not durable yet
    std::int64_t index;
    Replica::Entry entry;
    std::uint32_t cuts;  // of the log, before the write
    Time sent;           // what made it write this was
    Steps steps;
  };
  struct Fsync;
  struct alignas(64) Served {  // a partition
    Served(Reactor& r, int partition, bool first_boot);
    Served(Served&& o) noexcept;
    ~Served();
    [[no_unique_address]] engine::Fifo<Pending> pending;  // of the leader, in the log's order
    bool led = false;                                     // when it was settled last
    Time patience_ends = 0;  // of a follower with its leader; the machine's time, like all of timers
    Raft raft;
    std::unique_ptr<Fsync> file;                        // fsync: the log's file
    void prefetch() const { prefetch_lines<3>(this); }  // what a message or a write of a record asks for
  };
  struct Write {  // waits for a free Append
    int partition;
    std::int64_t index;
    Cause cause;
    Time handled;
  };
  struct Timer;

  machine::Body body(machine::KTask& t);
  machine::Call<void> receive(machine::KTask& t);
  void prefetch_log(const Message& m);
  void prefetch_write(const Message& m);
  machine::Call<void> handle(machine::KTask& t, MessagePtr& m);
  machine::Call<void> leave_kernel(machine::KTask& t);
  machine::Call<void> flush(machine::KTask& t);  // writes and messages that the turn has made
  machine::Call<void> completed(machine::KTask& t);
  machine::Call<void> background(machine::KTask& t, Time began, bool served);
  [[nodiscard]] Time cost(NetCost id) const;
  [[nodiscard]] std::size_t place(int partition) const {
    return places_[static_cast<std::size_t>(partition)] - first_place_;
  }
  [[nodiscard]] Served& served(int partition) { return served_.at(place(partition)); }

  // reactor_disk.cc
  Append& make_append();
  Append& take_append();
  void write(int partition, std::int64_t index, const Cause& cause, Time handled);
  void persist(Served& s);
  machine::Call<void> write_buffered(machine::KTask& t);
  machine::Call<void> sys_io_submit(machine::KTask& t);
  machine::Call<void> submit_fsyncs(machine::KTask& t);
  machine::Call<void> finish(machine::KTask& t, Append& a);
  machine::Call<void> finish(machine::KTask& t, Fsync& f);

  // reactor_quorum.cc
  void settle(Served& s, const Message* ack, const Steps* own);
  void answer(Pending pending, const Message* ack, const Steps* own);
  void refuse(MessagePtr request, int leader);
  void keep_time();  // beats that are due, and leaders that have been waited for too long
  void send_beats();
  [[nodiscard]] Time draw_patience();

  // What each turn looks at comes first.
  Node& node_;
  machine::Machine& machine_;
  const Time idle_poll_ns_;
  Time busy_at_ = 0;  // when it last had something to do
  bool timer_due_ = false, poll_armed_ = false;
  aio::Iocb poll_;
  aio::Context aio_;
  engine::Fifo<MessagePtr> sockets_;
  engine::Fifo<Append*> to_submit_;
  engine::Fifo<Write> waiting_, to_buffer_;
  std::vector<aio::Iocb*> events_;
  std::vector<MessagePtr> to_send_, sending_;
  std::vector<MessagePtr> to_tell_;       // what a partition has others told, until it is settled
  std::vector<Raft::Accepted> accepted_;  // used by handle()
  std::vector<Append*> free_;
  std::vector<Served> served_;                // by partition
  const std::vector<std::uint32_t>& places_;  // in the node, by partition
  std::size_t first_place_ = 0;               // of the first one served
  std::uint64_t next_sector_ = 0, ctx_id_;
  std::vector<std::unique_ptr<Append>> appends_;
  fs::Dirtier dirtier_;
  machine::KTask* task_ = nullptr;
  std::unique_ptr<Timer> timer_;
  Time next_beat_ = 0;
  std::int64_t served_vruntime_ = 0, background_vruntime_ = 0;  // of the two scheduling groups
};

}  // namespace wakepath::cluster
