// SPDX-License-Identifier: GPL-2.0-or-later
// "did you mean ...?": the nearest of a list of names by edit distance, or nothing when none is near.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wakepath::scenario {

// Insert, delete, replace, swap of neighbours: 1 each.
std::size_t edit_distance(std::string_view a, std::string_view b);
std::string nearest(std::string_view word, const std::vector<std::string>& names);       // "" when too far from all
std::string did_you_mean(std::string_view word, const std::vector<std::string>& names);  // "did you mean 'x'?" or ""

}  // namespace wakepath::scenario
