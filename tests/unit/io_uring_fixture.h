// SPDX-License-Identifier: GPL-2.0-or-later
// One task with one ring on a small machine: a body that a test writes as a lambda, and the records of its run.
#pragma once

#include <functional>

#include "models/io_uring/ring.h"
#include "models/io_uring/sqpoll.h"
#include "tests/unit/path_fixture.h"

namespace uring_test {

using namespace wakepath;
using io_uring::Op;
using io_uring::Ring;
using io_uring::Setup;
using io_uring::Sqe;
using machine::Call;
using machine::KTask;
using machine::Mode;
using path_test::Record;
using trace::EventType;

// A block device that takes 100 us and then completes a request each 10 us, one interrupt each.
inline scenario::Scenario disk(const std::string& version, int cpus = 1) {
  auto s = path_test::small_machine(version, 1);
  s.machine.cpus = cpus;
  s.fs.type = "none";
  s.block.driver = "virtio_blk";
  s.device.law = "serial";
  s.device.service_ns.ns = 10'000;
  s.device.latency_ns.ns = 100'000;
  s.device.coalesce_n = 1;
  s.device.coalesce_ns = 0;
  return s;
}

inline Setup defer() {
  Setup s;
  s.defer_taskrun = s.single_issuer = s.coop_taskrun = true;
  return s;
}

inline Setup coop() {
  Setup s;
  s.coop_taskrun = true;
  return s;
}

class Bench {
 public:
  explicit Bench(const scenario::Scenario& conf, const Setup& setup = {}, int cpu = 0)
      : s(conf),
        m(s, &records, &records.pool),
        workqueues(m),
        queue(m, workqueues),
        fs(m, queue, workqueues),
        task(m.add_task("app", "app", "", 0, cpu, true, false)),
        tctx(m, task, pools),
        ring(m, fs, tctx, setup) {
    file.inode.address = 0xffff888100000400;
    file.block_device = fs.is_block_device();
  }

  void push(Op op, int n = 1, const std::function<void(Sqe&)>& change = {}) {
    for (int i = 0; i < n; ++i) {
      Sqe e;
      e.op = op;
      e.file = op == Op::nop ? nullptr : &file;
      e.offset = 8192 * pushed;  // no neighbours, which would be one request
      e.user_data = ++pushed;
      if (change) change(e);
      ring.push(e);
    }
  }
  // Runs `body` as the task for `time`; records from its first instruction on.
  void run(std::function<Call<void>(KTask&)> body, engine::Time time = 50'000'000) {
    body_ = std::move(body);
    start_ = [this](KTask& t) -> machine::Body {
      m.tp.enable(true);
      co_await body_(t);
      m.tp.enable(false);
      finished = true;
      t.set_state(sched::State::uninterruptible);
      co_await t.schedule();
    };
    task.body = start_(task);
    task.resume_at = task.body.handle();
    m.start();
    if (ring.sq_task() != nullptr) m.first_wake(*ring.sq_task());
    m.first_wake(task);
    m.engine.run(time, {});
    m.check_accounting();
    pools.check();
  }
  std::vector<std::uint64_t> reap() {
    std::vector<std::uint64_t> out;
    while (ring.cq_ready() > 0) out.push_back(ring.pop().user_data);
    return out;
  }
  [[nodiscard]] long count(EventType t) const { return records.count(t); }
  [[nodiscard]] long wakes() const { return records.wakes_of("app"); }
  // Passes of task work or local work with exactly n items.
  [[nodiscard]] long passes_of(EventType t, int n) const {
    return std::count_if(records.events.begin(), records.events.end(),
                         [&](const auto& e) { return e.type == t && e.u.uring.value == n; });
  }
  [[nodiscard]] std::vector<std::uint64_t> completion_order() const {  // of the device, as user_data
    std::vector<std::uint64_t> out;
    for (const auto& e : records.events)
      if (e.type == EventType::block_rq_complete) out.push_back(e.u.rq.sector / 16 + 1);
    return out;
  }

  scenario::Scenario s;
  Record records;
  machine::Machine m;
  workqueue::Workqueues workqueues;
  block::Queue queue;
  fs::Filesystem fs;
  io_uring::IoWqs pools;
  KTask& task;
  io_uring::Tctx tctx;
  Ring ring;
  io_uring::File file;
  std::uint64_t pushed = 0;
  bool finished = false;

 private:
  std::function<Call<void>(KTask&)> body_;
  std::function<machine::Body(KTask&)> start_;
};

}  // namespace uring_test
