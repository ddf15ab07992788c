// SPDX-License-Identifier: GPL-2.0-or-later
// SimGrid, stepped from outside: its platform, its routes, and the transfers and disk operations that are given to it.
// With change_dates.cc the only part that knows SimGrid; one a process.
//
// Its clock is a double of seconds; whoever asks says when, and it is never turned back. A disk's figures and sizes are
// given to SimGrid a million times larger: it rounds what a step has moved to whole bytes, and steps are short here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/scenario/error.h"

namespace wakepath::cluster {

struct Endpoint {
  std::string host;
  scenario::Error where;  // file and line that name the host
};

class Solver {
 public:
  // `options`: SimGrid's, NAME:VALUE. Throws scenario::Error.
  Solver(const std::string& platform, const scenario::Error& named_by, const std::vector<std::string>& options,
         const std::vector<Endpoint>& endpoints);
  ~Solver();
  Solver(const Solver&) = delete;
  Solver& operator=(const Solver&) = delete;

  struct Link {
    std::string name;
    double bandwidth = 0;  // bytes/s
    bool on = true;
    bool shared = true;  // transfers share it; otherwise each may have all of it
    bool plain = true;   // shared by max-min fairness: no wifi, no function of its load, no other solver
  };
  [[nodiscard]] std::size_t links() const;
  [[nodiscard]] Link link(std::size_t i) const;

  struct Route {
    std::vector<std::pair<std::size_t, double>> uses;  // link, and how much of it one byte/s takes
    double latency = 0;                                // s, with the model's factor: before a transfer takes bandwidth
    double bound = 0;                                  // of the solver's value for one transfer: links and TCP window
    double penalty = 0;                                // its share of a full link is as 1 to this
    double factor = 1;                                 // bytes/s of one unit of the solver's value
  };
  [[nodiscard]] Route route(int from, int to) const;  // throws scenario::Error

  // Index of a disk, and the endpoint's host that it must be on. Throws scenario::Error with the disks that there are.
  struct Disk {
    int index = 0;
    std::string host;
  };
  Disk find_disk(const std::string& name, const scenario::Error& where);
  int add_endpoint(const Endpoint& e);

  [[nodiscard]] double now() const;
  void run_to(double seconds);
  // A transfer that takes bandwidth after `latency` (above 0).
  void start(int id, int from, int to, double bytes, double latency);
  void start_io(int id, int disk, std::int64_t bytes, bool write);  // now
  void cancel(int id);
  [[nodiscard]] bool is_on(int endpoint) const;

  // Called while it runs, at now().
  std::function<void(int id, bool finished)> on_end;
  std::function<void(int endpoint, bool up)> on_host;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wakepath::cluster
