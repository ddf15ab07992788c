// SPDX-License-Identifier: GPL-2.0-or-later
// Where the ftrace bundles of a Perfetto trace are, by CPU, and what its other packets say about tasks and symbols: the
// first of the two passes over the file (perfetto_source.h). The file is mapped, so that its size is no matter.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace wakepath::trace {

class MappedFile {
 public:
  static tl::expected<MappedFile, std::string> of(int fd);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();
  [[nodiscard]] std::string_view data() const { return data_; }

 private:
  std::string_view data_;
};

struct PerfettoIndex {
  struct Place {
    bool unpacked;  // in the temporary file of what was compressed
    std::uint32_t sequence;
    std::uint64_t offset;
    std::uint32_t size;
  };
  std::map<std::uint32_t, std::vector<Place>> bundles;                     // by CPU, in the file's order
  std::map<std::int32_t, std::string> comms;                               // by tid
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::string> symbols;  // (sequence, iid) -> function
  std::int64_t other_packets = 0;
  std::string broken;  // where the file ends or stops to be one; "" when it is whole

  [[nodiscard]] std::string_view bytes(const Place& place) const {
    return (place.unpacked ? unpacked : file).data().substr(place.offset, place.size);
  }
  static tl::expected<PerfettoIndex, std::string> of(int fd);

  MappedFile file, unpacked;
};

}  // namespace wakepath::trace
