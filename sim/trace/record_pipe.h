// SPDX-License-Identifier: GPL-2.0-or-later
// Records handed from a child process to its parent. A child reads with a library that was not written for damaged
// files (trace_dat_source.h): it may crash or spin, and the parent says so instead of doing the same.
//
// Frames on the pipe: kind, size, payload. Names come before the first record that uses them, under the child's ids.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/source.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

// The child's end. Its write()s end the child when the parent has left.
class RecordPipe {
 public:
  explicit RecordPipe(int fd) : fd_(fd) {}
  StringPool& pool() { return pool_; }
  void record(const Event& e);  // of unknown type: its name is counted by the parent
  void bad_record(std::string_view reason);
  void fail(std::string_view message);  // nothing follows
  void end();                           // all was read

 private:
  void frame(char kind, std::string_view payload);
  void new_names();
  void flush();

  int fd_;
  StringPool pool_;
  std::size_t sent_ = 1;  // names the parent has; "" is id 0 on both sides
  std::string buffer_;
};

// The parent's end. `work` runs in a child that was forked; `what` names what it reads with, for messages.
class ChildSource final : public Source {
 public:
  using Work = std::function<void(RecordPipe&)>;
  ChildSource(Work work, std::string what, std::string path, StringPool& pool);
  ChildSource(const ChildSource&) = delete;
  ChildSource& operator=(const ChildSource&) = delete;
  ~ChildSource() override;
  tl::expected<bool, Error> next(Event& e) override;

 private:
  bool fill(std::size_t size);  // at least so many bytes in buffer_; false: the pipe ended
  tl::expected<bool, Error> broken();
  tl::expected<bool, Error> fail(std::string message);
  bool take_frame(char kind, std::string_view payload, Event& e);
  void take_record(std::string_view payload, Event& e);
  void stop();

  Work work_;  // kept for what it holds open
  pid_t pid_ = -1;
  int fd_ = -1, said_ = -1;
  std::string what_, path_;
  StringPool* pool_;
  std::vector<StringId> names_{0};  // the child's id -> ours
  std::string buffer_;
  std::size_t at_ = 0;
  bool ended_ = false, stalled_ = false;
  std::string failed_;
};

}  // namespace wakepath::trace
