// SPDX-License-Identifier: GPL-2.0-or-later
// The same transfers on the same platform, through models/cluster/network and by actors of plain SimGrid.
//   network_twin PLATFORM plain|WINDOW_NS OPTION... < "sent_ns from to bytes" lines, times rising
// prints the arrival of each line's transfer, ns.
#include <simgrid/s4u.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "models/cluster/network.h"

namespace {

using namespace wakepath::cluster;
namespace sg = simgrid::s4u;

struct Line {
  Time sent;
  std::string from, to;
  std::int64_t bytes;
};

std::vector<Line> read_lines() {
  std::vector<Line> lines;
  Line l;
  while (std::cin >> l.sent >> l.from >> l.to >> l.bytes) lines.push_back(l);
  return lines;
}

void print(const std::vector<double>& ns) {
  for (const double t : ns) std::printf("%.3f\n", t);
}

void plain(const std::string& platform, const std::vector<std::string>& options, const std::vector<Line>& lines) {
  std::vector<std::string> words{"twin", "--cfg=surf/precision:1e-12", "--log=root.thresh:critical"};
  for (const auto& o : options) words.push_back("--cfg=" + o);
  std::vector<char*> argv;
  for (auto& w : words) argv.push_back(w.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  sg::Engine e(&argc, argv.data());
  e.load_platform(platform);
  std::vector<double> arrived(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i)
    sg::Actor::create("transfer", sg::Host::by_name(lines[i].from), [&, i] {
      sg::this_actor::sleep_until(static_cast<double>(lines[i].sent) * 1e-9);
      sg::Comm::sendto_async(sg::Host::by_name(lines[i].from), sg::Host::by_name(lines[i].to),
                             static_cast<std::uint64_t>(lines[i].bytes))
          ->wait();
      arrived[i] = sg::Engine::get_clock() * 1e9;
    });
  e.run();
  print(arrived);
}

void coupled(const std::string& platform, Time window, const std::vector<std::string>& options,
             const std::vector<Line>& lines) {
  std::vector<std::string> hosts;
  Network::Setup setup;
  auto& endpoints = setup.endpoints;
  const auto id = [&](const std::string& host) {
    for (std::size_t i = 0; i < hosts.size(); ++i)
      if (hosts[i] == host) return static_cast<int>(i);
    hosts.push_back(host);
    endpoints.push_back({host, {}});
    return static_cast<int>(hosts.size()) - 1;
  };
  std::vector<Message> messages;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Message m;
    m.from = id(lines[i].from), m.to = id(lines[i].to), m.bytes = lines[i].bytes, m.sent = lines[i].sent, m.record = i;
    messages.push_back(m);
    setup.pairs.emplace_back(m.from, m.to);
  }
  setup.platform = platform;
  setup.named_by = {platform, 0, {}, {}};
  setup.simgrid = options;
  setup.retry = 200'000'000;
  setup.until = 1'000'000'000;
  Network network(setup);
  if (window > network.max_window()) std::exit(3);
  network.set_window(window);
  std::vector<double> arrival(lines.size());
  std::vector<Network::HostChange> changes;
  std::size_t next = 0, seen = 0;
  for (Time now = 0; seen < lines.size();) {
    now = std::min(now + window, network.next_change(now));
    for (const auto& a : network.advance(now, changes)) arrival[a.message->record] = static_cast<double>(a.at), ++seen;
    for (; next < messages.size() && messages[next].sent <= now; ++next)
      network.send(Parcel(std::make_unique<Message>(messages[next])));
  }
  print(arrival);
  std::fflush(stdout);
  std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::vector<std::string> options(argv + 3, argv + argc);
  const auto lines = read_lines();
  if (std::string(argv[2]) == "plain")
    plain(argv[1], options, lines);
  else
    coupled(argv[1], std::atoll(argv[2]), options, lines);
}
