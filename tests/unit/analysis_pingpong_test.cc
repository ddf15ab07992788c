// SPDX-License-Identifier: GPL-2.0-or-later
// Ping-pong: found where real kernels had it, absent from the controls, and named by decisions alone.
#include "sim/analysis/pingpong.h"

#include <nlohmann/json.hpp>

#include "sim/analysis/analyze.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;
using analysis::PingPongResult;
using analysis::SwitchReason;
using trace::Event;
using trace::EventType;

namespace {

std::vector<analysis::PingPongRow> pingpongs(const PingPongResult& r) {
  std::vector<analysis::PingPongRow> out;
  for (const auto& row : r.rows) {
    if (row.is_pingpong()) out.push_back(row);
  }
  return out;
}

template <class Change>
PingPongResult result_of_file(const std::string& name, trace::StringPool& pool, Change change) {
  auto r = tests::read_trace(tests::data_trace(name), pool);
  REQUIRE(r.error.empty());
  analysis::PingPong p(pool);
  for (Event& e : r.events) {
    change(e);
    p.on_event(e);
  }
  return p.result();
}

PingPongResult result_of_file(const std::string& name) {
  trace::StringPool pool;
  return result_of_file(name, pool, [](Event&) {});
}

// A made-up CPU 0: who runs, for how long, who is woken from where, why it is left.
class Script {
 public:
  explicit Script(bool flags = true) : flags_(flags) {}
  trace::StringPool pool;
  std::vector<Event> events;

  void run(std::int64_t ns) { now_ += ns; }
  void wake(int pid, bool from_interrupt, bool preempts) {
    Event e = record(EventType::sched_waking, from_interrupt);
    e.u.task = {name(pid), pid, 120, 0, 0, 0};
    events.push_back(e);
    e.type = EventType::sched_wakeup;
    if (preempts && flags_) e.flags |= trace::kNeedResched;
    resched_ = resched_ || preempts;
    events.push_back(e);
  }
  void tick() {
    resched_ = true;
    events.push_back(record(EventType::local_timer_exit, true));
  }
  void switch_to(int pid, std::uint16_t state) {
    resched_ = false;
    Event e = record(EventType::sched_switch, false);
    e.u.sw = {name(current_), current_, 120, state, name(pid), pid, 120};
    events.push_back(e);
    current_ = pid;
  }
  PingPongResult result() const {
    analysis::PingPong p(pool);
    for (const Event& e : events) p.on_event(e);
    return p.result();
  }
  [[nodiscard]] trace::StringId name(int pid) {
    return pool.intern(pid == 0 ? "swapper/0" : std::string("t") + static_cast<char>('a' + pid));
  }

 private:
  Event record(EventType type, bool interrupt) {
    Event e;
    e.type = type;
    e.ts_ns = now_++;
    e.pid = current_;
    e.comm = name(current_);
    e.has_flags = flags_;
    if (flags_)
      e.flags = static_cast<std::uint8_t>((interrupt ? trace::kHardirq : 0) | (resched_ ? trace::kNeedResched : 0));
    return e;
  }
  std::int64_t now_ = 1000;
  int current_ = 1;
  bool resched_ = false;
  bool flags_;
};

constexpr std::uint16_t kR = trace::kStatePreempted, kS = trace::kStateInterruptible;

// Task 2 wakes task 1, which preempts it, works and sleeps.
Script wakee_preempts(int rounds, std::int64_t wakee_ns, std::int64_t waker_ns, bool flags = true) {
  Script s(flags);
  s.switch_to(2, kS);
  for (int i = 0; i < rounds; ++i) {
    s.run(waker_ns);
    s.wake(1, false, true);
    s.switch_to(1, kR);
    s.run(wakee_ns);
    s.switch_to(2, kS);
  }
  return s;
}

}  // namespace

TEST_CASE("pingpong: real traces with the pattern, and their controls") {
  for (const char* name : {"cfs-w1000.txt.xz", "eevdf-w1000.txt.xz", "perf-w10240.txt.xz", "cfs-ping.txt.xz"}) {
    CAPTURE(name);
    const auto rows = pingpongs(result_of_file(name));
    REQUIRE(rows.size() == 1);
    CHECK(tests::contains(rows[0].cause, "wakeup preemption"));
    CHECK(rows[0].length == 2);
    CHECK(rows[0].preempting_rounds * 100 >= rows[0].switches * 95);
  }
  CHECK(pingpongs(result_of_file("cfs-w1000.txt.xz"))[0].cycle == "fio > kworker");
  for (const char* name : {"cfs-root.txt.xz", "eevdf-root.txt.xz", "perf-root.txt.xz", "io-wq.txt.xz"}) {
    CAPTURE(name);
    CHECK(pingpongs(result_of_file(name)).empty());
  }
  // In root a kworker that an interrupt woke preempts fio: they alternate, but nobody is preempted by its own wakee.
  const auto root = result_of_file("cfs-root.txt.xz");
  REQUIRE_FALSE(root.rows.empty());
  CHECK(root.rows[0].cycle == "fio > kworker");
  CHECK(root.reasons[static_cast<std::size_t>(SwitchReason::interrupt_wakee)] == 64);
  CHECK(root.reasons[static_cast<std::size_t>(SwitchReason::own_wakee)] == 0);
}

TEST_CASE("pingpong: other names, the same cause") {
  trace::StringPool pool;
  const auto plain = result_of_file("eevdf-w1000.txt.xz", pool, [](Event&) {});
  trace::StringPool other;
  const auto renamed = result_of_file("eevdf-w1000.txt.xz", other, [&other](Event& e) {
    const auto rename = [&other](trace::StringId& id, int pid) {
      id = other.intern(std::string("task-") + static_cast<char>('a' + pid % 26) +
                        static_cast<char>('a' + pid / 26 % 26));
    };
    rename(e.comm, e.pid);
    if (e.type == EventType::sched_switch) {
      rename(e.u.sw.prev_comm, e.u.sw.prev_pid);
      rename(e.u.sw.next_comm, e.u.sw.next_pid);
    }
  });
  const auto a = pingpongs(plain), b = pingpongs(renamed);
  REQUIRE(a.size() == 1);
  REQUIRE(b.size() == 1);
  CHECK(a[0].cause == b[0].cause);
  CHECK(a[0].switches == b[0].switches);
  CHECK(a[0].cycle != b[0].cycle);
  CHECK(plain.reasons == renamed.reasons);
}

TEST_CASE("pingpong: without latency columns the order of records speaks") {
  trace::StringPool pool;
  const auto r = result_of_file("cfs-w1000.txt.xz", pool, [](Event& e) {
    e.has_flags = false;
    e.flags = 0;
  });
  REQUIRE(pingpongs(r).size() == 1);
  CHECK(pingpongs(r)[0].preempting_rounds * 100 >= pingpongs(r)[0].switches * 95);
  trace::StringPool root;
  CHECK(pingpongs(result_of_file("cfs-root.txt.xz", root, [](Event& e) {
          e.has_flags = false;
          e.flags = 0;
        })).empty());
}

TEST_CASE("pingpong: weight is only named when run times prove it") {
  // The wakee runs 15 us to the waker's 5: after 601 rounds it leads by 6 ms, more than any sleeper's credit.
  const auto heavy = pingpongs(wakee_preempts(700, 15000, 5000).result());
  REQUIRE(heavy.size() == 1);
  CHECK(heavy[0].cause == "wakeup preemption: the wakee's entity outweighs the waker's");
  CHECK(heavy[0].lead_ns > analysis::PingPong::kCreditNs);
  CHECK(analysis::ratio(heavy[0].wakee_run_ns, heavy[0].waker_run_ns) == Approx(3).epsilon(0.01));
  const auto light = pingpongs(wakee_preempts(700, 5000, 15000).result());
  REQUIRE(light.size() == 1);
  CHECK(light[0].cause == "wakeup preemption: the waker is preempted by the task that it woke");
  const auto brief = pingpongs(wakee_preempts(100, 15000, 5000).result());
  REQUIRE(brief.size() == 1);
  CHECK(brief[0].lead_ns < analysis::PingPong::kCreditNs);
  CHECK(brief[0].cause == light[0].cause);
}

namespace {

// `bursts` of 100 rounds, each with 1 ms more for the wakee; after each the waker has nothing left to do, and `alone`
// (0: the idle task, 1: the wakee) has the CPU for 100 us.
Script bursts_of_rounds(int bursts, std::int32_t alone) {
  Script s;
  s.switch_to(2, kS);
  for (int i = 0; i < bursts * 100; ++i) {
    s.run(5000);
    s.wake(1, false, true);
    s.switch_to(1, kR);
    s.run(15000);
    s.switch_to(2, kS);
    if (i % 100 != 99) continue;
    s.run(1000);
    if (alone != 0) s.wake(alone, true, false);
    s.switch_to(alone, kS);
    s.run(100000);
    s.wake(2, true, true);
    s.switch_to(2, alone == 0 ? 0 : kS);
  }
  return s;
}

}  // namespace

TEST_CASE("pingpong: a sleep of the waker, or an idle CPU, gives the wakee no credit") {
  // By sleeping only the sleeper can gain; so what was run before still counts: 5 bursts prove nothing, 9 do.
  for (const int alone : {0, 1}) {
    CAPTURE(alone);
    const auto few = pingpongs(bursts_of_rounds(5, alone).result());
    REQUIRE(few.size() == 1);
    CHECK(few[0].proven_rounds == 0);
    CHECK(tests::contains(few[0].cause, "the task that it woke"));
    const auto many = pingpongs(bursts_of_rounds(9, alone).result());
    REQUIRE(many.size() == 1);
    CHECK(tests::contains(many[0].cause, "outweighs"));
  }
  // Beyond the credit an idle CPU takes all, a sleep all but kKeptNs.
  CHECK(pingpongs(bursts_of_rounds(30, 0).result())[0].lead_ns <= analysis::PingPong::kCreditNs + 1010000);
  const auto kept = pingpongs(bursts_of_rounds(30, 1).result())[0].lead_ns;
  CHECK(kept > analysis::PingPong::kCreditNs + analysis::PingPong::kKeptNs);
  CHECK(kept <= analysis::PingPong::kCreditNs + analysis::PingPong::kKeptNs + 1010000);
}

TEST_CASE("pingpong: what the waker runs takes the lead back, and another CPU forgets it") {
  Script s = wakee_preempts(500, 15000, 5000);  // 5 ms ahead
  s.run(4000000);                               // the wakee sleeps, the waker runs on
  for (int i = 0; i < 300; ++i) {
    s.wake(1, false, true);
    s.switch_to(1, kR);
    s.run(15000);
    s.switch_to(2, kS);
    s.run(5000);
  }
  const auto rows = pingpongs(s.result());
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].lead_ns < 5100000);
  CHECK(rows[0].proven_rounds == 0);
}

TEST_CASE("pingpong: taking turns for other reasons is none") {
  Script ticks;  // two hogs
  ticks.switch_to(2, kS);
  for (int i = 0; i < 200; ++i) {
    ticks.run(4000000);
    ticks.tick();
    ticks.switch_to(i % 2 == 0 ? 1 : 2, 0);
  }
  CHECK(pingpongs(ticks.result()).empty());
  CHECK(ticks.result().reasons[static_cast<std::size_t>(SwitchReason::slice_end)] == 200);
  CHECK(ticks.result().rows.at(0).cycle == "tb > tc");

  Script pipe;  // each wakes the other and blocks
  pipe.switch_to(2, kS);
  for (int i = 0; i < 200; ++i) {
    const int other = i % 2 == 0 ? 1 : 2;
    pipe.run(5000);
    pipe.wake(other, false, false);
    pipe.switch_to(other, kS);
  }
  CHECK(pingpongs(pipe.result()).empty());
  CHECK(pipe.result().reasons[static_cast<std::size_t>(SwitchReason::hand_off)] == 200);

  Script interrupts;  // an interrupt's wakee preempts
  interrupts.switch_to(2, kS);
  for (int i = 0; i < 200; ++i) {
    interrupts.run(5000);
    interrupts.wake(1, true, true);
    interrupts.switch_to(1, kR);
    interrupts.run(5000);
    interrupts.switch_to(2, kS);
  }
  CHECK(pingpongs(interrupts.result()).empty());

  Script slept;  // one task and the idle task
  slept.switch_to(0, kS);
  for (int i = 0; i < 200; ++i) {
    slept.wake(1, true, true);
    slept.switch_to(1, 0);
    slept.run(5000);
    slept.switch_to(0, kS);
  }
  CHECK(slept.result().rows.empty());
}

TEST_CASE("pingpong: a wakeup that asked for nothing is no preemption, even if the tick then brings the wakee on") {
  Script s;
  s.switch_to(2, kS);
  for (int i = 0; i < 200; ++i) {
    s.run(5000);
    s.wake(1, false, false);
    s.run(5000);
    s.tick();
    s.switch_to(1, kR);
    s.run(5000);
    s.switch_to(2, kS);
  }
  CHECK(pingpongs(s.result()).empty());
  CHECK(s.result().reasons[static_cast<std::size_t>(SwitchReason::slice_end)] == 200);
}

TEST_CASE("pingpong: cycles of three and four, labelled wherever they begin") {
  for (int start = 0; start < 3; ++start) {
    Script s;
    s.switch_to(2 + start, kS);
    for (int i = 0; i < 300; ++i) {
      const int next = 2 + (start + i + 1) % 3;
      s.run(3000);
      s.wake(next, false, true);
      s.switch_to(next, kR);
    }
    const auto rows = pingpongs(s.result());
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].cycle == "tc > td > te");
    CHECK(rows[0].length == 3);
    CHECK(rows[0].switches == 300 - 2);
  }
  Script s;
  s.switch_to(2, kS);
  for (int i = 0; i < 300; ++i) {
    const int next = 2 + (i + 1) % 4;
    s.wake(next, false, true);
    s.switch_to(next, kR);
  }
  CHECK(s.result().rows.at(0).cycle == "tc > td > te > tf");
}

TEST_CASE("pingpong: a gap ends every round") {
  Script s = wakee_preempts(200, 5000, 5000);
  std::vector<Event> holed;
  for (const Event& e : s.events) {
    if (e.type == EventType::sched_switch) {
      Event lost;
      lost.type = EventType::lost_events;
      lost.u.value = 1;
      holed.push_back(lost);
    }
    holed.push_back(e);
  }
  s.events = holed;
  CHECK(s.result().rows.empty());
}

TEST_CASE("analyze_file: one call from path to JSON, errors as values") {
  const auto j = analysis::analyze_file(tests::data_trace("cfs-w1000.txt.xz"));
  REQUIRE(j);
  CHECK((*j)["schema"] == "wakepath.analysis/1");
  CHECK((*j)["pattern"]["switches"]["n"] == 454);
  CHECK((*j)["pingpong"].size() == 1);
  CHECK((*j)["pingpong"][0]["cycle"] == "fio > kworker");
  CHECK((*j)["pingpong"][0].contains("switches_per_s"));
  CHECK((*j)["trace"]["records"] == 3988);
  CHECK((*j)["trace"]["format"] == "ftrace");
  const auto again = analysis::analyze_file(tests::data_trace("cfs-w1000.txt.xz"));
  CHECK(j->dump() == again->dump());
  const auto missing = analysis::analyze_file(tests::data_trace("no-such-file.txt"));
  REQUIRE_FALSE(missing);
  CHECK(tests::contains(trace::to_string(missing.error()), "no-such-file.txt: cannot be opened"));

  const auto both =
      analysis::compare_files(tests::data_trace("cfs-w1000.txt.xz"), tests::data_trace("eevdf-w1000.txt.xz"));
  REQUIRE(both);
  CHECK((*both)["rows"].size() > 10);
  CHECK_FALSE(analysis::compare_files(tests::data_trace("cfs-w1000.txt.xz"), "no-such-file.txt"));
}
