// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/timeline.h"

#include "models/sched/entity.h"

namespace wakepath::sched {

namespace {

bool before(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b) < 0; }

// False: it is as it was, and so is everything above.
bool recompute(Entity& e) {
  TimelineNode& n = e.node;
  std::uint64_t min_vruntime = e.vruntime, min_slice = e.slice, max_slice = e.slice;
  for (const Entity* child : {n.left, n.right}) {
    if (child == nullptr) continue;
    if (before(child->node.min_vruntime, min_vruntime)) min_vruntime = child->node.min_vruntime;
    if (child->node.min_slice < min_slice) min_slice = child->node.min_slice;
    if (child->node.max_slice > max_slice) max_slice = child->node.max_slice;
  }
  if (n.min_vruntime == min_vruntime && n.min_slice == min_slice && n.max_slice == max_slice) return false;
  n.min_vruntime = min_vruntime, n.min_slice = min_slice, n.max_slice = max_slice;
  return true;
}

void recompute_from(Entity* e) {
  while (e != nullptr && recompute(*e)) e = e->node.up;
}

std::uint32_t mix(std::uint32_t x) {
  x *= 0x9e3779b1u;
  x ^= x >> 15;
  x *= 0x85ebca77u;
  return x ^ (x >> 13);
}

}  // namespace

void Timeline::insert(Entity& e, std::uint64_t key) {
  TimelineNode& n = e.node;
  n.left = n.right = n.up = nullptr;
  n.key = key;
  e.heap = mix(++inserted_);
  n.min_vruntime = e.vruntime;
  n.min_slice = n.max_slice = e.slice;
  if (root_ == nullptr) {  // one waits, one runs: the usual case
    root_ = first_ = &e;
    return;
  }
  Entity** link = &root_;
  bool leftmost = true;
  while (*link != nullptr) {
    TimelineNode& at = (*link)->node;
    n.up = *link;
    if (before(e.vruntime, at.min_vruntime)) at.min_vruntime = e.vruntime;
    if (e.slice < at.min_slice) at.min_slice = e.slice;
    if (e.slice > at.max_slice) at.max_slice = e.slice;
    if (before(key, at.key)) {
      link = &at.left;
    } else {
      link = &at.right;
      leftmost = false;
    }
  }
  *link = &e;
  if (leftmost) first_ = &e;
  while (n.up != nullptr && n.up->heap < e.heap) {
    Entity& parent = *n.up;
    rotate_up(e);
    n.min_vruntime = parent.node.min_vruntime;  // it has under it what its parent had
    n.min_slice = parent.node.min_slice, n.max_slice = parent.node.max_slice;
    recompute(parent);
  }
}

void Timeline::erase(Entity& e) {
  TimelineNode& n = e.node;
  if (root_ == &e && n.left == nullptr && n.right == nullptr) {  // the only one
    root_ = first_ = nullptr;
    return;
  }
  if (first_ == &e) first_ = next(e);
  Entity* const above = n.up;
  while (n.left != nullptr && n.right != nullptr) rotate_up(n.left->heap > n.right->heap ? *n.left : *n.right);
  Entity* const child = n.left != nullptr ? n.left : n.right;
  Entity* const parent = n.up;
  if (child != nullptr) child->node.up = parent;
  replace_child(parent, e, child);
  n.left = n.right = n.up = nullptr;
  Entity* changed = parent;
  for (; changed != above; changed = changed->node.up) recompute(*changed);
  recompute_from(changed);
}

void Timeline::refresh(Entity& e) { recompute_from(&e); }

Entity* Timeline::next(const Entity& e) {
  if (Entity* at = e.node.right; at != nullptr) {
    while (at->node.left != nullptr) at = at->node.left;
    return at;
  }
  const Entity* from = &e;
  Entity* at = e.node.up;
  while (at != nullptr && at->node.right == from) {
    from = at;
    at = at->node.up;
  }
  return at;
}

void Timeline::replace_child(Entity* parent, Entity& old_child, Entity* new_child) {
  if (parent == nullptr) {
    root_ = new_child;
  } else if (parent->node.left == &old_child) {
    parent->node.left = new_child;
  } else {
    parent->node.right = new_child;
  }
}

// `e` takes the place of its parent, which becomes its child. What the subtrees have is left to the caller.
void Timeline::rotate_up(Entity& e) {
  TimelineNode& n = e.node;
  Entity& parent = *n.up;
  TimelineNode& p = parent.node;
  replace_child(p.up, parent, &e);
  n.up = p.up;
  p.up = &e;
  if (p.left == &e) {
    p.left = n.right;
    if (n.right != nullptr) n.right->node.up = &parent;
    n.right = &parent;
  } else {
    p.right = n.left;
    if (n.left != nullptr) n.left->node.up = &parent;
    n.left = &parent;
  }
}

}  // namespace wakepath::sched
