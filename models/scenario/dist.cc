// SPDX-License-Identifier: GPL-2.0-or-later
// Costs and device times as text: a number of ns, a time with its unit, or a table that names a distribution.
#include <algorithm>

#include "models/scenario/schema.h"
#include "models/scenario/suggest.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

using Kind = Value::Kind;

Result<std::int64_t> one_time(const Entry& e, const Value& v, const std::string& what) {
  const bool bare_ok = e.unit_rule != UnitRule::needs_unit;
  if (v.is(Kind::integer) && bare_ok && v.integer < 0) {
    return tl::make_unexpected(e.error(what + " must not be negative, is " + v.text));
  }
  if (v.is(Kind::string) || v.is(Kind::integer)) {
    const auto bare = v.is(Kind::integer) ? Parsed<std::int64_t>(v.integer) : parse_integer(v.text);
    const bool is_bare = bare_ok && bare && *bare >= 0;
    const auto parsed = is_bare ? not_too_long(*bare, v.text) : parse_time(v.text);
    if (parsed) return *parsed;
    return tl::make_unexpected(
        e.error(what + ": " + parsed.error().message, v.is(Kind::integer) && !is_bare
                                                          ? "write \"" + v.text + "us\" or \"" + v.text + "ns\""
                                                          : parsed.error().suggestion));
  }
  if (v.is(Kind::real)) {
    return tl::make_unexpected(
        e.error(what + " must be whole nanoseconds, not " + v.text, "round it, or write \"1.5us\""));
  }
  return tl::make_unexpected(e.error(
      what + " must be a number of ns, a time or a distribution, not " + kind_name(v.kind),
      "write 80, \"1.2us\", {low = 1, high = 2}, {mean = 5, kind = \"exponential\"} or {quantiles = [1, 2, 3]}"));
}

// Any number of equally spaced quantiles becomes the 17 the cost holds, linear in between, in integers.
std::optional<Error> read_quantiles(const Entry& e, const Value& list, const std::string& what, Dist& out) {
  if (!list.is(Kind::array) || list.items.size() < 2) {
    return e.error(what + ".quantiles must be a list of at least two times",
                   "write the values at 0, 1/n, ... 1 in rising order");
  }
  std::vector<std::int64_t> given;
  for (const Value& v : list.items) {
    const auto t = one_time(e, v, what + ".quantiles");
    if (!t) return t.error();
    if (!given.empty() && *t < given.back()) return e.error(what + ".quantiles must not fall", "sort the values");
    given.push_back(*t);
  }
  const auto steps = static_cast<std::int64_t>(given.size() - 1);
  const auto last = static_cast<std::int64_t>(out.q.size() - 1);
  for (std::int64_t i = 0; i <= last; ++i) {
    const std::int64_t at = i * steps;  // in units of 1/last of a step
    const auto index = static_cast<std::size_t>(std::min(at / last, steps - 1));
    const std::int64_t part = at - static_cast<std::int64_t>(index) * last;
    out.q[static_cast<std::size_t>(i)] = given[index] + (given[index + 1] - given[index]) * part / last;
  }
  out.kind = Dist::Kind::quantiles;
  return std::nullopt;
}

std::optional<Error> read_fields(const Entry& e, const std::string& what, Dist& out) {
  static const std::vector<std::string> known{"ns", "low", "high", "mean", "kind", "quantiles", "source", "estimate"};
  for (const auto& [name, value] : e.value.fields) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      Error bad = e.error("unknown key '" + what + "." + name + "'", did_you_mean(name, known));
      bad.line = value.line > 0 ? value.line : e.line;
      return bad;
    }
  }
  if (const Value* v = e.value.field("source")) out.source = v->text;
  if (const Value* v = e.value.field("estimate")) {
    if (!v->is(Kind::boolean)) return e.error(what + ".estimate must be true or false");
    out.estimate = v->boolean;
  }
  const Value* kind = e.value.field("kind");
  const Value *low = e.value.field("low"), *high = e.value.field("high"), *mean = e.value.field("mean");
  const Value *ns = e.value.field("ns"), *quantiles = e.value.field("quantiles");
  const int forms = (ns != nullptr) + (mean != nullptr) + (quantiles != nullptr) + (low != nullptr || high != nullptr);
  const auto wrong = [&](const std::string& message) {
    return e.error(
        what + ": " + message,
        "write {ns = 80}, {low = 1, high = 2}, {mean = 5, kind = \"exponential\"} or {quantiles = [1, 2, 3]}");
  };
  if (forms != 1)
    return wrong(forms == 0 ? "the table holds no time" : "the table mixes several kinds of distribution");
  if (mean != nullptr) {
    if (kind == nullptr || kind->text != "exponential") return wrong("a mean needs kind = \"exponential\"");
    const auto t = one_time(e, *mean, what + ".mean");
    if (!t) return t.error();
    out.kind = Dist::Kind::exponential;
    out.ns = *t;
    return std::nullopt;
  }
  if (quantiles != nullptr) return read_quantiles(e, *quantiles, what, out);
  if (ns != nullptr) {
    const auto t = one_time(e, *ns, what + ".ns");
    if (!t) return t.error();
    out.ns = *t;
    return std::nullopt;
  }
  if (low == nullptr || high == nullptr) return wrong("low and high come together");
  const auto a = one_time(e, *low, what + ".low");
  const auto b = one_time(e, *high, what + ".high");
  if (!a) return a.error();
  if (!b) return b.error();
  if (*a > *b) return wrong("low is above high");
  out.kind = Dist::Kind::uniform;
  out.low = *a;
  out.high = *b;
  return std::nullopt;
}

}  // namespace

Result<Dist> parse_dist(const Entry& e) {
  Dist out;
  out.set = true;
  const std::string what = join_path(e.path);
  if (e.value.is(Kind::table)) {
    if (auto bad = read_fields(e, what, out)) return tl::make_unexpected(*bad);
    return out;
  }
  const auto t = one_time(e, e.value, what);
  if (!t) return tl::make_unexpected(t.error());
  out.ns = *t;
  return out;
}

std::string format_dist(const Dist& d) {
  std::string body;
  switch (d.kind) {
    case Dist::Kind::constant:
      if (d.source.empty() && d.estimate) return std::to_string(d.ns);
      body = "ns = " + std::to_string(d.ns);
      break;
    case Dist::Kind::uniform:
      body = "low = " + std::to_string(d.low) + ", high = " + std::to_string(d.high);
      break;
    case Dist::Kind::exponential:
      body = "mean = " + std::to_string(d.ns) + ", kind = \"exponential\"";
      break;
    case Dist::Kind::quantiles:
      body = "quantiles = [";
      for (std::size_t i = 0; i < d.q.size(); ++i) body += (i == 0 ? "" : ", ") + std::to_string(d.q[i]);
      body += "]";
      break;
  }
  if (!d.estimate) body += ", estimate = false";
  if (!d.source.empty()) body += ", source = " + toml_string(d.source);
  return "{ " + body + " }";
}

}  // namespace wakepath::scenario
