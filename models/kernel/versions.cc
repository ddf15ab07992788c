// SPDX-License-Identifier: GPL-2.0-or-later
// Look-ups in the switches table and the resolution of version strings.
#include "models/kernel/versions.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include "models/kernel/switches.h"
#include "models/kernel/switches_table.h"

namespace wakepath::kernel {
namespace {

std::optional<std::size_t> column(std::string_view version) {
  const auto it = std::find(kTableVersions.begin(), kTableVersions.end(), version);
  if (it == kTableVersions.end()) return std::nullopt;
  return static_cast<std::size_t>(it - kTableVersions.begin());
}

std::optional<std::size_t> row(std::string_view name) {
  const auto table = switches_table();
  for (std::size_t i = 0; i < table.size(); ++i)
    if (table[i].name == name) return i;
  return std::nullopt;
}

// "v6.12.30-cloud" -> {6, 12}; nothing when it does not start with two numbers.
std::optional<std::pair<int, int>> major_minor(std::string_view text) {
  if (!text.empty() && (text.front() == 'v' || text.front() == 'V')) text.remove_prefix(1);
  int major = 0, minor = 0;
  const char* end = text.data() + text.size();
  auto [p, e1] = std::from_chars(text.data(), end, major);
  if (e1 != std::errc{} || p == end || *p != '.') return std::nullopt;
  auto [q, e2] = std::from_chars(p + 1, end, minor);
  if (e2 != std::errc{} || q == p + 1 || major < 0 || minor < 0) return std::nullopt;
  // What may follow: a point release or a local suffix, never another word glued on ("6.1x" is a typo).
  if (q != end && *q != '.' && *q != '-' && *q != '+' && *q != '_' && *q != ' ') return std::nullopt;
  return std::pair{major, minor};
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : std::string(separator)) + w;
  return out;
}

// The switches whose value is not known to hold between two neighbouring tables: what an assumption would decide.
std::string open_rules(std::string_view below, std::string_view above) {
  std::vector<std::string> names;
  for (const auto& d : differences(below, above)) names.push_back(d.name);
  return join(names, ", ");
}

Unresolved no_table(std::string_view requested, std::pair<int, int> number) {
  std::string below, above;
  for (const auto& v : versions()) {
    if (*major_minor(v) < number) below = v;
    if (*major_minor(v) > number && above.empty()) above = v;
  }
  Unresolved u;
  u.message = "no table for kernel '" + std::string(requested) + "'; ";
  if (below.empty() || above.empty()) {
    const std::string nearest = below.empty() ? above : below;
    const std::string side = below.empty() ? "before" : "after";
    u.message += "the nearest is " + nearest + "; rules that changed " + side + " it are left open";
    u.suggestion = "use its rules with kernel.assume = \"" + nearest + "\"; tables exist for " + join(versions(), ", ");
    return u;
  }
  u.message += "the nearest are " + below + " and " + above + ", between which these rules are left open: ";
  u.message += open_rules(below, above);
  u.suggestion = "choose with kernel.assume = \"" + below + "\" or kernel.assume = \"" + above + "\"";
  return u;
}

}  // namespace

const char* grade_name(Grade g) {
  switch (g) {
    case Grade::read:
      return "read";
    case Grade::looked_up:
      return "looked up";
    case Grade::knowledge:
      return "knowledge";
    case Grade::inferred:
      return "inferred";
  }
  return "?";
}

const std::vector<std::string>& versions() {
  static const std::vector<std::string> all(kTableVersions.begin(), kTableVersions.end());
  return all;
}

bool has_version(std::string_view version) { return column(version).has_value(); }

std::string previous_version(std::string_view version) {
  const auto c = column(version);
  return c && *c > 0 ? std::string(kTableVersions[*c - 1]) : std::string();
}

const std::vector<SwitchInfo>& switch_list() {
  static const std::vector<SwitchInfo> all = [] {
    std::vector<SwitchInfo> infos;
    for (const TableRow& r : switches_table()) infos.push_back({std::string(r.name), std::string(r.text), r.is_bool});
    return infos;
  }();
  return all;
}

Switches switches_of(std::string_view version) {
  const auto c = column(version);
  assert(c && "has_version() first");
  Switches s;
  std::size_t i = 0;
  const auto table = switches_table();
#define SWITCH(type, name, ...) s.name = static_cast<type>(table[i++].cells[*c].value);
#include "models/kernel/switches.def"
  return s;
}

Cell cell(std::string_view version, std::string_view switch_name) {
  const auto c = column(version);
  const auto r = row(switch_name);
  assert(c && r);
  const TableRow& line = switches_table()[*r];
  const TableCell& t = line.cells[*c];
  return {t.value, t.grade, std::string(t.source.empty() ? line.source : t.source)};
}

std::vector<Difference> differences(std::string_view from, std::string_view to) {
  std::vector<Difference> out;
  for (const auto& info : switch_list()) {
    Difference d{info.name, cell(from, info.name), cell(to, info.name)};
    if (d.before.value != d.after.value) out.push_back(std::move(d));
  }
  return out;
}

tl::expected<Resolution, Unresolved> resolve(std::string_view requested, std::string_view assume) {
  const std::string_view wanted = assume.empty() ? requested : assume;
  const auto number = major_minor(wanted);
  if (!number) {
    return tl::make_unexpected(
        Unresolved{"'" + std::string(wanted) + "' is not a kernel version",
                   "write \"v6.12\", \"6.12\" or a whole uname -r; tables exist for " + join(versions(), ", ")});
  }
  const std::string name = std::to_string(number->first) + "." + std::to_string(number->second);
  if (!has_version(name)) return tl::make_unexpected(no_table(wanted, *number));
  return Resolution{name, std::string(requested), std::string(assume)};
}

namespace {

std::string text_of(bool v) { return v ? "true" : "false"; }
std::string text_of(std::int64_t v) { return std::to_string(v); }

}  // namespace

std::string get_switch(const Switches& s, std::string_view name) {
#define SWITCH(type, field, ...) \
  if (name == #field) return text_of(s.field);
#include "models/kernel/switches.def"
  return {};
}

namespace {

std::string assign(bool& field, std::string_view name, std::string_view text) {
  if (text == "true" || text == "1")
    field = true;
  else if (text == "false" || text == "0")
    field = false;
  else
    return "switch " + std::string(name) + " is true or false, not '" + std::string(text) + "'";
  return {};
}

std::string assign(std::int64_t& field, std::string_view name, std::string_view text) {
  std::int64_t v = 0;
  const auto [p, e] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (e != std::errc{} || p != text.data() + text.size() || v < 0)
    return "switch " + std::string(name) + " is a non-negative integer, not '" + std::string(text) + "'";
  field = v;
  return {};
}

}  // namespace

std::string set_switch(Switches& s, std::string_view name, std::string_view text) {
#define SWITCH(type, field, ...) \
  if (name == #field) return assign(s.field, name, text);
#include "models/kernel/switches.def"
  return "no switch '" + std::string(name) + "'";
}

bool has_switch(std::string_view name) { return row(name).has_value(); }

std::vector<std::string> changed_switches(const Switches& s, std::string_view version) {
  const Switches standard = switches_of(version);
  std::vector<std::string> out;
  for (const auto& info : switch_list()) {
    const std::string value = get_switch(s, info.name);
    if (value != get_switch(standard, info.name)) out.push_back(info.name + "=" + value);
  }
  return out;
}

}  // namespace wakepath::kernel
