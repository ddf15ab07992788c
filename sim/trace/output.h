// SPDX-License-Identifier: GPL-2.0-or-later
// A file that appears whole or not at all: written beside its place under a temporary name and renamed by finish(). The
// suffix of the name decides the packing (.xz, .gz, .zst, else plain). Two parts, as a trace's header tells how many
// records follow it: the body is streamed, the head is given at the end and comes first (packed as a member of its own,
// which every unpacker joins). "-", a pipe or a device is written directly.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "sim/trace/error.h"

namespace wakepath::trace {

class Output {
 public:
  static tl::expected<std::unique_ptr<Output>, Error> create(const std::string& path);
  virtual ~Output() = default;  // without finish(): nothing is left behind, an older file stays

  // Appends to the body. An error (disk full) is kept and told by finish().
  virtual void write(std::string_view data) = 0;
  // Head + body to the final name. Once.
  virtual tl::expected<void, Error> finish(std::string_view head) = 0;
};

}  // namespace wakepath::trace
