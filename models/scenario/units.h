// SPDX-License-Identifier: GPL-2.0-or-later
// Text to numbers and back: times with units, fio's sizes and times, lists of CPUs. Exact: decimal fractions are taken
// digit by digit, never through a double, and what does not come out whole is an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace wakepath::scenario {

struct UnitError {
  std::string message, suggestion;
};
template <class T>
using Parsed = tl::expected<T, UnitError>;

// Ten years are the longest time that may be asked for, so that a sum of several is still a number of ns.
constexpr std::int64_t kLongestTime = 10LL * 365 * 86400 * 1'000'000'000;
Parsed<std::int64_t> not_too_long(std::int64_t ns, std::string_view text);
// "500ms", "1.2us", "30 s", "2m", "1h"; "0" needs no unit. Result in ns, not negative, not too long.
Parsed<std::int64_t> parse_time(std::string_view text);
std::string format_time(std::int64_t ns);  // largest unit that leaves it whole: "1s", "200ms", "1500us"

// fio's times: a bare number counts `default_unit_ns`; suffixes d h m s ms us ns (and usec, msec, sec).
Parsed<std::int64_t> parse_fio_time(std::string_view text, std::int64_t default_unit_ns);
// fio's integers with kb_base = 1024: 4k = 4kb = 4096, 4ki = 4000; m g t p likewise; 0x for hexadecimal.
Parsed<std::int64_t> parse_fio_size(std::string_view text);

Parsed<std::int64_t> parse_integer(std::string_view text);
Parsed<bool> parse_bool(std::string_view text);                  // true false yes no on off 1 0
Parsed<std::vector<int>> parse_cpu_list(std::string_view text);  // "0,2-3", "0-7:2"; sorted, no duplicates
Parsed<std::vector<int>> parse_cpu_mask(std::string_view text);  // "0x3", "f", "3" as taskset reads it
// A limit as cpu.max has it: "QUOTA PERIOD" in us, "QUOTA", "max", "max PERIOD".
struct QuotaPeriod {
  std::int64_t quota_us = -1;  // -1: max
  std::int64_t period_us = 100'000;
};
Parsed<QuotaPeriod> parse_cpu_max(std::string_view text);
std::string format_cpu_list(const std::vector<int>& cpus);

std::string_view trim(std::string_view text);
std::string lower(std::string_view text);

}  // namespace wakepath::scenario
