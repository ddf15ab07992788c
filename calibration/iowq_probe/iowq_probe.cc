// SPDX-License-Identifier: GPL-2.0-or-later
// Drives the real kernel's io-wq by a short program given on the command line, so that measure.py can count the workers
// in a trace. The same words drive the model (tests/unit/io_wq_host_test.cc).
//
//   nop nop!        a NOP, inline or with IOSQE_ASYNC
//   open!           openat(O_RDONLY) of a FIFO without a writer: blocks its worker until `release`
//   write:F         4 KiB buffered write to file F (1 to 9), written before; write!:F with IOSQE_ASYNC
//   fsync:F         fsync of file F
//   sync:F          write and fsync of file F outside the ring, done before the next word
//   dirty:F         write to file F outside the ring, not synced
//   +               the request before it is linked to the next one
//   submit          io_uring_enter(to_submit, 0): everything since the last submit
//   wait:N          io_uring_enter(0, min_complete N), then all completions are taken
//   sleep:MS        nanosleep
//   release         a writer opens and closes each FIFO
//   max:B:U         IORING_REGISTER_IOWQ_MAX_WORKERS
//
// Ring: 64 entries, no flags. The process and its io-wq are kept on CPU 0 unless --free is given. The program's begin
// and end are visible in a trace as renames of the main thread to probe-begin and probe-end.
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "iowq_probe: %s\n", what.c_str());
  std::exit(2);
}

int check(int result, const char* what) {
  if (result < 0) fail(std::string(what) + ": " + std::strerror(result < -1 ? -result : errno));
  return result;
}

class Probe {
 public:
  Probe(const std::string& folder, bool pinned) : folder_(folder) {
    check(io_uring_queue_init(64, &ring_, 0), "io_uring_queue_init");
    if (pinned) {
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(0, &set);
      check(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
      check(io_uring_register_iowq_aff(&ring_, sizeof set, &set), "IORING_REGISTER_IOWQ_AFF");
    }
    for (std::size_t f = 1; f < files_.size(); ++f) {
      const std::string path = folder_ + "/file" + std::to_string(f);
      files_[f] = check(open(path.c_str(), O_RDWR | O_CREAT, 0600), path.c_str());
      for (int i = 0; i < 2; ++i) check(static_cast<int>(pwrite(files_[f], page_, sizeof page_, 0)), "pwrite");
      check(fsync(files_[f]), "fsync");
    }
  }
  ~Probe() {
    for (std::size_t f = 1; f < files_.size(); ++f) unlink((folder_ + "/file" + std::to_string(f)).c_str());
    for (const auto& f : fifos_) unlink(f.c_str());
  }
  void make_fifos(int n) {  // before the program begins: mkfifo may block on the filesystem
    for (int i = 0; i < n; ++i) {
      fifos_.push_back(folder_ + "/fifo" + std::to_string(i));
      check(mkfifo(fifos_.back().c_str(), 0600), fifos_.back().c_str());
    }
  }
  void word(const std::string& w) {
    const auto colon = w.find(':');
    std::string name = w.substr(0, colon);
    const bool async = name.size() > 1 && name.back() == '!';
    if (async) name.pop_back();
    const std::string argument = colon == std::string::npos ? "" : w.substr(colon + 1);
    const int number = argument.empty() ? 0 : std::atoi(argument.c_str());
    if (w == "+") {
      if (last_ == nullptr) fail("+ without a request before it");
      last_->flags |= IOSQE_IO_LINK;
    } else if (name == "submit") {
      check(io_uring_submit(&ring_), "io_uring_submit");
      last_ = nullptr;
    } else if (name == "wait") {
      wait(number);
    } else if (name == "sleep") {
      std::this_thread::sleep_for(std::chrono::milliseconds(number));
    } else if (name == "release") {
      release();
    } else if (name == "max") {
      unsigned values[2] = {static_cast<unsigned>(number),
                            static_cast<unsigned>(std::atoi(argument.substr(argument.find(':') + 1).c_str()))};
      check(io_uring_register_iowq_max_workers(&ring_, values), "IORING_REGISTER_IOWQ_MAX_WORKERS");
    } else if (name == "dirty" || name == "sync") {
      check(static_cast<int>(pwrite(file(number), page_, sizeof page_, 0)), "pwrite");
      if (name == "sync") check(fsync(file(number)), "fsync");
    } else {
      request(name, async, number);
    }
  }

 private:
  int file(int number) {
    if (number < 1 || number >= static_cast<int>(files_.size())) fail("files are numbered 1 to 9");
    return files_[static_cast<std::size_t>(number)];
  }
  void request(const std::string& name, bool async, int number) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) fail("more than 64 requests in one submit");
    if (name == "nop") {
      io_uring_prep_nop(sqe);
    } else if (name == "open") {
      io_uring_prep_openat(sqe, AT_FDCWD, fifos_.at(next_fifo_++).c_str(), O_RDONLY, 0);
    } else if (name == "write") {
      io_uring_prep_write(sqe, file(number), page_, sizeof page_, 0);
    } else if (name == "fsync") {
      io_uring_prep_fsync(sqe, file(number), 0);
    } else {
      fail("no word '" + name + "'");
    }
    if (async) sqe->flags |= IOSQE_ASYNC;
    last_ = sqe;
  }
  void wait(int count) {
    io_uring_cqe* cqe = nullptr;
    check(io_uring_wait_cqe_nr(&ring_, &cqe, static_cast<unsigned>(count)), "io_uring_wait_cqe_nr");
    unsigned head = 0, seen = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      if (cqe->res < 0) fail(std::string("a request failed: ") + std::strerror(-cqe->res));
      ++seen;
    }
    io_uring_cq_advance(&ring_, seen);
  }
  void release() {
    for (const auto& f : fifos_) {
      const int fd = open(f.c_str(), O_WRONLY | O_NONBLOCK);
      if (fd >= 0) held_.push_back(fd);  // a FIFO that nobody opened yet is left alone
    }
  }

  std::string folder_;
  io_uring ring_{};
  io_uring_sqe* last_ = nullptr;
  std::array<int, 10> files_{};
  std::vector<std::string> fifos_;
  std::size_t next_fifo_ = 0;
  std::vector<int> held_;
  alignas(4096) char page_[4096] = {};
};

}  // namespace

int main(int argc, char** argv) {
  bool pinned = true;
  std::vector<std::string> words;
  std::string folder;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--free")
      pinned = false;
    else if (folder.empty())
      folder = a;
    else
      words.push_back(a);
  }
  if (words.empty()) fail("usage: iowq_probe [--free] FOLDER WORD...");
  Probe probe(folder, pinned);
  int fifos = 0;
  for (const auto& w : words) fifos += w == "open!" ? 1 : 0;
  probe.make_fifos(fifos);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  prctl(PR_SET_NAME, "probe-begin");
  for (const auto& w : words) probe.word(w);
  prctl(PR_SET_NAME, "probe-end");
}
