// SPDX-License-Identifier: GPL-2.0-or-later
// The ublk part of a result, and its counters at the start of the window.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "models/ublk/server.h"

namespace wakepath::run {

struct UblkStart {
  ublk::Device::Counters device;
  std::vector<std::uint64_t> by_queue;
  struct Thread {
    std::uint64_t served = 0, loops = 0, sleeps = 0;
  };
  std::map<const ublk::ServerThread*, Thread> threads;
  block::Queue::Counters block;
};

UblkStart ublk_start(const ublk::Device& d, const ublk::Server& s);

// What keeps the device from more I/Os per second: who is busy, by the run's own accounts.
struct UblkLoad {
  double busiest_client = 0;  // share of a CPU that the busiest task of the clients has
  std::vector<double> cpus;   // busy share by CPU
};

struct UblkTask {  // of a server thread, from the run's own accounts
  double cpu_ns_per_s = 0, run_delay_ns_per_s = 0;
};
nlohmann::ordered_json ublk_json(const ublk::Device& d, const ublk::Server& s, const UblkStart& start,
                                 const std::map<const machine::KTask*, UblkTask>& tasks, const scenario::Ublk& conf,
                                 const UblkLoad& load, double seconds);

}  // namespace wakepath::run
