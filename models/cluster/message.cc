// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/message.h"

#include <new>
#include <utility>

namespace wakepath::cluster {

namespace {
// Of this thread, so that nothing is shared; given back when it ends.
struct FreeMessages {
  struct Slot {
    Slot* next;
  };
  Slot* first = nullptr;
  FreeMessages() = default;
  FreeMessages(const FreeMessages&) = delete;
  FreeMessages& operator=(const FreeMessages&) = delete;
  ~FreeMessages() {
    while (first != nullptr) ::operator delete(std::exchange(first, first->next));
  }
};
thread_local FreeMessages free_messages;
}  // namespace

void* Message::operator new(std::size_t bytes) {
  FreeMessages::Slot* slot = free_messages.first;
  if (slot == nullptr) return ::operator new(bytes);
  free_messages.first = slot->next;
  return slot;
}

void Message::operator delete(void* freed) {
  free_messages.first = new (freed) FreeMessages::Slot{free_messages.first};
}

}  // namespace wakepath::cluster
