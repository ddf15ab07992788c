// SPDX-License-Identifier: GPL-2.0-or-later
// What each fio option is to the model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wakepath::scenario {

enum class FioOption : unsigned char {
  modelled,     // a key of workload.NAME
  descriptive,  // accepted: says nothing the model needs
  only,         // accepted with one of `allowed` only
  rewritten,    // becomes another option (cpumask, buffered, rwmixwrite, runtime, ...)
  unmodelled,   // exists in fio, would change the result, the model lacks it
  unknown
};

struct FioOptionInfo {
  FioOption kind = FioOption::unknown;
  std::string_view allowed;  // only: values apart by spaces
  std::string_view advice;   // unmodelled, only: what to do instead
};

FioOptionInfo fio_option(std::string_view name);
std::vector<std::string> fio_option_names();
bool fio_option_is_flag(std::string_view name);  // may stand without a value

}  // namespace wakepath::scenario
