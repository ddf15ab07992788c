// SPDX-License-Identifier: GPL-2.0-or-later
// The bytes of a file, plain or compressed, as a stream: .xz, .gz and .zst are told by their first bytes (never by the
// name) and decompressed as they are read, in constant memory. Concatenated members are one stream, as with xzcat.
//
// A compressed file that ends early, or is damaged, is an error and never just the end: what was read before it is
// valid, the caller decides what that is worth.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <tl/expected.hpp>

namespace wakepath::trace {

class Input {
 public:
  virtual ~Input() = default;
  // Fills buffer[0, size) as far as one step goes; 0 at the end. The error is one clause without the file's name.
  virtual tl::expected<std::size_t, std::string> read(char* buffer, std::size_t size) = 0;

  // A regular file whose bytes are given out as they are: whoever opens its path reads the same.
  [[nodiscard]] virtual bool is_plain_file() const { return false; }

  // Opens a file; "-" is standard input.
  static tl::expected<std::unique_ptr<Input>, std::string> open(const std::string& path);
};

}  // namespace wakepath::trace
