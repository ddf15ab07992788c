// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/fs/writeback.h"

#include <algorithm>

#include "models/machine/timer_wheel.h"

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;

// The delayed work's timer. (The kernel's runs in the TIMER softirq of that CPU; here in its timer interrupt.)
struct PageCache::Writeback::Delay final : machine::HrTimer {
  explicit Delay(Writeback& w) : owner(w) { function_id = w.cache_.machine_.tp.name("delayed_work_timer_fn"); }
  ~Delay() override { owner.cache_.machine_.engine.cancel(timer); }
  Call<void> expired(ExecContext& irq) override { return owner.wq_.queue(irq, owner); }
  Writeback& owner;
};

PageCache::Writeback::Writeback(PageCache& c, workqueue::Workqueues& wqs)
    : cache_(c), wq_(wqs.create("writeback", {.unbound = true})), delay_(std::make_unique<Delay>(*this)) {
  function_id = c.machine_.tp.name("wb_workfn");
  persistent = true;
}

PageCache::Writeback::~Writeback() = default;

void PageCache::Writeback::arm_delay(machine::Cpu& cpu, machine::Time delay) {
  Machine& m = cache_.machine_;
  if (delay_->timer.armed() || delay <= 0) return;
  m.local_timer(cpu.id()).arm(*delay_, machine::timer_wheel_expiry(m.now(), delay, m.tick_ns()));
}

Call<void> PageCache::Writeback::dirtied(ExecContext& ctx, File& f) {
  if (f.listed) return {};
  const bool first = dirty_files_.empty() && io_.empty();
  f.listed = true;
  f.dirtied_at = cache_.jiffies();
  dirty_files_.push_back(&f);
  if (first) arm_delay(*ctx.cpu, cache_.machine_.scenario.vm.dirty_writeback_ns);
  return {};
}

Call<void> PageCache::Writeback::start_background(ExecContext& ctx) {
  if (std::exchange(running_, true)) return {};
  cache_.machine_.engine.cancel(delay_->timer);
  return wq_.queue(ctx, *this);
}

bool PageCache::Writeback::over_background() const { return cache_.dirty_ > cache_.limits().background; }

Call<void> PageCache::Writeback::function(KTask& worker) {
  const auto& vm = cache_.machine_.scenario.vm;
  const std::int64_t now = cache_.jiffies();
  const std::int64_t interval = vm.dirty_writeback_ns / cache_.machine_.tick_ns();
  co_await run_cost(cache_.machine_, worker, CostId::flusher_turn);
  if (interval > 0 && now >= last_periodic_ + interval) {
    last_periodic_ = now;
    co_await write_back(worker, Reason::periodic);
  }
  if (over_background()) {
    ++cache_.counters.background_runs;
    co_await write_back(worker, Reason::background);
  }
  running_ = false;
  if (!dirty_files_.empty() || !io_.empty()) arm_delay(*worker.cpu, vm.dirty_writeback_ns);
}

std::int64_t PageCache::Writeback::chunk() const {
  constexpr std::int64_t kLeast = 1024;  // 4 MiB
  const std::int64_t pages = std::min(cache_.control_.write_bandwidth() / 2, cache_.limits().thresh / 8);
  return (pages + kLeast) / kLeast * kLeast;
}

Call<void> PageCache::Writeback::write_back(KTask& t, Reason why) {
  for (;;) {
    if (why == Reason::background && !over_background()) co_return;
    if (io_.empty()) {
      const std::int64_t age = cache_.machine_.scenario.vm.dirty_expire_ns / cache_.machine_.tick_ns();
      const std::int64_t before = why == Reason::periodic ? cache_.jiffies() - age : cache_.jiffies();
      for (std::size_t n = dirty_files_.size(); n > 0; --n) {
        File* f = dirty_files_.front();
        dirty_files_.pop_front();
        (f->dirtied_at <= before ? io_ : dirty_files_).push_back(f);
      }
    }
    if (!co_await write_files(t, why)) co_return;
  }
}

// One turn through the list; false: nothing was written and nothing is left to try.
Call<bool> PageCache::Writeback::write_files(KTask& t, Reason) {
  const std::int64_t began = cache_.jiffies();
  bool wrote = false;
  for (std::size_t n = io_.size(); n > 0; --n) {
    File& f = *io_.front();
    io_.pop_front();
    const std::int64_t most = chunk();
    cache_.control_.restart_if_idle(cache_.jiffies(), cache_.counters.dirtied, cache_.counters.written,
                                    cache_.writeback_ > 0);
    std::int64_t done = co_await cache_.write_pages(t, f, f.write_from, most, false);
    if (done == 0 && f.write_from > 0) done = co_await cache_.write_pages(t, f, 0, most, false);
    if (cache_.control_.due(cache_.jiffies()))
      cache_.control_.update(cache_.jiffies(), cache_.limits(), cache_.dirty_ + cache_.writeback_,
                             cache_.counters.dirtied, cache_.counters.written, false);
    const bool through = done < most;  // came to the end of the file
    f.write_from = through ? 0 : f.write_at;
    wrote |= done > 0;
    if (t.resched_at_cond_resched()) co_await t.schedule(true);
    if (f.dirty.empty()) {
      f.listed = false;
    } else if (through) {  // dirtied again behind us: its time starts anew
      f.dirtied_at = cache_.jiffies();
      dirty_files_.push_back(&f);
    } else {
      io_.push_back(&f);
    }
    if (wrote && cache_.jiffies() > began + cache_.machine_.scenario.kernel.hz / 10) break;
  }
  co_return wrote;
}

}  // namespace wakepath::fs
