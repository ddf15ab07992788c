// SPDX-License-Identifier: GPL-2.0-or-later
// The one list of scenario keys: name, type, unit, meaning, and the field it fills. Parsing, messages, `explain`,
// `show` and to_toml all go by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/scenario/scenario.h"
#include "models/scenario/value.h"

namespace wakepath::scenario {

enum class Type : std::uint8_t {
  boolean,
  integer,
  real,
  text,
  choice,
  duration,  // int64 ns; written with a unit
  time_ns,   // int64 ns; the key ends in _ns: an integer, or a text with a unit
  fio_us,    // fio's time, bare numbers are microseconds
  fio_s,     // fio's time, bare numbers are seconds
  fio_size,  // fio's integer with k, m, g
  cpus,      // list of CPU numbers
  ids,       // list of small numbers, in order, with repetitions
  dist,      // time in ns as a number or a distribution
  list,      // list of texts
  any        // handled by name: kernel.version, switches
};

// Which struct of the Scenario a key's field is in.
enum class Part : std::uint8_t {
  scenario,
  kernel,
  machine,
  block,
  device,
  fs,
  vm,
  ublk,
  dio_wq,
  cgroup,
  workload,
  program,
  ring,
  task,
  event,
  run,
  costs,
  none
};

using Ref =
    std::variant<std::monostate, bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*, std::vector<int>*,
                 std::vector<std::string>*, std::optional<int>*, std::optional<std::int64_t>*, Dist*, Preempt*>;

struct Key {
  std::string pattern;  // "workload.NAME.iodepth"; capitals stand for the user's names
  Type type = Type::text;
  Part part = Part::none;
  std::string doc;
  std::int64_t low = 0, high = 0;  // integers, when low < high
  std::vector<std::string> choices;
  Ref (*field)(void* part) = nullptr;  // null: handled by name
  std::string hint;                    // suggestion when the value is out of range
  Path parts;                          // pattern split; "*" where the user's name stands
};

const std::vector<Key>& schema();
std::string_view type_unit(Type t);
std::string type_text(const Key& k);

struct Lookup {
  const Key* key = nullptr;
  Path path;  // canonical spelling
  UnitRule unit_rule = UnitRule::of_key;
};
// The key for a path in any accepted spelling (aliases, with or without _ns); null key when there is none.
Lookup find_key(const Path& path);
bool is_section(const Path& path);                 // some key starts with it
Error unknown_key(const Path& path, Error where);  // the message with the nearest key

// The struct `key.part` of a scenario with sections that have no name; null for the named ones.
void* part_of(Scenario& s, Part part);

// Puts a value into a field, checked by the key.
std::optional<Error> assign(const Key& key, Ref field, const Entry& entry);
// The field as TOML text; nothing when it is optional and not set.
std::optional<std::string> format(const Key& key, const Ref& field);
Result<Dist> parse_dist(const Entry& entry);
std::string format_dist(const Dist& d);
std::optional<Preempt> parse_preempt(std::string_view text);
const char* preempt_name(Preempt p);

}  // namespace wakepath::scenario
