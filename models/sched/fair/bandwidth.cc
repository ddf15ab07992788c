// SPDX-License-Identifier: GPL-2.0-or-later
// The side of bandwidth control that runs with a queue: paying, taking slices, throttling, giving back. The timers'
// side is core_bandwidth.cc.
//
// Source: kernel/sched/fair.c of 6.1 and 6.12; the per-task side (throttle_cfs_rq_work, enqueue_throttled_task,
// tg_unthrottle_up) from the patches "task based throttle" that 6.18 has, and measured there.
#include "models/sched/fair/bandwidth.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "models/sched/fair/fair.h"
#include "models/sched/smp_rq.h"

namespace wakepath::sched {

namespace {

constexpr std::int64_t kMinCfsRqRuntimeNs = 1'000'000;         // a queue keeps this much when it gives back
constexpr std::int64_t kSlackPeriodNs = 5'000'000;             // the slack timer's delay
constexpr std::int64_t kMinBandwidthExpirationNs = 2'000'000;  // no slack this close to a refill

void append(CfsBandwidth& b, CfsRq& q) {
  q.throttle.prev = b.last_throttled;
  q.throttle.next = nullptr;
  (b.last_throttled != nullptr ? b.last_throttled->throttle.next : b.first_throttled) = &q;
  b.last_throttled = &q;
}

void remove(CfsBandwidth& b, CfsRq& q) {
  Throttle& t = q.throttle;
  (t.prev != nullptr ? t.prev->throttle.next : b.first_throttled) = t.next;
  (t.next != nullptr ? t.next->throttle.prev : b.last_throttled) = t.prev;
  t.next = t.prev = nullptr;
}

std::uint64_t rq_clock_pelt(const Rq& rq) { return rq.clock_pelt - rq.lost_idle_time; }

// How many tasks leave or join the queues above, as their counters see them.
struct Tasks {
  explicit Tasks(const CfsRq& q) : all(q.h_nr_running), idle(q.idle_h_nr_running), delayed(q.h_nr_delayed) {}
  void see(const Entity& se) {
    if (se.my_q->idle) idle = all;
  }
  void add_to(CfsRq& q) const {
    q.h_nr_running += all;
    q.idle_h_nr_running += idle;
    q.h_nr_delayed += delayed;
  }
  void subtract_from(CfsRq& q) const {
    q.h_nr_running -= all;
    q.idle_h_nr_running -= idle;
    q.h_nr_delayed -= delayed;
  }
  std::uint32_t all, idle, delayed;
};

}  // namespace

void Fair::start_cfs_bandwidth(CfsBandwidth& b, TaskGroup& g, const Rq& rq) const {
  if (b.period_active) return;
  if (host_ == nullptr) throw std::logic_error("bandwidth control needs a host for its timers");
  b.period_active = true;
  const auto now = static_cast<std::int64_t>(rq.now);
  if (b.period_expires_ns <= now) {
    b.period_expires_ns += ((now - b.period_expires_ns) / b.limit.period_ns + 1) * b.limit.period_ns;
  }
  host_->arm_period_timer(g, rq.cpu, b.period_expires_ns);
}

// Takes from the pool what brings the queue to `target`; false: it has nothing now.
bool Fair::assign_cfs_rq_runtime(CfsRq& cfs_rq, std::int64_t target) const {
  CfsBandwidth& b = cfs_rq.tg->bandwidth;
  Throttle& t = cfs_rq.throttle;
  const std::int64_t wanted = target - t.runtime_remaining_ns;
  if (b.limit.quota_ns == kRuntimeInf) {
    t.runtime_remaining_ns += wanted;
  } else {
    start_cfs_bandwidth(b, *cfs_rq.tg, *cfs_rq.rq);
    if (b.runtime_ns > 0) {
      const std::int64_t amount = std::min(b.runtime_ns, wanted);
      b.runtime_ns -= amount;
      b.idle = false;
      t.runtime_remaining_ns += amount;
    }
  }
  return t.runtime_remaining_ns > 0;
}

void Fair::pay_runtime(CfsRq& cfs_rq, std::uint64_t delta) const {
  Throttle& t = cfs_rq.throttle;
  t.runtime_remaining_ns -= static_cast<std::int64_t>(delta);
  if (t.runtime_remaining_ns > 0 || t.throttled) return;
  // The switch will throttle it.
  if (!assign_cfs_rq_runtime(cfs_rq, tunables_.cfs_bandwidth_slice_ns) && cfs_rq.curr != nullptr) {
    cfs_rq.rq->resched = true;
  }
}

// A group that begins to wait with nothing left must not run until somebody looks.
void Fair::check_enqueue_throttle(CfsRq& cfs_rq) {
  Throttle& t = cfs_rq.throttle;
  if (t.off_queue && t.clock == 0) t.clock = cfs_rq.rq->clock;
  if (!cfs_rq.runtime_enabled || cfs_rq.curr != nullptr || t.throttled) return;
  pay_runtime(cfs_rq, 0);
  if (t.runtime_remaining_ns <= 0) throttle_cfs_rq(cfs_rq);
}

bool Fair::throttle_used_up(CfsRq& cfs_rq) {
  if (cfs_rq.throttle.runtime_remaining_ns > 0) return false;
  return cfs_rq.throttle.throttled || throttle_cfs_rq(cfs_rq);
}

bool Fair::throttle_cfs_rq(CfsRq& cfs_rq) {
  Rq& rq = *cfs_rq.rq;
  TaskGroup& g = *cfs_rq.tg;
  // The pool may have been filled since the queue last asked.
  if (assign_cfs_rq_runtime(cfs_rq, 1)) return false;
  append(g.bandwidth, cfs_rq);
  throttle_down(g, rq);
  cfs_rq.throttle.throttled = true;
  if (!throttles_tasks_) dequeue_throttled_group(cfs_rq);
  return true;
}

// 6.1 to 6.17: the group leaves at once, with all that is in it.
void Fair::dequeue_throttled_group(CfsRq& cfs_rq) {
  Rq& rq = *cfs_rq.rq;
  TaskGroup& g = *cfs_rq.tg;
  Tasks tasks(cfs_rq);
  Entity* se = &g.se[static_cast<std::size_t>(rq.cpu)];
  bool whole_chain = true;
  for (bool dequeuing = true; se != nullptr; se = se->parent) {
    if (!se->on_rq) {
      whole_chain = false;
      break;
    }
    CfsRq& queue = *se->cfs_rq;
    if (dequeuing) {
      dequeue_entity(queue, *se, dequeue::kSleep | dequeue::kSpecial | (se->sched_delayed ? dequeue::kDelayed : 0u));
    } else {
      update_load_avg(queue, *se, 0);
      se_update_runnable(*se);
    }
    tasks.see(*se);
    tasks.subtract_from(queue);
    if (queue.load.weight != 0) dequeuing = false;
  }
  if (whole_chain) rq.nr_running -= tasks.all;
  cfs_rq.throttle.off_queue = true;
  cfs_rq.throttle.clock = k_.throttled_time_of_empty || cfs_rq.nr_running != 0 ? rq.clock : 0;
}

void Fair::unthrottle_cfs_rq(CfsRq& cfs_rq) {
  Rq& rq = *cfs_rq.rq;
  TaskGroup& g = *cfs_rq.tg;
  Throttle& t = cfs_rq.throttle;
  // What still ran in the kernel may have used up what it was given: its tasks would be throttled as they are queued.
  if (throttles_tasks_ && cfs_rq.runtime_enabled && t.runtime_remaining_ns <= 0) return;
  t.throttled = false;
  if (t.clock != 0) g.bandwidth.throttled_time_ns += static_cast<std::int64_t>(rq.clock - t.clock);
  t.clock = 0;
  remove(g.bandwidth, cfs_rq);
  unthrottle_up(g, rq);
  if (std::exchange(t.off_queue, false)) {
    if (cfs_rq.load.weight == 0) return;
    enqueue_unthrottled_group(cfs_rq);
  }
  if (rq.curr == &rq.idle && rq.cfs.nr_running != 0) rq.resched = true;
}

void Fair::enqueue_unthrottled_group(CfsRq& cfs_rq) {
  Rq& rq = *cfs_rq.rq;
  TaskGroup& g = *cfs_rq.tg;
  Tasks tasks(cfs_rq);
  bool whole_chain = true, enqueuing = true;
  for (Entity* se = &g.se[static_cast<std::size_t>(rq.cpu)]; se != nullptr && whole_chain; se = se->parent) {
    CfsRq& queue = *se->cfs_rq;
    if (enqueuing && se->sched_delayed) {
      dequeue_entity(queue, *se, dequeue::kSleep | dequeue::kDelayed);
    } else if (se->on_rq) {
      enqueuing = false;
    }
    if (enqueuing) {
      enqueue_entity(queue, *se, enqueue::kWakeup);
    } else {
      update_load_avg(queue, *se, kUpdateTg);
      se_update_runnable(*se);
    }
    tasks.see(*se);
    tasks.add_to(queue);
    if (queue.throttle.off_queue) whole_chain = false;
  }
  if (whole_chain) rq.nr_running += tasks.all;
}

// The averages of a queue stand still while tasks are kept from running in it: before 6.18 from the throttling on,
// since then from when the last one has left the queue.
void Fair::stop_pelt_clock(CfsRq& cfs_rq) {
  cfs_rq.throttle.clock_pelt = rq_clock_pelt(*cfs_rq.rq);
  cfs_rq.throttle.pelt_stopped = true;
}

void Fair::start_pelt_clock(CfsRq& cfs_rq) {
  Throttle& t = cfs_rq.throttle;
  if (std::exchange(t.pelt_stopped, false)) t.clock_pelt_time += rq_clock_pelt(*cfs_rq.rq) - t.clock_pelt;
}

void Fair::throttle_down(TaskGroup& g, const Rq& rq) {
  CfsRq& q = *g.cfs_rq[static_cast<std::size_t>(rq.cpu)];
  if (q.throttle.count++ == 0 && (!throttles_tasks_ || q.nr_running == 0)) stop_pelt_clock(q);
  for (TaskGroup* child : g.children) throttle_down(*child, rq);
}

void Fair::unthrottle_up(TaskGroup& g, Rq& rq) {
  for (TaskGroup* child : g.children) unthrottle_up(*child, rq);
  CfsRq& q = *g.cfs_rq[static_cast<std::size_t>(rq.cpu)];
  if (--q.throttle.count != 0) return;
  start_pelt_clock(q);
  const std::vector<Task*> limbo = std::exchange(q.throttle.limbo, {});
  for (auto p = limbo.rbegin(); p != limbo.rend(); ++p) {
    (*p)->throttled = false;
    if (rq.smp) util_est_enqueue(*rq.smp, **p);
    enqueue_task(rq, **p, enqueue::kWakeup);
  }
}

bool Fair::throttle_task(Rq& rq, Task& p) {
  p.throttle_work = false;
  if (p.sched_class != Class::fair) return false;
  CfsRq& cfs_rq = *p.se.cfs_rq;
  if (!throttled_hierarchy(cfs_rq)) return false;  // refilled, or moved, meanwhile
  if (rq.smp) {
    util_est_dequeue(*rq.smp, p);
    util_est_update(*rq.smp, k_, p);
  }
  dequeue_task(rq, p, dequeue::kSleep | dequeue::kThrottle);
  cfs_rq.throttle.limbo.push_back(&p);
  p.throttled = true;
  rq.resched = true;
  return true;
}

// Moved or changed while it waits there: it stays, where the new queue is throttled as well.
bool Fair::enqueue_in_limbo(Rq& rq, Task& p) {
  CfsRq& cfs_rq = *p.se.cfs_rq;
  if (throttled_hierarchy(cfs_rq) && rq.curr != &p) {
    cfs_rq.throttle.limbo.push_back(&p);
    return true;
  }
  p.throttled = false;
  return false;
}

void Fair::dequeue_from_limbo(Task& p, unsigned flags) {
  auto& limbo = p.se.cfs_rq->throttle.limbo;
  limbo.erase(std::remove(limbo.begin(), limbo.end(), &p), limbo.end());
  if ((flags & dequeue::kSleep) != 0) p.throttled = false;
}

// A queue that empties keeps 1 ms; the rest may help those who wait.
void Fair::return_runtime(CfsRq& cfs_rq) const {
  const std::int64_t slack = cfs_rq.throttle.runtime_remaining_ns - kMinCfsRqRuntimeNs;
  if (slack <= 0) return;
  CfsBandwidth& b = cfs_rq.tg->bandwidth;
  if (b.limit.quota_ns != kRuntimeInf) {
    b.runtime_ns += slack;
    const bool waits = b.first_throttled != nullptr && b.runtime_ns > tunables_.cfs_bandwidth_slice_ns;
    const auto now = static_cast<std::int64_t>(cfs_rq.rq->now);
    if (waits && !refills_within(b, now, kSlackPeriodNs + kMinBandwidthExpirationNs) && !b.slack_started) {
      b.slack_started = true;
      host_->arm_slack_timer(*cfs_rq.tg, cfs_rq.rq->cpu, now + kSlackPeriodNs);
    }
  }
  cfs_rq.throttle.runtime_remaining_ns -= slack;
}

bool Fair::refills_within(const CfsBandwidth& b, std::int64_t now, std::int64_t ns) {
  return b.in_period_timer || b.period_expires_ns - now < ns;
}

bool Fair::slack_is_useful(const CfsBandwidth& b, std::int64_t now) const {
  return !refills_within(b, now, kMinBandwidthExpirationNs) && b.limit.quota_ns != kRuntimeInf &&
         b.runtime_ns > tunables_.cfs_bandwidth_slice_ns;
}

}  // namespace wakepath::sched
