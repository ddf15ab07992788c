// SPDX-License-Identifier: GPL-2.0-or-later
// What an io-wq did, and the decisions behind each worker it made. Counters only grow; a window's figures are
// differences. The causes that a result names come from the decision counts here, never from names.
#pragma once

#include <algorithm>
#include <cstdint>

namespace wakepath::io_uring {

// X(name, what it counts)
#define WAKEPATH_IO_WQ_COUNTERS(X)                                                             \
  X(queued, "items enqueued")                                                                  \
  X(items, "items run")                                                                        \
  X(created_by_enqueue, "workers made by io_wq_enqueue in the enqueuer")                       \
  X(created_by_request, "workers made by create_worker_cb in the submitter")                   \
  X(exited, "workers gone")                                                                    \
  X(activations, "a free worker was woken")                                                    \
  X(nop_activations, "a free worker was picked that was runnable already")                     \
  X(wakeups_without_work, "a worker was made or woken by somebody and took no item")           \
  X(timeouts, "idle sleeps that lasted 5 s")                                                   \
  X(refused_outstanding, "requests not made: the worker has one outstanding")                  \
  X(refused_limit, "creations not made: max_workers")                                          \
  X(stalls, "a worker found only items of busy buckets")                                       \
  X(hash_wakes, "a pool waiting for a bucket was told")                                        \
  X(retire_undone, "a worker stayed because work had come while it left")                      \
  X(live_ns, "time of live workers, summed over them")                                         \
  X(idle_ns, "time of idle workers, summed over them")                                         \
  /* decisions: at a request for a worker by the scheduler's hook, what was so, first match */ \
  X(requests, "the sched-out hook asked the submitter for a worker")                           \
  X(requests_by_idle, "... from a worker that had no work itself (until 6.15)")                \
  X(requests_bucket_busy, "... for a first item whose bucket is taken: nobody could run it")   \
  X(requests_worker_woken, "... although a free worker had been woken and had not run yet")    \
  X(requests_worker_free, "... although a free worker slept")                                  \
  X(requests_deferred, "the hook did not ask: the first item waits for its own bucket (6.16)") \
  X(callback_found_free, "the callback woke a free worker instead (6.17)")                     \
  /* of the workers made by request, what was so then */                                       \
  X(created_by_idle, "made although who asked had no work")                                    \
  X(created_bucket_busy, "made for an item whose bucket was taken")                            \
  X(created_worker_woken, "made while a woken free worker was on its way")                     \
  X(created_worker_free, "made while a free worker slept")                                     \
  X(empty, "made by request, and found nothing to do")

// Why the hook asked; kept with the request until a worker is made of it.
enum class Reason : std::uint8_t { needed, by_idle, bucket_busy, worker_woken, worker_free };

struct IoWqCounters {
#define X(name, text) std::int64_t name = 0;
  WAKEPATH_IO_WQ_COUNTERS(X)
#undef X
  std::int64_t peak = 0;             // most live workers since the window began
  std::int64_t peak_over_limit = 0;  // most of them beyond max_workers

  [[nodiscard]] std::int64_t created() const { return created_by_enqueue + created_by_request; }
  IoWqCounters& operator+=(const IoWqCounters& o) {
#define X(name, text) name += o.name;
    WAKEPATH_IO_WQ_COUNTERS(X)
#undef X
    peak += o.peak;
    peak_over_limit = std::max(peak_over_limit, o.peak_over_limit);
    return *this;
  }
  // What happened since `start`; peaks are of the window already.
  [[nodiscard]] IoWqCounters since(const IoWqCounters& start) const {
    IoWqCounters d = *this;
#define X(name, text) d.name -= start.name;
    WAKEPATH_IO_WQ_COUNTERS(X)
#undef X
    return d;
  }
};

}  // namespace wakepath::io_uring
