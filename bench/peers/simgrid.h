// SPDX-License-Identifier: GPL-2.0-or-later
// One host with one core of 1e9 flop/s, so that a flop is a nanosecond: all that the SimGrid twins need of a platform.
#pragma once

#include <simgrid/s4u.hpp>

#include <string>
#include <vector>

namespace wakepath::peers {

namespace sg = simgrid::s4u;

struct OneHost {
  OneHost() : words{"peer", "--log=root.thresh:critical", "--cfg=contexts/stack-size:64"} {
    for (auto& w : words) argv.push_back(w.data());
    argc = static_cast<int>(argv.size());
    argv.push_back(nullptr);
    engine = new sg::Engine(&argc, argv.data());  // one for the whole process
    auto* zone = sg::create_full_zone("zone");
    host = zone->create_host("host", 1e9);
    zone->seal();
  }
  std::vector<std::string> words;
  std::vector<char*> argv;
  int argc = 0;
  sg::Engine* engine = nullptr;
  sg::Host* host = nullptr;
};

}  // namespace wakepath::peers
