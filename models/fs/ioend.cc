// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/fs/ioend.h"

#include <algorithm>
#include <utility>

namespace wakepath::fs {

using machine::CostId;
using machine::run_cost;
using sched::State;

Call<void> Ioend::wait_for_page(KTask& t, File& f, std::int64_t page) {
  while (f.writeback.test(page)) {
    f.waiters.push_back({&t, page});
    t.set_state(State::uninterruptible);
    if (f.writeback.test(page)) co_await t.schedule();
    t.set_state(State::running);
    std::erase_if(f.waiters, [&](const File::Waiter& w) { return w.task == &t; });
  }
}

Call<void> File::Conversion::function(KTask& worker) {
  ++cache.counters.conversion_items;
  Ioend* list = std::exchange(file.ended, nullptr);
  file.ended_last = nullptr;
  std::vector<Ioend*> ios;
  for (; list != nullptr; list = list->next) ios.push_back(list);
  std::sort(ios.begin(), ios.end(), [](const Ioend* a, const Ioend* b) { return a->first < b->first; });
  for (std::size_t i = 0; i < ios.size();) {
    std::size_t end = i + 1;
    while (end < ios.size() && ios[end]->first == ios[end - 1]->first + ios[end - 1]->count) ++end;
    co_await run_cost(cache.machine_, worker, CostId::dio_convert);
    cache.change_inode(file, true);
    ++cache.counters.converted;
    for (; i < end; ++i) {
      for (std::int64_t p = ios[i]->first; p < ios[i]->first + ios[i]->count; ++p) file.allocated.set(p);
      co_await cache.finish(worker, *ios[i]);
    }
    if (worker.resched_at_cond_resched()) co_await worker.schedule(true);
  }
}

}  // namespace wakepath::fs
