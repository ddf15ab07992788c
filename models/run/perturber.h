// SPDX-License-Identifier: GPL-2.0-or-later
// Makes another schedule of the same run, one that the kernel allows as well. It knows nothing of what runs.
//
// Two things are left open by a kernel and a scenario:
//   ties         events due at the same nanosecond happen in either order
//   preemption   at any time something outside the scenario may ask a CPU to reschedule (an interrupt, another thread),
//                or have its migration thread push the running task to another CPU of its affinity (active balance, a
//                changed affinity). When either takes effect is up to the preemption model: at once in user mode, at
//                the preemption points that kernel.preempt has in the kernel.
//
// The acts of a schedule follow from its seed and are numbered; leaving some out (`only`) does not change the choices
// made for the others, so that a schedule can be cut down to what matters.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/machine/machine.h"
#include "models/run/run.h"

namespace wakepath::run {

class Perturber final : public engine::TieBreaker {
 public:
  Perturber(machine::Machine& m, const Perturbation& p);
  ~Perturber() override;
  void start();
  bool let_another_go() override { return ties_ && dice_.chance(1, 2); }

  struct Act {
    int number;
    engine::Time at_ns;
    std::string text;
    std::int32_t pid;
  };
  [[nodiscard]] const std::vector<Act>& acts() const { return acts_; }
  [[nodiscard]] nlohmann::ordered_json json() const;

 private:
  void act();
  void arm_next();
  [[nodiscard]] bool happens() const;

  machine::Machine& machine_;
  const Perturbation& conf_;
  engine::RandomStream dice_, when_;
  engine::Timer timer_;
  engine::Time mean_ns_;  // between two acts
  bool ties_;
  int number_ = 0;
  std::vector<Act> acts_;
};

}  // namespace wakepath::run
