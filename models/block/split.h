// SPDX-License-Identifier: GPL-2.0-or-later
// A bio larger than the device takes in one request: pieces of the largest size are split off its front and submitted
// in order, each a request of its own, and it ends when the last of them has. Source: block/blk-merge.c
// (bio_submit_split), block/bio.c (bio_chain), 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "models/block/queue.h"

namespace wakepath::block {

class Splitter {
 public:
  Splitter(Queue& q, std::uint32_t max_bytes) : queue_(q), max_bytes_(max_bytes) {}
  Call<void> submit(KTask& t, Bio& bio, Plug* plug);

 private:
  struct Piece final : Bio {
    Call<void> end_io(ExecContext& ctx) override;
    Splitter* splitter = nullptr;
    Piece* first = nullptr;  // holds the count
    Bio* whole = nullptr;
    int left = 0;  // pieces that have not ended
  };
  Piece& take();
  Queue& queue_;
  std::uint32_t max_bytes_;
  std::deque<Piece> all_;
  std::vector<Piece*> free_;
};

}  // namespace wakepath::block
