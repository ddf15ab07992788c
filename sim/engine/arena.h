// SPDX-License-Identifier: GPL-2.0-or-later
// Memory for what is made one by one at the start of a run and lives until its end, as tasks are: it lies close
// together, and where there is much of it in pages of 2 MiB. Each wakeup among ten thousand tasks finds its task out of
// the caches; with pages of 4 KiB the walk to the page costs more than the line.
//
// Nothing is given back before the end. A small run takes no more than it needs: pieces grow from 16 KiB on.
#pragma once

#include <cstddef>
#include <memory_resource>

namespace wakepath::engine {

class Arena {
 public:
  std::pmr::memory_resource& memory() { return pieces_; }

 private:
  struct LargePages final : std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t align) override;
    void do_deallocate(void* p, std::size_t bytes, std::size_t align) override;
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  };
  static constexpr std::size_t kFirstPiece = 16384;

  LargePages pages_;
  std::pmr::monotonic_buffer_resource pieces_{kFirstPiece, &pages_};
};

}  // namespace wakepath::engine
