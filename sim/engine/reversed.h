// SPDX-License-Identifier: GPL-2.0-or-later
// A list by a member that points to the next, the other way round: llist_reverse_order of the kernel's lists of
// requests.
#pragma once

#include <utility>

namespace wakepath::engine {

template <auto Next, class T>
[[nodiscard]] T* reversed(T* list) {
  T* out = nullptr;
  while (list != nullptr) {
    T* const next = std::exchange(list->*Next, out);
    out = list;
    list = next;
  }
  return out;
}

}  // namespace wakepath::engine
