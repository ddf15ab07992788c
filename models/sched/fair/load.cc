// SPDX-License-Identifier: GPL-2.0-or-later
// Load averages of entities and queues, and the weight of a group's entity on each CPU that follows from them.
//
// Source: kernel/sched/fair.c (update_load_avg and what it calls, calc_group_shares, update_cfs_group); 6.1, 6.12.
#include <algorithm>

#include "models/sched/fair/fair.h"

namespace wakepath::sched {

namespace {

template <class T>
void sub_positive(T& value, std::uint64_t amount) {
  value = amount > value ? T{0} : static_cast<T>(value - amount);
}

template <class T>
void add_positive(T& value, std::int64_t amount) {
  const auto sum = static_cast<std::int64_t>(value) + amount;
  value = sum < 0 ? T{0} : static_cast<T>(sum);
}

// Rounding may leave a sum below what its average needs; the kernel keeps this bound.
void bound_load_sum(Pelt& a) {
  a.load_sum = std::max<std::uint32_t>(static_cast<std::uint32_t>(a.load_sum),
                                       static_cast<std::uint32_t>(a.load_avg * kPeltMinDivider));
}
void bound_util_sum(Pelt& a) {
  a.util_sum = std::max<std::uint32_t>(a.util_sum, static_cast<std::uint32_t>(a.util_avg * kPeltMinDivider));
}
void bound_runnable_sum(Pelt& a) {
  a.runnable_sum = std::max<std::uint32_t>(static_cast<std::uint32_t>(a.runnable_sum),
                                           static_cast<std::uint32_t>(a.runnable_avg * kPeltMinDivider));
}

std::uint64_t load_weight(const Entity& se) { return scale_load_down(se.load.weight); }

// Without the time the queue stood throttled.
std::uint64_t clock_pelt(const CfsRq& cfs_rq) {
  const Throttle& t = cfs_rq.throttle;
  if (t.pelt_stopped) return t.clock_pelt - t.clock_pelt_time;
  return cfs_rq.rq->clock_pelt - cfs_rq.rq->lost_idle_time - t.clock_pelt_time;
}

std::uint64_t runnable_of(const Entity& se) {
  if (se.my_q != nullptr) return se.runnable_weight;
  return se.on_rq && !se.sched_delayed ? 1 : 0;
}

void enqueue_load_avg(CfsRq& cfs_rq, const Entity& se) {
  cfs_rq.avg.load_avg += se.avg.load_avg;
  cfs_rq.avg.load_sum += load_weight(se) * se.avg.load_sum;
}

void dequeue_load_avg(CfsRq& cfs_rq, const Entity& se) {
  sub_positive(cfs_rq.avg.load_avg, se.avg.load_avg);
  sub_positive(cfs_rq.avg.load_sum, load_weight(se) * se.avg.load_sum);
  bound_load_sum(cfs_rq.avg);
}

void add_propagate(CfsRq& cfs_rq, std::int64_t runnable_sum) {
  cfs_rq.propagate = true;
  cfs_rq.prop_runnable_sum += runnable_sum;
}

void propagate_util(CfsRq& cfs_rq, Entity& se, const CfsRq& grq) {
  const auto delta_avg = static_cast<std::int64_t>(grq.avg.util_avg) - static_cast<std::int64_t>(se.avg.util_avg);
  if (delta_avg == 0) return;
  se.avg.util_avg = grq.avg.util_avg;
  const auto new_sum = static_cast<std::uint32_t>(se.avg.util_avg * cfs_rq.avg.divider());
  const auto delta_sum = static_cast<std::int64_t>(new_sum) - static_cast<std::int64_t>(se.avg.util_sum);
  se.avg.util_sum = new_sum;
  add_positive(cfs_rq.avg.util_avg, delta_avg);
  add_positive(cfs_rq.avg.util_sum, delta_sum);
  bound_util_sum(cfs_rq.avg);
}

void propagate_runnable(CfsRq& cfs_rq, Entity& se, const CfsRq& grq) {
  const auto delta_avg =
      static_cast<std::int64_t>(grq.avg.runnable_avg) - static_cast<std::int64_t>(se.avg.runnable_avg);
  if (delta_avg == 0) return;
  se.avg.runnable_avg = grq.avg.runnable_avg;
  const std::uint64_t new_sum = se.avg.runnable_avg * cfs_rq.avg.divider();
  const auto delta_sum = static_cast<std::int64_t>(new_sum - se.avg.runnable_sum);
  se.avg.runnable_sum = new_sum;
  add_positive(cfs_rq.avg.runnable_avg, delta_avg);
  add_positive(cfs_rq.avg.runnable_sum, delta_sum);
  bound_runnable_sum(cfs_rq.avg);
}

// What joined or left below is only known as a runnable sum; the group's own is estimated from it.
void propagate_load(CfsRq& cfs_rq, Entity& se, CfsRq& grq) {
  std::int64_t runnable_sum = grq.prop_runnable_sum;
  if (runnable_sum == 0) return;
  grq.prop_runnable_sum = 0;
  const std::uint32_t divider = cfs_rq.avg.divider();
  if (runnable_sum > 0) {
    runnable_sum += static_cast<std::int64_t>(se.avg.load_sum);
    runnable_sum = std::min<std::int64_t>(runnable_sum, divider);
  } else {
    const std::uint64_t queue_weight = scale_load_down(grq.load.weight);
    const std::uint64_t load_sum = queue_weight != 0 ? grq.avg.load_sum / queue_weight : 0;
    runnable_sum = static_cast<std::int64_t>(std::min(se.avg.load_sum, load_sum));
  }
  const std::int64_t running_sum = se.avg.util_sum >> 10;
  runnable_sum = std::max(runnable_sum, running_sum);
  const std::uint64_t load_sum = load_weight(se) * static_cast<std::uint64_t>(runnable_sum);
  const std::uint64_t load_avg = load_sum / divider;
  const auto delta_avg = static_cast<std::int64_t>(load_avg - se.avg.load_avg);
  if (delta_avg == 0) return;
  const auto delta_sum = static_cast<std::int64_t>(load_sum - load_weight(se) * se.avg.load_sum);
  se.avg.load_sum = static_cast<std::uint64_t>(runnable_sum);
  se.avg.load_avg = load_avg;
  add_positive(cfs_rq.avg.load_avg, delta_avg);
  add_positive(cfs_rq.avg.load_sum, delta_sum);
  bound_load_sum(cfs_rq.avg);
}

void update_blocked_se(Entity& se, std::uint64_t now) {
  if (pelt_update_sums(se.avg, now, 0, 0, false)) pelt_update_averages(se.avg, load_weight(se));
}

}  // namespace

// kernel/sched/fair.c:calc_group_shares. The group's shares times this CPU's part of the group's load, where the own
// part is the instantaneous weight when that is larger: the sum over CPUs may exceed the shares.
std::uint64_t Fair::calc_group_shares(const CfsRq& grq) {
  const auto load = static_cast<std::int64_t>(std::max(scale_load_down(grq.load.weight), grq.avg.load_avg));
  const auto tg_shares = static_cast<std::int64_t>(grq.tg->shares);
  const std::int64_t tg_weight = grq.tg->load_avg - static_cast<std::int64_t>(grq.tg_load_avg_contrib) + load;
  std::int64_t shares = tg_shares * load;
  if (tg_weight != 0) shares /= tg_weight;
  return static_cast<std::uint64_t>(std::clamp<std::int64_t>(shares, static_cast<std::int64_t>(kMinShares), tg_shares));
}

void Fair::update_cfs_group(Entity& se) {
  if (se.my_q == nullptr) return;
  if (throttled_hierarchy(*se.my_q) && !throttles_tasks_) return;
  if (k_.empty_group_keeps_weight && se.my_q->load.weight == 0) return;
  const std::uint64_t shares = calc_group_shares(*se.my_q);
  // CFS commits the running entity's time even when the weight stays.
  if (k_.eevdf && se.load.weight == shares) return;
  reweight_entity(*se.cfs_rq, se, shares);
}

void Fair::set_entity_weight(CfsRq& cfs_rq, Entity& se, std::uint64_t weight) {
  dequeue_load_avg(cfs_rq, se);
  if (se.load.weight != weight) se.load.set(weight);  // the same weight keeps its inverse
  se.avg.load_avg = load_weight(se) * se.avg.load_sum / se.avg.divider();
  enqueue_load_avg(cfs_rq, se);
}

void Fair::se_update_runnable(Entity& se) {
  if (se.my_q != nullptr) se.runnable_weight = se.my_q->h_nr_running - se.my_q->h_nr_delayed;
}

void Fair::update_load_avg(CfsRq& cfs_rq, Entity& se, unsigned flags) {
  const std::uint64_t now = clock_pelt(cfs_rq);
  if (se.attached && pelt_update_sums(se.avg, now, se.on_rq ? 1 : 0, runnable_of(se), cfs_rq.curr == &se)) {
    pelt_update_averages(se.avg, load_weight(se));
  }
  bool decayed = update_cfs_rq_load_avg(cfs_rq, now);
  if (se.my_q != nullptr && se.my_q->propagate) decayed |= propagate_entity_load_avg(cfs_rq, se);
  if (!se.attached && (flags & kDoAttach) != 0) {
    attach_entity_load_avg(cfs_rq, se);
    update_tg_load_avg(cfs_rq);
  } else if ((flags & kDoDetach) != 0) {
    detach_entity_load_avg(cfs_rq, se);
    update_tg_load_avg(cfs_rq);
  } else if (decayed && (flags & kUpdateTg) != 0) {
    update_tg_load_avg(cfs_rq);
  }
}

bool Fair::update_cfs_rq_load_avg(CfsRq& cfs_rq, std::uint64_t now) {
  Pelt& sa = cfs_rq.avg;
  bool decayed = false;
  if (cfs_rq.has_removed) {
    const auto removed = cfs_rq.removed;
    cfs_rq.removed = {};
    cfs_rq.has_removed = false;
    const std::uint64_t divider = sa.divider();
    sub_positive(sa.load_avg, removed.load_avg);
    sub_positive(sa.load_sum, removed.load_avg * divider);
    bound_load_sum(sa);
    sub_positive(sa.util_avg, removed.util_avg);
    sub_positive(sa.util_sum, removed.util_avg * divider);
    bound_util_sum(sa);
    sub_positive(sa.runnable_avg, removed.runnable_avg);
    sub_positive(sa.runnable_sum, removed.runnable_avg * divider);
    bound_runnable_sum(sa);
    add_propagate(cfs_rq, -static_cast<std::int64_t>(removed.runnable_avg * divider) >> 10);
    decayed = true;
  }
  if (pelt_update_sums(sa, now, scale_load_down(cfs_rq.load.weight), cfs_rq.h_nr_running - cfs_rq.h_nr_delayed,
                       cfs_rq.curr != nullptr)) {
    pelt_update_averages(sa, 1);
    decayed = true;
  }
  return decayed;
}

bool Fair::propagate_entity_load_avg(CfsRq& cfs_rq, Entity& se) {
  CfsRq& grq = *se.my_q;
  grq.propagate = false;
  add_propagate(cfs_rq, grq.prop_runnable_sum);
  propagate_util(cfs_rq, se, grq);
  propagate_runnable(cfs_rq, se, grq);
  propagate_load(cfs_rq, se, grq);
  return true;
}

// The entity adopts the queue's position inside the PELT period; its sums are rebuilt from its averages.
void Fair::attach_entity_load_avg(CfsRq& cfs_rq, Entity& se) {
  const std::uint32_t divider = cfs_rq.avg.divider();
  se.attached = true;
  se.avg.last_update_time = cfs_rq.avg.last_update_time;
  se.avg.period_contrib = cfs_rq.avg.period_contrib;
  se.avg.util_sum = static_cast<std::uint32_t>(se.avg.util_avg * divider);
  se.avg.runnable_sum = se.avg.runnable_avg * divider;
  se.avg.load_sum = se.avg.load_avg * divider;
  se.avg.load_sum = load_weight(se) < se.avg.load_sum ? se.avg.load_sum / load_weight(se) : 1;
  enqueue_load_avg(cfs_rq, se);
  cfs_rq.avg.util_avg += se.avg.util_avg;
  cfs_rq.avg.util_sum += se.avg.util_sum;
  cfs_rq.avg.runnable_avg += se.avg.runnable_avg;
  cfs_rq.avg.runnable_sum += se.avg.runnable_sum;
  add_propagate(cfs_rq, static_cast<std::int64_t>(se.avg.load_sum));
}

void Fair::detach_entity_load_avg(CfsRq& cfs_rq, Entity& se) {
  dequeue_load_avg(cfs_rq, se);
  sub_positive(cfs_rq.avg.util_avg, se.avg.util_avg);
  sub_positive(cfs_rq.avg.util_sum, se.avg.util_sum);
  bound_util_sum(cfs_rq.avg);
  sub_positive(cfs_rq.avg.runnable_avg, se.avg.runnable_avg);
  sub_positive(cfs_rq.avg.runnable_sum, se.avg.runnable_sum);
  bound_runnable_sum(cfs_rq.avg);
  add_propagate(cfs_rq, -static_cast<std::int64_t>(se.avg.load_sum));
}

void Fair::update_tg_load_avg(CfsRq& cfs_rq) const {
  if (cfs_rq.tg->parent == nullptr) return;
  const std::uint64_t now = cfs_rq.rq->now;  // sched_clock, not the run queue's
  if (k_.tg_load_avg_ratelimit && now - cfs_rq.last_update_tg_load_avg < 1'000'000) return;
  const auto contrib = static_cast<std::int64_t>(cfs_rq.tg_load_avg_contrib);
  const std::int64_t delta = static_cast<std::int64_t>(cfs_rq.avg.load_avg) - contrib;
  if ((delta < 0 ? -delta : delta) <= contrib / 64) return;
  cfs_rq.tg->load_avg += delta;
  cfs_rq.tg_load_avg_contrib = cfs_rq.avg.load_avg;
  cfs_rq.last_update_tg_load_avg = now;
}

// A sleeper leaves for another CPU: its old queue, whose lock the waker does not hold, subtracts it later.
void Fair::remove_entity_load_avg(Entity& se) {
  if (!se.attached) return;
  CfsRq& cfs_rq = *se.cfs_rq;
  const Rq& rq = *cfs_rq.rq;
  update_blocked_se(se, cfs_rq.avg.last_update_time);
  cfs_rq.has_removed = true;
  cfs_rq.removed.util_avg += se.avg.util_avg;
  cfs_rq.removed.load_avg += se.avg.load_avg;
  cfs_rq.removed.runnable_avg += se.avg.runnable_avg;
  // An idle CPU's clock stands still: estimate the decay it has not seen (migrate_se_pelt_lag).
  if (rq.curr != &rq.idle || cfs_rq.throttle.pelt_stopped) return;
  std::uint64_t now = rq.clock_pelt_idle - cfs_rq.throttle.clock_pelt_time;
  now = now < cfs_rq.avg.last_update_time ? cfs_rq.avg.last_update_time : now + (rq.now - rq.clock_idle);
  update_blocked_se(se, now);
}

void Fair::propagate_from_parent(Entity& se) {
  if (se.cfs_rq->throttle.off_queue) return;
  for (Entity* at = se.parent; at != nullptr; at = at->parent) {
    update_load_avg(*at->cfs_rq, *at, kUpdateTg);
    if (at->cfs_rq->throttle.off_queue) return;
  }
}

void Fair::attach_entity(Entity& se) {
  CfsRq& cfs_rq = *se.cfs_rq;
  update_load_avg(cfs_rq, se, 0);
  attach_entity_load_avg(cfs_rq, se);
  update_tg_load_avg(cfs_rq);
  propagate_from_parent(se);
}

void Fair::detach_entity(Entity& se) {
  if (!se.attached) return;
  CfsRq& cfs_rq = *se.cfs_rq;
  update_load_avg(cfs_rq, se, 0);
  detach_entity_load_avg(cfs_rq, se);
  update_tg_load_avg(cfs_rq);
  propagate_from_parent(se);
  se.attached = false;
}

void Fair::update_group_weights(Entity& se) {
  for (Entity* at = &se; at != nullptr; at = at->parent) {
    update_load_avg(*at->cfs_rq, *at, kUpdateTg);
    update_cfs_group(*at);
  }
}

// __update_blocked_fair for one queue: while nothing is queued there nobody else ages its averages.
bool Fair::update_blocked(CfsRq& cfs_rq) {
  const bool decayed = cfs_rq.avg.load_sum == 0 && cfs_rq.avg.util_sum == 0 && cfs_rq.avg.runnable_sum == 0 &&
                       cfs_rq.load.weight == 0 && !cfs_rq.has_removed && cfs_rq.tg_load_avg_contrib == 0;
  if (decayed) return false;
  if (update_cfs_rq_load_avg(cfs_rq, clock_pelt(cfs_rq))) update_tg_load_avg(cfs_rq);
  if (!cfs_rq.tg->se.empty()) {
    Entity& se = cfs_rq.tg->se[static_cast<std::size_t>(cfs_rq.rq->cpu)];
    if (se.avg.load_avg != 0 || se.avg.util_avg != 0 || cfs_rq.propagate) update_load_avg(*se.cfs_rq, se, kUpdateTg);
  }
  return cfs_rq.avg.load_avg != 0 || cfs_rq.avg.util_avg != 0;
}

// A new task is taken for busy: it may use half of what its CPU has to spare.
void Fair::post_init_entity_util_avg(Entity& se) {
  const CfsRq& cfs_rq = *se.cfs_rq;
  Pelt& sa = se.avg;
  const std::int64_t cap = (1024 - static_cast<std::int64_t>(cfs_rq.avg.util_avg)) / 2;
  if (cap > 0) {
    sa.util_avg = static_cast<std::uint64_t>(cap);
    if (cfs_rq.avg.util_avg != 0) {
      const std::uint64_t w = k_.new_task_util_scaled ? load_weight(se) : se.load.weight;
      sa.util_avg = std::min(sa.util_avg, cfs_rq.avg.util_avg * w / (cfs_rq.avg.load_avg + 1));
    }
  }
  sa.runnable_avg = sa.util_avg;
}

}  // namespace wakepath::sched
