// SPDX-License-Identifier: GPL-2.0-or-later
// The scheduler's feature bits as /sys/kernel/debug/sched/features names them, for kernel.sched.features.NAME. A
// feature is a switch under another name; which versions have it decides whether it may be set.
//
// Source: kernel/sched/features.h (6.1, 6.12); scheduler spec §5.2.
#pragma once

#include <span>
#include <string_view>

namespace wakepath::kernel {

struct Feature {
  std::string_view name;
  std::string_view switch_name;
  std::string_view first, last;  // versions with a table that have it; last empty: to the newest
};

std::span<const Feature> features();
const Feature* find_feature(std::string_view name);
bool version_has(const Feature& f, std::string_view version);

}  // namespace wakepath::kernel
