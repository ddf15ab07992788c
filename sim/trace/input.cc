// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/input.h"

#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace wakepath::trace {
namespace {

using Bytes = tl::expected<std::size_t, std::string>;
constexpr std::size_t kChunk = 1 << 16;
constexpr std::uint64_t kXzMemoryLimit = std::uint64_t{1} << 30;  // a dictionary larger than xz -9's is not a trace's

// The file itself. What was looked at to tell the format is given out again.
class Plain final : public Input {
 public:
  explicit Plain(int fd) : fd_(fd) {}
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;
  ~Plain() override {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }

  Bytes read(char* buffer, std::size_t size) override {
    if (peeked_ > 0) {
      const std::size_t n = std::min(size, peeked_);
      std::memcpy(buffer, head_.data(), n);
      std::memmove(head_.data(), head_.data() + n, peeked_ - n);
      peeked_ -= n;
      return n;
    }
    return read_fd(buffer, size);
  }

  [[nodiscard]] bool is_plain_file() const override {
    struct stat st {};
    return fd_ > STDIN_FILENO && ::fstat(fd_, &st) == 0 && S_ISREG(st.st_mode);
  }

  tl::expected<std::string_view, std::string> peek() {
    while (peeked_ < head_.size()) {
      const Bytes n = read_fd(head_.data() + peeked_, head_.size() - peeked_);
      if (!n) return tl::make_unexpected(n.error());
      if (*n == 0) break;
      peeked_ += *n;
    }
    return std::string_view(head_.data(), peeked_);
  }

 private:
  Bytes read_fd(char* buffer, std::size_t size) const {
    for (;;) {
      const ssize_t n = ::read(fd_, buffer, size);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return tl::make_unexpected(std::string("cannot be read: ") + std::strerror(errno));
    }
  }

  int fd_;
  std::array<char, 6> head_{};
  std::size_t peeked_ = 0;
};

// What the three decompressors share: a chunk of compressed bytes, and whether the source has ended.
class Compressed : public Input {
 protected:
  explicit Compressed(std::unique_ptr<Input> source) : source_(std::move(source)), chunk_(kChunk) {}

  Bytes fill() {
    Bytes n = source_->read(chunk_.data(), chunk_.size());
    if (n && *n == 0) ended_ = true;
    return n;
  }

  std::unique_ptr<Input> source_;
  std::vector<char> chunk_;
  bool ended_ = false;
};

class Xz final : public Compressed {
 public:
  explicit Xz(std::unique_ptr<Input> source) : Compressed(std::move(source)) {
    ok_ = lzma_stream_decoder(&stream_, kXzMemoryLimit, LZMA_CONCATENATED) == LZMA_OK;
  }
  Xz(const Xz&) = delete;
  Xz& operator=(const Xz&) = delete;
  ~Xz() override { lzma_end(&stream_); }

  Bytes read(char* buffer, std::size_t size) override {
    if (!ok_) return tl::make_unexpected(std::string("cannot set up the xz decoder"));
    stream_.next_out = reinterpret_cast<std::uint8_t*>(buffer);
    stream_.avail_out = size;
    while (!done_ && stream_.avail_out == size) {
      if (stream_.avail_in == 0 && !ended_) {
        const Bytes n = fill();
        if (!n) return n;
        stream_.next_in = reinterpret_cast<const std::uint8_t*>(chunk_.data());
        stream_.avail_in = *n;
      }
      const lzma_ret ret = lzma_code(&stream_, ended_ ? LZMA_FINISH : LZMA_RUN);
      if (ret == LZMA_STREAM_END) {
        done_ = true;
      } else if (ret == LZMA_BUF_ERROR && ended_) {
        return tl::make_unexpected(std::string("the .xz file ends early (truncated)"));
      } else if (ret != LZMA_OK && ret != LZMA_BUF_ERROR) {
        return tl::make_unexpected(std::string(ret == LZMA_MEMLIMIT_ERROR ? "the .xz file needs over 1 GiB to unpack"
                                                                          : "the .xz file is damaged"));
      }
    }
    return size - stream_.avail_out;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ok_ = false;
  bool done_ = false;
};

class Gzip final : public Compressed {
 public:
  explicit Gzip(std::unique_ptr<Input> source) : Compressed(std::move(source)) {
    ok_ = inflateInit2(&stream_, 15 + 16) == Z_OK;  // 16: a gzip header is demanded
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() override { inflateEnd(&stream_); }

  Bytes read(char* buffer, std::size_t size) override {
    if (!ok_) return tl::make_unexpected(std::string("cannot set up the gzip decoder"));
    const auto room = static_cast<uInt>(std::min(size, kChunk * 16));
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = room;
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0 && !ended_) {
        const Bytes n = fill();
        if (!n) return n;
        stream_.next_in = reinterpret_cast<Bytef*>(chunk_.data());
        stream_.avail_in = static_cast<uInt>(*n);
      }
      if (stream_.avail_in == 0) {
        if (between_members_) return std::size_t{0};
        return tl::make_unexpected(std::string("the .gz file ends early (truncated)"));
      }
      const int ret = inflate(&stream_, Z_NO_FLUSH);
      between_members_ = ret == Z_STREAM_END;
      if (ret == Z_STREAM_END) {
        inflateReset(&stream_);
      } else if (ret != Z_OK && ret != Z_BUF_ERROR) {
        return tl::make_unexpected(std::string("the .gz file is damaged"));
      }
    }
    return room - stream_.avail_out;
  }

 private:
  z_stream stream_{};
  bool ok_ = false;
  bool between_members_ = false;
};

class Zstd final : public Compressed {
 public:
  explicit Zstd(std::unique_ptr<Input> source) : Compressed(std::move(source)), stream_(ZSTD_createDStream()) {}
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  Bytes read(char* buffer, std::size_t size) override {
    if (stream_ == nullptr) return tl::make_unexpected(std::string("cannot set up the zstd decoder"));
    ZSTD_outBuffer out{buffer, size, 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size && !ended_) {
        const Bytes n = fill();
        if (!n) return n;
        in_ = {chunk_.data(), *n, 0};
      }
      // A frame may hold output back after its last input byte; only a call that moves nothing ends the stream.
      if (in_.pos == in_.size && ended_ && between_frames_) return std::size_t{0};
      const std::size_t before = in_.pos;
      const std::size_t ret = ZSTD_decompressStream(stream_, &out, &in_);
      if (ZSTD_isError(ret) != 0) {
        return tl::make_unexpected(std::string("the .zst file is damaged: ") + ZSTD_getErrorName(ret));
      }
      between_frames_ = ret == 0;
      if (ended_ && out.pos == 0 && in_.pos == before && !between_frames_) {
        return tl::make_unexpected(std::string("the .zst file ends early (truncated)"));
      }
    }
    return out.pos;
  }

 private:
  ZSTD_DStream* stream_;
  ZSTD_inBuffer in_{nullptr, 0, 0};
  bool between_frames_ = false;
};

}  // namespace

tl::expected<std::unique_ptr<Input>, std::string> Input::open(const std::string& path) {
  int fd = STDIN_FILENO;
  if (path != "-") {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tl::make_unexpected(std::string("cannot be opened: ") + std::strerror(errno));
  }
  auto plain = std::make_unique<Plain>(fd);
  struct stat st {};
  if (::fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
    return tl::make_unexpected(std::string("is a folder, not a trace"));
  }
  const auto head = plain->peek();
  if (!head) return tl::make_unexpected(head.error());
  if (head->starts_with(std::string_view("\xfd"
                                         "7zXZ\0",
                                         6)))
    return std::make_unique<Xz>(std::move(plain));
  if (head->starts_with("\x1f\x8b")) return std::make_unique<Gzip>(std::move(plain));
  if (head->starts_with("\x28\xb5\x2f\xfd")) return std::make_unique<Zstd>(std::move(plain));
  return plain;
}

}  // namespace wakepath::trace
