// SPDX-License-Identifier: GPL-2.0-or-later
// A kmem cache of SLUB, as far as it says which slabs come free and when: that of the bios, whose empty slabs RCU gives
// back (SLAB_TYPESAFE_BY_RCU), so that a device whose bios are allocated on one CPU and freed on another keeps grace
// periods going. No memory of its own; costs are not here.
//
// A CPU allocates from a slab of its own, then from those on its list, then from the node's list, then from a new one.
// A slab that has been used up is on no list until an object of it is freed; then it is on the list of the CPU that
// did. A CPU whose list is full puts all of it on the node's, which keeps few empty slabs. Source: mm/slub.c
// (___slab_alloc, get_partial_node, __slab_free, put_cpu_partial, __put_partials, set_cpu_partial, calculate_order),
// block/bio.c (create_bio_slab); 6.1 and 6.12.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace wakepath::block {

class SlabCache {
 public:
  struct Slab {
    enum class Place : std::uint8_t { none, active, cpu_list, node_list };
    int free = 0;
    Place place = Place::active;
    int node = 0;
  };

  // bytes: of an object with its alignment. node_of_cpu: by CPU.
  SlabCache(int bytes, std::vector<int> node_of_cpu);

  Slab& take(int cpu);
  // How many slabs became empty and are given back.
  int give_back(int cpu, Slab& slab);

  [[nodiscard]] int objects() const { return objects_; }          // of a slab
  [[nodiscard]] int most_on_cpu() const { return most_on_cpu_; }  // slabs on a CPU's list

 private:
  struct PerCpu {
    int node = 0;
    Slab* active = nullptr;
    std::vector<Slab*> list;  // the one that is taken next last
  };
  using Node = std::deque<Slab*>;
  Slab* next(PerCpu& c);
  Slab* of_node(PerCpu& c);
  Slab* make(int node);
  int put_on_cpu(PerCpu& c, Slab& slab);
  [[nodiscard]] bool is_too_many(const Slab& slab, const Node& n) const {
    return slab.free == objects_ && n.size() >= least_on_node_;
  }

  int objects_, most_on_cpu_;
  std::size_t least_on_node_;  // slabs that a node's list keeps though they are empty
  std::vector<PerCpu> cpus_;
  std::vector<Node> nodes_;
  std::deque<Slab> slabs_;
  std::vector<Slab*> unused_;
};

}  // namespace wakepath::block
