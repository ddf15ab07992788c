// SPDX-License-Identifier: GPL-2.0-or-later
// Placements and balance moves judged from records alone (scheduler spec 6.2-6.4, 7.5).
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/kernel/versions.h"
#include "models/verify/placement.h"
#include "tests/unit/catch.h"

using namespace wakepath;
using trace::Event;
using trace::EventType;

namespace {

struct Driver {
  explicit Driver(const char* version, int cpus = 2, std::vector<verify::PinnedTasks> pinned = {}, int pack = 0)
      : switches(switches_of(version, pack)), judge(switches, cpus, 250, std::move(pinned), pool) {
    for (int c = 0; c < cpus; ++c) run(c, "swapper", 0);
  }
  static kernel::Switches switches_of(const char* version, int pack) {
    kernel::Switches k = kernel::switches_of(version);
    k.sched_vcpu_pack = pack;
    return k;
  }
  Event at(EventType type, int cpu) {
    Event e;
    e.type = type;
    e.cpu = static_cast<std::int16_t>(cpu);
    e.ts_ns = now += 1000;
    return e;
  }
  // A first wakeup of fio on CPU 0: where it was before is known from then on. It sleeps again, the CPU idles.
  void fio_is_known() {
    run(0, "fio", 10);
    run(0, "swapper", 0);
    wake(0, "fio", 10, 0);
    run(0, "fio", 10);
    run(0, "hog", 30);
    wake(0, "fio", 10, 0);
    run(0, "fio", 10);
  }
  // The current task of `cpu` leaves in `state`, and another one runs.
  void run(int cpu, const std::string& comm, int pid, std::uint16_t state = trace::kStateInterruptible) {
    Event e = at(EventType::sched_switch, cpu);
    auto& cur = current[static_cast<std::size_t>(cpu)];
    e.u.sw = {pool.intern(cur.first), cur.second, 120, state, pool.intern(comm), pid, 120};
    cur = {comm, pid};
    judge.on_event(e, ++line);
  }
  void wake(int cpu, const std::string& comm, int pid, int prev, std::uint8_t flags = 0) {
    Event e = at(EventType::sched_waking, cpu);
    e.flags = flags;
    e.u.task = {pool.intern(comm), pid, 120, prev, -1, -1};
    judge.on_event(e, ++line);
  }
  void woken(int cpu, const std::string& comm, int pid, int target) {
    Event e = at(EventType::sched_wakeup, cpu);
    e.u.task = {pool.intern(comm), pid, 120, target, -1, -1};
    judge.on_event(e, ++line);
  }
  void migrate(int cpu, const std::string& comm, int pid, int from, int to) {
    Event e = at(EventType::sched_migrate_task, cpu);
    e.u.task = {pool.intern(comm), pid, 120, -1, from, to};
    judge.on_event(e, ++line);
  }
  [[nodiscard]] nlohmann::json result() const { return judge.to_json(); }
  [[nodiscard]] int judged() const { return result()["n"].get<int>(); }
  [[nodiscard]] int not_judged(const char* why) const { return result()["not_judged_why"][why].get<int>(); }

  trace::StringPool pool;
  kernel::Switches switches;
  verify::PlacementJudge judge;
  std::int64_t now = 0, line = 0;
  std::array<std::pair<std::string, int>, 8> current{};
};

}  // namespace

TEST_CASE("a worker bound to the wakee's CPU keeps it there; a task that wakes it does not") {
  Driver d("6.1");
  d.fio_is_known();
  const int before = d.judged();
  d.run(0, "kworker/0:1", 20);  // fio sleeps
  d.wake(0, "fio", 10, 0);      // 52262ee567ad: it stays, though CPU 1 is idle
  d.run(0, "fio", 10);
  CHECK(d.judged() == before + 1);
  d.run(0, "hog", 30);      // fio sleeps again
  d.wake(1, "fio", 10, 0);  // an interrupt on the other CPU, which idles: there
  d.migrate(1, "fio", 10, 0, 1);
  d.run(1, "fio", 10);
  CHECK(d.judged() == before + 2);
  const auto r = d.result();
  CHECK(r["equal"] == r["n"]);
  CHECK(r["naive_share"].get<double>() < 1.0);
  CHECK(d.judge.divergences().empty());
}

TEST_CASE("whether an idle CPU is searched for hangs on the cache's utilisation: judged where it makes no difference") {
  Driver d("6.1");
  d.fio_is_known();
  const int before = d.judged(), by_util = d.not_judged("utilisation");
  d.run(0, "hog", 30);
  d.wake(0, "fio", 10, 0);  // nr_idle_scan = 0: CPU 0, else CPU 1
  d.migrate(0, "fio", 10, 0, 1);
  d.run(1, "fio", 10);
  CHECK(d.judged() == before);
  CHECK(d.not_judged("utilisation") == by_util + 1);
  d.run(1, "other", 40);
  d.run(1, "fio", 10, trace::kStateRunning);
  d.run(1, "swapper", 0);
  d.wake(0, "fio", 10, 1);  // its last CPU idles: no search
  d.run(1, "fio", 10);
  d.run(1, "other", 40);
  d.wake(1, "fio", 10, 1);  // a search would find nothing
  d.run(1, "fio", 10, trace::kStateRunning);
  CHECK(d.judged() == before + 2);
  CHECK(d.not_judged("utilisation") == by_util + 1);
  CHECK(d.result()["equal"] == d.result()["n"]);
}

TEST_CASE("sched_vcpu_pack: judged where whoever has room the same CPU is named") {
  constexpr int kWakings = 15;
  Driver d("6.18", 2, {}, kWakings);
  d.fio_is_known();
  d.run(1, "other", 40);
  d.run(0, "swapper", 0);
  const int before = d.judged();
  d.wake(1, "fio", 10, 0);  // the waker's CPU if it has room, else its own, which idles
  d.run(0, "fio", 10);
  CHECK(d.judged() == before);
  CHECK(d.not_judged("utilisation") > 0);
  d.run(1, "swapper", 0);
  d.run(0, "swapper", 0);
  d.run(0, "kworker/0:1", 20);
  d.wake(0, "fio", 10, 0);  // with room or without: stacked on the worker
  d.run(0, "fio", 10);
  CHECK(d.judged() == before + 1);
  CHECK(d.result()["equal"] == d.result()["n"]);
}

TEST_CASE("sched_wakeup says where it went; what moves it then is the balancer") {
  Driver d("6.1");
  d.fio_is_known();
  const int before = d.judged();
  d.run(0, "kworker/0:1", 20);
  d.wake(0, "fio", 10, 0);
  d.woken(0, "fio", 10, 0);
  d.migrate(0, "fio", 10, 0, 1);
  CHECK(d.judged() == before + 1);
  CHECK(d.result()["equal"] == d.result()["n"]);
  CHECK(d.result()["moves"]["n"] == 1);
}

TEST_CASE("without the rule the same trace diverges, with both CPUs named") {
  Driver d("5.4");
  d.fio_is_known();
  d.wake(0, "hog", 30, 0);  // where it last woke another is what 5.4 tries before the search
  d.migrate(0, "hog", 30, 0, 1);
  d.run(1, "hog", 30);
  d.run(1, "swapper", 0);
  d.run(0, "kworker/0:1", 20);
  d.wake(0, "fio", 10, 0);
  d.run(0, "fio", 10);
  CHECK(d.result()["equal"].get<int>() == d.result()["n"].get<int>() - 1);
  REQUIRE(d.judge.divergences().size() == 1);
  CHECK(d.judge.divergences()[0].trace == "CPU 0");
  CHECK(d.judge.divergences()[0].model.rfind("CPU 1 (idle_cpu", 0) == 0);
  CHECK_FALSE(d.judge.below_bar().empty());
}

TEST_CASE("bound and pinned tasks have no choice, and where the load decides is counted apart") {
  Driver d("6.1", 2, {{{"fio*"}, 0}});
  d.run(0, "fio", 10);
  d.run(0, "hog", 30);
  d.wake(0, "fio", 10, 0);
  CHECK(d.result()["n"] == 0);
  CHECK(d.result()["not_judged_why"]["bound"] == 1);
  Driver both("6.1");
  both.fio_is_known();
  const auto n = both.result()["n"];
  both.run(0, "hog", 30);
  both.run(1, "other", 40);
  both.wake(1, "fio", 10, 0);  // both are busy: wake_affine compares loads
  both.run(1, "fio", 10, trace::kStateRunning);
  CHECK(both.result()["n"] == n);
  CHECK(both.result()["by_load"]["n"].get<int>() + both.result()["not_judged_why"]["sync"].get<int>() == 1);
}

TEST_CASE("a sleeper that may still be queued is not judged on a kernel with delayed dequeue") {
  Driver d("6.12");
  d.run(0, "fio", 10);
  d.wake(0, "hog", 30, 0);
  d.run(0, "hog", 30);  // fio blocked beside it
  d.wake(0, "fio", 10, 0);
  CHECK(d.result()["not_judged_why"]["may_be_delayed"] == 1);
}

TEST_CASE("a sleeper that may still be queued takes its CPU's worker the right to keep its wakee") {
  Driver d("6.12");
  d.run(0, "fio", 10);
  d.run(0, "swapper", 0);
  d.wake(0, "fio", 10, 0);
  d.run(0, "fio", 10);
  d.run(0, "swapper", 0);
  d.wake(0, "hog", 30, 0);
  d.wake(0, "kworker/0:1", 20, 0);
  d.run(0, "hog", 30);
  const int before = d.judged(), delayed = d.not_judged("may_be_delayed");
  d.run(0, "kworker/0:1", 20);  // the hog blocked beside it
  d.wake(0, "fio", 10, 0);
  d.run(0, "fio", 10);
  CHECK(d.judged() == before);
  CHECK(d.not_judged("may_be_delayed") == delayed + 1);
}

TEST_CASE("moves of the balancer: legal, and what the statistics ask for") {
  Driver d("6.1");
  d.run(0, "a", 10);
  d.wake(0, "kworker/0:1", 20, 0);
  d.run(0, "kworker/0:1", 20, trace::kStatePreempted);  // a waits
  d.migrate(1, "a", 10, 0, 1);
  CHECK(d.result()["moves"] == nlohmann::json{{"n", 1}, {"legal", 1}, {"chosen", 1}});
  d.run(1, "a", 10);
  d.migrate(0, "a", 10, 1, 0);  // it runs: nobody may take it
  CHECK(d.result()["moves"] == nlohmann::json{{"n", 2}, {"legal", 1}, {"chosen", 1}});
  REQUIRE(d.judge.divergences().size() == 1);
}
