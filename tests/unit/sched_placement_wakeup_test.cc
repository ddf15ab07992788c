// SPDX-License-Identifier: GPL-2.0-or-later
// Placement of woken tasks: scheduler spec 6, worked examples E35-E38, E46.
#include "models/kernel/versions.h"
#include "models/sched/placement/placement.h"
#include "tests/unit/catch.h"

using namespace wakepath;
using namespace wakepath::sched;
using machine::CpuMask;
using machine::make_topology;

namespace {

// Eight CPUs of one cache, all busy with one task.
struct Eight {
  explicit Eight(const char* version = "6.1") : k(kernel::switches_of(version)), d(make_topology({.cpus = 8})), v(8) {
    for (auto& c : v.cpu) c.idle = false, c.nr_running = 1;
    d.llc_shared(0)->nr_idle_scan = 8;
  }
  void idle(int cpu) { v.cpu[static_cast<std::size_t>(cpu)] = {}; }
  Placement place(const Wakeup& w) { return select_task_rq_fair(v, k, d, w); }
  kernel::Switches k;
  Domains d;
  PlainCpus v;
};

Wakeup by_kworker(int cpu, int prev) {
  Wakeup w;
  w.this_cpu = cpu;
  w.prev_cpu = prev;
  w.waker_is_kthread = true;
  w.waker_cpus_allowed = 1;
  return w;
}

Affine weigh(std::uint64_t here, std::uint64_t prev, std::uint64_t task, std::uint64_t waker, bool sync) {
  PlainCpus v(2);
  for (auto& c : v.cpu) c.idle = false, c.nr_running = 2;
  v.cpu[0].load = here;
  v.cpu[1].load = prev;
  v.load_of_wakee = task;
  v.load_of_waker = waker;
  Wakeup w;
  w.this_cpu = 0;
  w.prev_cpu = 1;
  w.sync = sync;
  return wake_affine(v, kernel::switches_of("6.1"), w, 117, true);
}

}  // namespace

TEST_CASE("E35: wake_affine by load") {
  CHECK(weigh(1024, 2048, 1024, 1024, true) == Affine::this_lighter);
  CHECK(weigh(1024, 2048, 1024, 0, false) == Affine::prev);
  CHECK(weigh(512, 2048, 512, 0, false) == Affine::this_lighter);
  CHECK(weigh(1024, 0, 0, 1024, true) == Affine::this_lighter);  // 0 < 1, the bias of sync
}

TEST_CASE("wake_affine looks at idle CPUs first, and at sync") {
  PlainCpus v(2);
  Wakeup w;
  w.this_cpu = 0;
  w.prev_cpu = 1;
  CHECK(wake_affine(v, kernel::switches_of("6.1"), w, 117, true) == Affine::prev_beside_idle);
  v.cpu[1].idle = false;
  CHECK(wake_affine(v, kernel::switches_of("6.1"), w, 117, true) == Affine::this_idle);
  v.cpu[0].idle = false;
  v.cpu[0].nr_running = 2;
  v.cpu[0].nr_delayed = 1;  // a sleeper that is still queued does not count
  w.sync = true;
  CHECK(wake_affine(v, kernel::switches_of("6.1"), w, 117, true) == Affine::sync);
  v.cpu[0].nr_delayed = 0;
  v.cpu[1].idle = true;
  CHECK(wake_affine(v, kernel::switches_of("6.1"), w, 117, false) == Affine::prev_idle);
  v.cpu[0].load = 1024;
  CHECK(wake_affine(v, kernel::switches_of("5.4"), w, 117, false) == Affine::prev);  // by load, before 5.11
}

TEST_CASE("recent_used_by_waker: up to 5.13 a wakeup leaves the wakee's recently used CPU unless it took that") {
  Eight m;
  for (const int c : {4, 5, 6, 7}) m.idle(c);
  m.k.stack_wakee_on_kthread = false;
  Wakeup w = by_kworker(3, 3);
  w.recent_used_cpu = 2;  // busy
  CHECK(m.place(w).recent_used_cpu == 3);
  CHECK(m.place(w).wants_affine);
  m.k.recent_used_by_waker = true;
  CHECK(m.place(w).recent_used_cpu == 2);
  w.recent_used_cpu = 6;
  CHECK(m.place(w).cpu == 6);
  CHECK(m.place(w).recent_used_cpu == 3);
}

TEST_CASE("E36: a task woken by the kthread of its CPU stays there") {
  Eight m;
  for (const int c : {4, 5, 6, 7}) m.idle(c);
  const Placement p = m.place(by_kworker(3, 3));
  CHECK(p.cpu == 3);
  CHECK(p.step == Step::kthread_stack);
  CHECK(p.recent_used_cpu == -1);  // not touched by this rule
  SECTION("not when a second task is queued there") {
    m.v.cpu[3].nr_running = 2;
    CHECK(m.place(by_kworker(3, 3)).cpu == 4);
  }
  SECTION("not when the kthread may run elsewhere") {
    Wakeup w = by_kworker(3, 3);
    w.waker_cpus_allowed = 8;
    CHECK(m.place(w).step == Step::idle_cpu);
  }
  SECTION("not before 5.6") {
    m.k.stack_wakee_on_kthread = false;
    CHECK(m.place(by_kworker(3, 3)).cpu == 4);
  }
  SECTION("from an interrupt on its CPU only up to 5.16") {
    Wakeup w = by_kworker(3, 3);
    w.waker_in_task = false;
    CHECK(m.place(w).cpu == 4);
    m.k.stack_in_task_only = false;
    CHECK(m.place(w).cpu == 3);
  }
  SECTION("the CPU used before is tried before the scan") {
    m.k.stack_wakee_on_kthread = false;
    Wakeup w = by_kworker(3, 3);
    w.recent_used_cpu = 6;
    const Placement q = m.place(w);
    CHECK(q.cpu == 6);
    CHECK(q.step == Step::recent_idle);
    CHECK(q.recent_used_cpu == 3);
  }
}

TEST_CASE("E37: who wakes many does not pull them") {
  CHECK(wake_wide(100, 8, 8));
  CHECK(wake_wide(8, 100, 8));
  CHECK_FALSE(wake_wide(100, 7, 8));
  CHECK_FALSE(wake_wide(63, 8, 8));
  WakeeFlips f;
  int a = 0, b = 0;
  for (int i = 0; i < 10; ++i) f.record(i % 2 == 0 ? &a : &b, 0, 250);
  CHECK(f.flips == 10);
  f.record(&b, 251, 250);  // a second later: halved, and the same wakee as before
  CHECK(f.flips == 5);
}

TEST_CASE("E38: the scan starts behind the target and stops at its limit") {
  Eight m;
  m.d.llc_shared(0)->nr_idle_scan = 5;
  Wakeup w;
  w.this_cpu = w.prev_cpu = 3;
  CHECK(m.place(w).step == Step::target);
  CHECK(m.place(w).tested == 6);  // the target, then 4, 5, 6, 7, 0
  m.idle(0);
  CHECK(m.place(w).cpu == 0);
  m.v.cpu[0].idle = false;
  m.idle(1);
  CHECK(m.place(w).cpu == 3);
  m.d.llc_shared(0)->nr_idle_scan = 0;
  CHECK(m.place(w).tested == 1);
  m.k.sis_util = false;
  CHECK(m.place(w).cpu == 1);
}

TEST_CASE("affinity bounds the scan and the fast checks") {
  Eight m;
  for (const int c : {4, 5, 6}) m.idle(c);
  CpuMask allowed(8);
  for (const int c : {3, 6}) allowed.set(c);
  Wakeup w;
  w.this_cpu = w.prev_cpu = 3;
  w.allowed = &allowed;
  w.recent_used_cpu = 4;
  CHECK(m.place(w).cpu == 6);
}

TEST_CASE("with threads: an idle core first, then a sibling; a failed search clears the flag") {
  const auto k = kernel::switches_of("6.1");
  Domains d(make_topology({.cpus = 8, .threads_per_core = 2}));  // cores {0,4} {1,5} {2,6} {3,7}
  PlainCpus v(8);
  for (auto& c : v.cpu) c.idle = false, c.nr_running = 1;
  d.llc_shared(0)->nr_idle_scan = 8;
  Wakeup w;
  w.this_cpu = w.prev_cpu = 1;
  v.cpu[5].idle = v.cpu[3].idle = v.cpu[7].idle = true;
  d.llc_shared(0)->has_idle_cores = true;
  Placement p = select_task_rq_fair(v, k, d, w);
  CHECK(p.cpu == 3);
  CHECK(p.step == Step::idle_core);
  v.cpu[7].idle = false;
  p = select_task_rq_fair(v, k, d, w);
  CHECK(p.clears_idle_cores);
  CHECK(p.cpu == 3);  // the first idle CPU met on the way: core of 2, then of 3
  CHECK(p.step == Step::idle_cpu);
  d.llc_shared(0)->has_idle_cores = false;
  p = select_task_rq_fair(v, k, d, w);
  CHECK(p.cpu == 5);
  CHECK(p.step == Step::smt_idle);
}

TEST_CASE("E46: which wakeups are handed over") {
  const auto k61 = kernel::switches_of("6.1"), k54 = kernel::switches_of("5.4");
  const Domains d(make_topology({.cpus = 8, .packages = 2}));
  CHECK(wakeup_is_queued(k61, d, 0, 2, 0));
  CHECK_FALSE(wakeup_is_queued(k61, d, 0, 2, 1));
  CHECK_FALSE(wakeup_is_queued(k61, d, 0, 0, 0));
  CHECK(wakeup_is_queued(k61, d, 0, 5, 1));  // another cache
  CHECK_FALSE(wakeup_is_queued(k54, d, 0, 2, 0));
  CHECK(wakeup_is_queued(k54, d, 0, 5, 0));
}

namespace {

// Two CPUs of a virtual machine with sched_vcpu_pack; the wakee slept on CPU 0, its waker runs on CPU 1.
struct Packed {
  explicit Packed(std::int64_t mask) {
    k.sched_vcpu_pack = mask;
    d.llc_shared(0)->nr_idle_scan = 2;
    for (auto& c : v.cpu) c.idle = false, c.nr_running = c.nr_fair = 1;
    w.this_cpu = 1;
    w.prev_cpu = 0;
  }
  Placement place() { return select_task_rq_fair(v, k, d, w); }
  kernel::Switches k = kernel::switches_of("6.18");
  Domains d{make_topology({.cpus = 2})};
  PlainCpus v{2};
  Wakeup w;
};

}  // namespace

TEST_CASE("sched_vcpu_pack: a wakee goes to its waker's CPU rather than to an idle one") {
  Packed x(15);
  x.v.cpu[0] = {};
  x.v.cpu[1].util = 500;
  x.v.util_of_wakee = 216;  // 716 of 716.8 are used
  const Placement p = x.place();
  CHECK(p.cpu == 1);
  CHECK(p.step == Step::pack_awake);
  x.v.util_of_wakee = 217;
  CHECK(x.place().cpu == 0);
  CHECK(x.place().step == Step::target_idle);
  x.k.sched_vcpu_pack = 0;
  x.v.util_of_wakee = 0;
  CHECK(x.place().cpu == 0);
}

TEST_CASE("sched_vcpu_pack: what has no room") {
  Packed x(15);
  x.v.cpu[0] = {};
  REQUIRE(x.place().cpu == 1);
  SECTION("two runnable tasks") { x.v.cpu[1].nr_running = x.v.cpu[1].nr_fair = 2; }
  SECTION("a real-time task") { x.v.cpu[1].nr_fair = 0; }
  SECTION("a wakeup that is handed over") { x.v.cpu[1].wakeup_pending = true; }
  SECTION("forbidden") {
    static CpuMask only(2);
    only.set(0);
    x.w.allowed = &only;
  }
  CHECK(x.place().cpu == 0);
}

TEST_CASE("sched_vcpu_pack: a delayed sleeper takes no room, and its last CPU has no use of its own added") {
  Packed x(15);
  x.v.cpu[0].nr_running = x.v.cpu[0].nr_fair = 2;
  x.v.cpu[0].nr_delayed = 1;
  x.v.cpu[0].util = 700;
  x.v.util_of_wakee = 1000;
  CHECK(x.place().cpu == 0);
  CHECK(x.place().step == Step::pack_awake);
}

TEST_CASE("sched_vcpu_pack: an interrupt's wakee starts on the idle CPU that the interrupt has woken") {
  Packed x(15);
  x.v.cpu[0] = x.v.cpu[1] = {};
  x.w.waker_is_idle = true;
  CHECK(x.place().cpu == 1);
  CHECK(x.place().step == Step::pack_interrupted_idle);
  x.k.sched_vcpu_pack = pack::kSync;
  CHECK(x.place().step == Step::target_idle);
  x.w.sync = true;
  CHECK(x.place().step == Step::pack_sync);
}

TEST_CASE("sched_vcpu_pack: forks") {
  Packed x(pack::kFork);
  CHECK(vcpu_pack_fork(x.v, x.k, x.w) == 1);
  x.v.cpu[1].util = 717;
  CHECK(vcpu_pack_fork(x.v, x.k, x.w) == -1);
  x.v.cpu[1].util = 0;
  x.k.sched_vcpu_pack = 7;
  CHECK(vcpu_pack_fork(x.v, x.k, x.w) == -1);
}
