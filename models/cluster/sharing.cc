// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/sharing.h"

#include <algorithm>
#include <limits>

namespace wakepath::cluster {

namespace {
constexpr double kNone = std::numeric_limits<double>::infinity();
}  // namespace

void Sharing::set_link(std::size_t link, double capacity, bool shared) {
  if (links_.size() <= link) links_.resize(link + 1);
  links_[link].capacity = capacity;
  links_[link].whole = static_cast<std::int64_t>(capacity + 1);
  links_[link].shared = shared;
}

// May it be that somebody has less than his bound because of it?
bool Sharing::holds_back(const Link& l) const {
  if (l.shared) return l.asked > l.whole;
  const auto penalty = [&](const Link::On& on) { return flows_[static_cast<std::size_t>(on.flow)].penalty; };
  return std::any_of(l.flows.begin(), l.flows.end(),
                     [&](const auto& on) { return penalty(on) != penalty(l.flows[0]); });
}

bool Sharing::has_all(const Demand& d) const {
  return std::all_of(d.uses.begin(), d.uses.end(), [&](const Use& u) {
    const Link& l = links_[u.link];
    return l.flows.empty() && (!l.shared || asks(d.bound, u) <= l.whole);
  });
}

void Sharing::join(int flow, const Demand& d, std::vector<int>& changed) {
  if (flows_.size() <= static_cast<std::size_t>(flow)) flows_.resize(static_cast<std::size_t>(flow) + 1);
  Flow& f = at(flow);
  f = {&d.uses, d.bound, d.penalty};
  for (const Use& u : *f.uses) {
    Link& l = links_[u.link];
    l.asked += asks(f.bound, u);
    l.flows.push_back({flow, u.weight});
    if (holds_back(l)) reach(u.link);
  }
  if (!reached_.empty()) return share(changed);
  f.rate = f.bound;
  changed.push_back(flow);
}

void Sharing::leave(int flow, std::vector<int>& changed) {
  Flow& f = at(flow);
  for (const Use& u : *f.uses) {
    Link& l = links_[u.link];
    if (holds_back(l)) reach(u.link);
    l.asked -= asks(f.bound, u);
    std::erase_if(l.flows, [&](const Link::On& on) { return on.flow == flow; });
  }
  if (!reached_.empty()) share(changed);
}

void Sharing::share_all(std::vector<int>& changed) {
  for (std::size_t i = 0; i < links_.size(); ++i)
    if (!links_[i].flows.empty()) reach(i);
  share(changed);
}

void Sharing::reach(std::size_t link) {
  if (links_[link].seen == round_ + 1) return;
  links_[link].seen = round_ + 1;
  reached_.push_back(link);
}

// From the links that are reached to all that they are connected with.
void Sharing::share(std::vector<int>& changed) {
  members_.clear();
  for (std::size_t i = 0; i < reached_.size(); ++i)
    for (const auto& [flow, weight] : links_[reached_[i]].flows) {
      Flow& f = at(flow);
      if (f.seen == round_ + 1) continue;
      f.seen = round_ + 1;
      f.found = false;
      members_.push_back(flow);
      for (const Use& u : *f.uses)
        if (holds_back(links_[u.link])) {
          reach(u.link);
          met_ += !f.met;
          f.met = true;
        }
    }
  ++round_;
  fill();
  reached_.clear();
  for (const int flow : members_) {
    Flow& f = at(flow);
    if (f.share == f.rate) continue;
    f.rate = f.share;
    changed.push_back(flow);
  }
}

// Level by level: the lowest at which a link is full, or a flow at its bound.
void Sharing::fill() {
  for (const std::size_t i : reached_) links_[i].left = links_[i].capacity;
  for (std::size_t open = members_.size(); open > 0;) {
    double level = kNone;
    for (const std::size_t i : reached_) level = std::min(level, links_[i].level = level_of(links_[i]));
    for (const int flow : members_)
      if (const Flow& f = at(flow); !f.found) level = std::min(level, f.bound * f.penalty);
    const auto full = [&](const Use& u) { return links_[u.link].seen == round_ && links_[u.link].level <= level; };
    for (const int flow : members_) {
      Flow& f = at(flow);
      if (f.found) continue;
      if (f.bound * f.penalty <= level)
        f.share = f.bound;
      else if (std::any_of(f.uses->begin(), f.uses->end(), full))
        f.share = level / f.penalty;
      else
        continue;
      f.found = true;
      --open;
      for (const Use& u : *f.uses)
        if (links_[u.link].shared) links_[u.link].left -= f.share * u.weight;
    }
  }
}

double Sharing::level_of(const Link& l) const {
  double usage = 0;  // of one unit of it
  for (const auto& [flow, weight] : l.flows) {
    const Flow& f = flows_[static_cast<std::size_t>(flow)];
    if (!f.found) usage = l.shared ? usage + weight / f.penalty : std::max(usage, weight / f.penalty);
  }
  return usage > 0 ? std::max(0.0, l.left) / usage : kNone;
}

}  // namespace wakepath::cluster
