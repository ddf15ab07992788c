// SPDX-License-Identifier: GPL-2.0-or-later
// Which tag a request gets: an sbitmap_queue without round robin, for drivers to whom the number matters.
//
// The map is in words. Each CPU has a hint, the tag it freed last, which only chooses the word to begin in: there the
// lowest free bit is taken. A tag that is given back stays taken until its word has none left; then all that were given
// back are free at once. So a queue of depth 1 goes through a word tag by tag.
//
// Source: lib/sbitmap.c (sbitmap_init_node, sbitmap_get, sbitmap_deferred_clear, __sbitmap_queue_get_batch,
// sbitmap_queue_clear), 6.1 and 6.12.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "sim/engine/random.h"

namespace wakepath::block {

class TagMap {
 public:
  // Each CPU's hint begins anywhere, as the kernel draws it.
  TagMap(int depth, int cpus, engine::RandomStream& dice) : depth_(depth) {
    shift_ = kWordShift;
    if (depth >= 4)
      while ((4 << shift_) > depth) --shift_;
    const int words = (depth + (1 << shift_) - 1) >> shift_;
    for (int w = 0; w < words; ++w) {
      const int bits = std::min(1 << shift_, depth - (w << shift_));
      words_.push_back({0, 0, bits});
    }
    for (int c = 0; c < cpus; ++c) hints_.push_back(static_cast<int>(dice.uniform(static_cast<std::uint64_t>(depth))));
  }

  // -1: none is free.
  int get(int cpu) {
    int& hint = hints_[static_cast<std::size_t>(cpu)];
    std::size_t w = static_cast<std::size_t>(hint) >> shift_;
    for (std::size_t i = 0; i < words_.size(); ++i, w = w + 1 < words_.size() ? w + 1 : 0) {
      Word& word = words_[w];
      if (word.full()) word.clear_deferred();
      if (word.full()) continue;
      const int bit = std::countr_one(word.taken);
      word.taken |= std::uint64_t{1} << bit;
      const int tag = static_cast<int>(w << shift_) + bit;
      advance(hint, tag);
      return tag;
    }
    hint = 0;
    return -1;
  }

  // Up to n tags of one word from its first free bit on, as a mask from `first`; 0: single ones must do.
  std::uint64_t get_batch(int cpu, int n, int& first) {
    int& hint = hints_[static_cast<std::size_t>(cpu)];
    std::size_t w = static_cast<std::size_t>(hint) >> shift_;
    for (std::size_t i = 0; i < words_.size(); ++i, w = w + 1 < words_.size() ? w + 1 : 0) {
      Word& word = words_[w];
      word.clear_deferred();
      if (word.full()) continue;
      const int bit = std::countr_one(word.taken);
      if (bit + n > word.bits) continue;
      const std::uint64_t wanted = (n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1) << bit;
      const std::uint64_t got = wanted & ~word.taken;
      word.taken |= wanted;
      first = static_cast<int>(w << shift_) + bit;
      advance(hint, first + n - 1);
      return got >> bit;
    }
    return 0;
  }

  void put(int tag, int cpu) {
    words_[static_cast<std::size_t>(tag) >> shift_].cleared |= std::uint64_t{1} << (tag & ((1 << shift_) - 1));
    hints_[static_cast<std::size_t>(cpu)] = tag;
  }

 private:
  static constexpr int kWordShift = 6;
  struct Word {
    std::uint64_t taken, cleared;
    int bits;
    [[nodiscard]] bool full() const { return std::countr_one(taken) >= bits; }
    void clear_deferred() {
      taken &= ~cleared;
      cleared = 0;
    }
  };
  // update_alloc_hint_after_get
  void advance(int& hint, int tag) const {
    if (tag != hint) return;
    hint = tag + 1 >= depth_ - 1 ? 0 : tag + 1;
  }

  int depth_, shift_;
  std::vector<Word> words_;
  std::vector<int> hints_;
};

}  // namespace wakepath::block
