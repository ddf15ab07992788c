// SPDX-License-Identifier: GPL-2.0-or-later
// Ping-pong: tasks that take turns on one CPU in short cycles (A B A B, up to four tasks), and what makes them.
//
// Every sched_switch gets a reason from the decision records around it, never from names: prev's state; who woke next,
// when, and from which context; and which record first showed need_resched. A cycle is closed when a CPU comes back to
// a task after one to three others, without idling. Cycles are counted per family of comms, which labels them only: the
// same trace with tasks renamed gives the same rows under other labels.
//
// A cause is named when most rounds of a cycle contain the switch that makes it: the waker is switched out runnable,
// right after its own wakeup of the next task set need_resched. That is wakeup preemption. The wakee is said to
// outweigh the waker only when that is proven: in time that both wanted, the wakee ran longer than the waker by more
// than any credit that it can have begun with (kCreditNs), and still preempted, again and again; with equal weights its
// virtual time would have overtaken the waker's, and a task that is ahead does not preempt. See follow_lead for what a
// sleep keeps of the lead. Rounds of other reasons (a worker woken by an interrupt preempts, slices end, both block)
// are counted as alternations without being ping-pong. Where most wakees sleep again without having returned from their
// wait (io_getevents, io_uring_enter), they were woken in vain: before min_nr were there.
//
// One switch costs some tens of ns; memory is bounded whatever the trace.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::analysis {

enum class SwitchReason : std::uint8_t {
  blocked,          // prev slept; next had been waiting
  hand_off,         // prev slept; it had woken next itself while it ran
  own_wakee,        // prev runnable: the task that it woke preempts it
  interrupt_wakee,  // prev runnable: preempted by a task that an interrupt, or another CPU, woke
  slice_end,        // prev runnable: need_resched came from elsewhere (tick), or next had waited longer
  count_
};
[[nodiscard]] std::string_view name_of(SwitchReason r);

struct PingPongRow {
  std::string cycle;  // "fio > kworker": families in switching order, the alphabetically first one first
  int length = 0;
  std::int64_t switches = 0;                                                           // switches that closed a round
  std::array<std::int64_t, static_cast<std::size_t>(SwitchReason::count_)> reasons{};  // of those switches
  std::int64_t preempting_rounds = 0;               // rounds with an own_wakee switch in them
  std::int64_t judged_rounds = 0, vain_rounds = 0;  // whose wakee was seen; it slept again without having returned
  std::int64_t wakee_run_ns = 0, waker_run_ns = 0;  // summed over the own_wakee switches
  std::int64_t lead_ns = 0;                         // most that the wakee had run beyond the waker when it preempted
  std::int64_t proven_rounds = 0;                   // preemptions with a lead beyond all credit
  std::string cause;                                // "" where none is shown by decisions
  [[nodiscard]] bool is_pingpong() const { return !cause.empty(); }
};

struct PingPongResult {
  std::vector<PingPongRow> rows;  // most frequent first
  std::int64_t switches = 0;
  std::array<std::int64_t, static_cast<std::size_t>(SwitchReason::count_)> reasons{};  // of all judged switches
  std::int64_t duration_ns = 0;                                                        // without gaps
};

class PingPong final : public trace::Sink {
 public:
  // Beyond any lead that a sleeper of equal weight can hold: half of sched_latency (3 ms on one CPU) in CFS, two base
  // slices in EEVDF.
  static constexpr std::int64_t kCreditNs = 6000000;
  // Beyond that, what charging (from the wakeup on, interrupts to whom they hit) can shift.
  static constexpr std::int64_t kSlackNs = 500000;
  // Of a lead beyond the credit, what a sleep of the waker keeps at least: a task that wakes behind is placed at most
  // so far behind (CFS: half of sched_latency, 3 ms; EEVDF: lag of two slices, 1.4 ms, on either side).
  static constexpr std::int64_t kKeptNs = 2000000;
  static constexpr std::int64_t kSwitchesLeast = 10;  // fewer are chance
  static constexpr std::int64_t kShareLeastPercent = 5;

  explicit PingPong(const trace::StringPool& pool) : pool_(&pool) {}
  void on_event(const trace::Event& e) override;
  [[nodiscard]] PingPongResult result() const;

 private:
  using Family = std::uint16_t;
  static constexpr std::size_t kLongest = 4;
  static constexpr std::size_t kWakesKept = 8;

  enum class Setter : std::uint8_t { none, wakeup, other };
  struct Wake {
    std::int32_t pid = -1;
    bool by_current = false;  // from the task's own context on this CPU, not from an interrupt
  };
  struct Stint {  // what one task did between switch-in and switch-out
    std::int32_t pid = -1;
    Family family = 0;
    std::int64_t run_ns = 0;
    SwitchReason left = SwitchReason::blocked;
    bool returned = false;  // from a wait for completions
  };
  struct Cpu {
    bool known = false;
    std::int32_t current = -1;
    std::int64_t since_ns = 0;
    std::array<Stint, kLongest> ring{};  // latest stints, ring[0] the last
    std::size_t stints = 0;
    std::array<Wake, kWakesKept> wakes{};  // since switch-in, latest last
    std::size_t n_wakes = 0;
    bool resched_seen = false;
    bool flags_seen = false;
    Setter setter = Setter::none;
    std::int32_t setter_pid = -1;
    int interrupts = 0;          // nesting, for records without latency columns
    bool returned = false;       // since switch-in: from a wait for completions
    bool maybe_softirq = false;  // such records: after an interrupt, until a record that only task context writes
    std::int32_t lead_wakee = -1, lead_waker = -1;
    std::int64_t waker_wants_ns = -1;  // since when the waker is runnable, -1: it sleeps
    std::int64_t lead_ns = 0;          // see follow_lead
  };
  struct Tally {
    std::int64_t switches = 0, preempting_rounds = 0, judged_rounds = 0, vain_rounds = 0, wakee_run_ns = 0,
                 waker_run_ns = 0, lead_ns = 0, proven_rounds = 0;
    std::array<std::int64_t, static_cast<std::size_t>(SwitchReason::count_)> reasons{};
  };

  Cpu& cpu(std::int32_t id);
  Family family(std::int32_t pid, trace::StringId comm);
  static void note_flags(const trace::Event& e, Cpu& c);
  void on_wake(const trace::Event& e);
  void on_switch(const trace::Event& e, Cpu& c);
  static SwitchReason reason(const trace::Event& e, const Cpu& c, bool wakeups_recorded);
  static void follow_lead(const trace::Event& e, SwitchReason r, Cpu& c);
  void forget_lead(std::int32_t pid);
  void close_round(Cpu& c, std::int32_t next);
  static void reset_stint(Cpu& c, std::int32_t pid, std::int64_t now);
  [[nodiscard]] PingPongRow row(std::uint64_t key, const Tally& t) const;

  const trace::StringPool* pool_;
  std::vector<Cpu> cpus_;
  std::vector<std::string> family_names_;
  std::vector<Family> family_of_comm_;  // by StringId; 0: not looked up yet
  std::unordered_map<std::string, Family> family_ids_;
  std::unordered_map<std::uint64_t, Tally> tallies_;  // by the families of the cycle, 16 bits each, smallest rotation
  std::array<std::int64_t, static_cast<std::size_t>(SwitchReason::count_)> reasons_{};
  std::int64_t switches_ = 0;
  std::int64_t duration_ns_ = 0, last_ts_ns_ = 0;
  bool started_ = false;
  bool wakeups_recorded_ = false, waits_recorded_ = false;  // some traces hold sched_waking only
};

// {"pingpong": [{cycle, switches_per_s, share, cause, …}], "alternations": […], "switch_reasons": {…}}
[[nodiscard]] nlohmann::json to_json(const PingPongResult& r);

}  // namespace wakepath::analysis
