// SPDX-License-Identifier: GPL-2.0-or-later
// A ublk device with its server on a small machine, and a submitter that hands chosen (queue, tag) requests straight to
// the driver.
#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "models/ublk/server.h"
#include "tests/unit/path_fixture.h"

namespace ublk_test {

using namespace wakepath;
using machine::Call;
using machine::KTask;
using path_test::Record;
using trace::EventType;

inline scenario::Scenario device(const std::string& version, int queues, int depth, int threads, int cpus = 1) {
  auto s = path_test::small_machine(version, 1);
  s.workloads.clear();
  s.machine.cpus = cpus;
  s.ublk.present = true;
  s.ublk.queues = queues;
  s.ublk.depth = depth;
  s.ublk.threads = threads;
  s.ublk.owners = threads == queues ? "queue" : "kublk";
  s.ublk.per_io_daemon = threads != queues;
  return s;
}

struct Ended final : block::Bio {
  Call<void> end_io(machine::ExecContext& ctx) override {
    ++ended;
    cpu = ctx.cpu->id();
    co_return;
  }
  int ended = 0, cpu = -1;
};

class Bench {
 public:
  explicit Bench(const scenario::Scenario& conf)
      : s(conf),
        m(s, &records, &records.pool),
        workqueues(m),
        queue(m, workqueues),
        fs(m, queue, workqueues),
        dev(m, workqueues, s.ublk),
        server(m, dev, fs, pools, s.ublk),
        submitter(m.add_task("app", "app", "", 0, s.machine.cpus - 1, true, false)) {}

  block::Request& request(int queue_id, int tag, bool write = false) {
    block::Request& rq = *dev.queue().hctx(queue_id).requests[static_cast<std::size_t>(tag)];
    Ended& bio = bios.emplace_back();
    bio.write = write;
    rq.bio = &bio;
    rq.next = nullptr;
    return rq;
  }
  block::Request* list(const std::vector<std::pair<int, int>>& slots) {
    block::Request *first = nullptr, *last = nullptr;
    for (const auto& [q, tag] : slots) {
      block::Request& rq = request(q, tag);
      (last != nullptr ? last->next : first) = &rq;
      last = &rq;
    }
    return first;
  }
  // The server fetches its slots; then the submitter runs `body`, and records begin.
  void run(std::function<Call<void>(KTask&)> body, engine::Time time = 20'000'000) {
    body_ = std::move(body);
    start_ = [this](KTask& t) -> machine::Body {
      m.tp.enable(true);
      passes_before = server.threads().front().ring().counters.local_passes;
      co_await body_(t);
      t.set_state(sched::State::uninterruptible);
      co_await t.schedule();
    };
    submitter.body = start_(submitter);
    submitter.resume_at = submitter.body.handle();
    m.start();
    server.start();
    m.engine.run(time / 2, {});
    if (dev.live()) m.first_wake(submitter);
    m.engine.run(time, {});
    m.tp.enable(false);
    m.check_accounting();
  }
  [[nodiscard]] int ended() const {
    int n = 0;
    for (const Ended& b : bios) n += b.ended;
    return n;
  }
  [[nodiscard]] long count(EventType t) const { return records.count(t); }
  [[nodiscard]] long passes_of(EventType t, int n) const {
    return std::count_if(records.events.begin(), records.events.end(),
                         [&](const auto& e) { return e.type == t && e.u.uring.value == n; });
  }

  scenario::Scenario s;
  Record records;
  machine::Machine m;
  workqueue::Workqueues workqueues;
  block::Queue queue;
  fs::Filesystem fs;
  io_uring::IoWqs pools;
  ublk::Device dev;
  ublk::Server server;
  KTask& submitter;
  std::deque<Ended> bios;
  std::uint64_t passes_before = 0;

 private:
  std::function<Call<void>(KTask&)> body_;
  std::function<machine::Body(KTask&)> start_;
};

}  // namespace ublk_test
