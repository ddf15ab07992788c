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
    case Value::Kind::boolean:
      return "true or false";
    case Value::Kind::integer:
      return "an integer";
    case Value::Kind::real:
      return "a number with a fraction";
    case Value::Kind::string:
      return "a string";
    case Value::Kind::array:
      return "a list";
    case Value::Kind::table:
      return "a table";
  }
  return "?";
}

namespace {

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// Bytes of the UTF-8 sequence that starts here, 0 when there is none. Overlong forms and surrogates are not UTF-8.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 && first < 0xf5   ? 4
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xc2 && first < 0xe0 ? 2
                                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && at(1) < 0xa0) return 0;
  if (first == 0xed && at(1) >= 0xa0) return 0;
  if (first == 0xf0 && at(1) < 0x90) return 0;
  if (first == 0xf4 && at(1) >= 0x90) return 0;
  return length;
}

}  // namespace

std::string toml_string(std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (u < 0x20 || u == 0x7f)
      out += std::string("\\u00") + hex[u >> 4U] + hex[u & 15U];
    else
      out += c;
  }
  return out + "\"";
}

std::optional<Error> check_text(std::string_view text, const std::string& file) {
  int line = 1;
  while (!text.empty()) {
    const auto u = static_cast<unsigned char>(text.front());
    if (u == '\n') ++line;
    const std::size_t length = sequence_length(text);
    const bool control = (u < 0x20 && u != '\n' && u != '\t' && u != '\r') || u == 0x7f;
    if (length == 0 || control)
      return Error{file, line, "not plain text (UTF-8)", "remove the byte, or convert the file"};
    text.remove_prefix(length);
  }
  return std::nullopt;
}

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
    out += toml_string(part);
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
