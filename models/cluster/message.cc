// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/message.h"

#include <new>
#include <utility>

namespace wakepath::cluster {

namespace {
constexpr std::align_val_t kAlign{alignof(Message)};

// Of this thread, so that nothing is shared; given back when it ends.
struct FreeMessages {
  struct Slot {
    Slot* next;
  };
  // What one thread makes another may end: no more are kept than are ever on their way.
  static constexpr std::size_t kMost = 4096;
  Slot* first = nullptr;
  std::size_t number = 0;
  FreeMessages() = default;
  FreeMessages(const FreeMessages&) = delete;
  FreeMessages& operator=(const FreeMessages&) = delete;
  ~FreeMessages() {
    while (first != nullptr) ::operator delete(std::exchange(first, first->next), kAlign);
  }
};
thread_local FreeMessages free_messages;
}  // namespace

void* Message::operator new(std::size_t bytes) {
  FreeMessages::Slot* slot = free_messages.first;
  if (slot == nullptr) return ::operator new(bytes, kAlign);
  free_messages.first = slot->next;
  --free_messages.number;
  return slot;
}

void Message::operator delete(void* freed) {
  if (free_messages.number == FreeMessages::kMost) return ::operator delete(freed, kAlign);
  free_messages.first = new (freed) FreeMessages::Slot{free_messages.first};
  ++free_messages.number;
}

}  // namespace wakepath::cluster
