// SPDX-License-Identifier: GPL-2.0-or-later
// Direct I/Os of one file that lie side by side become one request while they are in the same plug: a bio is compared
// with the request that came into the plug last, before it gets a tag. The request ends as one; its bios then end in
// the order of their sectors.
//
// Not here: merging with what waits in an elevator or a software queue, and of the page cache's bios, which are large.
// Source: block/blk-merge.c (blk_attempt_plug_merge, blk_attempt_bio_merge, ll_new_hw_segment), 6.1 and 6.12.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "models/block/queue.h"

namespace wakepath::block {

class Merger {
 public:
  Merger(std::string_view driver, std::uint32_t max_bytes);
  bool merge(Request& rq, Bio& bio);  // false: it needs a request of its own
  // Of a bio that is a merged request's: it lies in no slab, they do.
  [[nodiscard]] static const std::vector<Bio*>& parts_of(const Bio& bio);

 private:
  struct Whole final : Bio {
    Call<void> end_io(ExecContext& ctx) override;
    Merger* merger = nullptr;
    std::vector<Bio*> parts;
  };
  Whole& whole_of(Request& rq);
  std::uint32_t max_bytes_, max_segments_;
  std::deque<Whole> all_;
  std::vector<Whole*> free_;
};

}  // namespace wakepath::block
