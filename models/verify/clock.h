// SPDX-License-Identifier: GPL-2.0-or-later
// The run queue's clock at a step that prints no runtime.
//
// Where sched_stat_runtime is printed, the clock is exact: the task's exec_start plus the printed runtime. Elsewhere it
// is read off the record's stamp: between the stamp and the kernel's reading of the clock lies the same code each time,
// so the distance seen most often where the clock is exact, in the same context and for the same wakee, is taken. What
// an idle period leaves open (no runtime tells when it ended) is one shift common to all distances after it.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

namespace wakepath::verify {

// The value seen most often, of a stream; keeps eight candidates.
class Mode {
 public:
  void add(std::int64_t value);
  [[nodiscard]] std::int64_t best() const { return slots_[0].value; }
  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] std::int64_t spread() const;  // the farthest value seen twice

 private:
  struct Slot {
    std::int64_t value = 0, count = 0;
  };
  std::array<Slot, 8> slots_{};  // most frequent first
  std::int64_t samples_ = 0;
};

class StampClock {
 public:
  using Key = std::uint64_t;
  static Key key(int kind, int context, bool idle, std::int32_t pid) {
    return (static_cast<Key>(static_cast<std::uint32_t>(pid)) << 32) | (static_cast<Key>(kind) << 16) |
           (static_cast<Key>(context) << 8) | (idle ? 1u : 0u);
  }
  // The clock was exactly `clock` at a step stamped `ts`.
  void learn(Key k, std::int64_t ts, std::int64_t clock);
  struct Estimate {
    std::int64_t now = 0;
    std::int64_t spread = 0;  // how far the clock may be from it, either way
  };
  // The clock at a step stamped `ts` whose last record is stamped `end`.
  [[nodiscard]] Estimate estimate(Key k, std::int64_t ts, std::int64_t end) const;
  // The CPU was idle: distances learned before hold but for a new common shift.
  void idle() { shift_known_ = false; }

 private:
  std::unordered_map<Key, Mode> offsets_;
  Mode any_;
  std::int64_t shift_ = 0, candidate_ = 0;
  bool shift_known_ = false, has_candidate_ = false;
};

}  // namespace wakepath::verify
