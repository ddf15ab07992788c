// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/machine/steal.h"

#include "models/machine/draw.h"
#include "models/machine/machine.h"
#include "sim/engine/sample.h"

namespace wakepath::machine {

Steal::Steal(Machine& m, Cpu& c)
    : machine_(m),
      cpu_(c),
      between_(m.scenario.run.seed, "steal.between", static_cast<std::uint64_t>(c.id())),
      lengths_(m.scenario.run.seed, "steal.length", static_cast<std::uint64_t>(c.id())) {
  timer_.context = this;
  timer_.fire = [](engine::Timer& t, Time) {
    auto& self = *static_cast<Steal*>(t.context);
    self.cpu_.lose(draw_ns(self.machine_.scenario.machine.steal_ns, self.lengths_));
    self.arm();
  };
  arm();
}

Steal::~Steal() { machine_.engine.cancel(timer_); }

void Steal::arm() {
  machine_.engine.arm_in(timer_, engine::sample_exponential(between_, machine_.scenario.machine.steal_every_ns));
}

}  // namespace wakepath::machine
