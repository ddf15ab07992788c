// SPDX-License-Identifier: GPL-2.0-or-later
// The io_wq part of a result: rates, averages, the decisions behind the workers that were made, and, where most of them
// were not needed, which two code paths disagreed.
#pragma once

#include <nlohmann/json.hpp>

#include "models/io_uring/io_wq_counters.h"

namespace wakepath::run {

nlohmann::ordered_json io_wq_json(const io_uring::IoWqCounters& window, double seconds);

}  // namespace wakepath::run
