// SPDX-License-Identifier: GPL-2.0-or-later
// On which CPU, and in which context, a request is completed: the decision alone, as a function of what it looks at.
//
//   one CPU on the hardware queue, or polled -> here and now
//   the submitting CPU is wanted and another -> that CPU's list, by an interrupt between processors and its softirq
//   one hardware queue in all                -> this CPU's list and softirq
//   else                                     -> here and now
// Up to 5.x the single queue is asked about first, and the first rule is only for polled requests.
// Source: block/blk-mq.c (blk_mq_complete_request_remote, blk_mq_complete_need_ipi), 6.1 and 6.12; for 5.4
// __blk_mq_complete_request and block/blk-softirq.c as specified in io-completion.md 2.2, 2.3.
#pragma once

#include <cstdint>

#include "models/kernel/switches.h"

namespace wakepath::block {

enum class Steer : std::uint8_t { direct, softirq_here, remote };

struct Steering {
  int this_cpu = 0, ctx_cpu = 0;  // where the completion is seen; where the request was allocated
  int nr_ctx = 1;                 // CPUs mapped to its hardware queue
  int hw_queues = 1;              // of the device: default, read and poll queues
  int rq_affinity = 1;            // 0: never moved, 1: to the submitter's cache, 2: to the submitter's CPU
  bool polled = false;
  bool forced_threads = false;  // threadirqs, PREEMPT_RT
  bool shares_cache = true;     // the two CPUs have one last-level cache
  bool equal_capacity = true;
};

inline bool wants_submitting_cpu(const Steering& s, const kernel::Switches& k) {
  if (s.rq_affinity == 0 || s.forced_threads || s.this_cpu == s.ctx_cpu) return false;
  const bool near = s.shares_cache && (s.equal_capacity || !k.cache_share_needs_equal_capacity);
  return s.rq_affinity == 2 || !near;
}

inline Steer steer(const Steering& s, const kernel::Switches& k) {
  if (s.polled) return Steer::direct;
  const bool remote = wants_submitting_cpu(s, k);
  if (!k.direct_complete_one_cpu_hctx) {
    if (remote) return Steer::remote;
    return s.hw_queues == 1 ? Steer::softirq_here : Steer::direct;
  }
  if (s.nr_ctx == 1 && (!k.direct_complete_needs_submitting_cpu || s.ctx_cpu == s.this_cpu)) return Steer::direct;
  if (remote) return Steer::remote;
  return s.hw_queues == 1 ? Steer::softirq_here : Steer::direct;
}

}  // namespace wakepath::block
