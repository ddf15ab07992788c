// SPDX-License-Identifier: GPL-2.0-or-later
// Coroutine calls: run at once as far as they come, resumed where they waited, freed in the order of nesting, also when
// an exception passes.
#include "sim/engine/process.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/catch.h"

using namespace wakepath::engine;

namespace {

struct Context {
  FrameStack& frames() { return stack; }
  FrameStack stack{512};
  std::coroutine_handle<> waiting;
  std::string log;
};

struct Wait {
  Context& c;
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> h) { c.waiting = h; }
  void await_resume() {}
};

Call<int> leaf(Context& c, int depth, bool waits) {
  if (waits) co_await Wait{c};
  c.log += std::to_string(depth);
  co_return depth;
}

Call<int> nested(Context& c, int depth, bool waits) {
  if (depth == 0) co_return co_await leaf(c, depth, waits);
  const int below = co_await nested(c, depth - 1, waits);
  c.log += std::to_string(depth);
  co_return below + depth;
}

Call<void> forwarded(Context& c, bool any) {  // a plain function: no frame of its own
  if (!any) return {};
  return [](Context& ctx) -> Call<void> {
    ctx.log += "f";
    co_return;
  }(c);
}

Body root(Context& c, int depth, bool waits) {
  c.log += "=" + std::to_string(co_await nested(c, depth, waits));
  co_await forwarded(c, false);
  co_await forwarded(c, true);
  c.log += ".";
}

struct Leaves {  // tells when it is destroyed
  Context& c;
  const char* name;
  ~Leaves() { c.log += name; }
};

Call<int> fails(Context& c, bool waits, std::shared_ptr<int> held) {
  const Leaves leaves{c, "a"};
  if (waits) co_await Wait{c};
  throw std::logic_error("broken");
  co_return *held;
}

Call<void> fails_below(Context& c, bool waits, std::shared_ptr<int> held) {
  const Leaves leaves{c, "b"};
  co_await fails(c, waits, held);
  c.log += "never";
}

Body root_of_failure(Context& c, bool waits, std::shared_ptr<int> held) {
  const Leaves leaves{c, "c"};
  co_await fails_below(c, waits, held);
  c.log += "never";
}

}  // namespace

TEST_CASE("a call that does not wait runs through") {
  Context c;
  const Body body = root(c, 3, false);
  CHECK(c.log.empty());
  body.handle().resume();
  CHECK(c.log == "0123=6f.");
  CHECK(body.handle().done());
}

TEST_CASE("a call that waits goes on where it waited, and its callers after it") {
  Context c;
  const Body body = root(c, 3, true);
  body.handle().resume();
  CHECK(c.log.empty());
  CHECK_FALSE(body.handle().done());
  c.waiting.resume();
  CHECK(c.log == "0123=6f.");
  CHECK(body.handle().done());
}

TEST_CASE("an exception leaves through resume, from a call that waited or not") {
  for (const bool waits : {false, true}) {
    Context c;
    const auto held = std::make_shared<int>(1);
    {
      const Body body = root_of_failure(c, waits, held);
      if (waits) {
        body.handle().resume();
        CHECK(c.log.empty());
        CHECK_THROWS_AS(c.waiting.resume(), std::logic_error);
      } else {
        CHECK_THROWS_AS(body.handle().resume(), std::logic_error);
      }
      CHECK(c.log == "abc");
    }
    CHECK(held.use_count() == 1);  // the frames' copies are gone, each once
  }
}

TEST_CASE("calls that nest deeper than a block of frames hold go on in the next") {
  for (const bool waits : {false, true}) {
    for (const int depth : {4, 20, 100}) {
      Context c;
      void* const before = c.stack.push(0);
      FrameStack::pop(before);
      for (int round = 0; round < 2; ++round) {  // the second one finds the blocks
        c.log.clear();
        const Body body = root(c, depth, waits);
        body.handle().resume();
        if (waits) c.waiting.resume();
        CHECK(c.log.ends_with("=" + std::to_string(depth * (depth + 1) / 2) + "f."));
      }
      void* const after = c.stack.push(0);
      CHECK(after == before);
      FrameStack::pop(after);
    }
  }
}

TEST_CASE("calls that nest without an end are an error") {
  Context c;
  const Body body = root(c, 100'000, false);
  CHECK_THROWS_AS(body.handle().resume(), std::length_error);
}

TEST_CASE("a call that ran through has left the frame stack; one that waits is freed with its caller") {
  Context c;
  void* const before = c.stack.push(0);
  FrameStack::pop(before);
  {
    const Call<int> done = leaf(c, 1, false);
    CHECK(done.await_ready());
    void* const after = c.stack.push(0);
    CHECK(after == before);
    FrameStack::pop(after);
  }
  {
    const Body body = root(c, 3, true);
    body.handle().resume();
  }
  void* const after = c.stack.push(0);
  CHECK(after == before);
  FrameStack::pop(after);
}
