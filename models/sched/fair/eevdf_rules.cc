// SPDX-License-Identifier: GPL-2.0-or-later
// The arithmetic of EEVDF on one queue: average vruntime, eligibility, lag, placement, deadlines, protection, pick.
#include <algorithm>

#include "models/sched/fair/eevdf.h"

namespace wakepath::sched {

namespace {

std::int64_t weight_of(const Entity& se) { return static_cast<std::int64_t>(scale_load_down(se.load.weight)); }

std::int64_t key_of(const CfsRq& cfs_rq, std::uint64_t vruntime) {
  return static_cast<std::int64_t>(vruntime - cfs_rq.zero_vruntime);
}

const Entity* queued_curr(const CfsRq& cfs_rq) {
  return cfs_rq.curr != nullptr && cfs_rq.curr->on_rq ? cfs_rq.curr : nullptr;
}

// s64 products wrap as the kernel's do.
std::int64_t mul(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

std::int64_t div_s64(std::int64_t a, std::int64_t b) { return a / static_cast<std::int32_t>(b); }

// Who is eligible in a queue, as long as nothing in it changes. Exact where V itself is rounded: no division.
class Eligibility {
 public:
  explicit Eligibility(const CfsRq& cfs_rq)
      : zero_(cfs_rq.zero_vruntime), sum_(cfs_rq.avg_vruntime), load_(static_cast<std::int64_t>(cfs_rq.avg_load)) {
    if (const Entity* curr = queued_curr(cfs_rq); curr != nullptr) {
      sum_ += mul(key_of(cfs_rq, curr->vruntime), weight_of(*curr));
      load_ += weight_of(*curr);
    }
  }
  [[nodiscard]] bool of(std::uint64_t vruntime) const {
    return sum_ >= mul(static_cast<std::int64_t>(vruntime - zero_), load_);
  }

 private:
  std::uint64_t zero_;
  std::int64_t sum_, load_;
};

}  // namespace

void Eevdf::enqueue_in_timeline(CfsRq& cfs_rq, Entity& se) {
  const std::int64_t w = weight_of(se);
  cfs_rq.avg_vruntime += mul(key_of(cfs_rq, se.vruntime), w);
  cfs_rq.avg_load += static_cast<std::uint64_t>(w);
  cfs_rq.timeline.insert(se, se.deadline);
}

void Eevdf::dequeue_from_timeline(CfsRq& cfs_rq, Entity& se) {
  const std::int64_t w = weight_of(se);
  cfs_rq.timeline.erase(se);
  cfs_rq.avg_vruntime -= mul(key_of(cfs_rq, se.vruntime), w);
  cfs_rq.avg_load -= static_cast<std::uint64_t>(w);
}

// kernel/sched/fair.c:avg_vruntime. Rounded down; the origin follows, so keys stay small.
std::uint64_t Eevdf::avg_vruntime(CfsRq& cfs_rq) {
  const Entity* const curr = queued_curr(cfs_rq);
  std::int64_t delta = 0;
  if (cfs_rq.avg_load != 0) {
    std::int64_t sum = cfs_rq.avg_vruntime;
    auto weight = static_cast<std::int64_t>(cfs_rq.avg_load);
    if (curr != nullptr) {
      sum += mul(key_of(cfs_rq, curr->vruntime), weight_of(*curr));
      weight += weight_of(*curr);
    }
    if (sum < 0) sum -= weight - 1;  // the division truncates toward zero
    delta = div_s64(sum, weight);
  } else if (curr != nullptr) {
    delta = key_of(cfs_rq, curr->vruntime);
  }
  cfs_rq.avg_vruntime -= mul(static_cast<std::int64_t>(cfs_rq.avg_load), delta);
  cfs_rq.zero_vruntime += static_cast<std::uint64_t>(delta);
  return cfs_rq.zero_vruntime;
}

bool Eevdf::entity_eligible(const CfsRq& cfs_rq, const Entity& se) { return Eligibility(cfs_rq).of(se.vruntime); }

std::int64_t Eevdf::entity_lag(const CfsRq& cfs_rq, std::uint64_t avg_vruntime, Entity& se) const {
  const auto tick = static_cast<std::uint64_t>(tunables_.tick_ns);
  const std::uint64_t real = k_.lag_limit_by_max_slice ? max_slice(cfs_rq) + tick : std::max(2 * se.slice, tick);
  const auto limit = static_cast<std::int64_t>(calc_delta_fair(real, se.load));
  return std::clamp(static_cast<std::int64_t>(avg_vruntime - se.vruntime), -limit, limit);
}

void Eevdf::place_entity(CfsRq& cfs_rq, Entity& se, unsigned flags) const {
  const std::uint64_t v = avg_vruntime(cfs_rq);
  if (!se.custom_slice) se.slice = static_cast<std::uint64_t>(tunables_.base_slice_ns);
  std::uint64_t vslice = calc_delta_fair(se.slice, se.load);
  std::int64_t lag = 0;
  if (k_.place_lag && cfs_rq.nr_running != 0) {
    // Joining moves V toward the newcomer; inflate, so that the lag after joining is the one it came with.
    auto load = static_cast<std::int64_t>(cfs_rq.avg_load);
    if (const Entity* curr = queued_curr(cfs_rq); curr != nullptr) load += weight_of(*curr);
    lag = mul(se.vlag, load + weight_of(se));
    lag = div_s64(lag, load != 0 ? load : 1);
  }
  se.vruntime = v - static_cast<std::uint64_t>(lag);
  if (se.rel_deadline && (k_.place_rel_deadline || k_.reweight_by_place)) {
    se.deadline += se.vruntime;
    se.rel_deadline = false;
    return;
  }
  if (k_.place_deadline_initial && (flags & enqueue::kInitial) != 0) vslice /= 2;
  se.deadline = se.vruntime + vslice;
}

// True when the request is used up; then the next one begins.
bool Eevdf::update_deadline(CfsRq& cfs_rq, Entity& se) const {
  if (before(se.vruntime, se.deadline)) return false;
  if (!se.custom_slice) se.slice = static_cast<std::uint64_t>(tunables_.base_slice_ns);
  se.deadline = se.vruntime + calc_delta_fair(se.slice, se.load);
  avg_vruntime(cfs_rq);
  return true;
}

std::uint64_t Eevdf::min_slice(const CfsRq& cfs_rq) {
  std::uint64_t least = ~0ull;
  if (const Entity* curr = queued_curr(cfs_rq); curr != nullptr) least = curr->slice;
  if (!cfs_rq.timeline.empty()) least = std::min(least, cfs_rq.timeline.min_slice());
  return least;
}

std::uint64_t Eevdf::max_slice(const CfsRq& cfs_rq) {
  const Entity* const curr = queued_curr(cfs_rq);
  const std::uint64_t most = curr != nullptr ? curr->slice : 0;
  return cfs_rq.timeline.empty() ? most : std::max(most, cfs_rq.timeline.max_slice());
}

// Up to 6.16 a stamp of the deadline, protection lasting as long as the deadline is the stamped one; from 6.17 a
// vruntime, at most one least slice of the queue away.
void Eevdf::set_protect_slice(CfsRq& cfs_rq, Entity& se) const {
  if (!k_.protect_by_vruntime) {
    se.vlag = static_cast<std::int64_t>(se.deadline);
    return;
  }
  std::uint64_t quantum =
      k_.run_to_parity ? min_slice(cfs_rq) : static_cast<std::uint64_t>(tunables_.normalized_base_slice_ns);
  quantum = std::min(quantum, se.slice);
  se.vprot = se.deadline;
  if (quantum != se.slice) {
    const std::uint64_t end = se.vruntime + calc_delta_fair(quantum, se.load);
    if (before(end, se.vprot)) se.vprot = end;
  }
}

void Eevdf::update_protect_slice(const CfsRq& cfs_rq, Entity& se) const {
  const std::uint64_t end = se.vruntime + calc_delta_fair(min_slice(cfs_rq), se.load);
  if (before(end, se.vprot)) se.vprot = end;
}

bool Eevdf::protect_slice(const Entity& se) const {
  if (k_.protect_by_vruntime) return before(se.vruntime, se.vprot);
  return se.vlag == static_cast<std::int64_t>(se.deadline);
}

void Eevdf::cancel_protect_slice(Entity& se) const {
  if (!protect_slice(se)) return;
  if (k_.protect_by_vruntime) {
    se.vprot = se.vruntime;
  } else {
    se.vlag = static_cast<std::int64_t>(se.deadline + 1);
  }
}

Entity* Eevdf::pick_eevdf(CfsRq& cfs_rq, bool protect) const {
  Entity* curr = cfs_rq.curr != nullptr && cfs_rq.curr->on_rq ? cfs_rq.curr : nullptr;
  if (cfs_rq.nr_running == 1) return curr != nullptr ? curr : cfs_rq.timeline.first();
  const Eligibility eligible(cfs_rq);
  if (curr != nullptr && !eligible.of(curr->vruntime)) curr = nullptr;
  const bool may_protect = protect && (k_.run_to_parity || k_.protect_by_vruntime);
  if (may_protect && curr != nullptr && protect_slice(*curr)) return curr;

  Entity* best = cfs_rq.timeline.first_eligible([&eligible](std::uint64_t vruntime) { return eligible.of(vruntime); });
  if (best == nullptr || (curr != nullptr && before(curr->deadline, best->deadline))) best = curr;
  return best;
}

// 6.7-6.12: V stays where it is, lag and the distance to the deadline are rescaled. Full weights, not scaled down.
void Eevdf::reweight_eevdf(const CfsRq& cfs_rq, Entity& se, std::uint64_t avg_vruntime, std::uint64_t weight) const {
  const auto old_weight = static_cast<std::int64_t>(se.load.weight);
  const auto new_weight = static_cast<std::int64_t>(weight);
  if (avg_vruntime != se.vruntime) {
    const std::int64_t lag = div_s64(mul(entity_lag(cfs_rq, avg_vruntime, se), old_weight), new_weight);
    se.vruntime = avg_vruntime - static_cast<std::uint64_t>(lag);
  }
  const std::int64_t distance = static_cast<std::int64_t>(se.deadline - avg_vruntime);
  se.deadline = avg_vruntime + static_cast<std::uint64_t>(div_s64(mul(distance, old_weight), new_weight));
}

void Eevdf::reweight_entity(CfsRq& cfs_rq, Entity& se, std::uint64_t weight) {
  const bool curr = cfs_rq.curr == &se;
  const auto old_weight = static_cast<std::int64_t>(se.load.weight);
  const auto new_weight = static_cast<std::int64_t>(weight);
  std::uint64_t v = 0;
  if (se.on_rq) {
    if (curr || k_.reweight_scales_lag || k_.reweight_by_place) update_curr(cfs_rq);
    if (k_.reweight_scales_lag || k_.reweight_by_place) v = avg_vruntime(cfs_rq);
    if (k_.reweight_by_place) {
      se.vlag = entity_lag(cfs_rq, v, se);
      se.deadline -= se.vruntime;
      se.rel_deadline = true;
      --cfs_rq.nr_running;
    }
    if (!curr) dequeue_from_timeline(cfs_rq, se);
    cfs_rq.load.sub(se.load.weight);
  }
  if (!se.on_rq || k_.reweight_by_place) {
    se.vlag = div_s64(mul(se.vlag, old_weight), new_weight);
    if (k_.reweight_by_place && se.rel_deadline) {
      const auto relative = static_cast<std::int64_t>(se.deadline);
      se.deadline = static_cast<std::uint64_t>(div_s64(mul(relative, old_weight), new_weight));
    }
  } else if (k_.reweight_scales_lag) {
    reweight_eevdf(cfs_rq, se, v, weight);
  } else {  // 6.6: only the distance to the deadline
    const std::int64_t distance = static_cast<std::int64_t>(se.deadline - se.vruntime);
    se.deadline = se.vruntime + static_cast<std::uint64_t>(div_s64(mul(distance, old_weight), new_weight));
  }
  set_entity_weight(cfs_rq, se, weight);
  if (!se.on_rq) return;
  if (k_.reweight_by_place) {
    place_entity(cfs_rq, se, 0);
    ++cfs_rq.nr_running;
    // Lag and end of protection are one field of the kernel's: the running entity is left with its lag for an end, a
    // vruntime that is long past.
    if (curr && k_.protect_by_vruntime) se.vprot = se.vruntime;
  }
  cfs_rq.load.add(se.load.weight);
  if (!curr) enqueue_in_timeline(cfs_rq, se);
}

}  // namespace wakepath::sched
