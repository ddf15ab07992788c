// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef WAKEPATH_HAVE_PROTOBUF
#include "sim/trace/perfetto_index.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <perfetto_trace.pb.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>

#include "sim/trace/spool.h"

namespace wakepath::trace {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::uint64_t kUnpackedLimit = std::uint64_t{8} << 30;  // more is no trace but a trap
constexpr std::uint32_t kMaxCpu = 8191;

struct Wire {
  std::uint64_t number = 0;  // of the field
  std::string_view bytes;    // of a length-delimited one
  std::uint64_t value = 0;   // of a varint
};

// One field off the front; false where the bytes are none.
bool next_field(std::string_view& s, Wire& field) {
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(s.data()),
                      static_cast<int>(std::min<std::size_t>(s.size(), 20)));
  std::uint32_t tag = 0;
  if (!in.ReadVarint32(&tag)) return false;
  field = {tag >> 3U, {}, 0};
  std::uint64_t skip = 0;
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_VARINT:
      if (!in.ReadVarint64(&field.value)) return false;
      break;
    case WireFormatLite::WIRETYPE_FIXED64:
      skip = 8;
      break;
    case WireFormatLite::WIRETYPE_FIXED32:
      skip = 4;
      break;
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
      if (!in.ReadVarint64(&skip)) return false;
      break;
    default:
      return false;
  }
  const auto head = static_cast<std::size_t>(in.CurrentPosition());
  if (field.number == 0 || skip > s.size() - head) return false;
  field.bytes = s.substr(head, skip);
  s.remove_prefix(head + skip);
  return true;
}

class Builder {
 public:
  Builder(PerfettoIndex& index, int unpacked) : index_(index), unpacked_(unpacked) {}

  // The packets of `all`; where they break is said in the index. `base`: what of it lies before `all`.
  void walk(std::string_view all, bool is_unpacked, std::uint64_t base) {
    std::string_view rest = all;
    while (!rest.empty() && index_.broken.empty()) {
      const std::uint64_t at = all.size() - rest.size();
      Wire field;
      if (!next_field(rest, field) || field.number != 1 || field.bytes.data() == nullptr) {
        broken("is cut or damaged at byte ", base + at, is_unpacked);
        return;
      }
      const auto offset = base + static_cast<std::uint64_t>(field.bytes.data() - all.data());
      if (!packet(field.bytes, is_unpacked, offset)) broken("holds a damaged packet at byte ", base + at, is_unpacked);
    }
  }
  [[nodiscard]] std::uint64_t unpacked_size() const { return unpacked_size_; }

 private:
  void broken(const char* what, std::uint64_t at, bool is_unpacked) {
    if (index_.broken.empty()) index_.broken = what + std::to_string(at) + (is_unpacked ? " of its unpacked part" : "");
  }

  bool packet(std::string_view s, bool is_unpacked, std::uint64_t offset) {
    std::uint32_t sequence = 0;
    std::string_view bundle, tree, interned, compressed;
    const char* start = s.data();
    while (!s.empty()) {
      Wire field;
      if (!next_field(s, field)) return false;
      if (field.number == 1) bundle = field.bytes;
      if (field.number == 2) tree = field.bytes;
      if (field.number == 10) sequence = static_cast<std::uint32_t>(field.value);
      if (field.number == 12) interned = field.bytes;
      if (field.number == 50) compressed = field.bytes;
    }
    if (interned.data() != nullptr && !take_symbols(interned, sequence)) return false;
    if (tree.data() != nullptr && !take_tasks(tree)) return false;
    if (compressed.data() != nullptr) return !is_unpacked && unpack(compressed);
    if (bundle.data() == nullptr) {
      ++index_.other_packets;
      return true;
    }
    return take_bundle(bundle, is_unpacked, sequence, offset + static_cast<std::uint64_t>(bundle.data() - start));
  }

  bool take_bundle(std::string_view s, bool is_unpacked, std::uint32_t sequence, std::uint64_t offset) {
    const auto size = static_cast<std::uint32_t>(s.size());
    std::uint64_t cpu = 0;
    for (Wire field; !s.empty();) {
      if (!next_field(s, field)) return false;
      if (field.number != 1) continue;
      cpu = field.value;
      break;
    }
    if (cpu > kMaxCpu) return false;
    index_.bundles[static_cast<std::uint32_t>(cpu)].push_back({is_unpacked, sequence, offset, size});
    return true;
  }

  bool take_symbols(std::string_view bytes, std::uint32_t sequence) {
    perfetto::InternedData data;
    if (!data.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    for (const auto& symbol : data.kernel_symbols()) index_.symbols[{sequence, symbol.iid()}] = symbol.str();
    return true;
  }

  bool take_tasks(std::string_view bytes) {
    perfetto::ProcessTree tree;
    if (!tree.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    for (const auto& process : tree.processes()) {
      if (process.cmdline_size() == 0) continue;
      std::string name = process.cmdline(0);
      if (const auto slash = name.rfind('/'); slash != std::string::npos && name[0] == '/') name.erase(0, slash + 1);
      index_.comms.try_emplace(process.pid(), name.substr(0, 15));
    }
    for (const auto& thread : tree.threads()) {
      if (thread.has_name()) index_.comms[thread.tid()] = thread.name();
    }
    return true;
  }

  bool unpack(std::string_view packed) {
    z_stream stream{};
    if (inflateInit(&stream) != Z_OK) return false;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::string out(1 << 18, '\0'), whole;
    int ret = Z_OK;
    while (ret == Z_OK) {
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = static_cast<uInt>(out.size());
      ret = inflate(&stream, Z_NO_FLUSH);
      whole.append(out, 0, out.size() - stream.avail_out);
      if (unpacked_size_ + whole.size() > kUnpackedLimit || whole.size() > (1U << 28U)) ret = Z_MEM_ERROR;
    }
    inflateEnd(&stream);
    if (ret != Z_STREAM_END || write_all(unpacked_, whole) != 0) return false;
    const std::uint64_t base = unpacked_size_;
    unpacked_size_ += whole.size();
    walk(whole, true, base);
    return true;
  }

  PerfettoIndex& index_;
  int unpacked_;
  std::uint64_t unpacked_size_ = 0;
};

}  // namespace

tl::expected<MappedFile, std::string> MappedFile::of(int fd) {
  struct stat st {};
  MappedFile file;
  if (::fstat(fd, &st) != 0) return tl::make_unexpected(std::string("cannot be read: ") + std::strerror(errno));
  if (st.st_size == 0) return file;
  const auto size = static_cast<std::size_t>(st.st_size);
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) return tl::make_unexpected(std::string("cannot be read: ") + std::strerror(errno));
  file.data_ = std::string_view(static_cast<const char*>(at), size);
  return file;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!data_.empty()) ::munmap(const_cast<char*>(data_.data()), data_.size());
}

tl::expected<PerfettoIndex, std::string> PerfettoIndex::of(int fd) {
  PerfettoIndex index;
  auto file = MappedFile::of(fd);
  if (!file) return tl::make_unexpected(file.error());
  index.file = std::move(*file);
  const int unpacked = unnamed_file();
  if (unpacked < 0) return tl::make_unexpected(std::string("no temporary file: ") + std::strerror(errno));
  Builder builder(index, unpacked);
  builder.walk(index.file.data(), false, 0);
  if (builder.unpacked_size() > 0) {
    auto more = MappedFile::of(unpacked);
    if (!more) index.broken = more.error();
    if (more) index.unpacked = std::move(*more);
  }
  ::close(unpacked);
  return index;
}

}  // namespace wakepath::trace
#endif
