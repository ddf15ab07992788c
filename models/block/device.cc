// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/device.h"

#include <algorithm>
#include <functional>

#include "models/block/queue.h"
#include "models/machine/draw.h"

namespace wakepath::block {

using engine::Time;

DeviceLaw::DeviceLaw(const scenario::Device& d, std::uint64_t seed)
    : d_(d),
      delay_only_(d.law == "delay"),
      serial_(d.law == "serial" || d.law == "notified"),
      notified_(d.law == "notified"),
      reads_differ_(d.read_service_ns.mean_ns() > 0),
      service_(seed, "device.service", 0),
      latency_(seed, "device.latency", 0),
      flush_(seed, "device.flush", 0) {
  free_at_.resize(static_cast<std::size_t>(serial_ ? 1 : std::max(1, d.servers)), 0);
  if (d.iops_cap > 0) cap_step_ = 1'000'000'000 / d.iops_cap;
}

// Of what is beyond the 4 KiB that the service time is for.
Time DeviceLaw::transfer_time(const Bio& bio) const {
  constexpr std::int64_t kPlain = 4096;
  return d_.bytes_per_s > 0 && bio.bytes > kPlain
             ? (static_cast<std::int64_t>(bio.bytes) - kPlain) * 1'000'000'000 / d_.bytes_per_s
             : 0;
}

Time DeviceLaw::service_time(const Bio& bio) {
  if (bio.flush) return machine::draw_ns(d_.flush_ns, flush_);
  return machine::draw_ns(!bio.write && reads_differ_ ? d_.read_service_ns : d_.service_ns, service_) +
         transfer_time(bio);
}

Time DeviceLaw::completion_time(Time now, const Bio& bio) {
  if (bio.flush && d_.flush_alone) {
    const Time done = std::max(now, *std::max_element(free_at_.begin(), free_at_.end())) + service_time(bio);
    std::fill(free_at_.begin(), free_at_.end(), done);
    return done;
  }
  if (bio.flush) return now + service_time(bio);
  Time done = now;
  if (!delay_only_) {
    std::pop_heap(free_at_.begin(), free_at_.end(), std::greater<>());
    Time& server = free_at_.back();
    const bool asleep = notified_ && server <= now;
    done = (asleep ? now + machine::draw_ns(d_.latency_ns, latency_) : std::max(now, server)) + service_time(bio);
    server = done;
    std::push_heap(free_at_.begin(), free_at_.end(), std::greater<>());
  }
  if (cap_step_ > 0) {  // a token bucket as a virtual clock that may run behind by burst - 1 steps
    cap_free_ = std::max(cap_free_, done - (d_.cap_burst - 1) * cap_step_) + cap_step_;
    done = std::max(done, cap_free_ - cap_step_);
  }
  if (!notified_) done += machine::draw_ns(d_.latency_ns, latency_) + (delay_only_ ? transfer_time(bio) : 0);
  if (d_.grid_ns > 0) done = (done + d_.grid_ns - 1) / d_.grid_ns * d_.grid_ns;
  return done;
}

}  // namespace wakepath::block
