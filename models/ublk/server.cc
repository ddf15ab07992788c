// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/ublk/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace wakepath::ublk {

using io_uring::Op;
using io_uring::Ring;
using io_uring::Sqe;
using machine::CostId;
using machine::Mode;
using machine::run_cost;

ServerThread::ServerThread(Machine& m, Device& device, fs::Filesystem& backing, io_uring::IoWqs& pools,
                           const scenario::Ublk& conf, const Place& place)
    : machine_(m), device_(device), backing_(backing), pools_(pools), conf_(conf) {
  task_ = &m.add_task(place.comm, "ublk", m.group_of_session(conf.server_cgroup, "ublk server"), conf.server_nice,
                      place.cpu, place.pinned, false);
  commands_.commands = &device;
  file_.inode.address = 0xffff888106a00000ULL;
  file_.block_device = backing.is_block_device();
}

void ServerThread::prepare() {
  io_uring::Setup s;
  s.entries = std::min<int>(io_uring::Setup::kMaxEntries, std::max<int>(1, static_cast<int>(slots_.size())));
  s.cq_entries = std::min(2 * io_uring::Setup::kMaxEntries, 4 * s.entries);
  s.registered_ring = true;
  s.defer_taskrun = s.single_issuer = conf_.ring == "defer_taskrun";
  s.coop_taskrun = conf_.ring != "none";
  tctx_ = std::make_unique<io_uring::Tctx>(machine_, *task_, pools_);
  ring_ = std::make_unique<Ring>(machine_, backing_, *tctx_, s);
  task_->body = body(*task_);
  task_->resume_at = task_->body.handle();
}

Sqe ServerThread::sqe(Op op, const Slot& s, What what) {
  Sqe e;
  e.op = op;
  e.file = op == Op::uring_cmd ? &commands_ : op == Op::nop ? nullptr : &file_;
  e.fixed_file = true;
  e.user_data = static_cast<std::uint64_t>(what) << 40U | static_cast<std::uint64_t>(s.queue) << 16U |
                static_cast<std::uint64_t>(s.tag);
  return e;
}

void ServerThread::push_command(Cmd op, const Slot& s, What what) {
  Sqe e = sqe(Op::uring_cmd, s, what);
  e.cmd_op = static_cast<std::uint16_t>(op);
  e.cmd_queue = static_cast<std::uint16_t>(s.queue);
  e.cmd_tag = static_cast<std::uint16_t>(s.tag);
  e.hardlink = e.cqe_skip = op == Cmd::register_io_buf;  // the last of its chain posts the CQE
  ring_->push(e);
}

machine::Body ServerThread::body(KTask& t) {
  for (const Slot& s : slots_) push_command(Cmd::fetch_req, s);
  for (const Slot& s : again_) push_command(Cmd::fetch_req, s, What::fault);
  for (const Slot& s : foreign_) push_command(Cmd::commit_and_fetch_req, s, What::fault);
  while (!t.fatal_signal) {
    co_await run_cost(machine_, t, CostId::ublk_server_loop, Mode::user);
    ++counters.loops;
    co_await ring_->enter(t, static_cast<unsigned>(ring_->sq_ready()), 1, Ring::kGetEvents);
    while (ring_->cq_ready() > 0 && !t.fatal_signal) co_await handle(t, ring_->pop());
  }
  co_await device_.cancel(t);
  co_await machine_.exit_task(t);
}

Call<void> ServerThread::handle(KTask& t, const io_uring::Cqe& cqe) {
  co_await run_cost(machine_, t, CostId::ublk_server_cqe, Mode::user);
  const Slot s{static_cast<int>(cqe.user_data >> 16U & 0xffffU), static_cast<int>(cqe.user_data & 0xffffU)};
  const auto what = static_cast<What>(cqe.user_data >> 40U);
  if (what == What::fault) co_return;
  if (what == What::io) {  // also where it failed: the commit says so
    ++counters.served;
    co_return push_command(Cmd::commit_and_fetch_req, s);
  }
  if (cqe.res < 0) co_return;  // refused or aborted: the driver remembers it
  if (cqe.res == Device::kResNeedGetData) co_return push_command(Cmd::need_get_data, s);
  co_await serve(t, s);
}

Call<void> ServerThread::serve(KTask& t, const Slot& s) {
  const Device::Descriptor d = device_.descriptor(s.queue, s.tag);
  if (conf_.data == "user_copy" && d.write) co_await user_copy(t, d);
  if (start_io(s, d)) co_return;
  if (conf_.data == "user_copy" && !d.write) co_await user_copy(t, d);
  ++counters.served;
  push_command(Cmd::commit_and_fetch_req, s);
}

Call<void> ServerThread::user_copy(KTask& t, const Device::Descriptor& d) {
  co_await run_cost(machine_, t, CostId::syscall_entry);
  co_await device_.pause_for_copy(t, d);
  if (t.work_at_user_exit()) co_await machine::exit_to_user_mode_loop(t);
  co_await run_cost(machine_, t, CostId::syscall_exit, Mode::irqs_off);
}

// The target's operation, where it takes one: its last completion is What::io.
bool ServerThread::start_io(const Slot& s, const Device::Descriptor& d) {
  const bool null = conf_.target == "null", registers = conf_.data == "zero_copy";
  if (null && !registers) return false;
  const What inner = registers ? What::fault : What::io;  // of a chain the last one counts
  if (registers) push_command(Cmd::register_io_buf, s, inner);
  Sqe e = sqe(null ? Op::nop : d.write ? Op::write : Op::read, s, inner);
  e.offset = d.sector * 512;
  e.bytes = d.bytes;
  e.fixed_buffer = registers || conf_.data == "auto_buf_reg";
  e.hardlink = e.cqe_skip = registers;
  ring_->push(e);
  if (registers) push_command(Cmd::unregister_io_buf, s, What::io);
  return true;
}

// ---- the process ---------------------------------------------------------------------------------------------------

// SIGKILL, and the start of another server.
struct Server::Killer final : machine::HrTimer {
  explicit Killer(Server& server) : s(server) { function_id = s.machine_.tp.name("hrtimer_wakeup"); }
  ~Killer() override { s.machine_.engine.cancel(timer); }
  Call<void> expired(ExecContext& irq) override {
    Machine& m = s.machine_;
    if (killed) {
      s.make_threads();
      for (std::size_t i = s.alive_from_; i < s.threads_.size(); ++i) m.first_wake(s.threads_[i].task());
      co_return;
    }
    killed = true;
    if (s.conf_.restart_ns > 0) m.local_timer(0).arm(*this, m.now() + s.conf_.restart_ns);
    for (ServerThread& t : s.threads_) {
      t.task().fatal_signal = true;
      co_await machine::notify(irq, t.task(), machine::Notify::signal);
    }
  }
  Server& s;
  bool killed = false;
};

Server::Server(Machine& m, Device& device, fs::Filesystem& backing, io_uring::IoWqs& pools, const scenario::Ublk& conf)
    : machine_(m), device_(device), backing_(backing), pools_(pools), conf_(conf) {
  owners_ = assign_owners({conf.owners, device.queues(), device.depth(), conf.threads});
  make_threads();
  add_faults();
}

Server::~Server() = default;

// kublk: thread i on the first CPU of queue i.
ServerThread::Place Server::place_of(int thread) const {
  const std::string comm = fmt::format("ublkq{}", thread);
  const auto i = static_cast<std::size_t>(thread);
  if (i < conf_.server_cpus.size()) return {comm, conf_.server_cpus[i], true};
  if (conf_.affinity == "queue" && thread < device_.queues())
    return {comm, std::max(0, device_.queue().cpu_map().cpus_of[i].first()), true};
  return {comm, thread % machine_.cpu_count(), machine_.cpu_count() == 1};
}

void Server::make_threads() {
  alive_from_ = threads_.size();
  for (int t = 0; t < conf_.threads; ++t)
    threads_.emplace_back(machine_, device_, backing_, pools_, conf_, place_of(t));
  for (int q = 0; q < device_.queues(); ++q)
    for (int tag = 0; tag < device_.depth(); ++tag)
      if (const int owner = owners_.of(q, tag); owner >= 0)
        threads_[alive_from_ + static_cast<std::size_t>(owner)].own(q, tag);
  for (std::size_t i = alive_from_; i < threads_.size(); ++i) threads_[i].prepare();
}

void Server::add_faults() {
  for (const std::string& text : conf_.faults) {
    std::istringstream in(text);
    std::string what;
    int queue = 0, tag = 0, by = 0;
    in >> what >> queue >> tag >> by;
    const auto owner = static_cast<std::size_t>(owners_.of(queue, tag));
    if (what == "fetch_again")
      threads_[owner].fetch_again(queue, tag);
    else
      threads_[static_cast<std::size_t>(by)].commit_foreign(queue, tag);
  }
}

void Server::start() {
  for (ServerThread& t : threads_) machine_.first_wake(t.task());
  if (conf_.exit_at_ns == 0) return;
  killer_ = std::make_unique<Killer>(*this);
  machine_.local_timer(0).arm(*killer_, conf_.exit_at_ns);
}

}  // namespace wakepath::ublk
