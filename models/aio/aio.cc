// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/aio/aio.h"

#include <algorithm>

#include "models/kernel/switches.h"

namespace wakepath::aio {

using machine::CostId;
using machine::owe_cost;
using machine::run_cost;
using sched::State;

void Context::link(KTask& t, int min_nr) {
  for (Waiter& w : waiters_)
    if (w.task == &t) {
      w.min_nr = min_nr;
      w.id = next_waiter_++;
      return;
    }
  waiters_.push_back({&t, min_nr, next_waiter_++});
}

void Context::unlink(KTask& t) {
  std::erase_if(waiters_, [&](const Waiter& w) { return w.task == &t; });
}

Call<void> Context::complete(ExecContext& ctx, Iocb& iocb) {
  return machine::after(ctx, run_cost(machine_, ctx, CostId::aio_complete), [this, &ctx, &iocb] {
    ring_.push_back(&iocb);
    return waiters_.empty() ? put(ctx, iocb) : wake_waiters(ctx);
  });
}

Call<void> Context::put(ExecContext& ctx, const Iocb& iocb) {
  const bool owes = iocb.in_work_item;
  return machine::after(ctx, owes ? owe_cost(machine_, ctx, CostId::aio_put) : run_cost(machine_, ctx, CostId::aio_put),
                        [] { return Call<void>{}; });
}

Call<void> Context::wake_waiters(ExecContext& ctx) {
  const std::uint64_t later = next_waiter_;  // the kernel holds the wait queue's lock: nobody joins meanwhile
  for (std::size_t i = 0; i < waiters_.size() && waiters_[i].id < later;) {
    const Waiter w = waiters_[i];
    const bool enough = !machine_.k.aio_obey_min_nr || static_cast<int>(ring_.size()) >= w.min_nr;
    if (!enough) {
      ++i;
      continue;
    }
    const bool woken = co_await machine_.wake(ctx, *w.task);
    counters.waiter_wakes += woken;
    if (woken || machine_.k.aio_obey_min_nr)
      std::erase_if(waiters_, [&](const Waiter& x) { return x.id == w.id; });  // autoremove
    else
      ++i;
  }
  co_await run_cost(machine_, ctx, CostId::aio_put);
}

int Context::take(int nr, std::vector<Iocb*>& out) {
  int got = 0;
  for (; got < nr && !ring_.empty(); ++got) {
    out.push_back(ring_.front());
    ring_.pop_front();
  }
  return got;
}

Call<int> Context::read_events(KTask& t, int min_nr, int nr, std::vector<Iocb*>& out) {
  if (!ring_.empty()) __builtin_prefetch(ring_.front());  // of many jobs' I/Os none stays in the caches
  co_await run_cost(machine_, t, CostId::getevents_call);
  ++counters.calls;
  int got = 0;
  bool armed = false;
  for (;;) {
    if (t.resched_at_might_sleep()) co_await t.schedule(true);  // the ring mutex
    const int before = got;
    // The tail is read once: what completes while events are copied is for the next look.
    for (std::size_t left = ring_.size(); left > 0 && got < nr && !ring_.empty(); --left) {
      out.push_back(ring_.front());
      ring_.pop_front();
      ++got;
      if (!armed && got >= min_nr && (left == 1 || got == nr))  // the way out follows
        co_await owe_cost(machine_, t, CostId::getevents_event);
      else
        co_await run_cost(machine_, t, CostId::getevents_event);
    }
    if (got >= min_nr) break;
    // Where min_nr is obeyed, a drain that found something arms again with what is still missing and looks again.
    if (armed && !(machine_.k.aio_obey_min_nr && got > before)) {
      ++counters.sleeps;
      co_await t.schedule();
    }
    armed = true;
    link(t, min_nr - got);
    t.set_state(State::interruptible);
    co_await run_cost(machine_, t, CostId::getevents_arm);
  }
  if (armed) {
    unlink(t);
    t.set_state(State::running);
    co_await run_cost(machine_, t, CostId::getevents_disarm);
  }
  counters.events += static_cast<std::uint64_t>(got);
  co_return got;
}

Call<int> Context::sys_io_getevents(KTask& t, std::uint64_t ctx_id, int min_nr, int nr, std::vector<Iocb*>& out) {
  co_await owe_cost(machine_, t, CostId::syscall_entry);
  machine_.tp.syscall(*t.cpu, trace::EventType::sys_enter_io_getevents, ctx_id, nr, min_nr, 0);
  const int got = co_await read_events(t, min_nr, nr, out);
  machine_.tp.syscall(*t.cpu, trace::EventType::sys_exit_io_getevents, ctx_id, 0, 0, got);
  if (!t.passes_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await owe_cost(machine_, t, CostId::syscall_exit, machine::Mode::irqs_off);
  co_return got;
}

}  // namespace wakepath::aio
