// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <unordered_map>

#include <simgrid/config.h>
#include <simgrid/kernel/resource/NetworkModelIntf.hpp>
#include <simgrid/s4u.hpp>
#include <xbt/config.hpp>

namespace wakepath::cluster {

namespace sg = simgrid::s4u;
using scenario::Error;

namespace {

constexpr double kRoundingSeconds = 1e-12;

Time to_ns(double seconds) { return static_cast<Time>(std::ceil((seconds - kRoundingSeconds) * 1e9)); }
double to_seconds(Time ns) { return static_cast<double>(ns) * 1e-9; }

// One line of what SimGrid says, without its own place in its source.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

struct Network::Impl {
  struct Transfer {
    sg::CommPtr comm;
    Message message;
    std::uint64_t number = 0;
    Time first_sent = 0;
  };
  struct Arrival {
    Time at;
    std::uint64_t number;
    Message message;
  };
  struct Retry {
    Time at;
    Message message;
    std::uint64_t number;
  };

  std::unique_ptr<sg::Engine> engine;
  std::vector<sg::Host*> hosts;
  std::vector<bool> on;
  double latency_factor = 1.0;
  double late = 0;       // of the transfer that is being started
  bool lifting = false;  // a host is on for that moment only
  Time window = 0, retry = 0;
  std::uint64_t next_number = 0;
  std::unordered_map<const sg::Activity*, Transfer> under_way;
  std::vector<Arrival> arrivals;
  std::deque<Retry> retries;
  std::vector<HostChange> changes;
  Counters counters;

  double latency(int from, int to) const {
    std::vector<sg::Link*> links;
    double total = 0;
    hosts[static_cast<std::size_t>(from)]->route_to(hosts[static_cast<std::size_t>(to)], links, &total);
    return total * latency_factor;
  }

  // Called by SimGrid for each transfer: by how much its route's latency is multiplied.
  double factor(const sg::Host* from, const sg::Host* to, const std::vector<sg::Link*>& links) const {
    if (late <= 0) return latency_factor;
    double total = 0;
    for (const sg::Link* l : links) total += l->get_latency();
    const double phase = total * latency_factor;
    if (phase < late)
      throw Error{"", 0,
                  fmt::format("the route from {} to {} has a latency of {:.0f} ns now, less than the coupling's window",
                              from->get_cname(), to->get_cname(), phase * 1e9),
                  "set run.window to the smallest latency that the platform's profiles give"};
    return latency_factor * (1.0 - late / phase);
  }

  void start(const Message& m, Time begin, std::uint64_t number, Time first_sent) {
    sg::Host* from = hosts[static_cast<std::size_t>(m.from)];
    sg::Host* to = hosts[static_cast<std::size_t>(m.to)];
    // SimGrid starts nothing from or to a host that is off. What was on the wire before it went off, or arrives when it
    // is back, is the fleet's to judge, at its time: a window later is too late to know.
    const bool from_off = !from->is_on(), to_off = !to->is_on();
    lifting = true;
    if (from_off) from->turn_on();
    if (to_off) to->turn_on();
    late = std::max(0.0, sg::Engine::get_clock() - to_seconds(begin));
    auto comm = sg::Comm::sendto_init(from, to);
    comm->set_payload_size(static_cast<double>(m.bytes));
    under_way[comm.get()] = {comm, m, number, first_sent};
    comm->start();
    late = 0;
    if (from_off) from->turn_off();
    if (to_off) to->turn_off();
    lifting = false;
  }
  void again(const Message& m, Time failed_at, std::uint64_t number) {
    ++counters.cut_off;
    retries.push_back({failed_at + retry, m, number});
  }

  void ended(const sg::Activity& activity) {
    const auto it = under_way.find(&activity);
    if (it == under_way.end()) return;
    const Transfer t = it->second;
    under_way.erase(it);
    const Time now = to_ns(sg::Engine::get_clock());
    if (activity.get_state() == sg::Activity::State::FINISHED) {
      arrivals.push_back({now, t.number, t.message});
    } else if (hosts[static_cast<std::size_t>(t.message.from)]->is_on()) {
      again(t.message, now, t.number);
    } else {
      ++counters.given_up;
    }
  }
};

Network::Network(const std::string& platform, const Error& named_by, const std::vector<std::string>& options,
                 const std::vector<Endpoint>& endpoints, const std::vector<std::pair<int, int>>& pairs, Time retry)
    : impl_(std::make_unique<Impl>()) {
  Impl& n = *impl_;
  std::vector<std::string> words{"wakepath", "--log=root.thresh:critical", "--log=no_loc",
                                 "--cfg=surf/precision:1e-12"};
  for (const auto& o : options) words.push_back("--cfg=" + o);
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  const auto refuse = [&](const std::string& message, const std::string& suggestion = {}) {
    Error e = named_by;
    e.message = message;
    e.suggestion = suggestion;
    throw e;
  };
  try {
    n.engine = std::make_unique<sg::Engine>(&argc, argv.data());
  } catch (const std::exception& e) {
    refuse("SimGrid: " + first_line(e.what()), "look at the simgrid options");
  }
  try {
    n.engine->load_platform(platform);
  } catch (const std::exception& e) {
    refuse("SimGrid: " + first_line(e.what()), "mend the platform");
  }
  const auto model = simgrid::config::get_value<std::string>("network/model");
  if (model != "CM02" && model != "LV08" && model != "default")
    refuse("the network model " + model + " has latencies of its own", "use CM02 or LV08");
  for (const Endpoint& e : endpoints) {
    sg::Host* h = sg::Host::by_name_or_null(e.host);
    if (h == nullptr) {
      Error bad = e.where;
      bad.message = "the platform has no host " + e.host;
      std::string known;
      for (const auto* host : n.engine->get_all_hosts()) known += (known.empty() ? "" : ", ") + host->get_name();
      bad.suggestion = "there are: " + known;
      throw bad;
    }
    n.hosts.push_back(h);
    n.on.push_back(h->is_on());
  }
  for (const sg::Link* l : n.engine->get_all_links())
    if (l->get_bandwidth() <= 0)
      refuse(fmt::format("link {} of the platform has a bandwidth of 0", l->get_name()), "give it one");
  n.latency_factor = simgrid::config::get_value<double>("network/latency-factor");
  double least = INFINITY;
  for (const auto& [from, to] : pairs) {
    double latency = 0;
    try {
      latency = n.latency(from, to);
    } catch (const std::exception& e) {
      refuse(fmt::format("SimGrid: {}", first_line(e.what())));
    }
    const auto a = n.hosts[static_cast<std::size_t>(from)], b = n.hosts[static_cast<std::size_t>(to)];
    std::vector<sg::Link*> links;
    a->route_to(b, links, static_cast<double*>(nullptr));
    if (links.empty())
      refuse(fmt::format("there is no route from {} to {}", a->get_name(), b->get_name()), "add a route");
    if (latency <= 0)
      refuse(fmt::format("the route from {} to {} has no latency", a->get_name(), b->get_name()),
             "give its links one: it is how far nodes may run ahead of each other");
    least = std::min(least, latency);
  }
  n.window = pairs.empty() ? 1'000'000 : static_cast<Time>(std::floor(least * 1e9));
  if (n.window < 1) refuse("the shortest latency is below 1 ns");
  n.retry = retry;
  n.engine->get_netzone_root()->get_network_model()->set_lat_factor_cb(
      [&n](double, const sg::Host* from, const sg::Host* to, const std::vector<sg::Link*>& links,
           const std::unordered_set<sg::NetZone*>&) { return n.factor(from, to, links); });
  sg::Activity::on_completion_cb([&n](const sg::Activity& a) { n.ended(a); });
  sg::Host::on_state_change_cb([&n](const sg::Host& h) {
    if (n.lifting) return;
    for (std::size_t i = 0; i < n.hosts.size(); ++i)
      if (n.hosts[i] == &h && n.on[i] != h.is_on()) {
        n.on[i] = h.is_on();
        n.changes.push_back({to_ns(sg::Engine::get_clock()), static_cast<int>(i), h.is_on()});
      }
  });
}

Network::~Network() = default;

Time Network::max_window() const { return impl_->window; }
const Network::Counters& Network::counters() const { return impl_->counters; }

void Network::send(const Message& m) {
  ++impl_->counters.transfers;
  impl_->counters.bytes += static_cast<std::uint64_t>(m.bytes);
  impl_->start(m, m.sent, impl_->next_number++, m.sent);
}

void Network::advance(Time until, std::vector<Message>& arrived, std::vector<HostChange>& changes) {
  Impl& n = *impl_;
  const double target = to_seconds(until) + kRoundingSeconds;
  // It may return at an event before its target when that was the last one.
  const auto run_to = [&](double t) {
    while (sg::Engine::get_clock() < t) n.engine->run_until(t);
  };
  for (;;) {  // retries within the window begin at their own time
    auto next = std::min_element(n.retries.begin(), n.retries.end(), [](const auto& a, const auto& b) {
      return a.at != b.at ? a.at < b.at : a.number < b.number;
    });
    if (next == n.retries.end() || next->at > until) break;
    const Impl::Retry r = *next;
    n.retries.erase(next);
    run_to(to_seconds(r.at));
    n.start(r.message, r.at, r.number, r.message.sent);
  }
  run_to(target);
  std::sort(n.arrivals.begin(), n.arrivals.end(),
            [](const auto& a, const auto& b) { return a.at != b.at ? a.at < b.at : a.number < b.number; });
  for (auto& a : n.arrivals) {
    a.message.arrived = a.at;
    arrived.push_back(a.message);
  }
  n.arrivals.clear();
  changes.insert(changes.end(), n.changes.begin(), n.changes.end());
  n.changes.clear();
}

}  // namespace wakepath::cluster
