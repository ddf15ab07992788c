// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/split.h"

#include <algorithm>

namespace wakepath::block {

Splitter::Piece& Splitter::take() {
  if (free_.empty()) free_.push_back(&all_.emplace_back());
  Piece& p = *free_.back();
  free_.pop_back();
  p.splitter = this;
  return p;
}

Call<void> Splitter::submit(KTask& t, Bio& bio, Plug* plug) {
  Piece& first = take();
  first.whole = &bio;
  first.left = static_cast<int>((bio.bytes + max_bytes_ - 1) / max_bytes_);
  const std::uint64_t sector = bio.sector;  // the bio may end before the loop does
  const std::uint32_t bytes = bio.bytes;
  const bool write = bio.write;
  bio.refused = false;
  for (std::uint32_t at = 0; at < bytes; at += max_bytes_) {
    Piece& p = at == 0 ? first : take();
    p.first = &first;
    p.sector = sector + at / 512;
    p.bytes = std::min(max_bytes_, bytes - at);
    p.write = write;
    co_await queue_.submit(t, p, plug);
  }
}

Call<void> Splitter::Piece::end_io(ExecContext& ctx) {
  Splitter& s = *splitter;
  Piece& f = *first;
  if (this != &f) s.free_.push_back(this);
  if (--f.left > 0) return {};
  s.free_.push_back(&f);
  return f.whole->end_io(ctx);
}

}  // namespace wakepath::block
