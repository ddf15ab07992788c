// SPDX-License-Identifier: GPL-2.0-or-later
// No allocation per event: what a longer run allocates beyond a shorter one has nothing to do with its events. The
// binary's operator new counts for this.
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include <nlohmann/json.hpp>

#include "models/run/run.h"
#include "tests/unit/catch.h"
#include "tests/unit/scenario_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WAKEPATH_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WAKEPATH_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef WAKEPATH_COUNTS_ALLOCATIONS
#define WAKEPATH_COUNTS_ALLOCATIONS 1
#endif

#if WAKEPATH_COUNTS_ALLOCATIONS

namespace {

thread_local std::int64_t allocations = 0;

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* const p = alignment > alignof(std::max_align_t)
                      ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                      : std::malloc(size != 0 ? size : 1);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

__attribute__((noinline)) void* operator new(std::size_t size) { return counted(size, 1); }
__attribute__((noinline)) void* operator new[](std::size_t size) { return counted(size, 1); }
__attribute__((noinline)) void* operator new(std::size_t size, std::align_val_t a) {
  return counted(size, static_cast<std::size_t>(a));
}
__attribute__((noinline)) void* operator new[](std::size_t size, std::align_val_t a) {
  return counted(size, static_cast<std::size_t>(a));
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete[](void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::size_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

using namespace wakepath;  // NOLINT(google-build-using-namespace)

namespace {

struct Spent {
  std::int64_t allocations = 0, events = 0;
};

Spent spent_by(const std::string& name, const std::string& duration, std::vector<std::string> sets) {
  scenario::LoadOptions o = tests::options(std::move(sets));
  o.duration = duration;
  o.warmup = "50ms";
  const scenario::Scenario s = tests::good(scenario::load(name, o));
  const std::int64_t before = allocations;
  const run::Outcome out = run::run(s);
  Spent spent;
  spent.allocations = allocations - before;
  spent.events = nlohmann::json::parse(out.json)["engine"]["events"];
  return spent;
}

}  // namespace

TEST_CASE("a run does not allocate by the event") {
  struct Row {
    const char* scenario;
    std::vector<std::string> sets;
  };
  const Row row = GENERATE(values<Row>({{"starved_completions", {}},
                                        {"starved_completions/root", {}},
                                        {"starved_completions/qemu-6.12", {}},
                                        {"base_slice", {}}}));
  CAPTURE(row.scenario);
  const Spent brief = spent_by(row.scenario, "50ms", row.sets);
  const Spent lasting = spent_by(row.scenario, "450ms", row.sets);
  const std::int64_t events = lasting.events - brief.events;
  const std::int64_t more = lasting.allocations - brief.allocations;
  CAPTURE(events, more);
  CHECK(events > 200);
  CHECK(more * 1000 <= events);  // histograms and queues that reach their size late
}

#endif
