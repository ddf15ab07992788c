// SPDX-License-Identifier: GPL-2.0-or-later
// Random damage to real traces: the reader and the analyses never crash, never hang, and account for every line.
#include <cstdint>

#include "sim/analysis/analyze.h"
#include "sim/trace/ftrace_writer.h"
#include "sim/trace/input.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

#include <nlohmann/json.hpp>

using namespace wakepath;

namespace {

struct Dice {  // xorshift64*: the same damage on every machine
  std::uint64_t state;
  std::uint64_t next() {
    state ^= state >> 12U;
    state ^= state << 25U;
    state ^= state >> 27U;
    return state * 2685821657736338717ULL;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
};

std::string head_of(const std::string& path, std::size_t size) {
  auto in = trace::Input::open(path);
  REQUIRE(in);
  std::string out(size, '\0');
  std::size_t got = 0;
  while (got < size) {
    const auto n = (*in)->read(out.data() + got, size - got);
    REQUIRE(n);
    if (*n == 0) break;
    got += *n;
  }
  out.resize(got);
  return out;
}

std::string damage(std::string text, Dice& dice) {
  const std::size_t times = 1 + dice.below(60);
  for (std::size_t i = 0; i < times && text.size() > 100; ++i) {
    const std::size_t at = dice.below(text.size() - 50);
    const std::size_t size = 1 + dice.below(40);
    switch (dice.below(6)) {
      case 0:
        text[at] = static_cast<char>(dice.below(255) + 1);
        break;
      case 1:
        text.erase(at, size);
        break;
      case 2:
        text.insert(at, text.substr(dice.below(text.size() - 50), size));
        break;
      case 3:
        text.insert(at, "99999999999999999999");
        break;
      case 4:
        text.insert(at, std::string(1, "[]():=+->#\n"[dice.below(11)]));
        break;
      default:
        text.resize(std::max<std::size_t>(text.size() - dice.below(200), 60));
    }
  }
  return text;
}

}  // namespace

TEST_CASE("fuzz: damaged text") {
  const tests::TemporaryFolder folder;
  for (const std::string& name : tests::all_data_traces()) {
    const std::string good = head_of(tests::data_trace(name), 16000);
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      CAPTURE(name, seed);
      Dice dice{seed * 7919};
      const std::string path = folder.write("damaged.txt", damage(good, dice));
      trace::StringPool pool;
      auto reader = trace::Reader::open(path, pool, {seed % 2 == 0});
      REQUIRE(reader);
      analysis::Analyzer analyzer(pool);
      std::string out;
      trace::Event e;
      for (;;) {
        const auto more = reader->next(e);
        REQUIRE(more);
        if (!*more) break;
        analyzer.on_event(e);
        out.clear();
        trace::append_ftrace_line(out, e, pool);
      }
      const trace::Report& r = reader->report();
      std::int64_t blank = 0;
      const std::string text = tests::slurp(path);
      for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (text.find_first_not_of(" \t\r", at) >= end) ++blank;
        if (end == text.size()) break;
      }
      CHECK(r.lines == r.records + r.header_lines + r.call_chain_lines + r.bad_lines + blank);
      CHECK_FALSE(analyzer.json().dump().empty());
    }
  }
}

TEST_CASE("fuzz: names that are no text still give JSON") {
  trace::StringPool pool;
  std::string text;
  for (int i = 0; i < 40; ++i) {
    const std::string a = "\xff\xfe", b = "\x80 b";
    const std::string& prev = i % 2 == 0 ? a : b;
    const std::string& next = i % 2 == 0 ? b : a;
    text += " x-1 [000] ..... " + std::to_string(i) + ": sched_switch: prev_comm=" + prev +
            " prev_pid=" + std::to_string(1 + i % 2) + " prev_prio=120 prev_state=R ==> next_comm=" + next +
            " next_pid=" + std::to_string(2 - i % 2) + " next_prio=120\n x-1 [000] ..... " + std::to_string(i) +
            ": odd\xf0name: 1\n";
  }
  const tests::TemporaryFolder folder;
  const auto j = analysis::analyze_file(folder.write("t\xff.txt", text));
  REQUIRE(j);
  CHECK((*j)["alternations"][0]["cycle"] == "? b > ??");
  CHECK((*j)["trace"]["unknown_events"]["odd?name"] == 40);
  CHECK_FALSE(j->dump().empty());
}

TEST_CASE("fuzz: damaged packed files are errors or whole, never a crash") {
  const tests::TemporaryFolder folder;
  const std::string good = tests::slurp(tests::data_trace("io-wq.txt.xz"));
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Dice dice{seed};
    std::string bytes = good;
    for (int i = 0; i < 3; ++i) bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
    if (seed % 3 == 0) bytes.resize(dice.below(bytes.size()));
    trace::StringPool pool;
    const auto r = tests::read_trace(folder.write("x.xz", bytes), pool);
    CHECK((!r.error.empty() || r.report.records == 406));
  }
}
