// SPDX-License-Identifier: GPL-2.0-or-later
// A cluster file, read and checked: which SimGrid platform, which node scenario on which host, the replicated log and
// its clients. Every mistake is an Error with file and line (models/scenario/error.h).
//
// Layers, later ones win: the file named by `extends`, the file, each --set.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/scenario_io.h"
#include "sim/engine/time.h"

namespace wakepath::cluster {

using engine::Time;

// CPU costs of the network path and of the database's own work: entries [cost.NAME] with ns and source.
#define WAKEPATH_CLUSTER_COSTS(X)                                                                \
  X(net_irq, "interrupt of the NIC: mask it and schedule NAPI")                                  \
  X(net_rx, "softirq: one message through driver, IP and TCP to its socket, without the wakeup") \
  X(net_recv, "read one message from a socket, between entry and exit")                          \
  X(net_send, "write one message to a socket, down to the driver, between entry and exit")       \
  X(net_poll_arm, "ask to be told of the next message (IOCB_CMD_POLL), between entry and exit")  \
  X(reactor_turn, "user: one turn of a reactor's loop")                                          \
  X(reactor_produce, "user: one record taken from a client: parse, checksum, batch")             \
  X(reactor_replicate, "user: one record taken from a leader")                                   \
  X(reactor_ack, "user: one acknowledgement of a follower")                                      \
  X(reactor_durable, "user: one write that has become durable")

enum class NetCost : std::uint8_t {
#define X(name, text) name,
  WAKEPATH_CLUSTER_COSTS(X)
#undef X
      count_
};
inline constexpr std::size_t kNetCosts = static_cast<std::size_t>(NetCost::count_);
using NetCosts = std::array<Time, kNetCosts>;

struct NodeConf {
  std::string name, host;
  int host_line = 0;
  scenario::Scenario scenario;
  std::vector<int> reactors;  // CPU of each
  std::string cgroup;         // of the reactors; "" the root
  int nice = 0;
  int nic_cpu = 0;  // which CPU takes the NIC's interrupt
  Time idle_poll_ns =
      200'000;  // a reactor without work spins for that long before it sleeps (Seastar: --idle-poll-time-us)
  // Seastar's scheduling groups within a reactor: what serves the log, and background work (compaction, recovery) that
  // always has more to do; none where its shares are 0.
  int shares = 1000, background_shares = 0;
  Time task_quota_ns = 500'000;  // what a group may run before others are looked at (Seastar: --task-quota-ms)
  std::string disk;              // of the platform, across the network; "": its own device
  int disk_line = 0, disk_index = -1;
};

struct ClientConf {
  std::string name, host;
  int host_line = 0;
  bool open = true;       // open loop: records at `rate` whatever happens; closed: `concurrency` at a time
  std::int64_t rate = 0;  // per s
  int concurrency = 1;
  Time think_ns = 0;
  Time timeout_ns = 1'000'000'000;  // a record without an answer for that long is sent to another node
};

struct LogConf {
  int partitions = 1, replicas = 3;
  std::int64_t record_bytes = 4096;
  int queue_depth = 128;  // writes in flight of one reactor
  Time election_timeout_ns = 1'500'000'000;
  Time heartbeat_ns = 0;                  // 0 in the file: a tenth of that, Redpanda's ratio
  bool fsync = false;                     // durable by buffered write and fsync, not by a direct write
  std::int64_t segment_bytes = 64 << 20;  // fsync: size of a partition's file
  [[nodiscard]] int quorum() const { return replicas / 2 + 1; }
};

struct ClusterConf {
  std::string file, title, platform;
  int platform_line = 0;
  std::vector<std::string> simgrid;  // SimGrid options, NAME:VALUE
  std::vector<NodeConf> nodes;
  std::vector<ClientConf> clients;
  LogConf log;
  bool has_log = false;
  NetCosts costs{};
  Time duration_ns = 1'000'000'000, warmup_ns = 200'000'000;
  Time window_ns = 0;           // of the coupling; 0: as wide as the platform allows
  Time retry_ns = 200'000'000;  // a transfer that a failed link cut off is sent again after this
  std::uint64_t seed = 1;
};

// `path`: a file, or a name below the search folders.
scenario::Result<ClusterConf> load_cluster(const std::string& path, const scenario::LoadOptions& options);

}  // namespace wakepath::cluster
