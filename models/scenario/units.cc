// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>

namespace wakepath::scenario {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr std::int64_t kSecond = 1'000'000'000;
// In the order format_time tries: largest first.
constexpr std::array<Unit, 4> kShown{{{"s", kSecond}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}}};
constexpr std::array<Unit, 14> kUnits{{{"ns", 1},
                                       {"nsec", 1},
                                       {"us", 1'000},
                                       {"µs", 1'000},
                                       {"usec", 1'000},
                                       {"ms", 1'000'000},
                                       {"msec", 1'000'000},
                                       {"s", kSecond},
                                       {"sec", kSecond},
                                       {"m", 60 * kSecond},
                                       {"min", 60 * kSecond},
                                       {"h", 3600 * kSecond},
                                       {"hour", 3600 * kSecond},
                                       {"d", 86400 * kSecond}}};

tl::unexpected<UnitError> bad(std::string message, std::string suggestion = {}) {
  return tl::make_unexpected(UnitError{std::move(message), std::move(suggestion)});
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

struct Split {
  std::string_view number, unit;
};
Split split_number(std::string_view text) {
  text = trim(text);
  std::size_t i = 0;
  while (i < text.size() && (std::string_view("0123456789._").find(text[i]) != std::string_view::npos)) ++i;
  return {text.substr(0, i), trim(text.substr(i))};
}

// number * scale where number is decimal text such as "1.25"; exact or an error.
Parsed<std::int64_t> scaled(std::string_view number, std::int64_t scale, std::string_view whole_text) {
  __int128 value = 0;
  __int128 divisor = 1;
  bool fraction = false, digits = false;
  for (const char c : number) {
    if (c == '_') continue;
    if (c == '.') {
      if (fraction) return bad(quoted(whole_text) + " is not a number");
      fraction = true;
      continue;
    }
    digits = true;
    value = value * 10 + (c - '0');
    if (fraction) divisor *= 10;
    if (value > std::numeric_limits<std::int64_t>::max() || divisor > 1'000'000'000'000'000'000) {
      return bad(quoted(whole_text) + " is too large or has too many digits");
    }
  }
  if (!digits) return bad(quoted(whole_text) + " is not a number");
  value *= scale;
  if (value % divisor != 0) return bad(quoted(whole_text) + " is not a whole number of the smallest unit");
  value /= divisor;
  if (value > std::numeric_limits<std::int64_t>::max()) return bad(quoted(whole_text) + " is too large");
  return static_cast<std::int64_t>(value);
}

Parsed<std::int64_t> scaled_time(std::string_view number, std::int64_t unit_ns, std::string_view whole_text) {
  const auto ns = scaled(number, unit_ns, whole_text);
  return ns ? not_too_long(*ns, whole_text) : ns;
}

const Unit* find_unit(std::string_view name) {
  const auto it = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == name; });
  return it == kUnits.end() ? nullptr : &*it;
}

}  // namespace

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

Parsed<std::int64_t> not_too_long(std::int64_t ns, std::string_view text) {
  if (ns > kLongestTime) return bad(quoted(text) + " is too large", "ten years are the longest time");
  return ns;
}

Parsed<std::int64_t> parse_time(std::string_view text) {
  const Split s = split_number(text);
  if (s.number.empty()) return bad(quoted(text) + " is not a time", "write a number and a unit: 500ms, 30us, 5s");
  if (s.unit.empty()) {
    if (s.number == "0") return 0;
    return bad(quoted(text) + " has no unit", "write \"" + std::string(s.number) + "s\" for seconds, or ms, us, ns");
  }
  const Unit* u = find_unit(s.unit);
  if (u == nullptr) {
    return bad("unknown unit " + quoted(s.unit) + " in " + quoted(text), "units of time are ns, us, ms, s, m, h");
  }
  return scaled_time(s.number, u->ns, text);
}

std::string format_time(std::int64_t ns) {
  for (const Unit& u : kShown) {
    if (ns % u.ns == 0 && (ns != 0 || u.ns == kSecond)) return std::to_string(ns / u.ns) + std::string(u.name);
  }
  return std::to_string(ns) + "ns";
}

Parsed<std::int64_t> parse_fio_time(std::string_view text, std::int64_t default_unit_ns) {
  const Split s = split_number(text);
  if (s.number.empty()) return bad(quoted(text) + " is not a time", "write a number with d, h, m, s, ms or us");
  if (s.unit.empty()) return scaled_time(s.number, default_unit_ns, text);
  const Unit* u = find_unit(lower(s.unit));
  if (u == nullptr) return bad("unknown unit " + quoted(s.unit) + " in " + quoted(text), "fio has d, h, m, s, ms, us");
  return scaled_time(s.number, u->ns, text);
}

Parsed<std::int64_t> parse_fio_size(std::string_view text) {
  text = trim(text);
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    std::int64_t v = 0;
    const auto [p, e] = std::from_chars(text.data() + 2, text.data() + text.size(), v, 16);
    if (e != std::errc{} || p != text.data() + text.size()) return bad(quoted(text) + " is not a hexadecimal number");
    return v;
  }
  const Split s = split_number(text);
  std::string unit = lower(s.unit);
  if (s.number.empty()) return bad(quoted(text) + " is not a number", "write for example 4k, 4096 or 10g");
  if (unit.empty() || unit == "b") return scaled(s.number, 1, text);
  std::int64_t base = 1024;
  const bool bytes = unit.back() == 'b';
  if (bytes) unit.pop_back();
  if (unit.size() == 2 && unit[1] == 'i') {  // fio with kb_base = 1024 has kib and kb the other way round, not ki
    if (bytes) base = 1000;
    unit.pop_back();
  }
  const auto power = std::string_view("kmgtp").find(unit);
  if (unit.size() != 1 || power == std::string_view::npos) {
    return bad("unknown unit " + quoted(s.unit) + " in " + quoted(text), "fio has k, m, g, t, p (4k = 4096)");
  }
  std::int64_t scale = 1;
  for (std::size_t i = 0; i <= power; ++i) scale *= base;
  return scaled(s.number, scale, text);
}

Parsed<std::int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  std::int64_t v = 0;
  const char* begin = text.data() + (!text.empty() && text[0] == '+' ? 1 : 0);
  const auto [p, e] = std::from_chars(begin, text.data() + text.size(), v);
  if (e != std::errc{} || p != text.data() + text.size()) return bad(quoted(text) + " is not an integer");
  return v;
}

Parsed<bool> parse_bool(std::string_view text) {
  const std::string t = lower(trim(text));
  if (t == "true" || t == "1" || t == "yes" || t == "on") return true;
  if (t == "false" || t == "0" || t == "no" || t == "off") return false;
  return bad(quoted(text) + " is neither true nor false", "write true or false");
}

Parsed<std::vector<int>> parse_cpu_list(std::string_view text) {
  std::set<int> cpus;
  const std::string_view all = trim(text);
  std::string_view rest = all;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string_view part = trim(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    std::int64_t step = 1;
    if (const auto colon = part.find(':'); colon != std::string_view::npos) {
      const auto parsed = parse_integer(part.substr(colon + 1));
      if (!parsed || *parsed < 1) return bad(quoted(all) + " is not a list of CPUs", "write for example 0,2-3");
      step = *parsed;
      part = part.substr(0, colon);
    }
    const auto dash = part.find('-', part.empty() ? 0 : 1);
    const auto low = parse_integer(part.substr(0, dash));
    const auto high = dash == std::string_view::npos ? low : parse_integer(part.substr(dash + 1));
    if (!low || !high || *low < 0 || *high < *low || *high > 8191) {
      return bad(quoted(all) + " is not a list of CPUs", "write for example 0,2-3");
    }
    for (std::int64_t c = *low; c <= *high; c += step) cpus.insert(static_cast<int>(c));
  }
  if (cpus.empty()) return bad("the list of CPUs is empty", "write for example 0,2-3");
  return std::vector<int>(cpus.begin(), cpus.end());
}

// kernel/sched/core.c:tg_set_cfs_bandwidth: periods of 1 ms to 1 s, quotas from 1 ms.
Parsed<QuotaPeriod> parse_cpu_max(std::string_view text) {
  const char* const form = "write \"QUOTA PERIOD\" in us, as \"50000 100000\" for half a CPU, or \"max\"";
  const std::string_view all = trim(text);
  const auto space = all.find(' ');
  const std::string_view quota = all.substr(0, space);
  QuotaPeriod out;
  if (quota != "max") {
    const auto parsed = parse_integer(quota);
    if (!parsed) return bad(quoted(all) + " is not a value of cpu.max", form);
    out.quota_us = *parsed;
    if (out.quota_us < 1000 || out.quota_us > (1LL << 44) - 1)
      return bad("a quota of " + std::to_string(*parsed) + " us is not allowed", "it is at least 1000 us");
  }
  if (space != std::string_view::npos) {
    const auto parsed = parse_integer(trim(all.substr(space)));
    if (!parsed) return bad(quoted(all) + " is not a value of cpu.max", form);
    out.period_us = *parsed;
    if (out.period_us < 1000 || out.period_us > 1'000'000)
      return bad("a period of " + std::to_string(*parsed) + " us is not allowed", "it is 1000 to 1000000 us");
  }
  return out;
}

Parsed<std::vector<int>> parse_cpu_mask(std::string_view text) {
  std::string t = lower(trim(text));
  if (t.rfind("0x", 0) == 0) t = t.substr(2);
  std::vector<int> cpus;
  int bit = 0;
  for (auto it = t.rbegin(); it != t.rend(); ++it) {
    if (*it == ',') continue;
    const auto v = std::string_view("0123456789abcdef").find(*it);
    if (v == std::string_view::npos) return bad(quoted(text) + " is not a mask of CPUs", "write for example 0x3");
    for (int i = 0; i < 4; ++i) {
      if ((v >> i) & 1U) cpus.push_back(bit + i);
    }
    bit += 4;
  }
  if (cpus.empty()) return bad("the mask of CPUs is empty", "write for example 0x3");
  return cpus;
}

std::string format_cpu_list(const std::vector<int>& cpus) {
  std::string out;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t j = i;
    while (j + 1 < cpus.size() && cpus[j + 1] == cpus[j] + 1) ++j;
    if (!out.empty()) out += ',';
    out += std::to_string(cpus[i]);
    if (j > i) out += "-" + std::to_string(cpus[j]);
    i = j + 1;
  }
  return out;
}

}  // namespace wakepath::scenario
