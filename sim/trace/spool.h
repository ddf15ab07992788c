// SPDX-License-Identifier: GPL-2.0-or-later
// A file that can be sought in, and read again by another program: the file itself where it is a plain one, else
// (packed, standard input, a pipe) its content in a temporary file without a name, gone with this object.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "sim/trace/input.h"

namespace wakepath::trace {

class Spool {
 public:
  // `head` is what was read of `input` already. The error is one clause without the file's name.
  static tl::expected<Spool, std::string> of(const std::string& path, std::unique_ptr<Input> input,
                                             std::string_view head);
  Spool(Spool&& other) noexcept;
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  Spool& operator=(Spool&&) = delete;
  ~Spool();

  [[nodiscard]] int fd() const { return fd_; }                     // open for reading, its position is of no use to two
  [[nodiscard]] const std::string& path() const { return path_; }  // opens the same bytes, in a child process too

 private:
  Spool(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

// An unnamed file in $TMPDIR (/tmp), or -1 and errno.
[[nodiscard]] int unnamed_file();
// 0, or errno.
[[nodiscard]] int write_all(int fd, std::string_view data);

}  // namespace wakepath::trace
