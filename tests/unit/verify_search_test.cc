// SPDX-License-Identifier: GPL-2.0-or-later
// What a recording leaves possible of its start (models/verify/search.h): the model's own scheduler, recorded from the
// middle of a run with lags nobody sees, is followed to the end; another kernel is found out.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/kernel/versions.h"
#include "models/verify/ensemble.h"
#include "models/verify/search.h"
#include "tests/unit/catch.h"

using namespace wakepath;  // NOLINT(google-build-using-namespace)
using sched::Time;
using verify::Seen;
using verify::Step;
using verify::StepKind;

namespace {

// A CPU that never idles: a hog that wakes others, which run a little and sleep; everything as steps from `begin` on.
class Recorded final : sched::Observer {
 public:
  Recorded(const kernel::Switches& k, std::uint64_t seed)
      : tunables(sched::Tunables::defaults(k, 8, 250)), s_(k, tunables, 1), dice_(seed) {
    s_.set_observer(this);
    const char* const names[] = {"hog", "worker", "other", "third"};
    const int nice[] = {0, 0, 5, -3};
    for (int i = 0; i < 4; ++i) {
      s_.init_task(tasks_[i], names[i], i + 1, sched::Policy::other, nice[i], 0, nullptr, 0);
      names_[i] = {pool.intern(names[i]), i + 1, 120 + nice[i]};
    }
  }

  std::vector<Step> run(Time begin, Time end) {
    begin_ = begin;
    wake(0);
    act();
    Time tick = tunables.tick_ns;
    while (now_ < end) {
      const bool hog = s_.current(0).pid == 1;
      const Time next = now_ + static_cast<Time>((hog ? 20'000 : 8'000) + dice_.below(hog ? 300'000 : 70'000));
      if (tick <= next) {
        now_ = tick;
        tick += tunables.tick_ns;
        const Seen before = flag();
        print_ = {};
        s_.tick(0, now_);
        add(StepKind::tick, before, names_[s_.current(0).pid - 1]);
      } else {
        now_ = next;
        if (hog) {
          wake(1 + static_cast<int>(dice_.below(5) == 0 ? 1 + dice_.below(2) : 0));
        } else {
          sched::Scheduler::set_state(s_.current(0), sched::State::interruptible);
          leave(1);
        }
      }
      act();
    }
    return steps;
  }

  trace::StringPool pool;
  const sched::Tunables tunables;
  std::vector<Step> steps;

 private:
  Seen flag() const { return s_.need_resched(0) ? Seen::yes : Seen::no; }

  void add(StepKind kind, Seen before, const verify::TaskName& task) {
    if (now_ < begin_) return;
    Step s;
    s.kind = kind;
    s.resched_before = before;
    s.resched_after = flag();
    s.ordinal = static_cast<std::int64_t>(steps.size());
    s.line = s.ordinal + 1;
    s.ts_ns = s.end_ns = now_;
    s.task = task;
    if (print_.seen) s.print = print_;
    s.print.line = s.line;
    steps.push_back(s);
  }

  void wake(int i) {
    if (tasks_[i].on_rq == sched::OnRq::queued && !tasks_[i].se.sched_delayed) return;
    const Seen before = flag();
    print_ = {};
    s_.wake_up(tasks_[i], 0, now_);
    add(StepKind::wake, before, names_[i]);
  }

  void act() {
    if (s_.need_resched(0)) leave(0);
  }

  void leave(std::uint16_t state) {
    now_ += 300;
    const sched::Task& prev = s_.current(0);
    const Seen before = flag();
    const bool idle = prev.pid == 0;
    print_ = {};
    s_.schedule(0, false, now_);
    const sched::Task& next = s_.current(0);
    REQUIRE(next.pid != 0);
    add(StepKind::schedule, before, names_[next.pid - 1]);
    if (now_ < begin_ || idle) return;
    steps.back().prev = names_[prev.pid - 1];
    steps.back().prev_state = state;
  }

  void stat_runtime(int, const sched::Task& t, Time delta_ns, std::uint64_t) override {
    print_.seen = true;
    print_.pid = t.pid;
    print_.comm = names_[t.pid - 1].comm;
    print_.ts_ns = now_;
    print_.runtime_ns = delta_ns;
  }

  sched::Scheduler s_;
  verify::Dice dice_;
  sched::Task tasks_[4];
  verify::TaskName names_[4];
  Time now_ = 1000, begin_ = 0;
  decltype(Step::print) print_;
};

struct Agreement {
  double judged, equal;
  std::size_t divergences;
};

Agreement follow(Recorded& r, const kernel::Switches& k) {
  verify::Setting setting;
  setting.switches = k;
  setting.tunables = r.tunables;
  setting.prints_vruntime = false;
  verify::Ensemble e(setting, r.pool);
  for (const Step& s : r.steps) e.on_step(s);
  e.finish();
  const auto a = e.judge().agreement();
  double n = 0, equal = 0, not_judged = 0;
  for (const char* kind : {"wakeup_preemption", "pick"}) {
    n += a[kind]["n"].get<double>();
    equal += a[kind]["equal"].get<double>();
    not_judged += a[kind]["not_judged"].get<double>();
  }
  return {n / (n + not_judged), n == 0 ? 0 : equal / n, e.judge().divergences().size()};
}

}  // namespace

TEST_CASE("a recording whose start nobody saw is followed decision by decision", "[verify]") {
  const auto seed = GENERATE(1, 2, 3, 5, 6, 7, 8, 9);
  CAPTURE(seed);
  const kernel::Switches k = kernel::switches_of("6.12");
  Recorded r(k, static_cast<std::uint64_t>(seed));
  r.run(25'000'000, 100'000'000);
  REQUIRE(r.steps.size() > 500);
  const Agreement a = follow(r, k);
  CHECK(a.equal == 1.0);
  CHECK(a.judged > 0.9);
}

TEST_CASE("another kernel's recording is found out", "[verify]") {
  const kernel::Switches real = kernel::switches_of("6.12");
  Recorded r(real, 3);
  r.run(25'000'000, 100'000'000);
  kernel::Switches wrong = real;
  SECTION("lags are dropped") { wrong.place_lag = false; }
  SECTION("no delayed dequeue") { wrong.delay_dequeue = false; }
  const Agreement a = follow(r, wrong);
  CHECK(a.divergences > 0);
}

TEST_CASE("a start's values are the same each time, and children stay within their limits", "[verify]") {
  using verify::Start;
  Start a(5), b(6), again(5);
  const auto key = Start::task(42, 1, Start::lag);
  CHECK(a.value(key, 1'000'000) == again.value(key, 1'000'000));
  CHECK(Start().value(key, 1'000'000) == 0);
  CHECK(key != Start::group(42, 1, Start::lag));
  CHECK(key != Start::task(42, 2, Start::lag));
  CHECK(b.value(key, 0) == 0);
  verify::Dice dice(1);
  for (int i = 0; i < 200; ++i) {
    Start child = i % 2 == 0 ? Start::between(a, b, dice) : Start::near(a, dice);
    const auto v = child.value(key, 1'000'000);
    CHECK(v <= 1'000'000);
    CHECK(v >= -1'000'000);
  }
  CHECK(a.clock_error(7, 10) == again.clock_error(7, 10));
  for (int line = 0; line < 100; ++line) {
    CHECK(a.clock_error(line, 10) <= 10);
    CHECK(a.clock_error(line, 10) >= -10);
  }
}

TEST_CASE("tasks that run before they are woken were there at the start", "[verify]") {
  const auto step = [](StepKind kind, int prev, int task) {
    Step s;
    s.kind = kind;
    s.prev = {0, prev, 120};
    s.task = {0, task, 120};
    return s;
  };
  const auto present = verify::present_at_start({step(StepKind::wake, -1, 5), step(StepKind::schedule, 1, 5),
                                                 step(StepKind::schedule, 5, 7), step(StepKind::wake, -1, 1)});
  using How = verify::Present::How;
  REQUIRE(present.size() == 3);
  CHECK(present[0].name.pid == 1);
  CHECK(present[0].how == How::running);
  CHECK(present[1].name.pid == 5);
  CHECK(present[1].how == How::asleep);
  CHECK(present[2].name.pid == 7);
  CHECK(present[2].how == How::queued);
}
