// SPDX-License-Identifier: GPL-2.0-or-later
// Values in and out by the schema: checks on the way in, TOML text on the way out.
#include <algorithm>
#include <charconv>
#include <limits>

#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

using Kind = Value::Kind;
using MaybeError = std::optional<Error>;

struct PreemptName {
  Preempt value;
  const char* name;
};
constexpr PreemptName kPreempt[] = {
    {Preempt::none, "none"}, {Preempt::voluntary, "voluntary"}, {Preempt::full, "full"}, {Preempt::lazy, "lazy"}};

std::string list_text(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : ", ") + w;
  return out;
}

Error wrong_kind(const Entry& e, const std::string& expected, const std::string& suggestion = {}) {
  const std::string what = e.value.is(Kind::string) ? "the string \"" + e.value.text + "\"" : kind_name(e.value.kind);
  return e.error(join_path(e.path) + " must be " + expected + ", not " + what, suggestion);
}

Error unit_error(const Entry& e, const UnitError& u) {
  return e.error(join_path(e.path) + ": " + u.message, u.suggestion);
}

// fio's values, options of the command line and --set are text by nature.
bool text_is_natural(const Key& key, const Entry& e) {
  return key.part == Part::workload || e.file.rfind("--", 0) == 0;
}

Result<std::int64_t> read_integer(const Key& key, const Entry& e) {
  const Value& v = e.value;
  if (v.is(Kind::integer)) return v.integer;
  if (v.is(Kind::string) && text_is_natural(key, e)) {
    const auto parsed = key.part == Part::workload && v.text.find('-') == std::string::npos ? parse_fio_size(v.text)
                                                                                            : parse_integer(v.text);
    if (parsed) return *parsed;
    return tl::make_unexpected(unit_error(e, parsed.error()));
  }
  if (v.is(Kind::string) && parse_integer(v.text)) {
    return tl::make_unexpected(wrong_kind(e, "an integer", "write " + v.text + " without quotes"));
  }
  return tl::make_unexpected(wrong_kind(e, "an integer"));
}

Result<std::int64_t> read_time(const Key& key, const Entry& e) {
  const Value& v = e.value;
  if (key.type == Type::fio_us || key.type == Type::fio_s) {
    if (!v.is(Kind::integer) && !v.is(Kind::string)) return tl::make_unexpected(wrong_kind(e, "a time of fio's"));
    const auto parsed = parse_fio_time(v.text, key.type == Type::fio_us ? 1'000 : 1'000'000'000);
    if (parsed) return *parsed;
    return tl::make_unexpected(unit_error(e, parsed.error()));
  }
  const bool bare_ok =
      e.unit_rule == UnitRule::bare_is_ns || (e.unit_rule == UnitRule::of_key && key.type == Type::time_ns);
  if (v.is(Kind::integer) && bare_ok && v.integer < 0) {
    return tl::make_unexpected(e.error(join_path(e.path) + " must not be negative, is " + v.text));
  }
  if (v.is(Kind::integer) || v.is(Kind::real) || v.is(Kind::string)) {
    const auto bare = v.is(Kind::integer) ? Parsed<std::int64_t>(v.integer) : parse_integer(v.text);
    const bool is_bare = bare_ok && !v.is(Kind::real) && bare && *bare >= 0;
    auto parsed = is_bare ? not_too_long(*bare, v.text) : parse_time(v.text);
    if (parsed) return *parsed;
    // A device's time is not likely to be meant in seconds.
    if (key.type == Type::time_ns && v.is(Kind::integer) && !is_bare)
      parsed.error().suggestion = "write \"" + v.text + "us\" or \"" + v.text + "ns\"";
    return tl::make_unexpected(unit_error(e, parsed.error()));
  }
  return tl::make_unexpected(wrong_kind(e, "a time", "write for example \"500ms\""));
}

Result<std::vector<int>> read_cpus(const Entry& e) {
  const Value& v = e.value;
  if (v.is(Kind::integer) && v.integer >= 0 && v.integer <= 8191) return std::vector<int>{static_cast<int>(v.integer)};
  if (v.is(Kind::array)) {
    std::vector<int> cpus;
    for (const Value& i : v.items) {
      if (!i.is(Kind::integer) || i.integer < 0 || i.integer > 8191) {
        return tl::make_unexpected(wrong_kind(e, "a list of CPU numbers", "write [0, 2, 3] or \"0,2-3\""));
      }
      cpus.push_back(static_cast<int>(i.integer));
    }
    return cpus;
  }
  if (!v.is(Kind::string)) return tl::make_unexpected(wrong_kind(e, "a list of CPUs", "write [0, 2, 3] or \"0,2-3\""));
  if (v.text.empty()) return std::vector<int>{};
  const auto parsed = parse_cpu_list(v.text);
  if (parsed) return *parsed;
  return tl::make_unexpected(unit_error(e, parsed.error()));
}

Result<std::vector<int>> read_ids(const Entry& e) {
  std::vector<int> ids;
  bool good = e.value.is(Kind::array);
  for (const Value& i : e.value.items) {
    good = good && i.is(Kind::integer) && i.integer >= 0 && i.integer <= 1'000'000;
    if (good) ids.push_back(static_cast<int>(i.integer));
  }
  if (good) return ids;
  return tl::make_unexpected(wrong_kind(e, "a list of numbers", "write one number for each, in order: [0, 0, 1, 1]"));
}

MaybeError check_range(const Key& key, std::int64_t v, const Entry& e) {
  if (key.low >= key.high || (v >= key.low && v <= key.high)) return std::nullopt;
  std::string range = "must be " + std::to_string(key.low) + " to " + std::to_string(key.high);
  if (v < key.low && key.high >= 1 << 30) range = "must be at least " + std::to_string(key.low);
  return e.error(join_path(e.path) + " " + range + ", not " + e.value.text,
                 !key.hint.empty() ? key.hint : "use " + std::to_string(v < key.low ? key.low : key.high));
}

MaybeError assign_number(const Key& key, Ref field, const Entry& e, std::int64_t v) {
  if (auto bad = check_range(key, v, e)) return bad;
  if (auto** p = std::get_if<int*>(&field))
    **p = static_cast<int>(v);
  else if (auto** q = std::get_if<std::int64_t*>(&field))
    **q = v;
  else if (auto** r = std::get_if<std::uint64_t*>(&field))
    **r = static_cast<std::uint64_t>(v);
  else if (auto** s = std::get_if<std::optional<int>*>(&field))
    **s = static_cast<int>(v);
  else if (auto** t = std::get_if<std::optional<std::int64_t>*>(&field))
    **t = v;
  return std::nullopt;
}

MaybeError assign_text(const Key& key, Ref field, const Entry& e) {
  const Value& v = e.value;
  if (v.is(Kind::table) || v.is(Kind::array)) return wrong_kind(e, "a string");
  if (!v.is(Kind::string) && !text_is_natural(key, e)) return wrong_kind(e, "a string", "write \"" + v.text + "\"");
  if (key.type == Type::choice) {
    if (std::find(key.choices.begin(), key.choices.end(), v.text) == key.choices.end()) {
      const std::string near = nearest(v.text, key.choices);
      return e.error(join_path(e.path) + ": '" + v.text + "' is not modelled",
                     (near.empty() ? "" : "did you mean '" + near + "'? ") + "it is one of: " + list_text(key.choices));
    }
  }
  if (auto** p = std::get_if<Preempt*>(&field))
    **p = *parse_preempt(v.text);
  else
    *std::get<std::string*>(field) = v.text;
  return std::nullopt;
}

MaybeError assign_list(Ref field, const Entry& e) {
  if (!e.value.is(Kind::array)) return wrong_kind(e, "a list of strings");
  std::vector<std::string> out;
  for (const Value& v : e.value.items) {
    if (!v.is(Kind::string)) return wrong_kind(e, "a list of strings");
    out.push_back(v.text);
  }
  *std::get<std::vector<std::string>*>(field) = std::move(out);
  return std::nullopt;
}

MaybeError assign_real(Ref field, const Entry& e) {
  const Value& v = e.value;
  if (!v.is(Kind::real) && !v.is(Kind::integer)) return wrong_kind(e, "a number");
  const double number = v.is(Kind::real) ? v.real : static_cast<double>(v.integer);
  if (!(number > 0) || number > 1e6)
    return e.error(join_path(e.path) + " must be above 0, not " + v.text, "1 changes nothing");
  *std::get<double*>(field) = number;
  return std::nullopt;
}

// Text of a workload time in fio's units, so that the line also works in a fio job.
std::string fio_time_text(std::int64_t ns) { return "\"" + format_time(ns) + "\""; }

}  // namespace

std::optional<Preempt> parse_preempt(std::string_view text) {
  for (const auto& p : kPreempt) {
    if (text == p.name) return p.value;
  }
  return std::nullopt;
}

const char* preempt_name(Preempt p) {
  for (const auto& n : kPreempt) {
    if (n.value == p) return n.name;
  }
  return "?";
}

MaybeError assign(const Key& key, Ref field, const Entry& e) {
  switch (key.type) {
    case Type::boolean: {
      bool v = e.value.boolean;
      if (!e.value.is(Kind::boolean)) {
        const auto parsed = parse_bool(e.value.text);
        if (!parsed || e.value.is(Kind::real)) return wrong_kind(e, "true or false");
        v = *parsed;
      }
      *std::get<bool*>(field) = v;
      return std::nullopt;
    }
    case Type::integer: {
      const auto v = read_integer(key, e);
      return v ? assign_number(key, field, e, *v) : MaybeError(v.error());
    }
    case Type::duration:
    case Type::time_ns:
    case Type::fio_us:
    case Type::fio_s: {
      const auto v = read_time(key, e);
      // The kernel's own, the scheduler's tunables, are of type unsigned int.
      if (v && key.part == Part::kernel && *v > std::numeric_limits<std::uint32_t>::max())
        return e.error(join_path(e.path) + " must be at most 4294967295 ns, not " + e.value.text);
      return v ? assign_number(key, field, e, *v) : MaybeError(v.error());
    }
    case Type::fio_size: {
      if (!e.value.is(Kind::integer) && !e.value.is(Kind::string)) return wrong_kind(e, "a size such as \"4k\"");
      const auto v = parse_fio_size(e.value.text);
      return v ? assign_number(key, field, e, *v) : MaybeError(unit_error(e, v.error()));
    }
    case Type::cpus: {
      auto v = read_cpus(e);
      if (!v) return v.error();
      *std::get<std::vector<int>*>(field) = std::move(*v);
      return std::nullopt;
    }
    case Type::ids: {
      auto v = read_ids(e);
      if (!v) return v.error();
      *std::get<std::vector<int>*>(field) = std::move(*v);
      return std::nullopt;
    }
    case Type::dist: {
      auto v = parse_dist(e);
      if (!v) return v.error();
      *std::get<Dist*>(field) = std::move(*v);
      return std::nullopt;
    }
    case Type::real:
      return assign_real(field, e);
    case Type::list:
      return assign_list(field, e);
    case Type::text:
    case Type::choice:
      return assign_text(key, field, e);
    case Type::any:
      break;
  }
  return e.error("internal: " + key.pattern + " has no field");
}

std::optional<std::string> format(const Key& key, const Ref& field) {
  const auto number = [&](std::int64_t v) -> std::string {
    if (key.type == Type::duration) return "\"" + format_time(v) + "\"";
    if (key.type == Type::fio_us || key.type == Type::fio_s) return fio_time_text(v);
    return std::to_string(v);
  };
  if (auto* const* p = std::get_if<bool*>(&field)) return **p ? "true" : "false";
  if (auto* const* p = std::get_if<int*>(&field)) return number(**p);
  if (auto* const* p = std::get_if<std::int64_t*>(&field)) return number(**p);
  if (auto* const* p = std::get_if<std::uint64_t*>(&field)) return std::to_string(**p);
  if (auto* const* p = std::get_if<std::optional<int>*>(&field)) {
    if (!**p) return std::nullopt;
    return number(***p);
  }
  if (auto* const* p = std::get_if<std::optional<std::int64_t>*>(&field)) {
    if (!**p) return std::nullopt;
    return number(***p);
  }
  if (auto* const* p = std::get_if<double*>(&field)) {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, **p).ptr;
    std::string out(buffer, end);
    if (out.find_first_of(".e") == std::string::npos) out += ".0";
    return out;
  }
  if (auto* const* p = std::get_if<std::string*>(&field)) return toml_string(**p);
  if (auto* const* p = std::get_if<Preempt*>(&field)) return toml_string(preempt_name(**p));
  if (auto* const* p = std::get_if<Dist*>(&field)) {
    if (!(*p)->set) return std::nullopt;
    return format_dist(**p);
  }
  std::string out = "[";
  if (auto* const* p = std::get_if<std::vector<int>*>(&field)) {
    if ((key.type == Type::ids || key.part == Part::cgroup) && (*p)->empty()) return std::nullopt;
    for (const int i : **p) out += (out.size() > 1 ? ", " : "") + std::to_string(i);
  } else if (auto* const* q = std::get_if<std::vector<std::string>*>(&field)) {
    for (const auto& s : **q) out += (out.size() > 1 ? ", " : "") + toml_string(s);
  }
  return out + "]";
}

}  // namespace wakepath::scenario
