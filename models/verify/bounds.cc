// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/bounds.h"

#include <algorithm>

namespace wakepath::verify {

using sched::CfsRq;
using sched::Entity;
using sched::Task;

namespace {

constexpr std::uint64_t kFarBehind = 1ull << 40;  // a sleeper nobody knows: the model places it at its wakeup
constexpr std::int64_t kAny = Range::kAny;

// Bounds that are open stay open.
std::int64_t plus(std::int64_t bound, std::int64_t x) {
  if (bound <= -kAny || bound >= kAny) return bound;
  return std::clamp(bound + x, -kAny, kAny);
}

void matching(Entity*& a, Entity*& b) {
  while (a->depth > b->depth) a = a->parent;
  while (b->depth > a->depth) b = b->parent;
  while (a->cfs_rq != b->cfs_rq) {
    a = a->parent;
    b = b->parent;
  }
}

// The running entity of the queue and those that wait.
template <class Visit>
void for_each_queued(const CfsRq& q, Visit visit) {
  if (q.curr != nullptr && q.curr->on_rq) visit(*q.curr);
  q.timeline.for_each([&](Entity& se) { visit(se); });
}

}  // namespace

std::uint64_t Bounds::credit(const Entity& se) const {
  const sched::Time full = sched::entity_is_idle(se) ? tunables_.min_granularity_ns : tunables_.latency_ns;
  return static_cast<std::uint64_t>(full) >> (rules_.gentle_fair_sleepers ? 1 : 0);
}

void Bounds::note_exact() {
  all_exact_ = unsure_.empty() && std::all_of(queues_.begin(), queues_.end(),
                                              [](const auto& q) { return q.second.started && q.second.min.exact(); });
}

void Bounds::now_inexact() {
  if (all_exact_) {  // nobody kept track while there was nothing to carry along
    for (auto& [q, k] : queues_) k.at = q->min_vruntime;
  }
  all_exact_ = false;
}

void Bounds::unknown(Entity& se) {
  unsure_[&se] = {-kAny, kAny};
  now_inexact();
}

bool Bounds::exact(const Task& t) const {
  for (const Entity* se = &t.se; se != nullptr; se = se->parent) {
    if (!of(*se).exact()) return false;
  }
  return true;
}

Range Bounds::ahead(const Entity& a, const Entity& b) const {
  const Range x = of(a);
  const Range y = of(b);
  const std::int64_t d = diff(a.vruntime, b.vruntime);
  return {x.low <= -kAny || y.high >= kAny ? -kAny : d + x.low - y.high,
          x.high >= kAny || y.low <= -kAny ? kAny : d + x.high - y.low};
}

std::int64_t Bounds::granularity(Entity& se) const {
  const auto real = static_cast<std::uint64_t>(tunables_.wakeup_granularity_ns);
  return static_cast<std::int64_t>(sched::calc_delta_fair(real, se.load));
}

bool Bounds::tick_is_determined(const Task& curr) const {
  if (all_exact_) return true;
  constexpr std::int64_t kParts = 16;  // of the least granularity: what the tick compares with is no less than it
  for (const Entity* se = &curr.se; se != nullptr; se = se->parent) {
    bool known = true;
    for_each_queued(*se->cfs_rq, [&](const Entity& other) {
      if (&other == se) return;
      const Range d = ahead(*se, other);
      // Behind the others, or ahead by less than the least that is asked for, only the time it ran decides.
      if (d.high >= tunables_.min_granularity_ns && d.width() > tunables_.min_granularity_ns / kParts) known = false;
    });
    if (!known) return false;
  }
  return true;
}

Bounds::Buddies Bounds::buddies(const CfsRq& root) const {
  Buddies out;
  if (all_exact_) return out;
  out.emplace_back(&root, root.next);
  for (const auto& [q, k] : queues_) {
    if (q != &root && q->rq == root.rq) out.emplace_back(q, q->next);
  }
  return out;
}

// Leftmost, with no buddy near enough to be preferred; or the buddy, near enough to whoever is leftmost.
bool Bounds::pick_is_determined(Task& picked, const Buddies& before) const {
  if (all_exact_) return true;
  for (Entity* se = &picked.se; se != nullptr; se = se->parent) {
    const Entity* buddy = nullptr;
    for (const auto& [q, next] : before) {
      if (q == se->cfs_rq) buddy = next;
    }
    bool known = true;
    for_each_queued(*se->cfs_rq, [&](Entity& other) {
      if (&other == se) return;
      const Range d = ahead(*se, other);
      if (d.exact() || (of(*se).exact() && of(other).exact())) return;
      if (buddy == se) {
        if (d.high > granularity(other)) known = false;
      } else if (d.high > 0 || (buddy == &other && -d.high <= granularity(*se))) {
        known = false;
      }
    });
    if (!known) return false;
  }
  return true;
}

void Bounds::narrow(Entity& se, std::int64_t low, std::int64_t high) {
  const auto it = unsure_.find(&se);
  if (it == unsure_.end()) return;
  Range& r = it->second;
  low = std::max(low, r.low);
  high = std::min(high, r.high);
  if (low > high) return;  // contradicts what is known: a divergence, not knowledge
  const std::int64_t move = std::clamp<std::int64_t>(0, low, high);
  if (move != 0) {
    sched::Scheduler::assume_vruntime(se, se.vruntime + static_cast<std::uint64_t>(move));
    moved_[&se] += move;
  }
  r = {plus(low, -move), plus(high, -move)};
  if (r.exact()) {
    unsure_.erase(it);
    note_exact();
  }
}

void Bounds::narrow_min(CfsRq& q, std::int64_t low, std::int64_t high) {
  Queue& k = queues_[&q];
  low = std::max(low, k.min.low);
  high = std::min(high, k.min.high);
  if (low > high) return;
  const std::int64_t move = std::clamp<std::int64_t>(0, low, high);
  q.min_vruntime += static_cast<std::uint64_t>(move);
  k.at = q.min_vruntime;
  k.min = {plus(low, -move), plus(high, -move)};
  if (k.min.exact()) note_exact();
}

void Bounds::settle_queue(CfsRq& q, const Entity* excluded) {
  Queue& k = queues_[&q];
  if (!k.started) return;
  int queued = 0;
  int unsure = 0;
  const Entity* except = nullptr;
  Range least{kAny, kAny};
  std::int64_t least_sure = kAny;
  for_each_queued(q, [&](const Entity& se) {
    if (&se == excluded) return;
    const Range r = of(se);
    const std::int64_t at = diff(se.vruntime, q.min_vruntime);
    least.low = std::min(least.low, plus(r.low, at));
    least.high = std::min(least.high, plus(r.high, at));
    ++queued;
    if (r.exact()) {
      least_sure = std::min(least_sure, at);
    } else {
      ++unsure;
      except = &se;
    }
  });
  const std::int64_t moved = diff(k.at, q.min_vruntime);
  k.at = q.min_vruntime;
  if (k.min.exact() && unsure == 0) return;
  Range r{plus(k.min.low, moved), plus(k.min.high, moved)};
  if (unsure != 1) {
    k.except = nullptr;
  } else if (k.except != except) {  // from here on
    k.except = except;
    k.without = r.high >= kAny ? 0 : q.min_vruntime + static_cast<std::uint64_t>(r.high);
    if (r.high >= kAny) k.except = nullptr;
  }
  if (queued > 0) r = {std::max(r.low, least.low), std::max(r.high, least.high)};
  if (k.except != nullptr && least_sure < kAny && least_sure <= least.high) {
    const std::uint64_t sure = q.min_vruntime + static_cast<std::uint64_t>(least_sure);
    if (diff(sure, k.without) > 0) k.without = sure;
  }
  k.min = {-kAny, kAny};
  narrow_min(q, r.low, r.high);
}

void Bounds::settle(const Task& t) {
  if (all_exact_) return;
  for (const Entity* se = &t.se; se != nullptr; se = se->parent) settle_queue(*se->cfs_rq, nullptr);
}

void Bounds::before_wakeup(Task& t) {
  placing_.clear();
  if (all_exact_) return;
  for (Entity* se = &t.se; se != nullptr && !se->on_rq; se = se->parent) {
    settle_queue(*se->cfs_rq, nullptr);
    if (of(*se).high >= kAny) sched::Scheduler::assume_vruntime(*se, se->cfs_rq->min_vruntime - kFarBehind);
    placing_.push_back({se, se->vruntime});
  }
}

void Bounds::blur(Task& curr, Task& wakee, std::int64_t spread) {
  Entity* a = &curr.se;
  Entity* b = &wakee.se;
  matching(a, b);
  if (a->my_q == nullptr) return;  // a task's charge would be printed
  const auto known = [a](const Blurred& x) { return x.se == a; };
  if (std::none_of(blurred_.begin(), blurred_.end(), known)) blurred_.push_back({a, of(*a), moved_[a]});
  const auto v = static_cast<std::int64_t>(sched::calc_delta_fair(static_cast<std::uint64_t>(spread), a->load)) + 1;
  const Range r = of(*a);
  unsure_[a] = {plus(r.low, -v), plus(r.high, v)};
  now_inexact();
}

void Bounds::unblur(int cpu, std::uint64_t clock_task) {
  for (std::size_t i = 0; i < blurred_.size();) {
    const Blurred x = blurred_[i];
    if (x.se->cfs_rq->rq->cpu != cpu || x.se->exec_start != clock_task) {
      ++i;
      continue;
    }
    blurred_.erase(blurred_.begin() + static_cast<std::ptrdiff_t>(i));
    const std::int64_t moved = moved_[x.se] - x.moved;
    if (moved != 0) {
      sched::Scheduler::assume_vruntime(*x.se, x.se->vruntime - static_cast<std::uint64_t>(moved));
      moved_[x.se] = x.moved;
    }
    Range r = x.before;
    if (x.se->load.weight != sched::kNice0Load) r = {plus(r.low, -1), plus(r.high, 1)};
    if (r.exact()) {
      unsure_.erase(x.se);
      note_exact();
    } else {
      unsure_[x.se] = r;
    }
  }
}

// Both ends of what an entity can be were placed against both ends of what min_vruntime can be.
Bounds::Placement Bounds::after_wakeup(Task& t) {
  Placement out;
  for (const Before& b : placing_) {
    Entity& se = *b.se;
    CfsRq& q = *se.cfs_rq;
    settle_queue(q, &se);
    const Queue& k = queues_[&q];
    const Range own = of(se);
    const std::int64_t was = diff(b.vruntime, se.vruntime);
    const std::int64_t placed = diff(q.min_vruntime - credit(se), se.vruntime);
    const bool open = own.high >= kAny;
    const Range r{std::max(open ? -kAny : plus(own.low, was), plus(k.min.low, placed)),
                  open ? kAny : std::max(plus(own.high, was), plus(k.min.high, placed))};
    if (&se == &t.se) {
      out = {true, open, b.vruntime, se.vruntime, q.min_vruntime, k.without, nullptr, 0, 0, false, false, 0};
      int unsure = 0;
      for_each_queued(q, [&](Entity& other) {
        if (&other == &se) return;
        if (!of(other).exact()) {
          out.source = ++unsure == 1 ? &other : nullptr;
          out.source_vruntime = other.vruntime;
        } else if (!out.others || diff(other.vruntime, out.others_min) < 0) {
          out.others = true;
          out.others_min = other.vruntime;
        }
      });
      if (unsure > 1) out.source = nullptr;
      if (std::any_of(blurred_.begin(), blurred_.end(), [&](const Blurred& x) { return x.se == out.source; })) {
        out.source = nullptr;  // what it is at this clock says nothing about later
      }
      if (out.source != nullptr) out.source_moved = moved_[out.source];
      out.alone = out.source != nullptr && out.source == k.except;
    }
    if (r.exact()) {
      unsure_.erase(&se);
      note_exact();
    } else {
      unsure_[&se] = {-kAny, kAny};
      now_inexact();
      narrow(se, r.low, r.high);
    }
  }
  placing_.clear();
  return out;
}

// Nothing in this queue was anchored before: what is assumed moves along with what was printed.
void Bounds::start(CfsRq& q, std::int64_t shift) {
  Queue& k = queues_[&q];
  k.started = true;
  k.min = {-kAny, 0};
  q.min_vruntime += static_cast<std::uint64_t>(shift);
  k.at = q.min_vruntime;
  for (auto& [se, r] : unsure_) {
    if (se->cfs_rq != &q) continue;
    auto& moved = const_cast<Entity&>(*se);
    sched::Scheduler::assume_vruntime(moved, moved.vruntime + static_cast<std::uint64_t>(shift));
  }
}

void Bounds::learn(Task& t, std::uint64_t printed, const Placement& placed) {
  CfsRq& q = *t.se.cfs_rq;
  const std::int64_t error = diff(printed, t.se.vruntime);
  unsure_.erase(&t.se);
  sched::Scheduler::assume_vruntime(t.se, printed);
  if (!queues_[&q].started) {
    // It lies no further below min_vruntime than a placement credit, wherever it was placed.
    const std::uint64_t most = placed.any ? placed.min + static_cast<std::uint64_t>(error) : printed + credit(t.se);
    start(q, diff(most, q.min_vruntime) < 0 ? diff(most, q.min_vruntime) : std::max(error, diff(most, q.min_vruntime)));
    note_exact();
    return;
  }
  if (placed.any) {
    const std::uint64_t began = placed.after + static_cast<std::uint64_t>(error);
    const bool told = !placed.unknown_before && diff(began, placed.before) > 0;
    // At the wakeup min_vruntime was this, or at most this.
    const std::int64_t min = diff(began + credit(t.se), placed.min);
    if (q.min_vruntime == placed.min) {
      narrow_min(q, told ? min : -kAny, min);
      Queue& k = queues_[&q];
      if (k.except != nullptr && diff(k.without, q.min_vruntime) > 0) k.without = q.min_vruntime;
    } else if (told) {
      narrow_min(q, diff(placed.min, q.min_vruntime) + min, kAny);
    }
    // min_vruntime = max(what it was, min(source, others)).
    const std::uint64_t then = placed.min + static_cast<std::uint64_t>(min);
    if (placed.source != nullptr && (!placed.others || diff(placed.others_min, then) > 0)) {
      const std::int64_t x = diff(then, placed.source_vruntime) - (moved_[placed.source] - placed.source_moved);
      narrow(*placed.source, told && placed.alone && diff(then, placed.without) > 0 ? x : -kAny, x);
    }
  }
  note_exact();
}

bool Bounds::wakeup_is_determined(Task& curr, Task& wakee, bool trace_preempts) {
  if (all_exact_) return true;
  Entity* a = &curr.se;
  Entity* b = &wakee.se;
  matching(a, b);
  const Range x = of(*a);
  const Range y = of(*b);
  if (x.exact() && y.exact()) return true;
  const std::int64_t beyond = diff(a->vruntime, b->vruntime) - granularity(*b);
  // Preempts if beyond + x - y > 0.
  if (x.low > -kAny && y.high < kAny && beyond + x.low - y.high > 0) return true;
  if (x.high < kAny && y.low > -kAny && beyond + x.high - y.low <= 0) return true;
  if (trace_preempts) {
    narrow(*a, plus(y.low, 1 - beyond), kAny);
    narrow(*b, -kAny, plus(x.high, beyond - 1));
  } else {
    narrow(*a, -kAny, plus(y.high, -beyond));
    narrow(*b, plus(x.low, beyond), kAny);
  }
  return false;
}

// The picked one is leftmost, or a buddy at most a granularity behind the leftmost.
void Bounds::narrow_by_pick(Task& picked, Task& passed_over) {
  if (all_exact_ || &picked == &passed_over) return;
  Entity* a = &picked.se;
  Entity* b = &passed_over.se;
  matching(a, b);
  if (a == b) return;
  const Range x = of(*a);
  const Range y = of(*b);
  const std::int64_t room = diff(b->vruntime, a->vruntime) + granularity(*b);
  narrow(*a, -kAny, plus(y.high, room));  // x - y <= room
  narrow(*b, plus(x.low, -room), kAny);
}

}  // namespace wakepath::verify
