// SPDX-License-Identifier: GPL-2.0-or-later
// What a kernel version does: one struct of switches, each settable from a scenario as kernel.switches.NAME, so that
// "6.1 plus this one patch" is an experiment. The switches, what each decides and its value by version are the rows of
// switches.def.
//
// Who only passes switches on includes switch_set.h, or names the struct: a new row rebuilds what includes this.
#pragma once

#include <cstdint>

namespace wakepath::kernel {

struct Switches {
#define SWITCH(type, name, text, source, ...) type name{};
#include "models/kernel/switches.def"
};

}  // namespace wakepath::kernel
