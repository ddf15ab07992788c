// SPDX-License-Identifier: GPL-2.0-or-later
// The waiting entities of one fair queue in key order (CFS: vruntime, EEVDF: deadline); equal keys in order of
// insertion. Each entity is its own node: nothing is allocated.
//
// The kernel uses an augmented red-black tree; here it is a treap with the same in-order meaning and the same
// augmentation (least vruntime, least and longest slice of the subtree), because every rule depends on the order alone.
// Heap priorities come from a counter hash, so runs repeat exactly.
//
// Invariants: keys are compared as (s64)(a - b) < 0; an entity's key, vruntime and weight do not change while it is in
// here; its slice may, followed by refresh(). The running entity is never in here.
#pragma once

#include <cstdint>

namespace wakepath::sched {

struct Entity;

struct TimelineNode {
  Entity* left = nullptr;
  Entity* right = nullptr;
  Entity* up = nullptr;
  std::uint64_t key = 0;
  std::uint64_t min_vruntime = 0;  // of the subtree
  std::uint64_t min_slice = 0, max_slice = 0;
};

class Timeline {
 public:
  void insert(Entity& e, std::uint64_t key);
  void erase(Entity& e);
  void refresh(Entity& e);  // the slice of `e` changed

  [[nodiscard]] bool empty() const { return root_ == nullptr; }
  [[nodiscard]] Entity* first() const { return first_; }
  [[nodiscard]] Entity* root() const { return root_; }
  static Entity* next(const Entity& e);

 private:
  void replace_child(Entity* parent, Entity& old_child, Entity* new_child);
  void rotate_up(Entity& e);

  Entity* root_ = nullptr;
  Entity* first_ = nullptr;
  std::uint32_t inserted_ = 0;
};

}  // namespace wakepath::sched
