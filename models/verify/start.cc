// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/start.h"

#include <algorithm>

namespace wakepath::verify {

namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ull;

std::uint64_t mixed(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t Dice::next() {
  state_ += kGolden;
  return mixed(state_);
}

// A third of the draws are at the ends of what is possible (between corners that agree, whatever depends on the values
// in proportion agrees too), the others of any size down to some ns: a lag is often next to nothing.
std::int64_t Start::draw(Key k) const {
  if (seed_ == 0) return 0;
  const std::uint64_t dice = mixed((seed_ * kGolden) ^ mixed(k + 1));
  const std::int64_t size = (dice >> 56) % 3 == 0 ? kWhole : kWhole >> ((dice >> 33) % 21);
  return (dice >> 50) % 2 == 0 ? size : -size;
}

const std::int64_t* Start::find(Key k) const {
  const auto it = std::lower_bound(values_.begin(), values_.end(), std::make_pair(k, INT64_MIN));
  return it != values_.end() && it->first == k ? &it->second : nullptr;
}

std::int64_t Start::value(Key k, std::int64_t limit) {
  const auto it = std::lower_bound(values_.begin(), values_.end(), std::make_pair(k, INT64_MIN));
  const std::int64_t part =
      it != values_.end() && it->first == k ? it->second : values_.insert(it, {k, draw(k)})->second;
  return static_cast<std::int64_t>(static_cast<__int128>(limit) * part / kWhole);
}

std::int64_t Start::clock_error(std::int64_t line, std::int64_t spread) const {
  if (jitter_ == 0 || spread <= 0) return 0;
  const std::uint64_t dice = mixed(jitter_ ^ mixed(static_cast<std::uint64_t>(line)));
  return static_cast<std::int64_t>(dice % static_cast<std::uint64_t>(2 * spread + 1)) - spread;
}

Start Start::between(const Start& a, const Start& b, Dice& dice) {
  constexpr std::int64_t kSteps = 256;
  Start out(dice.next() | 1);
  out.jitter_ = dice.below(2) == 0 ? a.jitter_ : b.jitter_;
  out.values_ = a.values_;
  enum : std::uint64_t { along_the_line, each_its_own, one_of_them, kWays };
  const std::uint64_t way = dice.below(kWays);
  const auto part = [&] { return static_cast<std::int64_t>(dice.below(2 * kSteps)) - kSteps / 2; };
  const std::int64_t common = part();
  const std::uint64_t chosen = dice.below(out.values_.size() + 1);
  for (std::size_t i = 0; i < out.values_.size(); ++i) {
    auto& [key, mine] = out.values_[i];
    const std::int64_t* const theirs = b.find(key);
    if (theirs == nullptr || (way == one_of_them && i != chosen)) continue;
    const std::int64_t step = (*theirs - mine) * (way == along_the_line ? common : part()) / kSteps;
    mine = std::clamp(mine + step, -kWhole, kWhole);
  }
  return out;
}

Start Start::middle(const Start& a, const Start& b, std::uint64_t which, Dice& dice) {
  Start out(dice.next() | 1);
  out.jitter_ = a.jitter_;
  out.values_ = a.values_;
  for (std::size_t i = 0; i < out.values_.size(); ++i) {
    const std::int64_t* const theirs = b.find(out.values_[i].first);
    if (theirs == nullptr || (which < out.values_.size() && which != i)) continue;
    out.values_[i].second += (*theirs - out.values_[i].second) / 2;
  }
  return out;
}

Start Start::near(const Start& a, Dice& dice) {
  Start out(dice.next() | 1);
  out.jitter_ = dice.below(4) == 0 ? dice.next() : a.jitter_;
  out.values_ = a.values_;
  if (out.values_.empty()) return out;
  for (std::uint64_t n = 1 + dice.below(2); n > 0; --n) {
    std::int64_t& value = out.values_[dice.below(out.values_.size())].second;
    const std::int64_t step = kWhole >> dice.below(23);
    switch (dice.below(5)) {
      case 0:
        value += step;
        break;
      case 1:
        value -= step;
        break;
      case 2:
        value /= std::int64_t{2} << dice.below(12);
        break;
      case 3:
        value = -value;
        break;
      default:
        value = dice.below(2) == 0 ? step : -step;
        break;
    }
    value = std::clamp(value, -kWhole, kWhole);
  }
  return out;
}

}  // namespace wakepath::verify
