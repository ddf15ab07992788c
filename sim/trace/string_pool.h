// SPDX-License-Identifier: GPL-2.0-or-later
// Interned strings of one trace: names become small ids. Id 0 is the empty string. Not thread-safe: one pool a trace.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sim/trace/event.h"

namespace wakepath::trace {

class StringPool {
 public:
  StringPool() { intern(""); }
  StringId intern(std::string_view s) {
    if (auto it = ids_.find(s); it != ids_.end()) return it->second;
    strings_.emplace_back(s);
    const auto id = static_cast<StringId>(strings_.size() - 1);
    ids_.emplace(strings_.back(), id);
    return id;
  }
  [[nodiscard]] const std::string& str(StringId id) const { return strings_[id]; }
  [[nodiscard]] std::size_t size() const { return strings_.size(); }

 private:
  std::deque<std::string> strings_;  // a deque keeps the views in ids_ valid
  std::unordered_map<std::string_view, StringId> ids_;
};

}  // namespace wakepath::trace
