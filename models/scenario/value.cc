// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/value.h"

#include "models/scenario/units.h"

namespace wakepath::scenario {

std::string to_string(const Error& e) {
  std::string out = e.file;
  if (e.line > 0) out += (out.empty() ? "line " : ":") + std::to_string(e.line);
  if (!out.empty()) out += ": ";
  out += e.message;
  if (!e.suggestion.empty()) out += " (" + e.suggestion + ")";
  for (char& c : out) {
    if (c == '\n' || c == '\r') c = ' ';  // one line, whatever a quoted input held
  }
  return out;
}

Value Value::of(std::string text, int line) {
  Value v;
  v.text = std::move(text);
  v.line = line;
  return v;
}

Value Value::of(std::int64_t integer, int line) {
  Value v;
  v.kind = Kind::integer;
  v.integer = integer;
  v.text = std::to_string(integer);
  v.line = line;
  return v;
}

Value Value::of(bool boolean, int line) {
  Value v;
  v.kind = Kind::boolean;
  v.boolean = boolean;
  v.text = boolean ? "true" : "false";
  v.line = line;
  return v;
}

const Value* Value::field(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

const char* kind_name(Value::Kind k) {
  switch (k) {
    case Value::Kind::boolean: return "true or false";
    case Value::Kind::integer: return "an integer";
    case Value::Kind::real: return "a number with a fraction";
    case Value::Kind::string: return "a string";
    case Value::Kind::array: return "a list";
    case Value::Kind::table: return "a table";
  }
  return "?";
}

namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

std::string join_path(const Path& path) {
  std::string out;
  for (const auto& part : path) {
    if (!out.empty()) out += '.';
    bool bare = !part.empty();
    for (const char c : part) bare = bare && is_bare(c);
    if (bare) {
      out += part;
      continue;
    }
    out += '"';
    for (const char c : part) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out;
}

Result<Path> split_path(std::string_view key, const Error& where) {
  Path path;
  std::string part;
  char quote = 0;
  bool any = false;
  const auto wrong = [&](const char* what) {
    Error e = where;
    e.message = "'" + std::string(key) + "' is not a key: " + what;
    e.suggestion = "write KEY=VALUE with a dotted key such as kernel.version, parts with dots in quotes";
    return tl::make_unexpected(e);
  };
  key = trim(key);
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (quote != 0) {
      if (c == '\\' && quote == '"' && i + 1 < key.size()) {
        part += key[++i];
      } else if (c == quote) {
        quote = 0;
      } else {
        part += c;
      }
    } else if ((c == '"' || c == '\'') && part.empty()) {
      quote = c;
      any = true;
    } else if (c == '.') {
      if (part.empty() && !any) return wrong("a part is empty");
      path.push_back(std::move(part));
      part.clear();
      any = false;
    } else {
      part += c;  // lenient: --set task.kworker/0:*.nice needs no quotes as long as the part has no dot
      any = true;
    }
  }
  if (quote != 0) return wrong("a quote is not closed");
  if (part.empty() && !any) return wrong("a part is empty");
  path.push_back(std::move(part));
  return path;
}

}  // namespace wakepath::scenario
