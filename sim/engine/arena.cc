// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/engine/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace wakepath::engine {
namespace {

constexpr std::size_t kLargePage = std::size_t{1} << 21;

// A piece that would not fill one has pages of the usual size.
std::align_val_t alignment(std::size_t bytes, std::size_t align) {
  return std::align_val_t{bytes < kLargePage ? align : std::max(align, kLargePage)};
}

}  // namespace

void* Arena::LargePages::do_allocate(std::size_t bytes, std::size_t align) {
  void* p = ::operator new(bytes, alignment(bytes, align));
#ifdef MADV_HUGEPAGE
  // A wish: a kernel that has none to give serves the piece all the same.
  if (bytes >= kLargePage) ::madvise(p, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
#endif
  return p;
}

void Arena::LargePages::do_deallocate(void* p, std::size_t bytes, std::size_t align) {
  ::operator delete(p, alignment(bytes, align));  // not by size: clang 14 has none unless told
}

}  // namespace wakepath::engine
