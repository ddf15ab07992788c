// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/suggest.h"

#include <algorithm>

namespace wakepath::scenario {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the optimal string alignment table: two back for swaps of neighbours, the commonest typo.
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& names) {
  std::string best;
  // About a third of the word may be wrong; beyond that a suggestion misleads.
  std::size_t limit = 1 + (word.size() < 3 ? 0 : word.size() < 5 ? 1 : std::max<std::size_t>(2, word.size() / 3));
  for (const auto& n : names) {
    const std::size_t d = edit_distance(word, n);
    if (d < limit) {
      limit = d;
      best = n;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& names) {
  const std::string n = nearest(word, names);
  return n.empty() ? std::string() : "did you mean '" + n + "'?";
}

}  // namespace wakepath::scenario
