// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/sched/timeline.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "models/sched/entity.h"
#include "sim/engine/check.h"

namespace wakepath::sched {

namespace {

constexpr const char* kNotHere = "an entity leaves a timeline in which it is not";

bool before(std::uint64_t a, std::uint64_t b) { return static_cast<std::int64_t>(a - b) < 0; }

// How many wait with which slice, in order of length. Few differ.
class Slices {
 public:
  void add(std::uint64_t slice) {
    const auto at = find(slice);
    if (at != all_.end() && at->slice == slice) {
      ++at->entities;
    } else {
      all_.insert(at, {slice, 1});
    }
  }
  void remove(std::uint64_t slice) {
    const auto at = find(slice);
    if (--at->entities == 0) all_.erase(at);
  }
  void clear() { all_.clear(); }
  [[nodiscard]] std::uint64_t least() const { return all_.front().slice; }
  [[nodiscard]] std::uint64_t most() const { return all_.back().slice; }

 private:
  struct Count {
    std::uint64_t slice;
    std::uint32_t entities;
  };
  std::vector<Count>::iterator find(std::uint64_t slice) {
    return std::lower_bound(all_.begin(), all_.end(), slice,
                            [](const Count& c, std::uint64_t s) { return c.slice < s; });
  }
  std::vector<Count> all_;
};

}  // namespace

struct Timeline::Store {
  Node& take() {
    if (spare.empty()) return *more.emplace_back(std::make_unique<Node>());
    Node& n = *spare.back();
    spare.pop_back();
    n.size = 0;
    return n;
  }
  void give_back(Node& n) { spare.push_back(&n); }

  Node first;
  std::vector<std::unique_ptr<Node>> more;
  std::vector<Node*> spare;
  Slices slices;
};

Timeline::Timeline() = default;
Timeline::~Timeline() = default;

void Timeline::Node::put(std::size_t at, const Entry& e) {
  std::copy_backward(&entry[at], entry.data() + size, entry.data() + size + 1);
  entry[at] = e;
  ++size;
}

void Timeline::Node::remove(std::size_t at) {
  std::copy(entry.data() + at + 1, entry.data() + size, &entry[at]);
  --size;
}

std::uint64_t Timeline::Node::least() const {
  std::uint64_t v = entry[0].min_vruntime;
  for (std::size_t i = 1; i < size; ++i) {
    if (before(entry[i].min_vruntime, v)) v = entry[i].min_vruntime;
  }
  return v;
}

Timeline::Entry Timeline::entry_of(Entity& e) {
  Entry out{e.queued_key, e.queued_order, e.vruntime, {}};
  out.entity = &e;
  return out;
}

void Timeline::insert(Entity& e, std::uint64_t key) {
  e.queued_key = key;
  e.queued_order = ++inserted_;
  if (size_++ == 0) {  // one waits, one runs: the usual case
    first_ = &e;
    return;
  }
  if (size_ == 2) begin_tree();
  store_->slices.add(e.slice);
  if (before(key, first_->queued_key)) first_ = &e;
  if (root_->size == kFanout) {
    Node& top = store_->take();
    top.put(0, {0, 0, root_->least(), {root_}});
    root_ = &top;
    ++height_;
    split(top, 0);
  }
  Node* at = root_;
  const auto way = [key](const Node& n) {
    std::size_t i = n.size - 1;
    while (i > 0 && before(key, n.entry[i].key)) --i;
    return i;
  };
  for (int level = height_; level > 0; --level) {
    std::size_t i = way(*at);
    if (at->entry[i].below->size == kFanout) {
      split(*at, i);
      if (!before(key, at->entry[i + 1].key)) ++i;
    }
    Entry& next = at->entry[i];
    if (before(e.vruntime, next.min_vruntime)) next.min_vruntime = e.vruntime;
    at = next.below;
  }
  const std::size_t i = way(*at);
  at->put(before(key, at->entry[i].key) ? i : i + 1, entry_of(e));
}

void Timeline::erase(Entity& e) {
  WAKEPATH_CHECK(size_ > 0, kNotHere);
  if (--size_ == 0) {
    WAKEPATH_CHECK(first_ == &e, kNotHere);
    first_ = nullptr;
    return;
  }
  if (size_ == 1 && height_ == 0) {
    const std::size_t at = root_->entry[0].entity == &e ? 0 : 1;
    WAKEPATH_CHECK(root_->entry[at].entity == &e, kNotHere);
    first_ = root_->entry[1 - at].entity;
    end_tree();
    return;
  }
  erase_below(*root_, height_, e);
  store_->slices.remove(e.slice);
  while (height_ > 0 && root_->size == 1) {
    Node& top = *root_;
    root_ = top.entry[0].below;
    --height_;
    store_->give_back(top);
  }
  if (first_ == &e) {
    const Node* at = root_;
    for (int level = height_; level > 0; --level) at = at->entry[0].below;
    first_ = at->entry[0].entity;
  }
  if (size_ == 1) end_tree();
}

void Timeline::slice_changed(const Entity& e, std::uint64_t was) {
  if (size_ < 2) return;
  store_->slices.remove(was);
  store_->slices.add(e.slice);
}

Entity* Timeline::second() const {
  if (size_ < 2) return nullptr;
  Entity* out = nullptr;
  int seen = 0;
  for_each([&](Entity& e) {
    if (++seen == 2) out = &e;
  });
  return out;
}

std::uint64_t Timeline::min_slice() const { return size_ == 1 ? first_->slice : store_->slices.least(); }
std::uint64_t Timeline::max_slice() const { return size_ == 1 ? first_->slice : store_->slices.most(); }

// The root is kept while there is no tree.
void Timeline::begin_tree() {
  if (store_ == nullptr) {
    store_ = std::make_unique<Store>();
    root_ = &store_->first;
  }
  root_->put(0, entry_of(*first_));
  store_->slices.add(first_->slice);
}

void Timeline::end_tree() {
  root_->size = 0;
  store_->slices.clear();
}

// The full node below `at` becomes two.
void Timeline::split(Node& parent, std::size_t at) {
  Node& full = *parent.entry[at].below;
  Node& upper = store_->take();
  constexpr std::size_t kKept = kFanout / 2;
  std::copy_n(&full.entry[kKept], kFanout - kKept, upper.entry.data());
  upper.size = kFanout - kKept;
  full.size = kKept;
  parent.entry[at].min_vruntime = full.least();
  parent.put(at + 1, {upper.entry[0].key, upper.entry[0].order, upper.least(), {&upper}});
}

void Timeline::erase_below(Node& n, int level, const Entity& e) {
  std::size_t i = n.size - 1;
  if (level == 0) {
    while (i > 0 && n.entry[i].entity != &e) --i;
    WAKEPATH_CHECK(n.entry[i].entity == &e, kNotHere);
  } else {
    const auto after = [&e](const Entry& x) {
      return before(e.queued_key, x.key) || (e.queued_key == x.key && e.queued_order < x.order);
    };
    while (i > 0 && after(n.entry[i])) --i;
    Entry& at = n.entry[i];
    erase_below(*at.below, level - 1, e);
    if (at.below->size > 0) {
      if (at.min_vruntime == e.vruntime) at.min_vruntime = at.below->least();
      return;
    }
    store_->give_back(*at.below);
  }
  n.remove(i);
}

}  // namespace wakepath::sched
