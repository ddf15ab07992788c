// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/solver.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include <simgrid/config.h>
#include <simgrid/kernel/resource/NetworkModelIntf.hpp>
#include <simgrid/s4u.hpp>
#include <xbt/config.hpp>

namespace wakepath::cluster {

namespace sg = simgrid::s4u;
using scenario::Error;

namespace {

constexpr std::int64_t kDiskScale = 1'000'000;
constexpr double kBackTraffic = 0.05;  // network/crosstraffic: what acknowledgements take of the way back

// One line of what SimGrid says, without its own place in its source.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

[[noreturn]] void refuse(const Error& where, const std::string& message, const std::string& suggestion = {}) {
  Error e = where;
  e.message = message;
  e.suggestion = suggestion;
  throw e;
}

}  // namespace

struct Solver::Impl {
  Error named_by;
  std::unique_ptr<sg::Engine> engine;
  std::vector<sg::Host*> hosts;
  std::vector<bool> on;
  std::vector<sg::Link*> links;
  std::unordered_map<const sg::Link*, std::size_t> link_index;
  std::vector<sg::Disk*> disks;
  double latency_factor = 1, bandwidth_factor = 1, tcp_gamma = 0, weight_s = 0;
  bool cross_traffic = false, max_min = true;
  // Of the transfer that is being started: s of latency that it has left, and how much faster than others its bytes
  // go, since SimGrid takes whole ones and it may have a part of one left.
  double phase = -1, stretch = 1;
  struct Held {
    sg::ActivityPtr activity;
    int id = 0;
  };
  std::unordered_map<const sg::Activity*, Held> held;
  std::unordered_map<int, sg::ActorPtr> operations;  // of disks

  sg::Host* host(int endpoint) const { return hosts[static_cast<std::size_t>(endpoint)]; }
  void load(const std::string& platform, const std::vector<std::string>& options);
  void read_settings();
  int add(const Endpoint& e);
};

void Solver::Impl::load(const std::string& platform, const std::vector<std::string>& options) {
  std::vector<std::string> words{"wakepath", "--log=root.thresh:critical", "--log=no_loc", "--cfg=surf/precision:1e-12",
                                 "--cfg=contexts/stack-size:256"};
  for (const auto& o : options) words.push_back("--cfg=" + o);
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  try {
    engine = std::make_unique<sg::Engine>(&argc, argv.data());
  } catch (const std::exception& e) {
    refuse(named_by, "SimGrid: " + first_line(e.what()), "look at the simgrid options");
  }
  try {
    engine->load_platform(platform);
  } catch (const std::exception& e) {
    refuse(named_by, "SimGrid: " + first_line(e.what()), "mend the platform");
  }
}

void Solver::Impl::read_settings() {
  const auto model = simgrid::config::get_value<std::string>("network/model");
  if (model != "CM02" && model != "LV08" && model != "default")
    refuse(named_by, "the network model " + model + " has latencies of its own", "use CM02 or LV08");
  latency_factor = simgrid::config::get_value<double>("network/latency-factor");
  bandwidth_factor = simgrid::config::get_value<double>("network/bandwidth-factor");
  tcp_gamma = simgrid::config::get_value<double>("network/TCP-gamma");
  cross_traffic = simgrid::config::get_value<bool>("network/crosstraffic");
  weight_s = simgrid::config::get_value<double>("network/weight-S");
  max_min = simgrid::config::get_value<std::string>("network/solver") == "maxmin" &&
            simgrid::config::get_value<int>("maxmin/concurrency-limit") <= 0;
  links = engine->get_all_links();
  std::sort(links.begin(), links.end(), [](const auto* a, const auto* b) { return a->get_name() < b->get_name(); });
  for (const sg::Link* l : links) {
    link_index.emplace(l, link_index.size());
    if (l->get_bandwidth() <= 0)
      refuse(named_by, fmt::format("link {} of the platform has a bandwidth of 0", l->get_name()), "give it one");
  }
}

int Solver::Impl::add(const Endpoint& e) {
  sg::Host* h = sg::Host::by_name_or_null(e.host);
  if (h == nullptr) {
    std::vector<std::string> known;
    for (const auto* host : engine->get_all_hosts()) known.push_back(host->get_name());
    std::sort(known.begin(), known.end());
    refuse(e.where, "the platform has no host " + e.host, fmt::format("there are: {}", fmt::join(known, ", ")));
  }
  hosts.push_back(h);
  on.push_back(h->is_on());
  return static_cast<int>(hosts.size()) - 1;
}

Solver::Solver(const std::string& platform, const Error& named_by, const std::vector<std::string>& options,
               const std::vector<Endpoint>& endpoints)
    : impl_(std::make_unique<Impl>()) {
  Impl& s = *impl_;
  s.named_by = named_by;
  s.load(platform, options);
  for (const auto& e : endpoints) s.add(e);
  s.read_settings();
  s.engine->get_netzone_root()->get_network_model()->set_lat_factor_cb([&s](double, const sg::Host*, const sg::Host*,
                                                                            const std::vector<sg::Link*>& links,
                                                                            const std::unordered_set<sg::NetZone*>&) {
    double total = 0;
    for (const sg::Link* l : links) total += l->get_latency();
    return s.phase < 0 || total <= 0 ? s.latency_factor : s.phase / total;
  });
  s.engine->get_netzone_root()->get_network_model()->set_bw_factor_cb(
      [&s](double, const sg::Host*, const sg::Host*, const std::vector<sg::Link*>&,
           const std::unordered_set<sg::NetZone*>&) { return s.bandwidth_factor * s.stretch; });
  sg::Activity::on_completion_cb([this, &s](const sg::Activity& a) {
    const auto it = s.held.find(&a);
    if (it == s.held.end()) return;
    const Impl::Held h = it->second;
    s.held.erase(it);
    on_end(h.id, a.get_state() == sg::Activity::State::FINISHED);
  });
  sg::Host::on_state_change_cb([this, &s](const sg::Host& h) {
    for (std::size_t i = 0; i < s.hosts.size(); ++i)
      if (s.hosts[i] == &h && s.on[i] != h.is_on()) {
        s.on[i] = h.is_on();
        on_host(static_cast<int>(i), h.is_on());
      }
  });
}

Solver::~Solver() = default;

std::size_t Solver::links() const { return impl_->links.size(); }

Solver::Link Solver::link(std::size_t i) const {
  const sg::Link& l = *impl_->links[i];
  using Policy = sg::Link::SharingPolicy;
  const Policy p = l.get_sharing_policy();
  return {l.get_name(), l.get_bandwidth(), l.is_on(), p != Policy::FATPIPE,
          p != Policy::WIFI && p != Policy::NONLINEAR && impl_->max_min};
}

// What NetworkCm02Model::communicate makes of it (src/kernel/resource/models/network_cm02.cpp, 3.32).
Solver::Route Solver::route(int from, int to) const {
  const Impl& s = *impl_;
  const sg::Host *a = s.host(from), *b = s.host(to);
  std::vector<sg::Link*> there, back;
  Route r;
  try {
    a->route_to(b, there, &r.latency);
    if (s.cross_traffic) b->route_to(a, back, static_cast<double*>(nullptr));
  } catch (const std::exception& e) {
    refuse(s.named_by, fmt::format("SimGrid: {}", first_line(e.what())));
  }
  if (there.empty())
    refuse(s.named_by, fmt::format("there is no route from {} to {}", a->get_name(), b->get_name()), "add a route");
  const auto use = [&](const sg::Link* l, double weight) {
    const std::size_t i = s.link_index.at(l);
    for (auto& [link, w] : r.uses)
      if (link == i) {
        w += weight;
        return;
      }
    r.uses.emplace_back(i, weight);
  };
  r.penalty = r.latency;
  for (const sg::Link* l : there) {
    use(l, 1.0);
    r.penalty += s.weight_s / l->get_bandwidth();
    r.bound = r.bound > 0 ? std::min(r.bound, l->get_bandwidth()) : l->get_bandwidth();
  }
  for (const sg::Link* l : back) use(l, kBackTraffic);
  if (s.tcp_gamma > 0 && r.latency > 0) r.bound = std::min(r.bound, s.tcp_gamma / (2.0 * r.latency));
  for (const auto& [link, weight] : r.uses) r.bound = std::min(r.bound, s.links[link]->get_bandwidth() / weight);
  r.factor = s.bandwidth_factor;
  r.latency *= s.latency_factor;
  if (r.latency <= 0)
    refuse(s.named_by, fmt::format("the route from {} to {} has no latency", a->get_name(), b->get_name()),
           "give its links one: it is how far nodes may run ahead of each other");
  return r;
}

Solver::Disk Solver::find_disk(const std::string& name, const Error& where) {
  std::vector<std::string> known;
  for (const auto* host : impl_->engine->get_all_hosts())
    for (sg::Disk* d : host->get_disks()) {
      known.push_back(d->get_name());
      if (d->get_name() != name) continue;
      const auto at = std::find(impl_->disks.begin(), impl_->disks.end(), d);
      const int index = static_cast<int>(at - impl_->disks.begin());
      if (at == impl_->disks.end()) {
        impl_->disks.push_back(d);
        const double read = d->get_read_bandwidth(), write = d->get_write_bandwidth();
        d->set_read_bandwidth(read * kDiskScale);
        d->set_write_bandwidth(write * kDiskScale);
        d->set_readwrite_bandwidth(std::max(read, write) * kDiskScale);
      }
      return {index, host->get_name()};
    }
  std::sort(known.begin(), known.end());
  refuse(where, "the platform has no disk " + name,
         known.empty() ? "give one of its hosts a <disk>" : fmt::format("there are: {}", fmt::join(known, ", ")));
}

int Solver::add_endpoint(const Endpoint& e) { return impl_->add(e); }
double Solver::now() const { return sg::Engine::get_clock(); }

void Solver::run_to(double seconds) {
  // It may return at an event before its target when that was the last one.
  while (sg::Engine::get_clock() < seconds) impl_->engine->run_until(seconds);
}

void Solver::start(int id, int from, int to, double bytes, double latency) {
  Impl& s = *impl_;
  s.phase = latency;
  auto comm = sg::Comm::sendto_init(s.host(from), s.host(to));
  const auto whole = static_cast<std::uint64_t>(bytes) + 1;
  s.stretch = static_cast<double>(whole) / bytes;
  comm->set_payload_size(whole);
  s.held[comm.get()] = {comm, id};
  comm->start();
  s.phase = -1;
  s.stretch = 1;
}

// In an actor of its own: SimGrid never forgets an operation that its main context has started.
void Solver::start_io(int id, int disk, std::int64_t bytes, bool write) {
  Impl& s = *impl_;
  sg::Disk* d = s.disks[static_cast<std::size_t>(disk)];
  const auto scaled = static_cast<sg_size_t>(bytes * kDiskScale);
  s.operations[id] = sg::Actor::create("operation", d->get_host(), [this, &s, d, id, scaled, write] {
    write ? d->write(scaled) : d->read(scaled);
    s.operations.erase(id);
    on_end(id, true);
  });
}

void Solver::cancel(int id) {
  if (const auto it = impl_->operations.find(id); it != impl_->operations.end()) {
    it->second->kill();
    impl_->operations.erase(it);
    return;
  }
  for (const auto& [activity, h] : impl_->held)
    if (h.id == id) {
      const sg::ActivityPtr kept = h.activity;  // it ends on the way
      kept->cancel();
      break;
    }
  std::erase_if(impl_->held, [&](const auto& h) { return h.second.id == id; });
}

bool Solver::is_on(int endpoint) const { return impl_->on[static_cast<std::size_t>(endpoint)]; }

}  // namespace wakepath::cluster
