// SPDX-License-Identifier: GPL-2.0-or-later
// blk-mq for one device: tags, plugging, direct issue and run-queue through kblockd, the driver, completion steering,
// and the completion contexts (hard interrupt, batch, BLOCK softirq). Source: block/blk-mq.c, blk-mq-tag.c,
// drivers/block/null_blk, virtio_blk, loop, nvme/host/pci.c as specified in io-completion.md sections 1 and 2.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/block/device.h"
#include "models/block/queue_map.h"
#include "models/block/slab_cache.h"
#include "models/block/tag_map.h"
#include "models/machine/machine.h"
#include "models/workqueue/workqueue.h"
#include "sim/engine/fifo.h"

namespace wakepath::block {

using machine::Call;
using machine::ExecContext;
using machine::KTask;
using machine::Machine;
using machine::Time;

class Queue;
struct HwQueue;

// What a request completes: bi_end_io. Runs in the completing context.
struct Bio {
  virtual ~Bio() = default;
  virtual Call<void> end_io(ExecContext& ctx) = 0;
  // Its end begins with a cost, and nobody can see it before that is spent.
  [[nodiscard]] virtual bool ends_unseen() const { return false; }
  std::uint64_t sector = 0;
  std::uint32_t bytes = 4096;
  bool write = true;
  bool polled = false;          // REQ_POLLED: on a poll queue no interrupt tells of its end, Queue::poll() finds it
  bool nowait_request = false;  // REQ_NOWAIT: refused where a tag would have to be waited for
  bool refused = false;         // out: so it was
  bool failed = false;          // out: -EIO
  HwQueue* hctx = nullptr;      // out, of a polled one: where to look for it
  const void* file = nullptr;   // whose sectors these are: a direct I/O of it, which its neighbours may join
  bool flush = false;           // no data: the device empties its volatile cache
  bool preflush = false, fua = false;  // REQ_PREFLUSH, REQ_FUA: for block::Flusher
  SlabCache::Slab* slab = nullptr;     // that it lies in, where the machine's RCU is modelled
};

// Two whole cache lines: none of many in flight stays in the cache. Its timer is the completion at the device; of a
// null_blk with irqmode 2, whose requests have each a timer of their own, that one.
struct alignas(64) Request final : machine::HrTimer {
  Call<void> expired(ExecContext& irq) override;
  int tag = 0;  // within its queue
  HwQueue* hctx = nullptr;
  Bio* bio = nullptr;
  Request* next = nullptr;  // in whatever list it is
  int ctx_cpu = 0;          // CPU that allocated it; frozen
};
static_assert(sizeof(Request) == 128);

// Requests collected by a task before they are issued; 32 at most.
struct Plug {
  static constexpr int kMaxRequests = 32;
  Request *head = nullptr, *tail = nullptr;  // issue order (FIFO)
  int count = 0;
  int expected = 1;           // of who knows how many will come: their tags are taken at once, where there is a TagMap
  Request* cached = nullptr;  // those; they keep the queue of the CPU that took them
  bool owes = false;          // who adds to it lets the cost of that wait for the next one's
};

// A driver that has its requests ended by its own contexts (ublk): no device law, no interrupt of the queue's.
struct Driver {
  virtual ~Driver() = default;
  virtual Call<void> queue_rq(ExecContext& ctx, Request& rq) = 0;
  virtual Call<void> queue_rqs(ExecContext& ctx, Request* list) = 0;  // a whole plug, of any hardware queues
  [[nodiscard]] virtual bool has_queue_rqs() const = 0;
};

// A device that is elsewhere (a network block device): it takes what is issued, and arms the request's timer
// when it is done. No device law.
struct RemoteDevice {
  virtual ~RemoteDevice() = default;
  virtual void submit(Request& rq) = 0;
};

class Completions;
class Loop;
class Merger;
class Splitter;
struct QueueInterrupt;

struct alignas(64) HwQueue {
  HwQueue();
  ~HwQueue();
  // What each request touches, a cache line.
  Request* free = nullptr;          // given back, the last first
  std::unique_ptr<TagMap> tag_map;  // of a Driver: says which tag, instead of `free`
  std::unique_ptr<QueueInterrupt> irq;
  int freed_since_wake = 0;
  int in_ring = 0;  // issued and not yet taken from the ring by an interrupt
  int nr_ctx = 1;   // CPUs that map to it
  std::uint8_t wake_batch = 1;
  bool stopped = false;             // the ring was full: nothing is issued until an interrupt has taken something
  std::vector<KTask*> tag_waiters;  // in order of arrival

  std::vector<Request*> insert_list;  // software queue, elevator or dispatch list: waits for a run of the hctx
  Queue* queue = nullptr;
  int index = 0;
  std::vector<std::unique_ptr<Request>> requests;
  struct RunWork;
  std::unique_ptr<RunWork> run_work;
  engine::Fifo<Request*> poll_cq;         // completed by the device, on a poll queue
  int next_cpu = -1, next_cpu_batch = 0;  // where kblockd runs it next
};

class Queue {
 public:
  Queue(Machine& m, workqueue::Workqueues& wqs);
  Queue(Machine& m, workqueue::Workqueues& wqs, const scenario::Block& conf, Driver& driver);
  ~Queue();

  // submit_bio in task context: allocates a request (may sleep for a tag) and adds it to the plug, or issues it.
  // One that is larger than the device takes is split.
  Call<void> submit(KTask& t, Bio& bio, Plug* plug);
  Call<void> flush_plug(KTask& t, Plug& plug, bool from_schedule);
  void give_back(Plug& plug);                             // tags taken ahead and not used
  Call<void> end_request(ExecContext& ctx, Request& rq);  // by a Driver
  Call<void> requeue(ExecContext& ctx, Request& rq);      // likewise: issued again by kblockd
  [[nodiscard]] const QueueMap& cpu_map() const { return map_; }
  [[nodiscard]] HwQueue& hctx(int index) { return *hctxs_[static_cast<std::size_t>(index)]; }
  void attach(RemoteDevice& d) { remote_ = &d; }
  [[nodiscard]] bool has_poll_queues() const { return !poll_hctxs_.empty(); }
  // blk_mq_poll: ends what the device has completed on this poll queue by now; how many.
  Call<int> poll(ExecContext& ctx, HwQueue& h);

  struct Counters {
    std::uint64_t submitted = 0, completed = 0, completed_where_submitted = 0, tag_waits = 0, doorbells = 0,
                  ring_full = 0;
  } counters;
  int in_device = 0;  // issued, not yet completed by the device
  [[nodiscard]] std::uint64_t in_flight() const { return counters.submitted - counters.completed; }

 private:
  friend struct Request;
  friend struct HwQueue;
  friend class Completions;
  friend class Loop;
  friend struct QueueInterrupt;
  Queue(Machine& m, workqueue::Workqueues& wqs, const scenario::Block& conf, Driver* driver);
  [[nodiscard]] int hw_queues() const { return static_cast<int>(hctxs_.size() + poll_hctxs_.size()); }
  HwQueue& map(int cpu);
  std::unique_ptr<HwQueue> make_hctx(int index, const QueueMap& map);
  Call<void> run_by_kblockd(ExecContext& ctx, HwQueue& h);
  Call<void> insert(KTask& t, Request* list, bool by_kblockd);
  Call<void> allocate(KTask& t, Bio& bio, HwQueue& h, Plug* plug);
  Call<void> allocate_later(KTask& t, Bio& bio, HwQueue& h, Plug* plug);
  Call<void> merge_or_allocate(KTask& t, Bio& bio, Plug* plug);
  Call<void> submit_request(KTask& t, Bio& bio, Request& rq, Plug* plug);
  machine::ExecContext::RunAwaiter add_cost(KTask& t, bool may_owe);
  Call<void> issue_alone(KTask& t, Request& rq);
  Call<void> add_to_plug(KTask& t, Plug& plug, Request& rq);
  Call<void> add_to_full_plug(KTask& t, Plug& plug, Request& rq);
  [[nodiscard]] bool is_full(const Plug& plug) const;
  Request* take_tag(HwQueue& h, int cpu);
  Request* take_unused(HwQueue& h);
  Request* take_mapped(HwQueue& h, int cpu);
  Request* take_ahead(HwQueue& h, int cpu, Plug& plug);
  Call<Request*> wait_for_tag(KTask& t, HwQueue& h, Plug* plug, bool nowait);
  void free_bio(int cpu, Bio& bio);
  Call<void> end_bio(ExecContext& ctx, Request& rq);  // the first half of end_request; then put_tag
  Call<void> put_tag(ExecContext& ctx, Request& rq);
  Call<void> wake_tag_waiter(ExecContext& ctx, HwQueue& h);
  Call<void> issue_list(ExecContext& ctx, Request* first);
  Call<void> issue_runs(ExecContext& ctx, Request* first);
  Call<void> issue_run(ExecContext& ctx, Request* first);
  Call<void> issue_by_driver(ExecContext& ctx, Request* first);
  Call<void> end_at_issue(ExecContext& ctx, Request& rq);
  Call<void> run_list(ExecContext& ctx, HwQueue& h);
  Call<void> dispatch(ExecContext& ctx, HwQueue& h, Request* first);
  void give_to_device(Request* first);
  void stop(HwQueue& h, Request* left);
  Call<void> restart_stopped(ExecContext& irq, HwQueue& h);
  [[nodiscard]] bool ring_full(const HwQueue& h) const {
    return conf_.ring_requests > 0 && h.in_ring >= conf_.ring_requests;
  }

  Machine& machine_;
  workqueue::Workqueue* kblockd_ = nullptr;
  const scenario::Block& conf_;
  const scenario::Device& device_;
  Driver* driver_ = nullptr;
  RemoteDevice* remote_ = nullptr;
  bool told_at_doorbell_ = false;  // until then nobody can see what is issued
  bool batches_ = false;           // nvme: the requests of one sweep are ended together, after it
  bool has_queue_rqs_ = false;     // the driver takes a whole plug
  bool elevator_ = false;
  std::uint32_t max_bytes_;  // of one request
  std::unique_ptr<Completions> completions_;
  std::unique_ptr<Loop> loop_;  // block.driver = "loop"
  QueueMap map_, poll_map_;
  std::vector<std::unique_ptr<HwQueue>> hctxs_, poll_hctxs_;
  DeviceLaw law_;
  std::unique_ptr<Splitter> splitter_;
  std::unique_ptr<SlabCache> bios_;  // null: nobody asks which CPU has RCU callbacks
  std::unique_ptr<Merger> merger_;   // null: queue/nomerges is 2
  trace::StringId timer_function_ = 0;
};

}  // namespace wakepath::block
