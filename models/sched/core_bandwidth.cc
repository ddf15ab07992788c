// SPDX-License-Identifier: GPL-2.0-or-later
// Bandwidth control from outside the queues: setting a limit, the refill at the end of a period, the slack timer, and
// giving throttled queues their runtime.
//
// Source: kernel/sched/fair.c (do_sched_cfs_period_timer, distribute_cfs_runtime, do_sched_cfs_slack_timer),
// kernel/sched/core.c:tg_set_cfs_bandwidth; 6.1, 6.12.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "models/sched/core_impl.h"

namespace wakepath::sched {

namespace {

constexpr Time kMaxQuotaPeriodNs = 1'000'000'000;

void refill(CfsBandwidth& b) {
  if (b.limit.quota_ns == kRuntimeInf) return;
  b.runtime_ns = std::min(b.runtime_ns + b.limit.quota_ns, b.limit.quota_ns + b.limit.burst_ns);
}

}  // namespace

void Scheduler::set_bandwidth_host(BandwidthHost* host) { impl_->fair->set_bandwidth_host(host); }

void Scheduler::set_bandwidth_phase(TaskGroup& g, Time phase) {
  if (!g.bandwidth.period_active) g.bandwidth.period_expires_ns = phase;
}

void Scheduler::set_bandwidth(TaskGroup& g, const BandwidthLimit& limit, Time now) {
  if (g.parent == nullptr) throw std::logic_error("set_bandwidth: the root group has no limit");
  CfsBandwidth& b = g.bandwidth;
  b.limit = limit;
  const bool enabled = limit.quota_ns != kRuntimeInf;
  refill(b);
  for (Rq& rq : impl_->rqs) rq.now = std::max(rq.now, static_cast<std::uint64_t>(now));
  if (enabled) impl_->fair->start_cfs_bandwidth(b, g, impl_->rqs.front());
  for (CfsRq* q : g.cfs_rq) {
    impl_->update_rq_clock(*q->rq, now);
    q->runtime_enabled = enabled;
    q->throttle.runtime_remaining_ns = impl_->k.throttle_tasks ? 1 : 0;  // 956dfda6a708: else nothing could be queued
    if (q->throttle.throttled) impl_->unthrottle(*q);
  }
}

void Scheduler::Impl::unthrottle(CfsRq& q) {
  const std::uint32_t before = q.rq->nr_running;
  fair->unthrottle_cfs_rq(q);
  tasks_came(*q.rq, before);
}

// Gives each throttled queue, in order, what it lacks; true: some are left without.
bool Scheduler::Impl::distribute_cfs_runtime(CfsBandwidth& b, int this_cpu, Time now) {
  CfsRq* local = nullptr;
  bool left = false;
  for (CfsRq *q = b.first_throttled, *next = nullptr; q != nullptr; q = next) {
    next = q->throttle.next;
    Throttle& t = q->throttle;
    if (b.runtime_ns == 0) {
      left = true;
      break;
    }
    if (t.unthrottle_queued) continue;
    const Time amount = std::min(1 - t.runtime_remaining_ns, b.runtime_ns);
    b.runtime_ns -= amount;
    t.runtime_remaining_ns += amount;
    if (t.runtime_remaining_ns <= 0) {
      left = true;
    } else if (!k.unthrottle_async) {
      update_rq_clock(*q->rq, now);
      unthrottle(*q);
    } else if (q->rq->cpu == this_cpu) {
      local = q;  // when the interrupts to the others are on their way
    } else {
      t.unthrottle_queued = true;
      Rq& rq = *q->rq;
      rq.to_unthrottle.push_back(q);
      if (rq.to_unthrottle.size() == 1) fair->host()->interrupt_to_unthrottle(rq.cpu);
    }
  }
  if (local != nullptr && local->throttle.throttled) {
    update_rq_clock(*local->rq, now);
    unthrottle(*local);
  }
  return left;
}

void Scheduler::unthrottle_queued(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  for (CfsRq* q : std::exchange(rq.to_unthrottle, {})) {
    q->throttle.unthrottle_queued = false;
    if (q->throttle.throttled) impl_->unthrottle(*q);
  }
}

bool Scheduler::throttle_current(int cpu, Time now) {
  Rq& rq = impl_->rq_of(cpu);
  impl_->update_rq_clock(rq, now);
  return impl_->fair->throttle_task(rq, *rq.curr);
}

bool Scheduler::period_timer(TaskGroup& g, int cpu, Time now) {
  CfsBandwidth& b = g.bandwidth;
  for (Rq& rq : impl_->rqs) rq.now = std::max(rq.now, static_cast<std::uint64_t>(now));
  if (now < b.period_expires_ns) {  // all periods that have passed are done
    b.passes = 0;
    b.in_period_timer = false;
    if (b.period_active) impl_->fair->host()->arm_period_timer(g, cpu, b.period_expires_ns);
    return false;
  }
  b.in_period_timer = true;
  const Time overrun = (now - b.period_expires_ns) / b.limit.period_ns + 1;
  b.period_expires_ns += overrun * b.limit.period_ns;
  b.period_active = impl_->refill_period(b, cpu, overrun, now);
  // The handler is slower than the period: make the period longer.
  if (++b.passes > 3) {
    b.passes = 0;
    if (b.limit.period_ns * 2 < kMaxQuotaPeriodNs) {
      b.limit.period_ns *= 2, b.limit.burst_ns *= 2;
      if (b.limit.quota_ns != kRuntimeInf) b.limit.quota_ns *= 2;
    }
  }
  return true;
}

// One end of period; false: the timer may rest.
bool Scheduler::Impl::refill_period(CfsBandwidth& b, int cpu, Time overrun, Time now) {
  if (b.limit.quota_ns == kRuntimeInf) return false;
  bool throttled = b.first_throttled != nullptr;
  b.nr_periods += static_cast<std::uint64_t>(overrun);
  refill(b);  // once, however many periods have passed
  if (b.idle && !throttled) return false;
  if (!throttled) {
    b.idle = true;
    return true;
  }
  b.nr_throttled += static_cast<std::uint64_t>(overrun);
  while (throttled && b.runtime_ns > 0) {
    throttled = distribute_cfs_runtime(b, cpu, now);
    if (!k.unthrottle_async) throttled = b.first_throttled != nullptr;
  }
  b.idle = false;
  return true;
}

void Scheduler::slack_timer(TaskGroup& g, int cpu, Time now) {
  CfsBandwidth& b = g.bandwidth;
  b.slack_started = false;
  for (Rq& rq : impl_->rqs) rq.now = std::max(rq.now, static_cast<std::uint64_t>(now));
  if (impl_->fair->slack_is_useful(b, now)) impl_->distribute_cfs_runtime(b, cpu, now);
}

}  // namespace wakepath::sched
