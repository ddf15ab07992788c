// SPDX-License-Identifier: GPL-2.0-or-later
// Programs in the words of calibration/iowq_probe, run against the model: workers created, gone and most at once must
// be those that the real kernel's tracepoints counted (tests/truth/iowq-host.jsonl).
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models/scenario/scenario_io.h"
#include "tests/unit/catch.h"
#include "tests/unit/io_wq_fixture.h"
#include "tests/unit/tree.h"

namespace io_wq_test {
namespace {

// The probe's process: one CPU, its workers kept there with it, and a ring whose requests are punted as on 6.18.
struct Host {
  static constexpr int kSqEntries = 64, kOnlineCpus = 2;
  static constexpr Time kFlush = 2 * kMs;  // an fsync with something to write; any time longer than a switch will do

  explicit Host(std::function<void(scenario::Scenario&)> change = {})
      : bench({.version = "6.18",
               .max_bound = IoWq::default_config(kSqEntries, kOnlineCpus, 96365).max_bound,
               .max_unbound = 96365,
               .submitter_first = false,
               .change = std::move(change)}) {}

  Call<void> word(KTask& t, const std::string& text) {
    const auto colon = text.find(':');
    std::string name = text.substr(0, colon);
    const bool async = name.size() > 1 && name.back() == '!';
    if (async) name.pop_back();
    const int number = colon == std::string::npos ? 0 : std::stoi(text.substr(colon + 1));
    if (text == "+") {
      link_next = true;
    } else if (name == "submit") {
      co_await submit(t);
    } else if (name == "wait") {
      waited += static_cast<std::size_t>(number);
      bench.wakes_on_completion = true;
      co_await bench.wait_for(t, [this] { return bench.done.size() >= waited; });
      bench.wakes_on_completion = false;
    } else if (name == "sleep") {
      co_await bench.pause(t, number * kMs);
    } else if (name == "release") {
      for (Gate& g : gates)
        if (!g.waiting.empty()) co_await bench.release(t, g);  // a FIFO that nobody opened yet is left alone
    } else if (name == "max") {
      bench.wq->set_max_workers(number, std::stoi(text.substr(text.rfind(':') + 1)));
    } else if (name == "dirty") {
      dirty |= 1U << number;
    } else {
      request(name, async, number);
    }
  }
  // What io_prep_async_work makes of it on 6.18, where an IOSQE_ASYNC request has no file yet.
  void request(const std::string& name, bool async, int number) {
    Item& i = bench.item(name);
    if (async) i.async();
    if (name == "open") i.wait(gates.emplace_back());
    if (name == "write") {
      dirty |= 1U << number;
      async ? i.on_unbound() : i.hash(number);
    }
    if (name == "fsync") {
      i.async();
      if ((dirty >> number & 1U) != 0) i.sleep(kFlush);
      dirty &= ~(1U << number);
    }
    if (std::exchange(link_next, false))
      batch.back()->link(i);
    else
      batch.push_back(&i);
  }
  Call<void> submit(KTask& t) {
    for (Item* i : std::exchange(batch, {})) co_await bench.wq->enqueue(t, *i);
    if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  }
  io_uring::IoWqCounters run(const std::string& program) {
    bench.run(
        [&](KTask& t, Bench&) -> Call<void> {
          std::istringstream words(program);
          std::string w;
          while (words >> w) co_await word(t, w);
          ended = true;
          bench.m.engine.stop();
        },
        60 * kSecond);
    CHECK(ended);
    return bench.wq->settle();
  }

  Bench bench;
  std::deque<Gate> gates;
  std::vector<Item*> batch;
  bool link_next = false, ended = false;
  std::size_t waited = 0;
  unsigned dirty = 0;
};

}  // namespace

TEST_CASE("workers of the real kernel, pattern by pattern", "[io_wq]") {
  std::ifstream file(wakepath::tests::source_dir() + "/tests/truth/iowq-host.jsonl");
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    const auto truth = nlohmann::json::parse(line);
    CAPTURE(truth["id"].get<std::string>(), truth["program"].get<std::string>());
    if (!truth["deterministic"].get<bool>()) continue;
    ++compared;
    Host host;
    const auto c = host.run(truth["program"]);
    CHECK(c.created() == truth["measured"]["created"]);
    CHECK(c.exited == truth["measured"]["exited"]);
    CHECK(c.peak == truth["measured"]["peak"]);
    CHECK(c.queued == truth["measured"]["queued"]);
  }
  CHECK(compared >= 12);
}

TEST_CASE("the same patterns tell the versions apart", "[io_wq]") {
  // A test of the test above: with another version's rules the counts are others.
  Host host([](scenario::Scenario& s) { s.kernel.switches->iowq_activate_must_wake = true; });
  CHECK(host.run("nop! nop! nop! nop! nop! nop! submit wait:6 sleep:20").created() == 6);
}

}  // namespace io_wq_test
