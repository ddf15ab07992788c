// SPDX-License-Identifier: GPL-2.0-or-later
// All switches as one value that can be copied without knowing them: headers that everybody includes hold this, so that
// a new switch rebuilds only those who look at switches.
#pragma once

#include <memory>

namespace wakepath::kernel {

struct Switches;

class SwitchSet {
 public:
  SwitchSet();  // all off
  SwitchSet(const Switches& values);
  SwitchSet(const SwitchSet& other);  // no move: what is moved from is whole
  SwitchSet& operator=(const SwitchSet& other);
  ~SwitchSet();

  Switches& operator*() { return *values_; }
  const Switches& operator*() const { return *values_; }
  Switches* operator->() { return values_.get(); }
  const Switches* operator->() const { return values_.get(); }

 private:
  std::unique_ptr<Switches> values_;
};

}  // namespace wakepath::kernel
