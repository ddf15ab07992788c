// SPDX-License-Identifier: GPL-2.0-or-later
// Who gets how much of the links: SimGrid's max-min fairness between flows, computed for the few that meet.
//
// A flow takes `weight` of each link on its route per unit of its rate, and no more than its bound. Where the flows of
// a link ask for more than it carries at their bounds, they share it: of those whose bounds do not hold them back each
// has 1/penalty of what is left. A link that carries what is asked of it holds nobody back; so a change touches only
// what is connected by links that are asked for too much. On a link that is not shared (FATPIPE) each may have all, but
// SimGrid lets those of a higher penalty wait for the lowest: they have that part of it.
//
// Source: SimGrid 3.32, src/kernel/lmm/maxmin.cpp. Rates are doubles, always added up in the order in which flows came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace wakepath::cluster {

class Sharing {
 public:
  struct Use {
    std::size_t link;
    double weight;
  };
  struct Demand {
    std::vector<Use> uses;
    double bound = 0, penalty = 0;
  };

  void set_link(std::size_t link, double capacity, bool shared);

  // Nobody is on the links that it would use, and they do not hold it back.
  [[nodiscard]] bool has_all(const Demand& d) const;
  // Of each the flows whose rates are others now are appended to `changed`, the one that joins among them. What it
  // uses must stay where it is until it leaves.
  void join(int flow, const Demand& d, std::vector<int>& changed);
  void leave(int flow, std::vector<int>& changed);
  void set_penalty(int flow, double penalty) { at(flow).penalty = penalty; }
  void share_all(std::vector<int>& changed);  // links or penalties have been set

  [[nodiscard]] double rate(int flow) const { return flows_[static_cast<std::size_t>(flow)].rate; }
  [[nodiscard]] std::uint64_t met() const { return met_; }  // flows that have shared a link

 private:
  struct Flow {
    const std::vector<Use>* uses = nullptr;
    double bound = 0, penalty = 0, rate = 0;
    double share = 0;  // what share() finds
    std::uint64_t seen = 0;
    bool found = false, met = false;
  };
  struct Link {
    double capacity = 0;
    std::int64_t whole = 0;  // of that; with `asked` in whole numbers, which come back to 0
    std::int64_t asked = 0;  // by all at their bounds
    bool shared = true;
    struct On {
      int flow;
      double weight;
    };
    std::vector<On> flows;
    // Of share():
    std::uint64_t seen = 0;
    double left = 0, level = 0;  // level: at which it is full
  };
  Flow& at(int flow) { return flows_[static_cast<std::size_t>(flow)]; }
  static std::int64_t asks(double bound, const Use& u) { return static_cast<std::int64_t>(bound * u.weight + 0.999); }
  [[nodiscard]] bool holds_back(const Link& l) const;
  void reach(std::size_t link);
  void share(std::vector<int>& changed);
  void fill();
  [[nodiscard]] double level_of(const Link& l) const;

  std::vector<Flow> flows_;
  std::vector<Link> links_;
  std::vector<std::size_t> reached_;  // links of this share(), and the flows on them
  std::vector<int> members_;
  std::uint64_t round_ = 0, met_ = 0;
};

}  // namespace wakepath::cluster
