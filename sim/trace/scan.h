// SPDX-License-Identifier: GPL-2.0-or-later
// Small steps over text that the line and field parsers share. All are total: no input makes them throw or read
// outside.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

namespace wakepath::trace::scan {

inline bool blank(char c) { return c == ' ' || c == '\t'; }
inline bool digit(char c) { return c >= '0' && c <= '9'; }
inline bool hex_digit(char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

inline std::string_view ltrim(std::string_view s) {
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  return s;
}
inline std::string_view rtrim(std::string_view s) {
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

// The whole of s as a number.
template <class T>
bool number(std::string_view s, T& out, int base = 10) {
  const auto r = std::from_chars(s.data(), s.data() + s.size(), out, base);
  return r.ec == std::errc() && r.ptr == s.data() + s.size() && !s.empty();
}

// With or without 0x.
template <class T>
bool hex(std::string_view s, T& out) {
  if (s.starts_with("0x") || s.starts_with("0X")) s.remove_prefix(2);
  return number(s, out, 16);
}

// Takes `prefix` off the front.
inline bool skip(std::string_view& s, std::string_view prefix) {
  if (!s.starts_with(prefix)) return false;
  s.remove_prefix(prefix.size());
  return true;
}

// Where `what` comes last; looked for by its last character, mostly a rare one ('='), where rfind compares at each
// place.
inline std::size_t last(std::string_view s, std::string_view what) {
  for (std::size_t end = s.size(); end >= what.size();) {
    const auto at = s.rfind(what.back(), end - 1);
    if (at == std::string_view::npos || at + 1 < what.size()) break;
    const auto start = at + 1 - what.size();
    if (s.substr(start).starts_with(what)) return start;
    end = at;
  }
  return std::string_view::npos;
}

// Takes everything before the first `end`, and `end` itself.
inline bool until(std::string_view& s, std::string_view end, std::string_view& out) {
  const auto at = s.find(end);
  if (at == std::string_view::npos) return false;
  out = s.substr(0, at);
  s.remove_prefix(at + end.size());
  return true;
}

// Takes a word: everything up to the next blank; blanks after it go too.
inline std::string_view word(std::string_view& s) {
  std::size_t n = 0;
  while (n < s.size() && !blank(s[n])) ++n;
  const std::string_view w = s.substr(0, n);
  s = ltrim(s.substr(n));
  return w;
}

// With '?' for every byte that is not printable ASCII: a name of a damaged file must not break JSON or a terminal.
inline std::string printable(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return out;
}

inline bool all_digits(std::string_view s) {
  for (const char c : s) {
    if (!digit(c)) return false;
  }
  return !s.empty();
}

}  // namespace wakepath::trace::scan
