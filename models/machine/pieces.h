// SPDX-License-Identifier: GPL-2.0-or-later
// CPU time that is spent in one go though it is in several modes: the pieces of a segment. Code that nobody can see the
// effects of before its next one owes its costs until then (owe_cost in machine.h), so that a stretch of kernel code is
// one event, not one a cost. What comes in between finds the context in the piece that its clock has reached, and a
// switch that is asked for is made at the first point between two pieces, as if each had been run by itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sim/engine/check.h"
#include "sim/engine/time.h"

namespace wakepath::machine {

using engine::Time;

// In which mode a segment runs; decides who may interrupt or preempt it and which bucket of CPU time it falls into.
enum class Mode : std::uint8_t {
  user,
  kernel,            // preemptible under preempt = full
  kernel_nopreempt,  // a spinlock is held
  irqs_off,
};

// A place where a switch that is asked for is made; on the way to user mode, what else is pending is done, too.
enum class Point : std::uint8_t { none, might_sleep, user_exit };

class Pieces {
 public:
  class Piece {
   public:
    Piece() = default;
    Piece(Time ns, Mode mode, Point before, int records)
        : packed_(ns << 12 | static_cast<std::int64_t>(records) << 8 | static_cast<std::int64_t>(before) << 4 |
                  static_cast<std::int64_t>(mode)) {}
    [[nodiscard]] Time ns() const { return packed_ >> 12; }
    [[nodiscard]] Mode mode() const { return static_cast<Mode>(packed_ & 0xf); }
    [[nodiscard]] Point before() const { return static_cast<Point>(packed_ >> 4 & 0xf); }
    [[nodiscard]] int records() const { return static_cast<int>(packed_ >> 8 & 0xf); }  // that are written before it
    void lengthen(Time ns) { packed_ += ns << 12; }

   private:
    std::int64_t packed_;  // so that many lie in a cache line; a piece is shorter than 26 days
  };

  [[nodiscard]] bool empty() const { return first_ == end_; }
  [[nodiscard]] Time total() const { return total_; }
  [[nodiscard]] const Piece* begin() const { return &pieces_[first_]; }
  [[nodiscard]] const Piece* end() const { return &pieces_[end_]; }
  [[nodiscard]] Mode last_mode() const { return pieces_[end_ - 1U].mode(); }

  void add(Time ns, Mode mode) {
    total_ += ns;
    if (!empty() && !has_mark() && last_mode() == mode) return pieces_[end_ - 1U].lengthen(ns);
    push(Piece(ns, mode, point_, records_));
    point_ = Point::none;
    records_ = 0;
  }
  void add_behind(Point p, Time ns, Mode mode) {  // add_point() and add(), where no mark waits
    total_ += ns;
    push(Piece(ns, mode, p, 0));
  }
  void add_point(Point p) { point_ = p; }  // before the next one
  void add_record() { WAKEPATH_CHECK(++records_ < 16, "too many records between two pieces of a segment"); }
  // No more are added before it is run; where something is to be done at its end, a last one of no length begins. It is
  // not empty.
  void close(Time ns, Mode mode) {
    if (ns > 0 || has_mark()) add(ns, mode);
  }
  // Nothing is left but records, which are no place where anything else may happen.
  [[nodiscard]] bool only_records() const {
    return end_ - first_ == 1 && begin()->ns() == 0 && begin()->before() == Point::none;
  }
  Piece take() {
    WAKEPATH_CHECK(!empty(), "more of a segment has passed than there is");
    const Piece p = pieces_[first_++];
    total_ -= p.ns();
    if (empty()) clear();
    return p;
  }
  void clear() {
    first_ = end_ = 0;
    total_ = 0;
  }

 private:
  void push(Piece p) {
    WAKEPATH_CHECK(end_ < pieces_.size(), "more pieces in a segment than there is room for");
    pieces_[end_++] = p;
  }
  [[nodiscard]] bool has_mark() const { return point_ != Point::none || records_ > 0; }
  Time total_ = 0;
  std::uint8_t first_ = 0, end_ = 0;
  Point point_ = Point::none;
  std::uint8_t records_ = 0;
  std::array<Piece, 22> pieces_;
};

}  // namespace wakepath::machine
