// SPDX-License-Identifier: GPL-2.0-or-later
// A set of pages of one file, 64 a word, as the marks of the kernel's page tree: count, membership, next member.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wakepath::fs {

class PageSet {
 public:
  explicit PageSet(std::int64_t pages, bool all = false)
      : pages_(pages),
        count_(all ? pages : 0),
        words_(static_cast<std::size_t>((pages + 63) / 64), all ? ~0ULL : 0ULL) {
    if (all && pages % 64 != 0) words_.back() = (1ULL << (pages % 64)) - 1;
  }
  [[nodiscard]] bool test(std::int64_t page) const { return (words_[word(page)] & bit(page)) != 0; }
  bool set(std::int64_t page) {  // true: it was not a member
    if (test(page)) return false;
    words_[word(page)] |= bit(page);
    ++count_;
    return true;
  }
  bool clear(std::int64_t page) {
    if (!test(page)) return false;
    words_[word(page)] &= ~bit(page);
    --count_;
    return true;
  }
  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::int64_t next(std::int64_t from) const {  // the first member at or after; -1: none
    if (count_ == 0 || from >= pages_) return -1;
    std::size_t i = word(from);
    std::uint64_t w = words_[i] & (~0ULL << (from % 64));
    while (w == 0) {
      if (++i == words_.size()) return -1;
      w = words_[i];
    }
    return static_cast<std::int64_t>(i) * 64 + std::countr_zero(w);
  }

 private:
  static std::size_t word(std::int64_t page) { return static_cast<std::size_t>(page) / 64; }
  static std::uint64_t bit(std::int64_t page) { return 1ULL << (page % 64); }
  std::int64_t pages_, count_;
  std::vector<std::uint64_t> words_;
};

}  // namespace wakepath::fs
