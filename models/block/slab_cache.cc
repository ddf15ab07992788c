// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/block/slab_cache.h"

#include <algorithm>
#include <bit>

namespace wakepath::block {

namespace {

constexpr int kPage = 4096, kMostOrder = 3;  // PAGE_ALLOC_COSTLY_ORDER

int log2_of(int n) { return static_cast<int>(std::bit_width(static_cast<unsigned>(n))) - 1; }

// Of the least order that holds enough for so many CPUs and wastes at most a sixteenth, or an eighth ...
int objects_of_slab(int bytes, int cpus) {
  const int most = (kPage << kMostOrder) / bytes;
  const int enough = std::min(4 * (log2_of(cpus) + 2), most);
  for (int part = 16; part > 1; part /= 2)
    for (int whole = kPage; whole <= kPage << kMostOrder; whole *= 2)
      if (whole >= enough * bytes && whole % bytes <= whole / part) return whole / bytes;
  return most;
}

int objects_on_cpu(int bytes) { return bytes >= kPage ? 6 : bytes >= 1024 ? 24 : bytes >= 256 ? 52 : 120; }

}  // namespace

SlabCache::SlabCache(int bytes, std::vector<int> node_of_cpu)
    : objects_(objects_of_slab(bytes, static_cast<int>(node_of_cpu.size()))),
      most_on_cpu_((2 * objects_on_cpu(bytes) + objects_ - 1) / objects_),
      least_on_node_(static_cast<std::size_t>(std::clamp(log2_of(bytes) / 2, 5, 10))),
      cpus_(node_of_cpu.size()) {
  for (std::size_t i = 0; i < cpus_.size(); ++i) cpus_[i].node = node_of_cpu[i];
  nodes_.resize(static_cast<std::size_t>(*std::max_element(node_of_cpu.begin(), node_of_cpu.end())) + 1);
}

SlabCache::Slab& SlabCache::take(int cpu) {
  PerCpu& c = cpus_[static_cast<std::size_t>(cpu)];
  if (c.active == nullptr || c.active->free == 0) {
    if (c.active != nullptr) c.active->place = Slab::Place::none;
    c.active = next(c);
    c.active->place = Slab::Place::active;
  }
  --c.active->free;
  return *c.active;
}

SlabCache::Slab* SlabCache::next(PerCpu& c) {
  if (!c.list.empty()) {
    Slab* slab = c.list.back();
    c.list.pop_back();
    return slab;
  }
  Slab* slab = of_node(c);
  return slab != nullptr ? slab : make(c.node);
}

// The first of the node's list; some more of them go on the CPU's.
SlabCache::Slab* SlabCache::of_node(PerCpu& c) {
  Node& node = nodes_[static_cast<std::size_t>(c.node)];
  if (node.empty()) return nullptr;
  Slab* first = node.front();
  node.pop_front();
  for (int more = 0; more <= most_on_cpu_ / 2 && !node.empty(); ++more) {
    node.front()->place = Slab::Place::cpu_list;
    c.list.push_back(node.front());
    node.pop_front();
  }
  return first;
}

SlabCache::Slab* SlabCache::make(int node) {
  if (unused_.empty()) unused_.push_back(&slabs_.emplace_back());
  Slab* slab = unused_.back();
  unused_.pop_back();
  slab->free = objects_;
  slab->node = node;
  return slab;
}

int SlabCache::give_back(int cpu, Slab& slab) {
  ++slab.free;
  if (slab.place == Slab::Place::none) return put_on_cpu(cpus_[static_cast<std::size_t>(cpu)], slab);
  Node& node = nodes_[static_cast<std::size_t>(slab.node)];
  if (slab.place != Slab::Place::node_list || !is_too_many(slab, node)) return 0;
  node.erase(std::find(node.begin(), node.end(), &slab));
  unused_.push_back(&slab);
  return 1;
}

int SlabCache::put_on_cpu(PerCpu& c, Slab& slab) {
  int given = 0;
  if (static_cast<int>(c.list.size()) >= most_on_cpu_) {
    for (; !c.list.empty(); c.list.pop_back()) {
      Slab* old = c.list.back();
      Node& node = nodes_[static_cast<std::size_t>(old->node)];
      if (is_too_many(*old, node)) {
        unused_.push_back(old);
        ++given;
      } else {
        old->place = Slab::Place::node_list;
        node.push_back(old);
      }
    }
  }
  slab.place = Slab::Place::cpu_list;
  c.list.push_back(&slab);
  return given;
}

}  // namespace wakepath::block
