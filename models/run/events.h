// SPDX-License-Identifier: GPL-2.0-or-later
// What is changed from outside while a scenario runs: events, and to which tasks a rule or event applies.
#pragma once

#include <memory>
#include <vector>

#include "models/machine/machine.h"

namespace wakepath::run {

// "kworker" is the workers of the bound normal-priority pools; any other glob is matched with comm.
bool task_matches(const std::string& glob, const machine::KTask& t);
void change_task(machine::Machine& m, machine::KTask& t, const scenario::TaskRule& change);

class Events {
 public:
  Events(machine::Machine& m, const std::vector<scenario::Event>& events);
  ~Events();
  void arm();  // at the start of the run

 private:
  struct Pending;
  std::vector<std::unique_ptr<Pending>> pending_;
};

}  // namespace wakepath::run
