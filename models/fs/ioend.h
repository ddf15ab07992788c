// SPDX-License-Identifier: GPL-2.0-or-later
// Contiguous pages of one file on their way to the device (iomap_ioend, ext4_io_end), and the work that converts their
// extents. Source: fs/iomap/buffered-io.c, fs/xfs/xfs_aops.c, fs/ext4/page-io.c.
#pragma once

#include "models/fs/page_cache.h"

namespace wakepath::fs {

struct Ioend final : block::Bio {
  static constexpr std::int64_t kMost = 256;  // BIO_MAX_VECS
  explicit Ioend(PageCache& c) : cache(c) {}
  void begin(File& f, std::int64_t page, bool fresh) {
    file = &f;
    first = page;
    count = 0;
    converts = fresh;
    sector = static_cast<std::uint64_t>(f.first_sector + page * (kPageBytes / 512));
  }
  Call<void> end_io(ExecContext& ctx) override { return cache.ended(ctx, *this); }
  // folio_wait_writeback: in I/O wait until the page's writeback has ended.
  static Call<void> wait_for_page(KTask& t, File& f, std::int64_t page);

  PageCache& cache;
  File* file = nullptr;
  std::int64_t first = 0, count = 0;
  bool converts = false;
  Ioend* next = nullptr;
};

// All ioends of an inode that have ended: sorted, neighbours merged, one transaction each (xfs_end_io).
struct File::Conversion final : workqueue::Work {
  Conversion(PageCache& c, File& f) : cache(c), file(f) {}
  Call<void> function(KTask& worker) override;
  PageCache& cache;
  File& file;
};

}  // namespace wakepath::fs
