// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/packer.h"

#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cstdint>
#include <limits>

namespace wakepath::trace {
namespace {

constexpr std::size_t kStep = 1 << 16;
// Trace text is so regular that low levels pack it as well as it needs, at several times the speed.
constexpr std::uint32_t kXzPreset = 1;
constexpr int kGzipLevel = 3;
constexpr int kZstdLevel = 3;

class Through final : public Packer {
 public:
  bool pack(std::string_view data, bool, std::string& out) override {
    out += data;
    return true;
  }
};

class XzPacker final : public Packer {
 public:
  XzPacker() : ok_(lzma_easy_encoder(&stream_, kXzPreset, LZMA_CHECK_CRC64) == LZMA_OK) {}
  XzPacker(const XzPacker&) = delete;
  XzPacker& operator=(const XzPacker&) = delete;
  ~XzPacker() override { lzma_end(&stream_); }

  bool pack(std::string_view data, bool last, std::string& out) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(data.data());
    stream_.avail_in = data.size();
    while (ok_) {
      stream_.next_out = step_.data();
      stream_.avail_out = step_.size();
      const lzma_ret ret = lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
      out.append(reinterpret_cast<const char*>(step_.data()), step_.size() - stream_.avail_out);
      if (ret == LZMA_STREAM_END) return true;
      if (ret != LZMA_OK && ret != LZMA_BUF_ERROR) ok_ = false;
      if (!last && stream_.avail_in == 0 && stream_.avail_out > 0) return ok_;
    }
    return false;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ok_;
  std::array<std::uint8_t, kStep> step_;
};

class GzipPacker final : public Packer {
 public:
  GzipPacker() : ok_(deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK) {}
  GzipPacker(const GzipPacker&) = delete;
  GzipPacker& operator=(const GzipPacker&) = delete;
  ~GzipPacker() override { deflateEnd(&stream_); }

  bool pack(std::string_view data, bool last, std::string& out) override {
    constexpr std::size_t kMost = std::numeric_limits<uInt>::max() / 2;
    do {
      const std::string_view part = data.substr(0, kMost);
      data.remove_prefix(part.size());
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));  // zlib's API lacks the const
      stream_.avail_in = static_cast<uInt>(part.size());
      if (!step(last && data.empty(), out)) return false;
    } while (!data.empty());
    return true;
  }

 private:
  bool step(bool last, std::string& out) {
    while (ok_) {
      stream_.next_out = step_.data();
      stream_.avail_out = static_cast<uInt>(step_.size());
      const int ret = deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      out.append(reinterpret_cast<const char*>(step_.data()), step_.size() - stream_.avail_out);
      if (ret == Z_STREAM_END) return true;
      if (ret != Z_OK && ret != Z_BUF_ERROR) ok_ = false;
      if (!last && stream_.avail_in == 0 && stream_.avail_out > 0) return ok_;
    }
    return false;
  }

  z_stream stream_{};
  bool ok_;
  std::array<Bytef, kStep> step_;
};

class ZstdPacker final : public Packer {
 public:
  ZstdPacker() : context_(ZSTD_createCCtx()) {
    if (context_ != nullptr) ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel);
  }
  ZstdPacker(const ZstdPacker&) = delete;
  ZstdPacker& operator=(const ZstdPacker&) = delete;
  ~ZstdPacker() override { ZSTD_freeCCtx(context_); }

  bool pack(std::string_view data, bool last, std::string& out) override {
    if (context_ == nullptr) return false;
    ZSTD_inBuffer in{data.data(), data.size(), 0};
    for (;;) {
      ZSTD_outBuffer step{step_.data(), step_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context_, &step, &in, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left) != 0) return false;
      out.append(step_.data(), step.pos);
      if (last ? left == 0 : in.pos == in.size) return true;
    }
  }

 private:
  ZSTD_CCtx* context_;
  std::array<char, kStep> step_;
};

}  // namespace

std::unique_ptr<Packer> Packer::for_path(std::string_view path) {
  if (path.ends_with(".xz")) return std::make_unique<XzPacker>();
  if (path.ends_with(".gz")) return std::make_unique<GzipPacker>();
  if (path.ends_with(".zst")) return std::make_unique<ZstdPacker>();
  return std::make_unique<Through>();
}

}  // namespace wakepath::trace
