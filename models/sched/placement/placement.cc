// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/placement/placement.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace wakepath::sched {

const char* affine_name(Affine a) {
  switch (a) {
    case Affine::not_asked:
      return "not_asked";
    case Affine::this_idle:
      return "this_idle";
    case Affine::prev_beside_idle:
      return "prev_beside_idle";
    case Affine::sync:
      return "sync";
    case Affine::prev_idle:
      return "prev_idle";
    case Affine::this_lighter:
      return "this_lighter";
    case Affine::prev:
      return "prev";
  }
  return "?";
}

const char* step_name(Step s) {
  switch (s) {
    case Step::only_cpu:
      return "only_cpu";
    case Step::target_idle:
      return "target_idle";
    case Step::prev_idle:
      return "prev_idle";
    case Step::kthread_stack:
      return "kthread_stack";
    case Step::recent_idle:
      return "recent_idle";
    case Step::smt_idle:
      return "smt_idle";
    case Step::idle_core:
      return "idle_core";
    case Step::idle_cpu:
      return "idle_cpu";
    case Step::target:
      return "target";
    case Step::pack_interrupted_idle:
      return "pack_interrupted_idle";
    case Step::pack_sync:
      return "pack_sync";
    case Step::pack_awake:
      return "pack_awake";
  }
  return "?";
}

// One wakes many in turn: pulling all of them to its cache would crowd it.
bool wake_wide(unsigned waker_flips, unsigned wakee_flips, int llc_size) {
  const unsigned master = std::max(waker_flips, wakee_flips), slave = std::min(waker_flips, wakee_flips);
  const auto factor = static_cast<unsigned>(llc_size);
  return slave >= factor && master >= slave * factor;
}

namespace {

bool usable(const CpuView& v, int cpu) { return v.idle(cpu) || v.sched_idle(cpu); }

// The load test: is this CPU, with the wakee, less loaded than the previous one without it (WA_WEIGHT, WA_BIAS)?
bool this_is_lighter(const CpuView& v, const Wakeup& w, unsigned imbalance_pct) {
  auto here = static_cast<std::int64_t>(v.load(w.this_cpu));
  if (w.sync) {
    const auto current = static_cast<std::int64_t>(v.waker_load());
    if (current > here) return true;
    here -= current;
  }
  const auto task = static_cast<std::int64_t>(v.wakee_load());
  here = (here + task) * 100 * static_cast<std::int64_t>(v.capacity(w.prev_cpu));
  const auto bias = static_cast<std::int64_t>(100 + (imbalance_pct - 100) / 2);
  auto there = static_cast<std::int64_t>(v.load(w.prev_cpu)) - task;
  there *= bias * static_cast<std::int64_t>(v.capacity(w.this_cpu));
  if (w.sync) ++there;
  return here < there;
}

}  // namespace

Affine wake_affine(const CpuView& v, const kernel::Switches& k, const Wakeup& w, unsigned imbalance_pct,
                   bool share_cache) {
  if (v.idle(w.this_cpu) && share_cache) return v.idle(w.prev_cpu) ? Affine::prev_beside_idle : Affine::this_idle;
  if (w.sync && v.nr_running(w.this_cpu) - v.nr_delayed(w.this_cpu) == 1) return Affine::sync;
  if (k.wake_affine_prev_idle && v.idle(w.prev_cpu)) return Affine::prev_idle;
  return this_is_lighter(v, w, imbalance_pct) ? Affine::this_lighter : Affine::prev;
}

namespace {

struct Search {
  const CpuView& v;
  const kernel::Switches& k;
  const Domains& d;
  const Wakeup& w;
  Placement& out;

  bool take(int cpu, Step step) {
    out.cpu = cpu;
    out.step = step;
    return true;
  }

  bool idle_smt(int cpu) {
    const CpuMask& core = d.smt_siblings(cpu);
    for (int c = core.first(); c >= 0; c = core.next(c)) {
      if (c == cpu || !w.may_use(c)) continue;
      ++out.tested;
      if (usable(v, c)) return take(c, Step::smt_idle);
    }
    return false;
  }

  // Is the whole core idle? On the way, remembers the first idle CPU in case none is.
  bool core_idle(int core_cpu, int& fallback) {
    const CpuMask& core = d.smt_siblings(core_cpu);
    bool idle = true;
    for (int c = core.first(); c >= 0; c = core.next(c)) {
      ++out.tested;
      if (!v.idle(c)) {
        idle = false;
        if (fallback >= 0) break;
        if (v.sched_idle(c) && w.may_use(c)) {
          fallback = c;
          break;
        }
        continue;
      }
      if (fallback < 0 && w.may_use(c)) fallback = c;
    }
    return idle;
  }

  // The first fully idle core after the target in cyclic order.
  bool idle_core(const Domain& llc, int target) {
    CpuMask left = llc.span->cpus;
    if (w.allowed != nullptr) left &= *w.allowed;
    int fallback = -1;
    const int start = target + 1;
    for (int c = left.wrap_first(start); c >= 0; c = left.wrap_next(c, start)) {
      if (core_idle(c, fallback)) return take(c, Step::idle_core);
      const CpuMask& core = d.smt_siblings(c);
      for (int s = core.first(); s >= 0; s = core.next(s)) left.clear(s);
    }
    out.clears_idle_cores = true;
    return fallback >= 0 && take(fallback, Step::idle_cpu);
  }

  // Up to 5.19 the scan was limited by its measured cost (SIS_PROP), which a machine with idle CPUs does not reach.
  bool idle_cpu(const Domain& llc, const LlcShared* shared, int target) {
    const bool cores = shared != nullptr && shared->has_idle_cores && d.smt();
    int left = std::numeric_limits<int>::max();
    if (k.sis_util && shared != nullptr) {
      left = shared->nr_idle_scan;
      if (left == 0) return false;
    }
    if (cores) return idle_core(llc, target);
    const CpuMask& span = llc.span->cpus;
    const int start = target + 1;
    for (int c = span.wrap_first(start); c >= 0; c = span.wrap_next(c, start)) {
      if (!w.may_use(c)) continue;
      if (left-- == 0) return false;
      ++out.tested;
      if (usable(v, c)) return take(c, Step::idle_cpu);
    }
    return false;
  }

  // Commit 52262ee567ad: work queued by a task for its own CPU's kernel thread is not a reason to move the task. Up to
  // 5.16 it held for any wakeup while that thread was current, interrupts included.
  [[nodiscard]] bool stacks() const {
    return k.stack_wakee_on_kthread && w.waker_is_kthread && w.waker_cpus_allowed == 1 &&
           (w.waker_in_task || !k.stack_in_task_only) && w.prev_cpu == w.this_cpu && v.nr_running(w.this_cpu) <= 1;
  }
};

}  // namespace

Placement select_idle_sibling(const CpuView& v, const kernel::Switches& k, const Domains& d, const Wakeup& w,
                              int target) {
  Placement out;
  out.target = target;
  out.recent_used_cpu = w.recent_used_cpu;
  Search s{v, k, d, w, out};
  const int prev = w.prev_cpu;
  ++out.tested;
  if (usable(v, target)) return s.take(target, Step::target_idle), out;
  if (prev != target && d.share_cache(prev, target)) {
    ++out.tested;
    if (usable(v, prev)) return s.take(prev, Step::prev_idle), out;
  }
  if (s.stacks()) return s.take(prev, Step::kthread_stack), out;
  const int recent = w.recent_used_cpu;
  if (!k.recent_used_by_waker) out.recent_used_cpu = prev;
  if (recent >= 0 && recent != prev && recent != target && d.share_cache(recent, target)) {
    ++out.tested;
    if (usable(v, recent) && w.may_use(recent)) {
      out.recent_used_cpu = prev;
      return s.take(recent, Step::recent_idle), out;
    }
  }
  if (const Domain* llc = d.llc_domain(target); llc != nullptr) {
    const LlcShared* shared = d.llc_shared(target);
    const bool idle_core = d.smt() && shared != nullptr && shared->has_idle_cores;
    if (d.smt() && !idle_core && d.share_cache(prev, target) && s.idle_smt(prev)) return out;
    if (s.idle_cpu(*llc, shared, target)) return out;
  }
  s.take(target, Step::target);
  return out;
}

bool vcpu_pack_room(const CpuView& v, const Wakeup& w, int cpu) {
  constexpr std::uint64_t kFullPercent = 70;
  if (!w.may_use(cpu) || v.wakeup_pending(cpu) || v.nr_running(cpu) != v.nr_fair(cpu)) return false;
  if (v.nr_fair(cpu) - v.nr_delayed(cpu) > 1) return false;
  const std::uint64_t util = v.util(cpu) + (cpu == w.prev_cpu ? 0 : v.wakee_util());
  return util * 100 < v.capacity(cpu) * kFullPercent;
}

int vcpu_pack_fork(const CpuView& v, const kernel::Switches& k, const Wakeup& w) {
  return (k.sched_vcpu_pack & pack::kFork) != 0 && vcpu_pack_room(v, w, w.this_cpu) ? w.this_cpu : -1;
}

namespace {

// A virtual CPU that halts is given up to the host and is dear to wake: sched_vcpu_pack looks for one that runs anyway.
bool vcpu_pack(const CpuView& v, const kernel::Switches& k, const Wakeup& w, int cpus, Placement& out) {
  const auto take = [&out](int cpu, Step step) {
    out.cpu = out.target = cpu;
    out.step = step;
    return true;
  };
  const auto room = [&](int cpu) {
    ++out.tested;
    return vcpu_pack_room(v, w, cpu);
  };
  if ((k.sched_vcpu_pack & pack::kInterruptedIdle) != 0 && w.waker_is_idle && v.nr_running(w.this_cpu) == 0 &&
      w.may_use(w.this_cpu))
    return take(w.this_cpu, Step::pack_interrupted_idle);
  if ((k.sched_vcpu_pack & pack::kSync) != 0 && w.sync && room(w.this_cpu)) return take(w.this_cpu, Step::pack_sync);
  if ((k.sched_vcpu_pack & pack::kAwake) == 0) return false;
  if (!v.idle(w.prev_cpu) && room(w.prev_cpu)) return take(w.prev_cpu, Step::pack_awake);
  if (room(w.this_cpu)) return take(w.this_cpu, Step::pack_awake);
  for (int c = 0; c < cpus; ++c)
    if (w.may_use(c) && !v.idle(c) && room(c)) return take(c, Step::pack_awake);
  return false;
}

}  // namespace

Placement select_task_rq_fair(const CpuView& v, const kernel::Switches& k, const Domains& d, const Wakeup& w) {
  if (k.sched_vcpu_pack != 0) {
    Placement packed;
    packed.recent_used_cpu = w.recent_used_cpu;
    if (vcpu_pack(v, k, w, d.cpus(), packed)) return packed;
  }
  const bool wide = wake_wide(w.waker_flips, w.wakee_flips, d.llc_size(w.this_cpu));
  const bool want_affine = !wide && w.may_use(w.this_cpu);
  int target = w.prev_cpu;
  Affine affine = Affine::not_asked;
  if (want_affine && w.this_cpu != w.prev_cpu) {
    for (const Domain* at = d.lowest(w.this_cpu); at != nullptr; at = at->parent) {
      if ((at->flags() & sd::kWakeAffine) == 0 || !at->span->cpus.test(w.prev_cpu)) continue;
      affine = wake_affine(v, k, w, at->span->imbalance_pct, d.share_cache(w.this_cpu, w.prev_cpu));
      if (affine == Affine::this_idle || affine == Affine::sync || affine == Affine::this_lighter) target = w.this_cpu;
      break;
    }
  }
  Placement out = select_idle_sibling(v, k, d, w, target);
  out.affine = affine;
  out.wants_affine = want_affine;
  return out;
}

bool wakeup_is_queued(const kernel::Switches& k, const Domains& d, int this_cpu, int target,
                      unsigned target_nr_running) {
  if (!d.share_cache(this_cpu, target)) return true;
  if (this_cpu == target) return false;
  return k.ttwu_queue_idle_target && target_nr_running == 0;
}

}  // namespace wakepath::sched
