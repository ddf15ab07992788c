// SPDX-License-Identifier: GPL-2.0-or-later
// How long a device takes for a request: the device law of the scenario. Nothing here knows of interrupts or CPUs.
//
//   servers -> iops cap -> latency -> completion grid
//
// serial: one server, completion = max(now, server free) + service + latency. parallel: `servers` of them, the one that
// is free first. delay: now + latency. notified: one server that sleeps when it has nothing to do; a request that finds
// it asleep wakes it, which takes the latency, and it serves until nothing is left (a virtual disk's host thread). Data
// beyond the first 4 KiB takes 1e9 / bytes_per_s each byte longer. A cache flush takes flush_ns and no server. The cap
// lets `cap_burst` completions through at once, one more each 1e9/cap ns.
#pragma once

#include <cstdint>
#include <vector>

#include "models/scenario/scenario.h"
#include "sim/engine/random.h"
#include "sim/engine/time.h"

namespace wakepath::block {

struct Bio;

class DeviceLaw {
 public:
  DeviceLaw(const scenario::Device& d, std::uint64_t seed);
  // A request reaches the device at `now`: when it is done. Calls must come in the order of time.
  engine::Time completion_time(engine::Time now, const Bio& bio);
  engine::Time service_time(const Bio& bio);  // of whoever serves it; a flush's is flush_ns
  [[nodiscard]] bool notified() const { return notified_; }

 private:
  [[nodiscard]] engine::Time transfer_time(const Bio& bio) const;
  const scenario::Device& d_;
  bool delay_only_, serial_, notified_, reads_differ_;
  std::vector<engine::Time> free_at_;  // of the servers, which are alike: a heap, the one that is free first in front
  engine::Time cap_free_ = 0;          // virtual time of the cap's bucket
  engine::Time cap_step_ = 0;
  engine::RandomStream service_, latency_, flush_;
};

}  // namespace wakepath::block
