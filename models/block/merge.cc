// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/merge.h"

#include <utility>

namespace wakepath::block {

namespace {

constexpr std::uint32_t kPageBytes = 4096;

// NVME_MAX_SEGS; QEMU's seg_max for a ring of 256; BLK_MAX_SEGMENTS.
std::uint32_t max_segments(std::string_view driver) {
  return driver == "nvme" ? 127 : driver == "virtio_blk" ? 254 : 128;
}

// Pages of a buffer are taken for scattered.
std::uint32_t segments(const Bio& b) { return (b.bytes + kPageBytes - 1) / kPageBytes; }

bool mergeable(const Bio& b) { return b.file != nullptr && !b.flush && !b.preflush && !b.fua; }

std::uint64_t end_of(const Bio& b) { return b.sector + b.bytes / 512; }

}  // namespace

Merger::Merger(std::string_view driver, std::uint32_t max_bytes)
    : max_bytes_(max_bytes), max_segments_(max_segments(driver)) {}

bool Merger::merge(Request& rq, Bio& bio) {
  const Bio& have = *rq.bio;
  if (!mergeable(bio) || !mergeable(have) || bio.file != have.file) return false;
  if (bio.write != have.write || bio.polled != have.polled) return false;
  const bool behind = end_of(have) == bio.sector;
  if (!behind && end_of(bio) != have.sector) return false;
  if (have.bytes + bio.bytes > max_bytes_ || segments(have) + segments(bio) > max_segments_) return false;
  Whole& whole = whole_of(rq);
  if (!behind) whole.sector = bio.sector;
  whole.bytes += bio.bytes;
  whole.parts.insert(behind ? whole.parts.end() : whole.parts.begin(), &bio);
  bio.refused = false;
  bio.hctx = rq.hctx;
  return true;
}

Merger::Whole& Merger::whole_of(Request& rq) {
  if (auto* whole = dynamic_cast<Whole*>(rq.bio)) return *whole;
  if (free_.empty()) free_.push_back(&all_.emplace_back());
  Whole& whole = *free_.back();
  free_.pop_back();
  static_cast<Bio&>(whole) = *rq.bio;
  whole.slab = nullptr;
  whole.merger = this;
  whole.parts.push_back(rq.bio);
  rq.bio = &whole;
  return whole;
}

const std::vector<Bio*>& Merger::parts_of(const Bio& bio) { return dynamic_cast<const Whole&>(bio).parts; }

Call<void> Merger::Whole::end_io(ExecContext& ctx) {
  const std::vector<Bio*> ended = std::exchange(parts, {});
  const bool with_error = failed;
  merger->free_.push_back(this);
  for (Bio* b : ended) {
    b->failed = with_error;
    co_await b->end_io(ctx);
  }
}

}  // namespace wakepath::block
