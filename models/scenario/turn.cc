// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/turn.h"

#include <charconv>
#include <system_error>

namespace wakepath::scenario {
namespace {

bool take_number(std::string_view& s, std::int64_t& out) {
  const auto r = std::from_chars(s.data(), s.data() + s.size(), out);
  if (r.ec != std::errc() || out < 0 || r.ptr == s.data() + s.size() || *r.ptr != ' ') return false;
  s.remove_prefix(static_cast<std::size_t>(r.ptr - s.data()) + 1);
  return true;
}

}  // namespace

std::optional<Turn> parse_turn(std::string_view text) {
  Turn t;
  if (!take_number(text, t.at_ns) || !take_number(text, t.run_ns)) return std::nullopt;
  t.in_softirq = text == "softirq";
  if (!t.in_softirq && text != "hardirq") return std::nullopt;
  return t;
}

}  // namespace wakepath::scenario
