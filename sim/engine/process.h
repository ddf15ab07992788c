// SPDX-License-Identifier: GPL-2.0-or-later
// Coroutine processes. A body of simulated code is a coroutine that returns Call<T>; its first parameter (after the
// object of a member function) is the context it runs in (anything with `FrameStack& frames()`), and its frame, like
// those of the calls it makes, is pushed on that context's frame stack: one allocation per context, none per call or
// event.
//
// Invariants: calls nest (a Call is awaited where it is made), so frames are freed in the reverse order of their
// making; a Call that is not awaited does nothing. An empty Call is complete: a plain function may return `{}` where
// there is nothing to do, or another's Call, and so costs no frame of its own. An exception leaves through resume()
// and ends the run: models do not catch.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>

namespace wakepath::engine {

class FrameStack {
 public:
  explicit FrameStack(std::size_t bytes = 16384) : memory_(new std::byte[bytes]), capacity_(bytes) {}
  FrameStack(const FrameStack&) = delete;
  FrameStack& operator=(const FrameStack&) = delete;

  void* push(std::size_t bytes) {
    const std::size_t need = (bytes + sizeof(Header) + kAlign - 1) / kAlign * kAlign;
    if (top_ + need > capacity_) throw std::length_error("coroutine frame stack is full");
    auto* h = new (memory_.get() + top_) Header{this, need};
    top_ += need;
    return h + 1;
  }
  static void pop(void* frame) noexcept {
    auto* h = static_cast<Header*>(frame) - 1;
    h->stack->top_ -= h->bytes;  // calls nest, so this is the topmost frame
  }

 private:
  static constexpr std::size_t kAlign = alignof(std::max_align_t);
  struct alignas(kAlign) Header {
    FrameStack* stack;
    std::size_t bytes;
  };
  std::unique_ptr<std::byte[]> memory_;
  std::size_t capacity_, top_ = 0;
};

template <class T = void>
class Call;

namespace detail {

// The frame stack of the first argument that has one: the context, or what follows the object of a member function.
template <class First, class... Rest>
FrameStack& frames_of(First& first, Rest&... rest) {
  if constexpr (requires {
                  { first.frames() } -> std::same_as<FrameStack&>;
                })
    return first.frames();
  else
    return frames_of(rest...);
}

struct PromiseBase {
  std::coroutine_handle<> caller;

  template <class... Args>
  static void* operator new(std::size_t bytes, Args&... args) {
    return frames_of(args...).push(bytes);
  }
  static void operator delete(void* frame) noexcept { FrameStack::pop(frame); }

  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept {
      return h.promise().caller ? h.promise().caller : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() { throw; }
};

template <class T>
struct Promise : PromiseBase {
  T value{};
  Call<T> get_return_object();
  void return_value(T v) { value = std::move(v); }
};

template <>
struct Promise<void> : PromiseBase {
  Call<void> get_return_object();
  void return_void() {}
};

}  // namespace detail

template <class T>
class [[nodiscard]] Call {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Call() = default;
  explicit Call(Handle h) : handle_(h) {}
  Call(Call&& o) noexcept : handle_(std::exchange(o.handle_, {})) {}
  Call& operator=(Call&& o) noexcept {
    if (this != &o) {
      reset();
      handle_ = std::exchange(o.handle_, {});
    }
    return *this;
  }
  ~Call() { reset(); }

  // Runs the call here, as a function would run: most end without waiting, and then the caller is never suspended.
  bool await_ready() const {
    if (std::is_void_v<T> && !handle_) return true;
    handle_.resume();
    return handle_.done();
  }
  void await_suspend(std::coroutine_handle<> caller) noexcept { handle_.promise().caller = caller; }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(handle_.promise().value);
  }

  // For the body of a context: who starts it keeps the Call alive and resumes the handle once.
  [[nodiscard]] Handle handle() const { return handle_; }

 private:
  void reset() {
    if (handle_) std::exchange(handle_, {}).destroy();
  }
  Handle handle_;
};

namespace detail {
template <class T>
Call<T> Promise<T>::get_return_object() {
  return Call<T>{std::coroutine_handle<Promise<T>>::from_promise(*this)};
}
inline Call<void> Promise<void>::get_return_object() {
  return Call<void>{std::coroutine_handle<Promise<void>>::from_promise(*this)};
}
}  // namespace detail

}  // namespace wakepath::engine
