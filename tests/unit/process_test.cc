// SPDX-License-Identifier: GPL-2.0-or-later
// Coroutine calls: run at once as far as they come, resumed where they waited, freed in the order of nesting, also when
// an exception passes.
#include "sim/engine/process.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/catch.h"

using namespace wakepath::engine;

namespace {

struct Context {
  FrameStack& frames() { return stack; }
  FrameStack stack{1024};
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

Call<void> root(Context& c, int depth, bool waits) {
  c.log += "=" + std::to_string(co_await nested(c, depth, waits));
  co_await forwarded(c, false);
  co_await forwarded(c, true);
  c.log += ".";
}

Call<void> fails(Context& c, bool waits) {
  if (waits) co_await Wait{c};
  throw std::logic_error("broken");
}

Call<void> fails_below(Context& c, bool waits) {
  co_await fails(c, waits);
  c.log += "never";
}

}  // namespace

TEST_CASE("a call that does not wait runs through") {
  Context c;
  const Call<void> call = root(c, 3, false);
  CHECK(c.log.empty());
  call.handle().resume();
  CHECK(c.log == "0123=6f.");
  CHECK(call.handle().done());
}

TEST_CASE("a call that waits goes on where it waited, and its callers after it") {
  Context c;
  const Call<void> call = root(c, 3, true);
  call.handle().resume();
  CHECK(c.log.empty());
  CHECK_FALSE(call.handle().done());
  c.waiting.resume();
  CHECK(c.log == "0123=6f.");
  CHECK(call.handle().done());
}

TEST_CASE("an exception leaves through resume, from a call that waited or not") {
  for (const bool waits : {false, true}) {
    Context c;
    const Call<void> call = fails_below(c, waits);
    if (waits) {
      call.handle().resume();
      CHECK_THROWS_AS(c.waiting.resume(), std::logic_error);
    } else {
      CHECK_THROWS_AS(call.handle().resume(), std::logic_error);
    }
    CHECK(c.log.empty());
  }
}

TEST_CASE("frames that do not fit are an error") {
  Context c;
  const Call<void> call = root(c, 100, false);
  CHECK_THROWS_AS(call.handle().resume(), std::length_error);
}
