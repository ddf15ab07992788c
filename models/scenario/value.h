// SPDX-License-Identifier: GPL-2.0-or-later
// A value as the user wrote it, with the place it came from; and entries, the flat form in which all inputs (TOML, fio,
// shell, --set) meet before the schema gives them a meaning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/scenario/error.h"

namespace wakepath::scenario {

struct Field;

struct Value {
  enum class Kind : std::uint8_t { boolean, integer, real, string, array, table };
  Kind kind = Kind::string;
  bool boolean = false;
  std::int64_t integer = 0;
  double real = 0;
  std::string text;           // a string's content; for everything else the text in the source
  std::vector<Value> items;   // array
  std::vector<Field> fields;  // table, in the order of the source
  int line = 0;

  static Value of(std::string text, int line = 0);
  static Value of(std::int64_t integer, int line = 0);
  static Value of(bool boolean, int line = 0);
  [[nodiscard]] const Value* field(std::string_view name) const;
  [[nodiscard]] bool is(Kind k) const { return kind == k; }
};
// A type of its own: a std::pair with a Value in it cannot be looked at before Value is complete.
struct Field {
  std::string first;
  Value second;
};
const char* kind_name(Value::Kind k);  // "a string", "an integer", ...

std::string toml_string(std::string_view text);  // quoted and escaped
// Nothing when the text is UTF-8 without control characters: what a scenario can be written back from.
std::optional<Error> check_text(std::string_view text, const std::string& file);

using Path = std::vector<std::string>;
std::string join_path(const Path& path);  // dotted; parts with other than bare-key characters are quoted
Result<Path> split_path(std::string_view key, const Error& where);  // the reverse, for --set

// How a time may be written under the spelling of the key that was used.
enum class UnitRule : std::uint8_t { of_key, needs_unit, bare_is_ns };

struct Entry {
  Path path;  // canonical
  Value value;
  std::string file;  // as in Error
  int line = 0;
  UnitRule unit_rule = UnitRule::of_key;
  [[nodiscard]] Error error(std::string message, std::string suggestion = {}) const {
    return {file, line, std::move(message), std::move(suggestion)};
  }
};

// TOML text to a table; errors carry `file` and the line.
Result<Value> parse_toml(std::string_view text, const std::string& file);

}  // namespace wakepath::scenario
