// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/kernel/switch_set.h"

#include "models/kernel/switches.h"

namespace wakepath::kernel {

SwitchSet::SwitchSet() : values_(std::make_unique<Switches>()) {}
SwitchSet::SwitchSet(const Switches& values) : values_(std::make_unique<Switches>(values)) {}
SwitchSet::SwitchSet(const SwitchSet& other) : SwitchSet(*other) {}
SwitchSet& SwitchSet::operator=(const SwitchSet& other) {
  *values_ = *other;
  return *this;
}
SwitchSet::~SwitchSet() = default;

}  // namespace wakepath::kernel
