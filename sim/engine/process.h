// SPDX-License-Identifier: GPL-2.0-or-later
// Coroutine processes. A piece of simulated code is a coroutine that returns Call<T>; its first parameter (after the
// object of a member function) is the context it runs in (anything with `FrameStack& frames()`), and its frame, like
// those of the calls it makes, is pushed on that context's frame stack: one allocation per stack, none per call or
// event. Contexts that only run one inside the other may share one.
//
// A call runs where it is made, as a function does, and most end without waiting: then the frame is gone when the call
// returns, and neither caller nor callee was ever suspended. One that waits hands back a Call that holds the frame;
// `co_await` of it suspends the caller too, until the end of the callee resumes it. What a context runs first is a
// Body: it is made suspended, and begins when its handle is resumed.
//
// Invariants: calls nest (a Call is awaited where it is made), so frames are freed in the reverse order of their
// making. An empty Call is complete: a plain function may return `{}` where there is nothing to do, or another's Call,
// and so costs no frame of its own. An exception is kept with the frame stack and thrown again where the Call is
// awaited (where one may leave a coroutine's first part, compilers differ); it leaves the Body through resume() and
// ends the run: models do not catch.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace wakepath::engine {

// A small block, so that many contexts lie close together, and larger ones behind it once calls nest deeper.
class FrameStack {
 public:
  explicit FrameStack(std::size_t bytes, std::pmr::memory_resource& memory = *std::pmr::new_delete_resource())
      : top_(static_cast<std::byte*>(memory.allocate(bytes, kLine))),
        end_(top_ + bytes),
        first_(top_),
        memory_(memory),
        first_bytes_(static_cast<std::uint32_t>(bytes)) {}
  ~FrameStack() { memory_.deallocate(first_, first_bytes_, kLine); }
  FrameStack(const FrameStack&) = delete;
  FrameStack& operator=(const FrameStack&) = delete;

  void* push(std::size_t bytes) {
    const std::size_t need = (bytes + sizeof(Header) + kAlign - 1) / kAlign * kAlign;
    std::byte* const below = top_;
    if (need > static_cast<std::size_t>(end_ - top_)) [[unlikely]]
      enter_block(need);
    auto* h = new (top_) Header{this, below};
    top_ += need;
    return h + 1;
  }
  // Calls nest, so this is the topmost frame.
  static void pop(void* frame) noexcept {
    auto* h = static_cast<Header*>(frame) - 1;
    FrameStack& s = *h->stack;
    s.top_ = h->below;
    if (h->below != reinterpret_cast<std::byte*>(h)) [[unlikely]]
      s.leave_block();
  }

  // Asks the caches for the topmost frames.
  void fetch() const {
    for (int line = 1; line <= 8; ++line) __builtin_prefetch(top_ - line * kLine);
  }

  // The exception that is on its way out of the frames of this context.
  static void keep_exception(void* frame) noexcept { of(frame).exception_ = std::current_exception(); }
  static void rethrow_kept(void* frame) {
    FrameStack& s = of(frame);
    if (s.exception_) std::rethrow_exception(std::exchange(s.exception_, nullptr));
  }

 private:
  static constexpr std::size_t kAlign = alignof(std::max_align_t), kLine = 64;
  static constexpr std::size_t kBlock = 16384, kMostBlocks = 4;  // calls do not nest deeper, unless they do for ever
  struct alignas(kAlign) Header {
    FrameStack* stack;
    std::byte* below;  // the top without this frame
  };
  static FrameStack& of(void* frame) { return *(static_cast<Header*>(frame) - 1)->stack; }
  // Blocks are kept once they are there: what nests as deep again allocates nothing.
  [[gnu::cold, gnu::noinline]] void enter_block(std::size_t need) {
    if (need > kBlock || entered_ == kMostBlocks) throw std::length_error("coroutine frames are nested too deep");
    if (entered_ == more_.size()) more_.emplace_back(new std::byte[kBlock]);
    top_ = more_[entered_++].get();
    end_ = top_ + kBlock;
  }
  [[gnu::cold, gnu::noinline]] void leave_block() noexcept {
    --entered_;
    end_ = entered_ == 0 ? first_ + first_bytes_ : more_[entered_ - 1].get() + kBlock;
  }

  std::byte *top_, *end_;
  std::exception_ptr exception_;
  std::byte* const first_;
  std::pmr::memory_resource& memory_;
  std::vector<std::unique_ptr<std::byte[]>> more_;
  const std::uint32_t first_bytes_;
  std::uint32_t entered_ = 0;  // of more_
};

template <class T = void>
class Call;
class Body;

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
  template <class... Args>
  static void* operator new(std::size_t bytes, Args&... args) {
    return frames_of(args...).push(bytes);
  }
  static void operator delete(void* frame) noexcept { FrameStack::pop(frame); }
};

// `call` is where the Call of this frame lies; it moves with it.
template <class T>
struct CallPromiseBase : PromiseBase {
  Call<T>* call = nullptr;
  std::coroutine_handle<> caller;  // set once the call has waited

  // Nobody waits for a call that ran through: its frame goes at once. Else the caller goes on, and frees it.
  struct Final {
    bool ran_through;
    bool await_ready() noexcept { return ran_through; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) noexcept {
      return h.promise().caller;
    }
    void await_resume() noexcept {}
  };
  std::suspend_never initial_suspend() noexcept { return {}; }
  Final final_suspend() noexcept {
    if (caller) return {false};
    call->handle_ = nullptr;
    return {true};
  }

 protected:
  // The frame stays, so that the Call is not taken for one that ran through.
  template <class Derived>
  static void keep_exception(Derived& promise) noexcept {
    FrameStack::keep_exception(std::coroutine_handle<Derived>::from_promise(promise).address());
    if (!promise.caller) promise.caller = std::noop_coroutine();
  }
};

template <class T>
struct Promise : CallPromiseBase<T> {
  Call<T> get_return_object() { return Call<T>(*this); }
  void return_value(T v) { this->call->value_ = std::move(v); }
  void unhandled_exception() noexcept { this->keep_exception(*this); }
};

template <>
struct Promise<void> : CallPromiseBase<void> {
  Call<void> get_return_object();
  void return_void() {}
  void unhandled_exception() noexcept { keep_exception(*this); }
};

struct Nothing {};

}  // namespace detail

template <class T>
class [[nodiscard]] Call {
 public:
  using promise_type = detail::Promise<T>;

  Call() = default;
  Call(Call&& o) noexcept : value_(std::move(o.value_)) { take(o); }
  Call& operator=(Call&& o) noexcept {
    if (this != &o) {
      reset();
      value_ = std::move(o.value_);
      take(o);
    }
    return *this;
  }
  ~Call() { reset(); }

  bool await_ready() const noexcept {
    if (!handle_) [[likely]]
      return true;
    return handle_.done();
  }
  void await_suspend(std::coroutine_handle<> caller) noexcept { handle_.promise().caller = caller; }
  T await_resume() {
    if (handle_) [[unlikely]]
      FrameStack::rethrow_kept(handle_.address());
    if constexpr (!std::is_void_v<T>) return std::move(value_);
  }

 private:
  friend promise_type;
  friend detail::CallPromiseBase<T>;
  explicit Call(promise_type& p) : handle_(std::coroutine_handle<promise_type>::from_promise(p)) { p.call = this; }
  void take(Call& o) noexcept {
    handle_ = std::exchange(o.handle_, nullptr);
    if (handle_) handle_.promise().call = this;
  }
  void reset() {
    if (handle_) [[unlikely]]
      std::exchange(handle_, nullptr).destroy();
  }
  std::coroutine_handle<promise_type> handle_;
  [[no_unique_address]] std::conditional_t<std::is_void_v<T>, detail::Nothing, T> value_{};
};

inline Call<void> detail::Promise<void>::get_return_object() { return Call<void>(*this); }

// The first code of a context, which begins suspended: who starts it keeps the Body alive and resumes the handle once.
class [[nodiscard]] Body {
 public:
  struct promise_type : detail::PromiseBase {
    Body get_return_object() { return Body(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() { throw; }
  };

  Body() = default;
  Body(Body&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Body& operator=(Body&& o) noexcept {
    if (this != &o) {
      reset();
      handle_ = std::exchange(o.handle_, nullptr);
    }
    return *this;
  }
  ~Body() { reset(); }
  [[nodiscard]] std::coroutine_handle<> handle() const { return handle_; }

 private:
  explicit Body(std::coroutine_handle<promise_type> h) : handle_(h) {}
  void reset() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace wakepath::engine
