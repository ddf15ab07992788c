// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/record_pipe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sim/trace/fields.h"
#include "sim/trace/scan.h"
#include "sim/trace/spool.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kPipeSize = 1 << 16;
constexpr std::size_t kFrameHead = 5;           // kind, size
constexpr std::uint32_t kFrameLimit = 1 << 20;  // no name and no message is longer
constexpr int kStallMs = 30'000;                // a page of a trace takes microseconds
constexpr std::size_t kNamesSizeLimit = 4 << 20;

std::string first_line_of(int said) {
  std::array<char, 1000> text{};
  const ssize_t n = ::pread(said, text.data(), text.size(), 0);
  std::string_view line = scan::ltrim(std::string_view(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0));
  while (!line.empty() && line.front() == '\n') line.remove_prefix(1);
  line = scan::ltrim(line.substr(0, line.find('\n')));
  return line.empty() ? "" : " (" + scan::printable(line) + ")";
}

}  // namespace

void RecordPipe::flush() {
  if (write_all(fd_, buffer_) != 0) ::_exit(0);
  buffer_.clear();
}

void RecordPipe::frame(char kind, std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  buffer_ += kind;
  buffer_.append(reinterpret_cast<const char*>(&size), sizeof size);
  buffer_ += payload;
  if (buffer_.size() >= kPipeSize) flush();
}

void RecordPipe::new_names() {
  for (; sent_ < pool_.size(); ++sent_) frame('S', pool_.str(static_cast<StringId>(sent_)));
}

void RecordPipe::record(const Event& e) {
  new_names();
  frame('E', std::string_view(reinterpret_cast<const char*>(&e), sizeof e));
}

void RecordPipe::bad_record(std::string_view reason) { frame('B', reason); }

void RecordPipe::fail(std::string_view message) {
  frame('F', message);
  flush();
}

void RecordPipe::end() {
  frame('.', {});
  flush();
}

ChildSource::ChildSource(Work work, std::string what, std::string path, StringPool& pool)
    : work_(std::move(work)), said_(unnamed_file()), what_(std::move(what)), path_(std::move(path)), pool_(&pool) {
  std::array<int, 2> pipe{};
  if (said_ < 0 || ::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    failed_ = std::string("cannot be read in a process of its own: ") + std::strerror(errno);
    return;
  }
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    for (const int signal : {SIGINT, SIGTERM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE}) ::signal(signal, SIG_DFL);
    ::dup2(said_, STDERR_FILENO);
    ::dup2(said_, STDOUT_FILENO);
    RecordPipe out(pipe[1]);
    work_(out);
    ::_exit(0);
  }
  ::close(pipe[1]);
  fd_ = pipe[0];
  if (pid_ < 0) failed_ = std::string("cannot be read in a process of its own: ") + std::strerror(errno);
}

ChildSource::~ChildSource() {
  stop();
  if (fd_ >= 0) ::close(fd_);
  if (said_ >= 0) ::close(said_);
}

void ChildSource::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool ChildSource::fill(std::size_t size) {
  while (buffer_.size() - at_ < size) {
    if (at_ > 0) {
      buffer_.erase(0, at_);
      at_ = 0;
    }
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, kStallMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      stalled_ = true;
      return false;
    }
    const std::size_t had = buffer_.size();
    buffer_.resize(had + 4 * kPipeSize);
    const ssize_t n = ::read(fd_, buffer_.data() + had, 4 * kPipeSize);
    buffer_.resize(had + (n > 0 ? static_cast<std::size_t>(n) : 0));
    if (n == 0 || (n < 0 && errno != EINTR)) return false;
  }
  return true;
}

tl::expected<bool, Error> ChildSource::fail(std::string message) {
  failed_ = std::move(message);
  stop();
  return tl::make_unexpected(Error{path_, 0, failed_});
}

// The pipe ended without the frame that says that all was read.
tl::expected<bool, Error> ChildSource::broken() {
  const std::string after = " after " + std::to_string(report_.records) + " records";
  if (stalled_) return fail(what_ + " made no progress for 30 s" + after + ": the file is damaged");
  int status = 0;
  if (pid_ > 0) ::waitpid(pid_, &status, 0);
  pid_ = -1;
  const std::string how =
      WIFSIGNALED(status) ? " crashed (signal " + std::to_string(WTERMSIG(status)) + ")" : " gave up";
  return fail(what_ + how + after + ": the file is cut or damaged" + first_line_of(said_));
}

void ChildSource::take_record(std::string_view payload, Event& e) {
  std::memcpy(&e, payload.data(), sizeof e);
  const auto ours = [&](StringId id) { return id < names_.size() ? names_[id] : 0; };
  e.comm = ours(e.comm);
  for (const Field& f : fields_of(e.type)) {
    if (f.is_name() || f.kind == FieldKind::handled) set_name(e, f, ours(name_of(e, f)));
  }
  const bool first = report_.records == 0;
  report_.lines = report_.records + 1;
  if (e.type == EventType::lost_events) {
    ++report_.losses;
    report_.lost_events += e.u.value;
  } else if (e.type == EventType::unknown) {
    std::string name = pool_->str(ours(e.u.unknown.name));
    if (!report_.unknown.contains(name) && report_.unknown.size() >= Report::kUnknownNamesKept) name = "(others)";
    ++report_.unknown[name];
    e.u.unknown = {pool_->intern(name)};
  }
  if (first) report_.first_ts_ns = e.ts_ns;
  if (!first && e.ts_ns < report_.last_ts_ns) ++report_.stamps_back;
  report_.last_ts_ns = e.ts_ns;
}

// True when the frame was a record.
bool ChildSource::take_frame(char kind, std::string_view payload, Event& e) {
  switch (kind) {
    case 'E':
      if (payload.size() != sizeof e) break;
      take_record(payload, e);
      return true;
    case 'S':
      names_.push_back(pool_->intern(scan::printable(payload)));
      break;
    case 'B':
      ++report_.bad_lines;
      if (report_.first_bad.size() < Report::kBadLinesKept) {
        report_.first_bad.push_back({report_.records + report_.bad_lines, std::string(payload), ""});
      }
      break;
    case 'F':
      failed_ = std::string(payload) + first_line_of(said_);
      break;
    default:
      ended_ = true;
  }
  return false;
}

tl::expected<bool, Error> ChildSource::next(Event& e) {
  for (;;) {
    if (!failed_.empty()) return fail(failed_);
    if (ended_) return false;
    if (!fill(kFrameHead)) return broken();
    std::uint32_t size = 0;
    std::memcpy(&size, buffer_.data() + at_ + 1, sizeof size);
    if (size > kFrameLimit || names_.size() > kNamesSizeLimit) return fail("holds names without end: this is no trace");
    if (!fill(kFrameHead + size)) return broken();
    const std::string_view payload(buffer_.data() + at_ + kFrameHead, size);
    const bool got = take_frame(buffer_[at_], payload, e);
    at_ += kFrameHead + size;
    if (got) return true;
  }
}

}  // namespace wakepath::trace
