// SPDX-License-Identifier: GPL-2.0-or-later
// A set of CPUs: 64 of them a word, as the kernel's cpumask. Every mask of a machine has that machine's size.
//
// Iteration: for (int c = m.first(); c >= 0; c = m.next(c)); the cyclic order of for_each_cpu_wrap is wrap_*.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wakepath::machine {

class CpuMask {
 public:
  CpuMask() = default;
  explicit CpuMask(int cpus, bool all = false)
      : cpus_(cpus), words_((static_cast<std::size_t>(cpus) + 63) / 64, all ? ~0ULL : 0ULL) {
    if (all && cpus % 64 != 0) words_.back() = (1ULL << (cpus % 64)) - 1;
  }
  [[nodiscard]] int size() const { return cpus_; }
  void set(int cpu) { words_[word(cpu)] |= bit(cpu); }
  void clear(int cpu) { words_[word(cpu)] &= ~bit(cpu); }
  void clear_all() {
    for (auto& w : words_) w = 0;
  }
  [[nodiscard]] bool test(int cpu) const { return (words_[word(cpu)] & bit(cpu)) != 0; }
  [[nodiscard]] bool empty() const { return first() < 0; }
  [[nodiscard]] int weight() const {
    int n = 0;
    for (const auto w : words_) n += std::popcount(w);
    return n;
  }
  [[nodiscard]] int first() const { return next(-1); }
  [[nodiscard]] int next(int after) const {  // -1: none
    const int from = after + 1;
    if (from >= cpus_) return -1;
    std::size_t i = word(from);
    std::uint64_t w = words_[i] & (~0ULL << (from % 64));
    while (w == 0) {
      if (++i == words_.size()) return -1;
      w = words_[i];
    }
    return static_cast<int>(i * 64) + std::countr_zero(w);
  }
  // The members from `start` upward, then from 0 to start - 1.
  [[nodiscard]] int wrap_first(int start) const {
    const int c = next(start - 1);
    return c >= 0 ? c : first();
  }
  [[nodiscard]] int wrap_next(int cpu, int start) const {  // -1: all seen
    int c = next(cpu);
    if (cpu >= start) {
      if (c >= 0) return c;
      c = first();
    }
    return c >= 0 && c < start ? c : -1;
  }
  CpuMask& operator&=(const CpuMask& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= o.words_[i];
    return *this;
  }
  CpuMask& operator|=(const CpuMask& o) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= o.words_[i];
    return *this;
  }
  [[nodiscard]] bool subset_of(const CpuMask& o) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if ((words_[i] & ~o.words_[i]) != 0) return false;
    return true;
  }
  [[nodiscard]] bool intersects(const CpuMask& o) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      if ((words_[i] & o.words_[i]) != 0) return true;
    return false;
  }
  bool operator==(const CpuMask& o) const { return words_ == o.words_; }

 private:
  static std::size_t word(int cpu) { return static_cast<std::size_t>(cpu) / 64; }
  static std::uint64_t bit(int cpu) { return 1ULL << (cpu % 64); }
  int cpus_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace wakepath::machine
