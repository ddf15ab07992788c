// SPDX-License-Identifier: GPL-2.0-or-later
// What the host of a virtual machine takes of a CPU: it runs something else for a while, and the guest's clock goes on.
//
// The guest sees nothing of it but that whoever was on the CPU took longer, in whatever mode, and it is charged for it
// (without paravirtual steal time). Times between are exponential on each CPU; an idle CPU has nothing to be taken.
#pragma once

#include "models/machine/cpu.h"
#include "sim/engine/random.h"

namespace wakepath::machine {

class Machine;

class Steal {
 public:
  Steal(Machine& m, Cpu& c);
  ~Steal();
  Steal(const Steal&) = delete;
  Steal& operator=(const Steal&) = delete;

 private:
  void arm();
  Machine& machine_;
  Cpu& cpu_;
  engine::RandomStream between_, lengths_;
  engine::Timer timer_;
};

}  // namespace wakepath::machine
