// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace wakepath::trace {
namespace {

constexpr std::size_t kChunk = 1 << 18;

std::string reason_of(const char* what, int error) { return std::string(what) + ": " + std::strerror(error); }

}  // namespace

int unnamed_file() {
  const char* folder = std::getenv("TMPDIR");
  std::string name = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") + "/wakepath.XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

int write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

tl::expected<Spool, std::string> Spool::of(const std::string& path, std::unique_ptr<Input> input,
                                           std::string_view head) {
  if (input->is_plain_file()) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return tl::make_unexpected(reason_of("cannot be opened", errno));
    return Spool(fd, path);
  }
  const int fd = unnamed_file();
  if (fd < 0) return tl::make_unexpected(reason_of("cannot be unpacked into a temporary file", errno));
  Spool spool(fd, "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd));
  int error = write_all(fd, head);
  std::vector<char> chunk(kChunk);
  while (error == 0) {
    const auto n = input->read(chunk.data(), chunk.size());
    if (!n) return tl::make_unexpected(n.error());
    if (*n == 0) return spool;
    error = write_all(fd, std::string_view(chunk.data(), *n));
  }
  return tl::make_unexpected(reason_of("cannot be unpacked into a temporary file", error));
}

Spool::Spool(Spool&& other) noexcept : fd_(other.fd_), path_(std::move(other.path_)) { other.fd_ = -1; }

Spool::~Spool() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace wakepath::trace
