// SPDX-License-Identifier: GPL-2.0-or-later
// One thread on one CPU that serves its share of a node's partitions, as Seastar's reactors do in Redpanda and
// ScyllaDB: it takes messages from its sockets, appends records with direct asynchronous writes, tells followers,
// counts the quorum, and sleeps in io_getevents when there is nothing to do; a socket that becomes readable completes a
// poll request in the same ring.
//
// Source: seastar src/core/reactor_backend.cc (linux-aio backend), as published; the work per record is a cost.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "models/aio/aio.h"
#include "models/cluster/config.h"
#include "models/cluster/message.h"
#include "models/cluster/replica.h"
#include "models/fs/dio.h"

namespace wakepath::cluster {

class Node;

class Reactor {
 public:
  Reactor(Node& node, int index, int cpu);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  [[nodiscard]] machine::KTask& task() { return *task_; }
  machine::Call<void> deliver(machine::ExecContext& softirq, const Message& m);
  void say_hello(int partition);  // after a boot: it tells the leader how far it is
  [[nodiscard]] bool asleep() const { return task_->sleeping; }

 private:
  struct Append {
    fs::Dio dio;
    int partition = 0;
    std::int64_t index = 0;
    std::uint64_t record = 0;
    Message cause;
    Steps steps;
  };
  struct Pending {  // a record that waits for its quorum, at its leader
    Message request;
    Time handled = 0, replicated = 0;
  };
  struct Led {                          // a partition that this node leads
    std::map<int, std::int64_t> match;  // node: how many are durable there
    std::map<int, std::int64_t> next;   // node: what it is sent next; -1: it has not said how far it is
    std::map<std::int64_t, Pending> pending;
    std::int64_t committed = 0;
  };

  machine::Call<void> body(machine::KTask& t);
  machine::Call<void> receive(machine::KTask& t);
  machine::Call<void> handle(machine::KTask& t, const Message& m);
  machine::Call<void> flush(machine::KTask& t);  // writes and messages that the turn has made
  machine::Call<void> sys_io_submit(machine::KTask& t);
  machine::Call<void> leave_kernel(machine::KTask& t);
  machine::Call<void> finish(machine::KTask& t, Append& a);
  void write(int partition, std::int64_t index, const Message& cause, Time handled);
  void replicate(int partition, std::int64_t index, int to);
  void catch_up(int partition, Led& led, int node);  // who lags gets what it lacks, some at a time
  void commit(int partition, Led& led, const Message* ack, const Append* own);
  void accept_waiting(int partition, Time handled);
  void take_over(int partition);  // this node leads it now: it asks the others how far they are
  [[nodiscard]] Time cost(NetCost id) const;

  Node& node_;
  machine::Machine& machine_;
  aio::Context aio_;
  aio::Iocb poll_;
  bool poll_armed_ = false;
  machine::KTask* task_ = nullptr;
  std::vector<std::unique_ptr<Append>> appends_;
  std::vector<Append*> free_;
  std::deque<Append*> to_submit_;
  struct Write {
    int partition;
    std::int64_t index;
    std::uint64_t record;
    Message cause;
    Time handled;
  };
  std::deque<Write> waiting_;  // for a free Append
  std::deque<Message> sockets_;
  std::vector<Message> to_send_;
  std::vector<aio::Iocb*> events_;
  std::map<int, Led> led_;
  std::map<int, std::map<std::int64_t, Message>> early_;  // replicated records that came before their predecessors
  Time busy_at_ = 0;                                      // when it last had something to do
  std::uint64_t next_sector_ = 0, ctx_id_;
};

}  // namespace wakepath::cluster
