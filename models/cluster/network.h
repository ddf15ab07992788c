// SPDX-License-Identifier: GPL-2.0-or-later
// The network of a fleet and its remote disks: SimGrid's platform and model, coupled with nodes that run ahead of it.
//
// Coupling. Nodes run ahead by one window at most: what they send within a window is handed over at its end. SimGrid
// gives every transfer a latency phase in which it takes no bandwidth from others, so all transfers whose bandwidth
// phase begins by the end of the next window are known by then, as long as the window is no wider than the shortest
// latency of any route in use (max_window). How wide it is below that changes nothing.
//
// Bandwidth. SimGrid's platform says which links a transfer takes, its bound and its penalty; who gets how much is
// computed by SimGrid's rule (sharing.h), since its solver takes some 17,000 instructions a transfer. Where a link has
// another rule (wifi, a bandwidth that depends on its load), SimGrid's solver has all transfers.
//
// Faults come from the platform's profiles, at their own dates; a window never reaches over one (next_change). A link
// that breaks cuts off what is on its way over it, which is sent again after `retry`; a host that goes off, what is on
// its way from and to it, which is lost (transfers of a remote disk are sent again).
//
// Times here are ps: what fits between two ns of the nodes. SimGrid's own are doubles of seconds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/cluster/message.h"
#include "models/cluster/solver.h"
#include "models/scenario/error.h"

namespace wakepath::cluster {

class Network {
 public:
  struct HostChange {
    Time at = 0;
    int endpoint = 0;
    bool up = true;
  };
  struct Disk {
    std::string name;
    scenario::Error where;
    int node = 0;  // endpoint that uses it
  };
  struct Setup {
    std::string platform;
    scenario::Error named_by;          // file and line that name it
    std::vector<std::string> simgrid;  // its options, NAME:VALUE
    std::vector<Endpoint> endpoints;
    std::vector<std::pair<int, int>> pairs;  // who may send to whom
    std::vector<Disk> disks;
    Time retry = 0, until = 0;
  };

  explicit Network(const Setup& setup);  // throws scenario::Error
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  [[nodiscard]] Time max_window() const;
  void set_window(Time window);  // no wider than that
  // The last ns before the next change of the platform: a window that begins at `now` must not end later.
  [[nodiscard]] Time next_change(Time now) const;
  struct Arrived {
    Time at = 0, sent = 0;
    int from = 0, to = 0;
    std::uint64_t number = 0;
    MessagePtr message;
    bool operator<(const Arrived& o) const {
      if (at != o.at) return at < o.at;
      if (sent != o.sent) return sent < o.sent;
      return from != o.from ? from < o.from : number < o.number;
    }
  };
  // To `until`. What has arrived, in order of time, then of its sending, to be taken before the next advance; host
  // changes before `until` are appended.
  std::span<Arrived> advance(Time until, std::vector<HostChange>& changes);
  void send(Parcel&& p);  // sent within the last window; disk_request: `to` is nothing, the message's `disk` what

  struct Counters {
    std::uint64_t transfers = 0, bytes = 0, shared = 0, cut_off = 0, given_up = 0, disk_operations = 0;
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wakepath::cluster
