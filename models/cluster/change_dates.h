// SPDX-License-Identifier: GPL-2.0-or-later
// When the profiles of a SimGrid platform change something: a link's bandwidth, latency or state, a host's state.
//
// SimGrid does not tell what is yet to come. A child process runs the platform with an endless transfer on each route
// in use (SimGrid stops at the dates of what is used, and calls back for the rest) and writes the dates down.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace wakepath::cluster {

// ps, rising; none where the platform cannot be loaded: whoever loads it next says why.
std::vector<std::int64_t> change_dates(const std::string& platform, const std::vector<std::string>& hosts,
                                       const std::vector<std::pair<int, int>>& pairs, double until_seconds);

}  // namespace wakepath::cluster
