// SPDX-License-Identifier: GPL-2.0-or-later
// The waiting entities of one fair queue in key order (CFS: vruntime, EEVDF: deadline); equal keys in order of
// insertion.
//
// The kernel uses an augmented red-black tree whose nodes are the entities; here it is a B+-tree with the same in-order
// meaning and the same augmentation (least vruntime of what is below), because every rule depends on the order alone.
// Among ten thousand that wait, entities are out of the caches; the tree holds what a search compares and is not.
// A queue in which one waits, the usual case, has no tree. A node that runs empty is given back; nodes are not merged.
//
// Invariants: keys and vruntimes are compared as (s64)(a - b) < 0; an entity's key, vruntime and weight do not change
// while it is in here; its slice may, followed by slice_changed(). The running entity is never in here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace wakepath::sched {

struct Entity;

class Timeline {
 public:
  Timeline();
  ~Timeline();
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  void insert(Entity& e, std::uint64_t key);
  void erase(Entity& e);
  void slice_changed(const Entity& e, std::uint64_t was);

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Entity* first() const { return first_; }
  [[nodiscard]] Entity* second() const;
  [[nodiscard]] std::uint64_t min_slice() const;  // of one that is not empty
  [[nodiscard]] std::uint64_t max_slice() const;

  // The first one whose vruntime is eligible, null if none is. With a vruntime every earlier one is eligible too.
  template <class Eligible>
  [[nodiscard]] Entity* first_eligible(const Eligible& eligible) const {
    if (size_ < 2) return size_ == 1 && eligible(vruntime_of(*first_)) ? first_ : nullptr;
    const Node* at = root_;
    for (int level = height_;; --level) {
      std::size_t i = 0;
      while (i < at->size && !eligible(at->entry[i].min_vruntime)) ++i;
      if (i == at->size) return nullptr;
      if (level == 0) {
        if (i + 1 < at->size) fetch(*at->entry[i + 1].entity);  // may well be the next one
        return at->entry[i].entity;
      }
      at = at->entry[i].below;
    }
  }

  template <class Visit>
  void for_each(Visit visit) const {
    if (size_ == 1) visit(*first_);
    if (size_ > 1) for_each(*root_, height_, visit);
  }

 private:
  static constexpr std::size_t kFanout = 16;

  struct Node;
  struct Entry {
    // Keys before it are in entries before it; nothing is said of a node's first one. Equal keys: `order` decides.
    std::uint64_t key, order;
    std::uint64_t min_vruntime;  // an entity's own
    union {
      Node* below;     // height above 0
      Entity* entity;  // height 0
    };
  };
  struct alignas(64) Node {
    std::array<Entry, kFanout> entry;
    std::size_t size = 0;

    void put(std::size_t at, const Entry& e);
    void remove(std::size_t at);
    [[nodiscard]] std::uint64_t least() const;
  };
  struct Store;  // nodes, and the slices of those that wait

  template <class Visit>
  static void for_each(const Node& n, int level, Visit& visit) {
    for (std::size_t i = 0; i < n.size; ++i) {
      if (level > 0) {
        for_each(*n.entry[i].below, level - 1, visit);
      } else {
        visit(*n.entry[i].entity);
      }
    }
  }
  static inline std::uint64_t vruntime_of(const Entity& e);
  static inline void fetch(const Entity& e);
  static Entry entry_of(Entity& e);
  void begin_tree();
  void end_tree();
  void split(Node& parent, std::size_t at);
  void erase_below(Node& n, int level, const Entity& e);

  Entity* first_ = nullptr;
  Node* root_ = nullptr;  // of the tree, if two wait or more
  std::uint32_t size_ = 0;
  int height_ = 0;
  std::uint64_t inserted_ = 0;
  std::unique_ptr<Store> store_;  // as soon as two have waited
};

}  // namespace wakepath::sched
