// SPDX-License-Identifier: GPL-2.0-or-later
// Compression of a byte stream as the suffix of a file name asks: one member (stream, frame) from first byte to finish.
// Deterministic for one version of the library: no time stamps, no threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace wakepath::trace {

class Packer {
 public:
  // By suffix: .xz, .gz, .zst; anything else passes bytes through.
  static std::unique_ptr<Packer> for_path(std::string_view path);
  virtual ~Packer() = default;
  // Appends to `out` what `data` packs to so far; with `last` the member is closed and the packer is spent.
  // False when the library fails (out of memory).
  virtual bool pack(std::string_view data, bool last, std::string& out) = 0;
};

}  // namespace wakepath::trace
