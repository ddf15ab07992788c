// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "sim/trace/packer.h"
#include "sim/trace/spool.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kPackedSize = 1 << 18;

std::string reason_of(int error) { return std::string("cannot be written: ") + std::strerror(error); }

int copy_all(int from, int to) {
  if (::lseek(from, 0, SEEK_SET) < 0) return errno;
  std::vector<char> chunk(kPackedSize);
  for (;;) {
    const ssize_t n = ::read(from, chunk.data(), chunk.size());
    if (n == 0) return 0;
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (const int error = write_all(to, std::string_view(chunk.data(), static_cast<std::size_t>(n))); error != 0) {
      return error;
    }
  }
}

// A temporary file beside `place`, removed unless it was renamed.
class Temporary {
 public:
  explicit Temporary(const std::string& place) : name_(place + ".XXXXXX") { fd_ = ::mkstemp(name_.data()); }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (fd_ < 0) return;
    ::close(fd_);
    if (!renamed_) ::unlink(name_.c_str());
  }
  [[nodiscard]] int fd() const { return fd_; }

  int rename_to(const std::string& place, mode_t mode) {
    if (::fchmod(fd_, mode) != 0 || ::rename(name_.c_str(), place.c_str()) != 0) return errno;
    renamed_ = true;
    return 0;
  }

 private:
  std::string name_;
  int fd_ = -1;
  bool renamed_ = false;
};

class File final : public Output {
 public:
  File(std::string path, std::string place, mode_t mode)
      : path_(std::move(path)),
        place_(std::move(place)),
        mode_(mode),
        body_(place_),
        packer_(Packer::for_path(path_)) {}

  [[nodiscard]] bool ok() const { return body_.fd() >= 0; }

  void write(std::string_view data) override {
    if (!packer_->pack(data, false, packed_)) fail(ENOMEM);
    if (packed_.size() >= kPackedSize) flush();
  }

  tl::expected<void, Error> finish(std::string_view head) override {
    if (!packer_->pack({}, true, packed_)) fail(ENOMEM);
    flush();
    std::string first;
    if (!Packer::for_path(path_)->pack(head, true, first)) fail(ENOMEM);
    Temporary whole(place_);
    if (whole.fd() < 0) fail(errno);
    if (error_ == 0) fail(write_all(whole.fd(), first));
    if (error_ == 0) fail(copy_all(body_.fd(), whole.fd()));
    if (error_ == 0) fail(whole.rename_to(place_, mode_));
    if (error_ != 0) return tl::make_unexpected(Error{path_, 0, reason_of(error_)});
    return {};
  }

 private:
  void fail(int error) {
    if (error_ == 0) error_ = error;
  }
  void flush() {
    if (error_ == 0) fail(write_all(body_.fd(), packed_));
    packed_.clear();
  }

  std::string path_, place_;
  mode_t mode_;
  Temporary body_;
  std::unique_ptr<Packer> packer_;
  std::string packed_;
  int error_ = 0;
};

// A pipe cannot wait for the head, so it is not written; the reader needs none.
class Direct final : public Output {
 public:
  Direct(std::string path, int fd) : path_(std::move(path)), fd_(fd), packer_(Packer::for_path(path_)) {}
  Direct(const Direct&) = delete;
  Direct& operator=(const Direct&) = delete;
  ~Direct() override {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }

  void write(std::string_view data) override { put(data, false); }
  tl::expected<void, Error> finish(std::string_view) override {
    put({}, true);
    if (error_ != 0) return tl::make_unexpected(Error{path_, 0, reason_of(error_)});
    return {};
  }

 private:
  void put(std::string_view data, bool last) {
    if (error_ != 0) return;
    if (!packer_->pack(data, last, packed_)) error_ = ENOMEM;
    if (error_ == 0) error_ = write_all(fd_, packed_);
    packed_.clear();
  }

  std::string path_;
  int fd_;
  std::unique_ptr<Packer> packer_;
  std::string packed_;
  int error_ = 0;
};

}  // namespace

tl::expected<std::unique_ptr<Output>, Error> Output::create(const std::string& path) {
  if (path == "-") return std::make_unique<Direct>(path, STDOUT_FILENO);
  struct stat st {};
  const bool exists = ::stat(path.c_str(), &st) == 0;
  if (exists && S_ISDIR(st.st_mode)) return tl::make_unexpected(Error{path, 0, reason_of(EISDIR)});
  if (exists && !S_ISREG(st.st_mode)) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return tl::make_unexpected(Error{path, 0, reason_of(errno)});
    return std::make_unique<Direct>(path, fd);
  }
  mode_t mode = st.st_mode & 07777;
  if (!exists) {  // umask() can only be read by setting it, which another thread would notice: ask the file system
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return tl::make_unexpected(Error{path, 0, reason_of(errno)});
    if (::fstat(fd, &st) == 0) mode = st.st_mode & 07777;
    ::close(fd);
    ::unlink(path.c_str());
  }
  std::error_code ec;  // a link stays a link: what it points to is replaced
  const auto real = std::filesystem::weakly_canonical(path, ec);
  auto file = std::make_unique<File>(path, ec ? path : real.string(), mode);
  if (!file->ok()) return tl::make_unexpected(Error{path, 0, reason_of(errno)});
  return file;
}

}  // namespace wakepath::trace
