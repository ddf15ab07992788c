// SPDX-License-Identifier: GPL-2.0-or-later
// TOML text to Value by toml++. The one file that includes the library: it is large, and its tables are sorted by key,
// where a scenario's order is the user's.
//
// toml++ 3.3 asserts on some malformed table headers ("[.a]"). A user's typo must not end the process, so its
// assertions are thrown here and become an Error like any other; its NDEBUG variant would be undefined behaviour
// instead. Its test for Unicode white space runs into undefined behaviour on letters like the micro sign (U+00A1 to
// U+0499) where no string and no comment is; TOML allows none of them there, so they are refused before it looks.
#undef NDEBUG
namespace {
struct TomlAssertion {};
}  // namespace
#define TOML_EXCEPTIONS 0
#define TOML_ASSERT(expr) static_cast<void>((expr) || (throw TomlAssertion{}, false))
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wterminate"  // in accessors that are noexcept: what assert() would do there
#endif
#include <toml++/toml.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <algorithm>
#include <sstream>

#include "models/scenario/units.h"
#include "models/scenario/value.h"

namespace wakepath::scenario {
namespace {

class Converter {
 public:
  explicit Converter(std::string_view text) {
    while (!text.empty()) {
      const auto end = text.find('\n');
      lines_.emplace_back(text.substr(0, end));
      if (end == std::string_view::npos) break;
      text.remove_prefix(end + 1);
    }
  }

  Value convert(const toml::node& node) const {
    Value v;
    v.line = static_cast<int>(node.source().begin.line);
    if (const auto* t = node.as_table()) {
      v.kind = Value::Kind::table;
      convert_table(*t, v);
    } else if (const auto* a = node.as_array()) {
      v.kind = Value::Kind::array;
      for (const auto& item : *a) v.items.push_back(convert(item));
    } else if (const auto* s = node.as_string()) {
      v.text = s->get();
    } else if (const auto* i = node.as_integer()) {
      v.kind = Value::Kind::integer;
      v.integer = i->get();
      v.text = source_text(node);
    } else if (const auto* f = node.as_floating_point()) {
      v.kind = Value::Kind::real;
      v.real = f->get();
      v.text = source_text(node);
    } else if (const auto* b = node.as_boolean()) {
      v.kind = Value::Kind::boolean;
      v.boolean = b->get();
      v.text = b->get() ? "true" : "false";
    } else {
      v.text = source_text(node);  // dates and times are plain text here
    }
    return v;
  }

 private:
  void convert_table(const toml::table& t, Value& out) const {
    struct Item {
      toml::source_position at;
      std::string key;
      const toml::node* node;
    };
    std::vector<Item> items;
    for (auto&& [key, node] : t) items.push_back({key.source().begin, std::string(key.str()), &node});
    std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.at < b.at; });
    for (const Item& i : items) {
      Value v = convert(*i.node);
      v.line = static_cast<int>(i.at.line);
      out.fields.push_back({i.key, std::move(v)});
    }
  }

  // What the user typed: "6.10" and 6.1 are the same number but not the same version.
  std::string source_text(const toml::node& node) const {
    const auto begin = node.source().begin, end = node.source().end;
    if (begin.line == 0 || begin.line > lines_.size()) return {};
    std::string_view line = lines_[begin.line - 1];
    if (begin.column == 0 || begin.column > line.size()) return {};
    line.remove_prefix(begin.column - 1);
    if (end.line == begin.line && end.column > begin.column) line = line.substr(0, end.column - begin.column);
    return std::string(trim(line.substr(0, line.find_first_of(",]}#\r\n"))));
  }

  std::vector<std::string_view> lines_;
};

bool trips_assertion(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const TomlAssertion&) {
    return true;
  }
  return false;
}

// The parser reads forward: the line at fault ends the shortest run of lines that trips it.
int line_at_fault(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || i + 1 == text.size()) ends.push_back(i + 1);
  }
  std::size_t low = 0, high = ends.size();
  while (low + 1 < high) {
    const std::size_t middle = (low + high) / 2;
    if (trips_assertion(text.substr(0, ends[middle - 1])))
      high = middle;
    else
      low = middle;
  }
  return static_cast<int>(high);
}

bool beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// Where the string that begins at `at` ends, the end of its line or the text where its end is missing; or where a
// character beyond ASCII follows a backslash, which the parser takes for a blank without knowing (toml++ 3.3).
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool lines = text.substr(at, 3) == three;
  std::size_t i = at + (lines ? 3 : 1);
  for (; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      const std::size_t next = text.find_first_not_of(lines ? " \t\r\n" : "", i + 1);
      if (next != std::string_view::npos && beyond_ascii(text[next])) return next;
      ++i;
    } else if (lines && text.substr(i, 3) == three) {
      return i + 3;
    } else if (!lines && (text[i] == quote || text[i] == '\n')) {
      return i + 1;
    }
  }
  return text.size();
}

// Where a string may begin: there alone a quote begins one for the parser. Anywhere else it is a part of what it stands
// in, a number say, and so are the characters behind it.
class StringStarts {
 public:
  [[nodiscard]] bool here() const { return here_; }
  void after_string() { here_ = false; }
  void after(char c) {
    switch (c) {
      case ' ':
      case '\t':
      case '\r':
        return;
      case '\n':
        if (open_.empty()) in_key_ = true;
        here_ = true;
        return;
      case '[':
      case '{':
        if (!here_) return;
        open_ += c;
        in_key_ = in_key_ || c == '{';  // [ of a table's name, or of an array
        return;
      case ']':
      case '}':
        if (!open_.empty()) open_.pop_back();
        here_ = false;
        return;
      case ',':
        here_ = !open_.empty();
        in_key_ = here_ && open_.back() == '{';
        return;
      case '=':
        here_ = in_key_;
        in_key_ = false;
        return;
      default:
        here_ = c == '.' && in_key_;
    }
  }

 private:
  std::string open_;  // brackets
  bool in_key_ = true, here_ = true;
};

// The line of the first character beyond ASCII outside strings and comments, or behind a backslash; 0: none.
int line_beyond_ascii(std::string_view text) {
  std::size_t i = text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0;
  StringStarts starts;
  while (i < text.size()) {
    if (beyond_ascii(text[i])) {
      return static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n')) + 1;
    }
    if ((text[i] == '"' || text[i] == '\'') && starts.here()) {
      i = end_of_string(text, i);
      starts.after_string();
      if (text[i - 1] == '\n') starts.after('\n');
    } else if (text[i] == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else {
      starts.after(text[i++]);
    }
  }
  return 0;
}

toml::parse_result parse(std::string_view text, const std::string& file, bool& asserted) {
  try {
    return toml::parse(text, file);
  } catch (const TomlAssertion&) {
    asserted = true;
    return toml::parse(std::string_view());
  }
}

}  // namespace

Result<Value> parse_toml(std::string_view text, const std::string& file) {
  if (const int line = line_beyond_ascii(text); line > 0) {
    return tl::make_unexpected(Error{file, line,
                                     "a character outside ASCII that is not in quotes, or follows a backslash",
                                     "text is quoted, and units are ASCII: 30us"});
  }
  bool asserted = false;
  const toml::parse_result parsed = parse(text, file, asserted);
  if (asserted)
    return tl::make_unexpected(Error{file, line_at_fault(text), "not a table header", "write [NAME] or [a.b]"});
  if (!parsed) {
    const auto& e = parsed.error();
    Error out{file, static_cast<int>(e.source().begin.line), std::string(e.description()), {}};
    if (out.message.find("redefin") != std::string::npos || out.message.find("already exist") != std::string::npos) {
      out.suggestion = "each key may be given once";
    } else {
      out.suggestion = "the file is TOML: strings are quoted, tables are [a.b], lists are [1, 2]";
    }
    return tl::make_unexpected(out);
  }
  return Converter(text).convert(parsed.table());
}

}  // namespace wakepath::scenario
