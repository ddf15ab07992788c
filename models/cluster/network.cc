// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <queue>

#include "models/cluster/change_dates.h"
#include "models/cluster/message.h"
#include "models/cluster/sharing.h"

namespace wakepath::cluster {

using scenario::Error;

namespace {
using Ps = std::int64_t;
constexpr Ps kPsPerNs = 1000;
constexpr Ps kNever = std::numeric_limits<Ps>::max();
// What begins at the solver's present time does so this much later, and ends are taken back by it: SimGrid weighs a
// transfer without any latency as it weighs no other.
constexpr Ps kLatePs = 2;
// So all that ends by a ns has ended when the solver has run this much further.
constexpr double kSettledSeconds = 3.5e-12;
// So many transfers before it begins one is asked for: the nodes were at work since it was written.
constexpr std::ptrdiff_t kAhead = 3;
// No transfer begins that soon after a ns: latencies are taken to ten ps.
constexpr Ps kLatencyGrain = 10;

Ps to_ps(double seconds) { return static_cast<Ps>(seconds * 1e12 + 0.5); }
double to_seconds(Ps t) { return static_cast<double>(t) * 1e-12; }
Time to_ns(Ps t) { return (t + kPsPerNs - 1) / kPsPerNs; }
// An end 1 ps after a ns is a rounding error after it.
Ps without_error(Ps t) { return t % kPsPerNs == 1 ? t - 1 : t; }
// kNever: until a link has some bandwidth again.
Ps end_of(Ps now, double bytes, double bytes_per_s) {
  return bytes_per_s > 0 ? without_error(now + to_ps(bytes / bytes_per_s)) : kNever;
}

struct Route {
  Sharing::Demand demand;
  Ps latency = 0;
  double factor = 1;  // bytes/s of one unit of the demand's rate
};

// moving: it takes bandwidth, as Sharing says; solver: as SimGrid's solver says.
enum class Phase : std::uint8_t { none, retry, latency, moving, solver, disk };

struct Transfer {
  Parcel parcel;
  Phase phase = Phase::none;
  Route* route = nullptr;
  std::uint64_t number = 0;  // of this use of the slot
  Time launched = 0;
  // Moving: what was left at `since`, and when it ends as things are.
  Ps since = 0, end = 0;
  double left = 0, bytes_per_s = 0;
};

struct Due {
  Ps at;
  Time sent;
  std::uint64_t number;
  int from, slot;
  bool operator<(const Due& o) const {
    if (at != o.at) return at < o.at;
    if (sent != o.sent) return sent < o.sent;
    return from != o.from ? from < o.from : number < o.number;
  }
  bool operator>(const Due& o) const { return o < *this; }
};

// The earliest first. For the few: ends change with every transfer that comes between.
class Heap {
 public:
  [[nodiscard]] Ps next_at() const { return due_.empty() ? kNever : due_.top().at; }
  void push(const Due& d) { due_.push(d); }
  Due take() {
    const Due d = due_.top();
    due_.pop();
    return d;
  }

 private:
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

// For the many that are put in at a time, a window's transfers by sender: sorted once, when the first is asked for.
class Agenda {
 public:
  [[nodiscard]] Ps next_at() {
    if (sorted_ < std::ssize(due_)) sort();
    return next_ < sorted_ ? due_[static_cast<std::size_t>(next_)].at : kNever;
  }
  void push(const Due& d) { due_.push_back(d); }
  Due take() { return due_[static_cast<std::size_t>(next_++)]; }
  // The slot of the one that comes so many later; negative: there is none.
  [[nodiscard]] int slot_after(std::ptrdiff_t ahead) const {
    return next_ + ahead < sorted_ ? due_[static_cast<std::size_t>(next_ + ahead)].slot : -1;
  }

 private:
  void sort() {
    const auto added = due_.erase(due_.begin(), due_.begin() + next_) + (sorted_ - next_);
    if (due_.end() - added > kFew) scatter(added);
    std::sort(added, due_.end());
    std::inplace_merge(due_.begin(), added, due_.end());
    next_ = 0;
    sorted_ = std::ssize(due_);
  }
  // By time, roughly, as they lie evenly in a window: what is left to sort are neighbours.
  void scatter(std::vector<Due>::iterator first) {
    const auto [least, most] = std::minmax_element(first, due_.end(), [](auto& a, auto& b) { return a.at < b.at; });
    const Ps from = least->at;
    const int shift =
        std::max(0, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(most->at - from))) - kBinBits);
    const auto bin = [&](const Due& d) { return static_cast<std::size_t>((d.at - from) >> shift); };
    std::array<std::uint32_t, (1 << kBinBits) + 1> place{};
    for (auto d = first; d != due_.end(); ++d) ++place[bin(*d) + 1];
    std::partial_sum(place.begin(), place.end(), place.begin());
    scattered_.resize(static_cast<std::size_t>(due_.end() - first));
    for (auto d = first; d != due_.end(); ++d) scattered_[place[bin(*d)]++] = *d;
    std::copy(scattered_.begin(), scattered_.end(), first);
  }
  static constexpr std::ptrdiff_t kFew = 24;
  static constexpr int kBinBits = 7;
  std::vector<Due> due_, scattered_;
  std::ptrdiff_t next_ = 0, sorted_ = 0;  // those before are taken; are in order
};

}  // namespace

struct Network::Impl {
  explicit Impl(const Setup& setup)
      : solver(setup.platform, setup.named_by, setup.simgrid, setup.endpoints), named_by(setup.named_by) {}

  Solver solver;
  Error named_by;
  std::size_t endpoints = 0;
  std::vector<bool> link_on;
  bool plain = true;  // links that Sharing knows the rules of; SimGrid's solver has all transfers otherwise
  Sharing sharing;
  std::vector<int> changed;                    // transfers, by it
  std::vector<std::unique_ptr<Route>> routes;  // by pair of endpoints
  std::vector<Transfer> transfers;
  std::vector<int> free_slots;
  Heap ends, retries;
  Agenda begins;
  std::vector<Ps> dates;
  std::size_t next_date = 0;
  int in_solver = 0;
  bool any_off = false;  // of links and hosts
  Time window = 0, retry = 0;
  std::uint64_t next_number = 0;
  std::vector<Arrived> arrivals;
  std::vector<HostChange> changes;
  struct RemoteDisk {
    int solver_index, endpoint;
  };
  std::vector<RemoteDisk> disks;
  Counters counters;

  Transfer& at(int slot) { return transfers[static_cast<std::size_t>(slot)]; }
  Route& route(int from, int to) {
    return *routes[static_cast<std::size_t>(from) * endpoints + static_cast<std::size_t>(to)];
  }
  Due due(int slot, Ps when) {
    const Transfer& t = at(slot);
    return {when, t.parcel.sent, t.number, t.parcel.from, slot};
  }
  bool is_due(const Due& d, Phase phase) { return at(d.slot).number == d.number && at(d.slot).phase == phase; }

  void renew(int from, int to);
  void read_links();
  void launch(int slot);
  void begin(int slot, Ps now, Ps until);
  [[nodiscard]] bool is_undisturbed(const Route& r, Ps end, Ps until);
  void pace(Ps now);
  void give_to_solver(int slot, Ps now);
  void arrive(int slot, Ps now);
  void reply(int slot, Ps now);
  void ended(int slot, bool finished);
  void cut(int slot, Ps now);
  void release(int slot);
  void change(Ps now);
  [[nodiscard]] bool breaks(const Transfer& t) const;
  void step(Ps until);
  [[nodiscard]] Ps next_date_before(Ps until) const;
  bool step_once(Ps until);
};

// What SimGrid says of the route now.
void Network::Impl::renew(int from, int to) {
  const Solver::Route s = solver.route(from, to);
  auto& slot = routes[static_cast<std::size_t>(from) * endpoints + static_cast<std::size_t>(to)];
  if (slot == nullptr) slot = std::make_unique<Route>();
  Route& r = *slot;
  r.latency = to_ps(s.latency) / kLatencyGrain * kLatencyGrain;
  r.factor = s.factor;
  r.demand.bound = s.bound, r.demand.penalty = s.penalty;
  r.demand.uses.clear();
  for (const auto& [link, weight] : s.uses) {
    r.demand.uses.push_back({link, weight});
    plain = plain && solver.link(link).plain;
  }
  if (r.latency >= window * kPsPerNs) return;
  Error e = named_by;
  e.message = fmt::format("a route of the platform has a latency of {} ns at {:.6f} s, less than the coupling's window",
                          r.latency / kPsPerNs, solver.now());
  e.suggestion = "set run.window to the smallest latency that the platform's profiles give";
  throw e;
}

void Network::Impl::read_links() {
  link_on.resize(solver.links());
  any_off = false;
  for (std::size_t i = 0; i < endpoints; ++i) any_off = any_off || !solver.is_on(static_cast<int>(i));
  for (std::size_t i = 0; i < link_on.size(); ++i) {
    const Solver::Link l = solver.link(i);
    sharing.set_link(i, l.bandwidth, l.shared);
    link_on[i] = l.on;
    any_off = any_off || !l.on;
  }
}

// On its way at its message's time.
void Network::Impl::launch(int slot) {
  Transfer& t = at(slot);
  const Ps now = t.launched * kPsPerNs;
  t.number = next_number++;
  t.route = &route(t.parcel.from, t.parcel.to);
  t.phase = Phase::latency;
  if (any_off && breaks(t)) return cut(slot, now);
  begins.push(due(slot, now + t.route->latency));
}

bool Network::Impl::breaks(const Transfer& t) const {
  const auto& uses = t.route->demand.uses;
  return !solver.is_on(t.parcel.from) || !solver.is_on(t.parcel.to) ||
         std::any_of(uses.begin(), uses.end(), [&](const Sharing::Use& u) { return !link_on[u.link]; });
}

// Its latency is paid: from now on it takes bandwidth.
void Network::Impl::begin(int slot, Ps now, Ps until) {
  if (!plain) return give_to_solver(slot, now);
  Transfer& t = at(slot);
  t.left = static_cast<double>(t.parcel.bytes);
  const Ps end = end_of(now, t.left, t.route->demand.bound * t.route->factor);
  if (is_undisturbed(*t.route, end, until)) return arrive(slot, end);
  t.phase = Phase::moving;
  t.since = now;
  t.bytes_per_s = 0;
  sharing.join(slot, t.route->demand, changed);
  pace(now);
}

// Nobody is on its links, and nothing happens before it is through.
bool Network::Impl::is_undisturbed(const Route& r, Ps end, Ps until) {
  return end <= until && end < ends.next_at() && end <= begins.next_at() && end <= retries.next_at() &&
         end <= next_date_before(until) && sharing.has_all(r.demand);
}

// Those whose rates are others from now on.
void Network::Impl::pace(Ps now) {
  for (const int slot : changed) {
    Transfer& t = at(slot);
    if (t.phase != Phase::moving) continue;  // it has been cut off
    t.left = std::max(0.0, t.left - to_seconds(now - t.since) * t.bytes_per_s);
    t.since = now;
    t.bytes_per_s = sharing.rate(slot) * t.route->factor;
    t.end = end_of(now, t.left, t.bytes_per_s);
    if (t.end != kNever) ends.push(due(slot, t.end));
  }
  changed.clear();
}

void Network::Impl::give_to_solver(int slot, Ps now) {
  const Parcel& p = at(slot).parcel;
  ++counters.shared;
  ++in_solver;
  at(slot).phase = Phase::solver;
  solver.run_to(to_seconds(now));
  solver.start(slot, p.from, p.to, static_cast<double>(p.bytes),
               std::max(to_seconds(now) - solver.now(), to_seconds(kLatePs)));
}

// All of it is through.
void Network::Impl::arrive(int slot, Ps now) {
  Transfer& t = at(slot);
  Parcel& p = t.parcel;
  if (p.kind != Kind::disk_request) {
    arrivals.push_back({to_ns(now), p.sent, p.from, p.to, t.number, std::move(p.message)});
    return release(slot);
  }
  const Message& m = *p.message;
  if (m.data == 0) return reply(slot, now);
  ++counters.disk_operations;
  ++in_solver;
  t.phase = Phase::disk;
  solver.run_to(to_seconds(now));
  solver.start_io(slot, disks[static_cast<std::size_t>(m.index)].solver_index, m.data, m.write);
}

void Network::Impl::reply(int slot, Ps now) {
  Parcel& p = at(slot).parcel;
  Message& m = *p.message;
  p.kind = m.kind = Kind::disk_reply;
  std::swap(p.from, p.to);
  at(slot).launched = p.sent = to_ns(now);
  p.bytes = kSmallMessage + (m.write ? 0 : m.data);
  launch(slot);
}

// Called by SimGrid.
void Network::Impl::ended(int slot, bool finished) {
  Transfer& t = at(slot);
  --in_solver;
  const Ps now = without_error(to_ps(solver.now()) - kLatePs);
  if (t.phase == Phase::disk) return finished ? reply(slot, now) : cut(slot, now);
  t.phase = Phase::none;
  if (finished)
    arrive(slot, now);
  else
    cut(slot, now);
}

// A link that is off, or one of its hosts.
void Network::Impl::cut(int slot, Ps now) {
  Transfer& t = at(slot);
  const Parcel& p = t.parcel;
  const bool of_disk = p.kind == Kind::disk_request || p.kind == Kind::disk_reply;
  const bool from_on = solver.is_on(p.from), to_on = solver.is_on(p.to);
  const bool again = of_disk ? (p.kind == Kind::disk_request ? from_on : to_on) : from_on && to_on;
  ++(again ? counters.cut_off : counters.given_up);
  if (!again) return release(slot);
  t.phase = Phase::retry;
  retries.push(due(slot, to_ns(now) * kPsPerNs + retry * kPsPerNs));
}

void Network::Impl::release(int slot) {
  at(slot).parcel.message.reset();
  at(slot).phase = Phase::none;
  free_slots.push_back(slot);
}

// A date of a profile. What has gone off cuts what is on its way; what is left goes on as things are now.
void Network::Impl::change(Ps now) {
  solver.run_to(to_seconds(now + kLatePs));
  read_links();
  for (std::size_t i = 0; i < routes.size(); ++i)
    if (routes[i] != nullptr) renew(static_cast<int>(i / endpoints), static_cast<int>(i % endpoints));
  std::vector<int> broken;
  for (std::size_t i = 0; i < transfers.size(); ++i) {
    const Transfer& t = transfers[i];
    if (t.phase == Phase::none || t.phase == Phase::retry) continue;
    if (breaks(t)) broken.push_back(static_cast<int>(i));
    if (t.phase == Phase::moving) sharing.set_penalty(static_cast<int>(i), t.route->demand.penalty);
  }
  std::sort(broken.begin(), broken.end(), [&](int a, int b) { return due(a, now) < due(b, now); });
  for (const int slot : broken) {
    if (const Phase p = at(slot).phase; p == Phase::moving) {
      sharing.leave(slot, changed);
    } else if (p != Phase::latency) {
      solver.cancel(slot);
      if (at(slot).phase != p) continue;  // SimGrid has told of it
      --in_solver;
    }
    cut(slot, now);
  }
  sharing.share_all(changed);
  pace(now);
}

// A change at the very end is the next window's: what was sent by then is not known yet.
Ps Network::Impl::next_date_before(Ps until) const {
  return next_date < dates.size() && dates[next_date] < until ? dates[next_date] : kNever;
}

// The next thing up to `until`; false: there is none.
bool Network::Impl::step_once(Ps until) {
  const Ps date = next_date_before(until);
  const Ps next = std::min({ends.next_at(), begins.next_at(), retries.next_at(), date});
  if (next > until || next == kNever) return false;
  if (next == ends.next_at()) {
    const Due d = ends.take();
    if (!is_due(d, Phase::moving) || at(d.slot).end != d.at) return true;  // its rate has changed since
    sharing.leave(d.slot, changed);
    pace(d.at);
    arrive(d.slot, d.at);
  } else if (next == date) {
    ++next_date;
    change(date);
  } else if (next == retries.next_at()) {
    const Due d = retries.take();
    if (!is_due(d, Phase::retry)) return true;
    at(d.slot).launched = d.at / kPsPerNs;
    launch(d.slot);
  } else {
    const Due d = begins.take();
    if (const int slot = begins.slot_after(kAhead); slot >= 0) prefetch_lines<2>(&at(slot));
    if (is_due(d, Phase::latency)) begin(d.slot, d.at, until);
  }
  return true;
}

void Network::Impl::step(Ps until) {
  while (step_once(until)) {
  }
  if (in_solver > 0) solver.run_to(to_seconds(until) + kSettledSeconds);
}

Network::Network(const Setup& setup) {
  // Before SimGrid is started here: the child starts one of its own.
  std::vector<std::string> hosts;
  for (const auto& e : setup.endpoints) hosts.push_back(e.host);
  const auto dates = change_dates(setup.platform, hosts, setup.pairs, static_cast<double>(setup.until) * 1e-9);

  std::vector<Endpoint> endpoints = setup.endpoints;
  impl_ = std::make_unique<Impl>(setup);
  Impl& n = *impl_;
  n.dates = dates;
  n.retry = setup.retry;
  n.endpoints = setup.endpoints.size() + setup.disks.size();
  auto pairs = setup.pairs;
  for (const Disk& d : setup.disks) {
    const Solver::Disk found = n.solver.find_disk(d.name, d.where);
    const int endpoint = n.solver.add_endpoint({found.host, d.where});
    n.disks.push_back({found.index, endpoint});
    pairs.emplace_back(d.node, endpoint);
    pairs.emplace_back(endpoint, d.node);
  }
  n.routes.resize(n.endpoints * n.endpoints);
  n.read_links();
  Ps least = kNever;
  for (const auto& [from, to] : pairs) {
    n.renew(from, to);
    least = std::min(least, n.route(from, to).latency);
  }
  n.window = pairs.empty() ? 1'000'000 : least / kPsPerNs;
  if (n.window < 1) {
    n.named_by.message = "the shortest latency is below 1 ns";
    throw n.named_by;
  }
  n.solver.on_end = [&n](int slot, bool finished) { n.ended(slot, finished); };
  n.solver.on_host = [&n](int endpoint, bool up) { n.changes.push_back({to_ns(to_ps(n.solver.now())), endpoint, up}); };
}

Network::~Network() = default;

Time Network::max_window() const { return impl_->window; }

Network::Counters Network::counters() const {
  Counters c = impl_->counters;
  c.shared += impl_->sharing.met();
  return c;
}

Time Network::next_change(Time now) const {
  for (std::size_t i = impl_->next_date; i < impl_->dates.size(); ++i)
    if (const Time before = (impl_->dates[i] - kLatencyGrain) / kPsPerNs; before > now) return before;
  return std::numeric_limits<Time>::max();
}

void Network::set_window(Time window) { impl_->window = window; }

void Network::send(Parcel&& p) {
  Impl& n = *impl_;
  if (n.free_slots.empty()) {
    n.free_slots.push_back(static_cast<int>(n.transfers.size()));
    n.transfers.emplace_back();
  }
  const int slot = n.free_slots.back();
  n.free_slots.pop_back();
  if (p.kind == Kind::disk_request) p.to = n.disks[static_cast<std::size_t>(p.message->index)].endpoint;
  ++n.counters.transfers;
  n.counters.bytes += static_cast<std::uint64_t>(p.bytes);
  Transfer& t = n.at(slot);
  t.launched = p.sent;
  t.parcel = std::move(p);
  n.launch(slot);
}

std::span<Network::Arrived> Network::advance(Time until, std::vector<HostChange>& changes) {
  Impl& n = *impl_;
  n.arrivals.clear();
  n.step(until * kPsPerNs);
  if (!std::is_sorted(n.arrivals.begin(), n.arrivals.end())) std::sort(n.arrivals.begin(), n.arrivals.end());
  changes.insert(changes.end(), n.changes.begin(), n.changes.end());
  n.changes.clear();
  return n.arrivals;
}

}  // namespace wakepath::cluster
