// SPDX-License-Identifier: GPL-2.0-or-later
// The network of a fleet: SimGrid's platform and network model, stepped from outside. The only part that knows SimGrid.
//
// Coupling. Nodes run ahead of the network by one window at most: what they send within a window is handed over at the
// window's end, late. SimGrid gives every transfer a latency phase, in which it takes no bandwidth from others; that
// phase is cut by the lateness, exactly, so the transfer ends when it would have ended had it begun in time. This holds
// as long as the window is no wider than the shortest latency of any route in use (max_window). How wide it is below
// that changes nothing.
//
// Times: SimGrid's clock is a double of seconds. It is turned into ns here, rounded up, with 1 ps for its rounding
// errors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/cluster/message.h"
#include "models/scenario/error.h"

namespace wakepath::cluster {

class Network {
 public:
  struct Endpoint {
    std::string host;
    scenario::Error where;  // file and line that name the host
  };
  struct HostChange {
    Time at = 0;
    int endpoint = 0;
    bool up = true;
  };

  // `options`: SimGrid's, NAME:VALUE. `pairs`: who may send to whom. Throws scenario::Error.
  Network(const std::string& platform, const scenario::Error& named_by, const std::vector<std::string>& options,
          const std::vector<Endpoint>& endpoints, const std::vector<std::pair<int, int>>& pairs, Time retry);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  [[nodiscard]] Time max_window() const;
  // To `until`. Messages that arrived are appended, in order of time, then of their sending; host changes likewise.
  void advance(Time until, std::vector<Message>& arrived, std::vector<HostChange>& changes);
  void send(const Message& m);  // m.sent lies within the last window

  struct Counters {
    std::uint64_t transfers = 0, bytes = 0, cut_off = 0, given_up = 0;
  };
  [[nodiscard]] const Counters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wakepath::cluster
