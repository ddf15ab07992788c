// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/queue.h"

#include <algorithm>
#include <utility>

#include "models/block/completion.h"
#include "models/block/loop.h"
#include "models/block/merge.h"
#include "models/block/split.h"
#include "models/kernel/switches.h"
#include "models/machine/smp.h"
#include "sim/engine/reversed.h"

namespace wakepath::block {

using machine::CostId;
using machine::Mode;
using machine::owe_cost;
using machine::run_cost;
using sched::State;
using trace::EventType;

// Runs the hctx's list from kblockd: what was inserted by a sleeping submitter, or left when the ring was full.
struct HwQueue::RunWork final : workqueue::Work {
  RunWork(Queue& q, HwQueue& h) : queue(q), hctx(h) {}
  Call<void> function(KTask& worker) override { co_await queue.run_list(worker, hctx); }
  Queue& queue;
  HwQueue& hctx;
};

HwQueue::HwQueue() = default;
HwQueue::~HwQueue() = default;

Queue::Queue(Machine& m, workqueue::Workqueues& wqs) : Queue(m, wqs, m.scenario.block, nullptr) {}

Queue::Queue(Machine& m, workqueue::Workqueues& wqs, const scenario::Block& conf, Driver& driver)
    : Queue(m, wqs, conf, &driver) {}

Queue::Queue(Machine& m, workqueue::Workqueues& wqs, const scenario::Block& conf, Driver* driver)
    : machine_(m),
      conf_(conf),
      device_(m.scenario.device),
      driver_(driver),
      law_(m.scenario.device, m.scenario.run.seed) {
  elevator_ = conf_.elevator != "none";
  batches_ = conf_.driver == "nvme" && m.k.completion_batch && !elevator_;
  has_queue_rqs_ =
      conf_.driver == "nvme" || conf_.driver == "virtio_blk" || (conf_.driver == "null_blk" && m.k.null_blk_queue_rqs);
  const auto most = conf_.max_sectors > 0 ? conf_.max_sectors * 512 : conf_.max_sectors_kb * 1024;
  max_bytes_ = static_cast<std::uint32_t>(most);
  splitter_ = std::make_unique<Splitter>(*this, max_bytes_);
  if (conf_.nomerges < 2) merger_ = std::make_unique<Merger>(conf_.driver, max_bytes_);
  if (driver_ != nullptr) has_queue_rqs_ = driver_->has_queue_rqs();
  told_at_doorbell_ = conf_.irqmode >= 2 && !conf_.virtual_timer_completion && conf_.driver != "loop" &&
                      conf_.ring_requests == 0 && !device_.copies_data && !device_.doorbell_when_idle &&
                      !law_.notified();
  kblockd_ = &wqs.create("kblockd", {.highpri = true});
  timer_function_ = m.tp.name("null_cmd_timer_expired [null_blk]");
  if (driver_ == nullptr) completions_ = std::make_unique<Completions>(m, *this);
  if (conf_.driver == "loop") loop_ = std::make_unique<Loop>(m, *this, wqs, conf_.name);
  const int n = std::max(1, conf_.hw_queues);
  const bool spread = conf_.driver == "nvme" || conf_.driver == "virtio_blk";
  map_ = conf_.queue_map.empty() ? map_queues(m.topology, n, spread, m.k.group_cpus_evenly)
                                 : map_from_list(conf_.queue_map, n);
  for (int i = 0; i < n; ++i) hctxs_.push_back(make_hctx(i, map_));
  const auto& programs = m.scenario.programs;
  if (m.smp && std::any_of(programs.begin(), programs.end(), [](const auto& p) { return p.kind == "rcu"; }))
    bios_ = std::make_unique<SlabCache>(conf_.bio_bytes, m.topology.node);
  if (conf_.poll_queues == 0) return;
  poll_map_ = map_queues(m.topology, conf_.poll_queues, spread, m.k.group_cpus_evenly);
  for (int i = 0; i < conf_.poll_queues; ++i) poll_hctxs_.push_back(make_hctx(i, poll_map_));
}

std::unique_ptr<HwQueue> Queue::make_hctx(int index, const QueueMap& map) {
  Machine& m = machine_;
  auto h = std::make_unique<HwQueue>();
  h->queue = this;
  h->index = index;
  const auto i = static_cast<std::size_t>(index);
  h->nr_ctx = map.cpus_of[i].weight();
  h->run_work = std::make_unique<HwQueue::RunWork>(*this, *h);
  h->run_work->persistent = true;
  h->run_work->function_id = m.tp.name("blk_mq_run_work_fn");
  const int depth = std::max(1, conf_.queue_depth);
  h->wake_batch = static_cast<std::uint8_t>(std::clamp(depth / 8, 1, 8));
  if (driver_ != nullptr) {
    engine::RandomStream dice(m.scenario.run.seed, "block.tag_hint", i);
    h->tag_map = std::make_unique<TagMap>(depth, m.cpu_count(), dice);
    for (int tag = 0; tag < depth; ++tag) {
      h->requests.push_back(std::make_unique<Request>());
      Request& rq = *h->requests.back();
      rq.hctx = h.get();
      rq.tag = tag;
    }
    return h;
  }
  const int irq_cpu = conf_.irq_cpus.empty() ? map.irq_cpu(index) : conf_.irq_cpus[i % conf_.irq_cpus.size()];
  h->irq = std::make_unique<QueueInterrupt>(m, *this, *completions_, irq_cpu, *h);
  return h;
}

Queue::~Queue() {
  for (auto* list : {&hctxs_, &poll_hctxs_})
    for (auto& h : *list)
      for (auto& rq : h->requests) {
        machine_.engine.cancel(rq->timer);
        machine_.engine.cancel(rq->timer);
      }
}

HwQueue& Queue::map(int cpu) { return *hctxs_[static_cast<std::size_t>(map_.queue_of[static_cast<std::size_t>(cpu)])]; }

// ---- tags ----------------------------------------------------------------------------------------------------------

Request* Queue::take_mapped(HwQueue& h, int cpu) {
  const int tag = h.tag_map->get(cpu);
  if (tag < 0) return nullptr;
  Request& rq = *h.requests[static_cast<std::size_t>(tag)];
  rq.ctx_cpu = cpu;
  return &rq;
}

// __blk_mq_alloc_requests_batch: each is put before the one taken earlier, so the last is used first.
Request* Queue::take_ahead(HwQueue& h, int cpu, Plug& plug) {
  const int wanted = std::exchange(plug.expected, 1);
  int first = 0;
  std::uint64_t mask = wanted > 1 ? h.tag_map->get_batch(cpu, wanted, first) : 0;
  for (; mask != 0; mask >>= 1, ++first) {
    if ((mask & 1) == 0) continue;
    Request& rq = *h.requests[static_cast<std::size_t>(first)];
    rq.ctx_cpu = cpu;
    rq.next = plug.cached;
    plug.cached = &rq;
  }
  if (plug.cached == nullptr) return nullptr;
  Request* rq = plug.cached;
  plug.cached = rq->next;
  return rq;
}

void Queue::give_back(Plug& plug) {
  while (plug.cached != nullptr) {
    Request& rq = *plug.cached;
    plug.cached = rq.next;
    rq.hctx->tag_map->put(rq.tag, rq.ctx_cpu);
  }
}

Request* Queue::take_tag(HwQueue& h, int cpu) {
  if (h.tag_map != nullptr) return take_mapped(h, cpu);
  if (h.free == nullptr) return take_unused(h);
  return std::exchange(h.free, h.free->next);
}

Request* Queue::take_unused(HwQueue& h) {
  if (static_cast<int>(h.requests.size()) >= conf_.queue_depth) return nullptr;
  Request& rq = *h.requests.emplace_back(std::make_unique<Request>());
  rq.hctx = &h;
  rq.function_id = timer_function_;
  rq.timer.context = &rq;
  rq.timer.fire = [](engine::Timer& t, Time) {
    auto& r = *static_cast<Request*>(t.context);
    if (!r.bio->polled) return r.hctx->irq->post(r);
    --r.hctx->queue->in_device;
    r.hctx->poll_cq.push_back(&r);
  };
  return &rq;
}

// A submitter without a tag runs the hctx once, then sleeps; going to sleep flushes its plug through kblockd.
Call<Request*> Queue::wait_for_tag(KTask& t, HwQueue& h, Plug* plug, bool nowait) {
  for (;;) {
    if (Request* rq = take_tag(h, t.cpu->id())) co_return rq;
    if (nowait) co_return nullptr;
    if (!h.insert_list.empty()) co_await run_list(t, h);
    if (Request* rq = take_tag(h, t.cpu->id())) co_return rq;
    h.tag_waiters.push_back(&t);
    t.set_state(State::uninterruptible);
    if (Request* rq = take_tag(h, t.cpu->id())) {
      t.set_state(State::running);
      std::erase(h.tag_waiters, &t);
      co_return rq;
    }
    ++counters.tag_waits;
    if (plug != nullptr && plug->count > 0) co_await flush_plug(t, *plug, true);
    co_await t.schedule();
    t.set_state(State::running);
    std::erase(h.tag_waiters, &t);
  }
}

Call<void> Queue::put_tag(ExecContext& ctx, Request& rq) {
  HwQueue& h = *rq.hctx;
  rq.bio = nullptr;
  if (h.tag_map != nullptr)
    h.tag_map->put(rq.tag, rq.ctx_cpu);
  else
    rq.next = std::exchange(h.free, &rq);
  if (++h.freed_since_wake < h.wake_batch || h.tag_waiters.empty()) return {};
  return wake_tag_waiter(ctx, h);
}

Call<void> Queue::wake_tag_waiter(ExecContext& ctx, HwQueue& h) {
  h.freed_since_wake = 0;
  KTask* waiter = h.tag_waiters.front();
  h.tag_waiters.erase(h.tag_waiters.begin());
  co_await machine_.wake(ctx, *waiter);
}

// ---- submission ----------------------------------------------------------------------------------------------------

Call<void> Queue::submit(KTask& t, Bio& bio, Plug* plug) {
  if (bio.bytes > max_bytes_) [[unlikely]]
    return machine::after(t, t.settle(), [this, &t, &bio, plug] { return splitter_->submit(t, bio, plug); });
  if (bios_ == nullptr) return merge_or_allocate(t, bio, plug);
  return machine::after(t, t.settle(), [this, &t, &bio, plug] {
    bio.slab = &bios_->take(t.cpu->id());
    return merge_or_allocate(t, bio, plug);
  });
}

Call<void> Queue::merge_or_allocate(KTask& t, Bio& bio, Plug* plug) {
  if (bio.polled && poll_hctxs_.empty()) bio.polled = false;  // bio_clear_polled
  if (plug != nullptr && plug->tail != nullptr && merger_ != nullptr && merger_->merge(*plug->tail, bio))
    return machine::after(t, add_cost(t, plug->owes), [] { return Call<void>{}; });
  return machine::after(t, run_cost(machine_, t, CostId::tag_alloc), [this, &t, &bio, plug] {
    const auto cpu = static_cast<std::size_t>(t.cpu->id());
    HwQueue& h = bio.polled ? *poll_hctxs_[static_cast<std::size_t>(poll_map_.queue_of[cpu])] : map(t.cpu->id());
    return allocate(t, bio, h, plug);
  });
}

Call<void> Queue::allocate(KTask& t, Bio& bio, HwQueue& h, Plug* plug) {
  const int cpu = t.cpu->id();
  Request* rq = driver_ != nullptr && plug != nullptr ? take_ahead(map(cpu), cpu, *plug) : nullptr;
  if (rq == nullptr) {
    rq = take_tag(h, cpu);
    if (rq == nullptr) [[unlikely]]
      return allocate_later(t, bio, h, plug);
    rq->ctx_cpu = cpu;
  }
  return submit_request(t, bio, *rq, plug);
}

Call<void> Queue::allocate_later(KTask& t, Bio& bio, HwQueue& h, Plug* plug) {
  Request* rq = co_await wait_for_tag(t, h, plug, bio.nowait_request);
  bio.refused = rq == nullptr;
  if (bio.refused) {
    if (bios_ != nullptr) free_bio(t.cpu->id(), bio);
    co_return;
  }
  rq->ctx_cpu = t.cpu->id();
  co_await submit_request(t, bio, *rq, plug);
}

Call<void> Queue::submit_request(KTask& t, Bio& bio, Request& rq, Plug* plug) {
  bio.refused = false;
  bio.hctx = rq.hctx;
  rq.bio = &bio;
  rq.next = nullptr;
  ++counters.submitted;
  if (plug == nullptr) return machine::after(t, add_cost(t, true), [this, &t, &rq] { return issue_alone(t, rq); });
  return is_full(*plug) ? add_to_full_plug(t, *plug, rq) : add_to_plug(t, *plug, rq);
}

// What waits is issued before another one comes if it is many, or large by the list's first: the newest one, since
// the list has another order (plug_lifo) the oldest.
bool Queue::is_full(const Plug& plug) const {
  constexpr std::uint32_t kFlushBytes = 128 * 1024;  // BLK_PLUG_FLUSH_SIZE
  if (plug.count == 0) return false;
  const Request& first = machine_.k.plug_lifo ? *plug.tail : *plug.head;
  return plug.count >= Plug::kMaxRequests || first.bio->bytes >= kFlushBytes;
}

Call<void> Queue::issue_alone(KTask& t, Request& rq) {
  if (elevator_) return insert(t, &rq, true);
  return driver_ != nullptr ? driver_->queue_rq(t, rq) : issue_list(t, &rq);
}

Call<void> Queue::add_to_full_plug(KTask& t, Plug& plug, Request& rq) {
  co_await flush_plug(t, plug, false);
  co_await add_to_plug(t, plug, rq);
}

Call<void> Queue::add_to_plug(KTask& t, Plug& plug, Request& rq) {
  (plug.tail ? plug.tail->next : plug.head) = &rq;
  plug.tail = &rq;
  ++plug.count;
  return machine::after(t, add_cost(t, plug.owes), [] { return Call<void>{}; });
}

// Before an issue it may be owed, but where a list or a driver is told first.
machine::ExecContext::RunAwaiter Queue::add_cost(KTask& t, bool may_owe) {
  if (!may_owe || elevator_ || driver_ != nullptr) return run_cost(machine_, t, CostId::plug_add);
  return owe_cost(machine_, t, CostId::plug_add);
}

Call<void> Queue::flush_plug(KTask& t, Plug& plug, bool from_schedule) {
  Request* list = plug.head;
  plug.head = plug.tail = nullptr;
  plug.count = 0;
  if (from_schedule && plug.cached != nullptr) give_back(plug);
  if (list == nullptr) return {};
  if (from_schedule || elevator_) return insert(t, list, from_schedule);
  if (!has_queue_rqs_ && machine_.k.plug_lifo) list = engine::reversed<&Request::next>(list);
  return issue_list(t, list);
}

// blk_mq_dispatch_plug_list: run by run of one hardware queue into its list, which is then run.
Call<void> Queue::insert(KTask& t, Request* list, bool by_kblockd) {
  while (list != nullptr) {
    HwQueue& h = *list->hctx;
    for (; list != nullptr && list->hctx == &h; list = list->next) h.insert_list.push_back(list);
    // A run outside the queue's CPUs is left to one of them.
    if (by_kblockd || !map_.cpus_of[static_cast<std::size_t>(h.index)].test(t.cpu->id()))
      co_await run_by_kblockd(t, h);
    else
      co_await run_list(t, h);
  }
}

// blk_mq_hctx_next_cpu: on this CPU where there is one queue, else the queue's CPUs in turn, eight runs each.
Call<void> Queue::run_by_kblockd(ExecContext& ctx, HwQueue& h) {
  constexpr int kBatch = 8;  // BLK_MQ_CPU_WORK_BATCH
  if (hw_queues() == 1) return kblockd_->queue(ctx, *h.run_work);
  const auto& cpus = map_.cpus_of[static_cast<std::size_t>(h.index)];
  if (--h.next_cpu_batch <= 0) {
    h.next_cpu = cpus.wrap_first(h.next_cpu + 1);
    h.next_cpu_batch = kBatch;
  }
  return kblockd_->queue(ctx, *h.run_work, h.next_cpu);
}

Call<void> Queue::run_list(ExecContext& ctx, HwQueue& h) {
  if (h.stopped) return {};
  Request *head = nullptr, *tail = nullptr;
  for (Request* rq : h.insert_list) {
    rq->next = nullptr;
    (tail ? tail->next : head) = rq;
    tail = rq;
  }
  h.insert_list.clear();
  if (elevator_ && head != nullptr) return dispatch(ctx, h, head);
  return driver_ != nullptr ? issue_by_driver(ctx, head) : issue_list(ctx, head);
}

// blk_mq_do_dispatch_sched: looks for more once all were issued, and leaves that to kblockd where a switch is due.
Call<void> Queue::dispatch(ExecContext& ctx, HwQueue& h, Request* first) {
  if (driver_ != nullptr)
    co_await issue_by_driver(ctx, first);
  else
    co_await issue_list(ctx, first);
  if (machine_.k.elevator_run_yields && !h.stopped && ctx.cpu->need_resched()) co_await run_by_kblockd(ctx, h);
}

Call<void> Queue::issue_by_driver(ExecContext& ctx, Request* first) {
  while (first != nullptr) {
    Request* next = first->next;  // it may be ended and used again
    co_await driver_->queue_rq(ctx, *first);
    first = next;
  }
}

Call<void> Queue::requeue(ExecContext& ctx, Request& rq) {
  rq.next = nullptr;
  rq.hctx->insert_list.push_back(&rq);
  return run_by_kblockd(ctx, *rq.hctx);
}

// The ring has no room for `left` and what follows (virtio_queue_rq: -ENOSPC): back to the dispatch list.
void Queue::stop(HwQueue& h, Request* left) {
  ++counters.ring_full;
  h.stopped = true;
  auto at = h.insert_list.begin();
  for (; left != nullptr; left = left->next) at = std::next(h.insert_list.insert(at, left));
}

// virtblk_done: the interrupt made room, kblockd goes on.
Call<void> Queue::restart_stopped(ExecContext& irq, HwQueue& h) {
  if (!h.stopped) return {};
  h.stopped = false;
  return kblockd_->queue(irq, *h.run_work);
}

// null_blk starts the timer of a request as it issues it; the others tell the device of a whole run at the doorbell.
// A task that was moved while it had a plug has requests of several queues: each run of one queue has its doorbell.
Call<void> Queue::issue_list(ExecContext& ctx, Request* first) {
  if (first == nullptr) return {};
  if (driver_ != nullptr)
    return driver_->has_queue_rqs() ? driver_->queue_rqs(ctx, first) : issue_by_driver(ctx, first);
  return hw_queues() == 1 ? issue_run(ctx, first) : issue_runs(ctx, first);
}

Call<void> Queue::issue_runs(ExecContext& ctx, Request* first) {
  while (first != nullptr) {
    Request* last = first;
    while (last->next != nullptr && last->next->hctx == first->hctx) last = last->next;
    Request* rest = std::exchange(last->next, nullptr);
    co_await issue_run(ctx, first);
    first = rest;
  }
}

Call<void> Queue::issue_run(ExecContext& ctx, Request* first) {
  HwQueue& h = *first->hctx;
  bool was_full = false;
  constexpr int kOwedAtMost = 8;
  int owed = 0;
  for (Request *rq = first, *next, *last = nullptr; rq != nullptr; last = rq, rq = next) {
    next = rq->next;
    // A null_blk that holds data is a blocking queue: it may sleep before each request, and copies with its lock held.
    if (device_.copies_data && ctx.kind == ExecContext::Kind::task && !static_cast<KTask&>(ctx).passes_might_sleep())
      co_await static_cast<KTask&>(ctx).schedule(true);
    if (told_at_doorbell_ && ++owed % kOwedAtMost != 0)
      co_await owe_cost(machine_, ctx, CostId::issue_rq);
    else
      co_await run_cost(machine_, ctx, CostId::issue_rq);
    machine_.tp.request(*ctx.cpu, EventType::block_rq_issue, rq->bio->sector, rq->bio->write, rq->bio->bytes);
    if (ring_full(h)) {
      stop(h, rq);
      was_full = true;
      (last == nullptr ? first : last->next) = nullptr;
      break;
    }
    ++h.in_ring;
    if (device_.copies_data)
      co_await ctx.run_ns(machine_.cost(CostId::data_copy) * rq->bio->bytes / 4096, Mode::irqs_off);
    if (conf_.irqmode < 2) {
      co_await end_at_issue(ctx, *rq);
      continue;
    }
    if (loop_ != nullptr) {
      co_await loop_->queue_rq(ctx, *rq);
      continue;
    }
    if (conf_.virtual_timer_completion)
      machine_.local_timer(rq->ctx_cpu).arm(*rq, law_.completion_time(machine_.now(), *rq->bio));
  }
  if (loop_ != nullptr) co_return;
  const bool by_itself = conf_.irqmode < 2 || conf_.virtual_timer_completion;  // a null_blk
  // A full ring notifies whatever the device wants (virtqueue_add).
  const bool rings = was_full || !device_.doorbell_when_idle || in_device == 0;
  // A host is told on the way out of the guest, and is at work while the way back takes its time.
  if (law_.notified() && !by_itself) give_to_device(first);
  if (rings) {
    ++counters.doorbells;
    co_await run_cost(machine_, ctx, CostId::doorbell);
  }
  if (!law_.notified() && !by_itself) give_to_device(first);
}

void Queue::give_to_device(Request* first) {
  for (Request* rq = first; rq != nullptr; rq = rq->next) {
    ++in_device;
    if (remote_ != nullptr)
      remote_->submit(*rq);
    else
      machine_.engine.arm(rq->timer, law_.completion_time(machine_.now(), *rq->bio));
  }
}

// null_blk without a timer: irqmode 0 ends the request here, 1 by way of blk_mq_complete_request.
Call<void> Queue::end_at_issue(ExecContext& ctx, Request& rq) {
  --rq.hctx->in_ring;
  const Steer how = conf_.irqmode == 1 ? completions_->steer(ctx.cpu->id(), rq) : Steer::direct;
  return how == Steer::direct ? end_request(ctx, rq) : completions_->hand_over(ctx, rq, how);
}

// ---- completion ----------------------------------------------------------------------------------------------------

Call<void> Request::expired(ExecContext& irq) {
  Queue& queue = *hctx->queue;
  --hctx->in_ring;
  co_await run_cost(queue.machine_, irq, CostId::cqe);
  co_await queue.end_request(irq, *this);
}

Call<int> Queue::poll(ExecContext& ctx, HwQueue& h) {
  co_await run_cost(machine_, ctx, CostId::uring_poll);
  int ended = 0;
  for (; !h.poll_cq.empty(); ++ended) {
    Request& rq = *h.poll_cq.front();
    h.poll_cq.pop_front();
    --h.in_ring;
    co_await run_cost(machine_, ctx, CostId::cqe);
    co_await end_request(ctx, rq);
  }
  co_return ended;
}

Call<void> Queue::end_bio(ExecContext& ctx, Request& rq) {
  const Bio& bio = *rq.bio;
  machine_.tp.request(*ctx.cpu, EventType::block_rq_complete, bio.sector, bio.write, bio.bytes);
  const bool owes = bios_ == nullptr && bio.ends_unseen();
  return machine::after(ctx, owes ? owe_cost(machine_, ctx, CostId::rq_end) : run_cost(machine_, ctx, CostId::rq_end),
                        [this, &ctx, &rq] {
                          ++counters.completed;
                          counters.completed_where_submitted += rq.ctx_cpu == ctx.cpu->id();
                          if (bios_ != nullptr) free_bio(ctx.cpu->id(), *rq.bio);
                          return rq.bio->end_io(ctx);
                        });
}

void Queue::free_bio(int cpu, Bio& bio) {
  if (bio.slab == nullptr) {
    for (Bio* part : Merger::parts_of(bio)) free_bio(cpu, *part);
    return;
  }
  if (bios_->give_back(cpu, *bio.slab) > 0) machine_.smp->rcu.call(cpu);
}

Call<void> Queue::end_request(ExecContext& ctx, Request& rq) {
  co_await end_bio(ctx, rq);
  co_await put_tag(ctx, rq);
}

}  // namespace wakepath::block
