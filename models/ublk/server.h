// SPDX-License-Identifier: GPL-2.0-or-later
// A ublk server: threads with a ring each that fetch slots, do what the requests ask for and commit them.
//
// A thread's loop is kublk's: submit what is prepared and wait for one completion, then handle all that are there. The
// target null answers at once; loop reads and writes the backing file through the same ring and commits when that is
// done. How the data gets across (ublk.data): the driver copies it; USER_COPY, a pread or pwrite of the character
// device; zero copy, the request's buffer registered and unregistered by commands around the operation; AUTO_BUF_REG,
// the same within the driver's own commands.
//
// Invariant: between two calls of io_uring_enter each slot of a thread is prepared, with the driver, at the backing
// file, or gone. Source: tools/testing/selftests/ublk/kublk.c, null.c, file_backed.c; io_uring specification 3.9, 3.10.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "models/machine/sleep.h"
#include "models/ublk/device.h"
#include "models/ublk/owners.h"

namespace wakepath::ublk {

class ServerThread {
 public:
  struct Slot {
    int queue, tag;
  };
  struct Place {  // of its task
    std::string comm;
    int cpu;
    bool pinned;
  };
  ServerThread(Machine& m, Device& device, fs::Filesystem& backing, io_uring::IoWqs& pools, const scenario::Ublk& conf,
               const Place& place);
  void own(int queue, int tag) { slots_.push_back({queue, tag}); }
  void prepare();  // all slots are known: the ring and the body
  // Mistakes that the scenario asks for, in its first submission.
  void fetch_again(int queue, int tag) { again_.push_back({queue, tag}); }
  void commit_foreign(int queue, int tag) { foreign_.push_back({queue, tag}); }

  [[nodiscard]] KTask& task() { return *task_; }
  [[nodiscard]] io_uring::Ring& ring() { return *ring_; }
  [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }
  struct Counters {
    std::uint64_t served = 0, loops = 0;
  } counters;

 private:
  enum class What : std::uint8_t { command, io, fault };  // fault: nobody waits for it
  machine::Body body(KTask& t);
  Call<void> handle(KTask& t, const io_uring::Cqe& cqe);
  Call<void> serve(KTask& t, const Slot& s);
  Call<void> user_copy(KTask& t, const Device::Descriptor& d);
  bool start_io(const Slot& s, const Device::Descriptor& d);
  void push_command(Cmd op, const Slot& s, What what = What::command);
  io_uring::Sqe sqe(io_uring::Op op, const Slot& s, What what);

  Machine& machine_;
  Device& device_;
  fs::Filesystem& backing_;
  io_uring::IoWqs& pools_;
  const scenario::Ublk& conf_;
  std::vector<Slot> slots_, again_, foreign_;
  KTask* task_;
  std::unique_ptr<io_uring::Tctx> tctx_;
  std::unique_ptr<io_uring::Ring> ring_;
  io_uring::File commands_, file_;
};

// All threads of one life of the server.
class Server {
 public:
  Server(Machine& m, Device& device, fs::Filesystem& backing, io_uring::IoWqs& pools, const scenario::Ublk& conf);
  ~Server();
  void start();  // at the start of a run; also arms the server's end, where the scenario has one
  [[nodiscard]] std::deque<ServerThread>& threads() { return threads_; }
  [[nodiscard]] const std::deque<ServerThread>& threads() const { return threads_; }
  [[nodiscard]] const Owners& owners() const { return owners_; }

 private:
  struct Killer;
  void make_threads();
  void add_faults();
  [[nodiscard]] ServerThread::Place place_of(int thread) const;

  Machine& machine_;
  Device& device_;
  fs::Filesystem& backing_;
  io_uring::IoWqs& pools_;
  const scenario::Ublk& conf_;
  Owners owners_;
  std::deque<ServerThread> threads_;
  std::size_t alive_from_ = 0;  // threads of the present life begin here
  std::unique_ptr<Killer> killer_;
};

}  // namespace wakepath::ublk
