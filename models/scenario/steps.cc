// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/scenario/steps.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace wakepath::scenario {
namespace {

struct Form {
  std::string_view word;
  Step::Kind kind;
  std::string_view arguments;  // t a time, n a number, o an offset, a a name, m a mutex's name, c CPUs
};
constexpr std::array<Form, 21> kForms{{{"run", Step::Kind::run, "t"},        {"spin", Step::Kind::spin, "t"},
                                       {"sleep", Step::Kind::sleep, "t"},    {"yield", Step::Kind::yield, ""},
                                       {"timer", Step::Kind::timer, "at"},   {"lock", Step::Kind::lock, "a"},
                                       {"unlock", Step::Kind::unlock, "a"},  {"wait", Step::Kind::wait, "am"},
                                       {"signal", Step::Kind::signal, "a"},  {"broadcast", Step::Kind::broadcast, "a"},
                                       {"suspend", Step::Kind::suspend, ""}, {"resume", Step::Kind::resume, "a"},
                                       {"cpus", Step::Kind::cpus, "c"},      {"exec", Step::Kind::exec, ""},
                                       {"create", Step::Kind::create, "a"},  {"touch", Step::Kind::touch, "a"},
                                       {"write", Step::Kind::write, "aon"},  {"fsync", Step::Kind::fsync, "a"},
                                       {"loop", Step::Kind::loop, "n"},      {"end", Step::Kind::end, ""},
                                       {"stop", Step::Kind::stop, ""}}};

tl::unexpected<UnitError> wrong(const std::string& text, const std::string& why) {
  return tl::make_unexpected(
      UnitError{"'" + text + "' " + why,
                "run 10us, spin 10us, sleep 1ms, timer t 10ms, lock m, unlock m, "
                "wait c m, signal c, broadcast c, suspend, resume "
                "PROGRAM, cpus 0-3, cpus all, exec, create f, touch f, write f OFFSET BYTES, fsync f, loop 3 ... end, "
                "yield, stop"});
}

Parsed<Step> parse_step(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  in >> word;
  const auto form = std::find_if(kForms.begin(), kForms.end(), [&](const Form& f) { return f.word == word; });
  if (form == kForms.end()) return wrong(text, "is no step");
  Step step;
  step.kind = form->kind;
  for (const char argument : form->arguments) {
    if (!(in >> word)) return wrong(text, "lacks something");
    if (argument == 't') {
      const auto time = parse_time(word);
      if (!time) return tl::make_unexpected(time.error());
      step.time_ns = *time;
    } else if (argument == 'c') {
      const auto cpus = word == "all" ? std::vector<int>{} : parse_cpu_list(word);
      if (!cpus) return tl::make_unexpected(cpus.error());
      step.cpus = *cpus;
    } else if (argument == 'n' || argument == 'o') {
      const auto number = parse_integer(word);
      const std::int64_t least = argument == 'n' ? 1 : 0;
      if (!number || *number < least) return wrong(text, "wants a number, " + std::to_string(least) + " or more");
      (argument == 'n' ? step.count : step.offset) = *number;
    } else {
      (argument == 'm' ? step.mutex : step.name) = word;
    }
  }
  if (in >> word) return wrong(text, "has more than it takes");
  return step;
}

bool takes_time(const Step& s) {
  using enum Step::Kind;
  return ((s.kind == run || s.kind == spin || s.kind == sleep || s.kind == timer) && s.time_ns > 0) || s.kind == stop ||
         s.kind == suspend || s.kind == wait;
}

}  // namespace

bool is_of_file(const Step& s) {
  using enum Step::Kind;
  return s.kind == create || s.kind == touch || s.kind == write || s.kind == fsync;
}

Parsed<std::vector<Step>> parse_steps(const std::vector<std::string>& texts) {
  std::vector<Step> steps;
  std::vector<std::size_t> open;
  for (const std::string& text : texts) {
    auto step = parse_step(text);
    if (!step) return tl::make_unexpected(step.error());
    if (step->kind == Step::Kind::loop) open.push_back(steps.size());
    if (step->kind == Step::Kind::end) {
      if (open.empty()) return wrong(text, "ends no loop");
      step->other = open.back();
      steps[open.back()].other = steps.size();
      open.pop_back();
    }
    steps.push_back(std::move(*step));
  }
  if (!open.empty()) return wrong("loop " + std::to_string(steps[open.back()].count), "has no end");
  if (std::none_of(steps.begin(), steps.end(), takes_time))
    return wrong(texts.empty() ? "" : texts[0], "takes no time");
  return steps;
}

}  // namespace wakepath::scenario
