// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/ublk_json.h"

namespace wakepath::run {

using json = nlohmann::ordered_json;

namespace {

UblkStart::Thread counts(const ublk::ServerThread& t) {
  return {t.counters.served, t.counters.loops, const_cast<ublk::ServerThread&>(t).ring().counters.sleeps};
}

json cpus_of(const machine::CpuMask& mask) {
  json out = json::array();
  for (int c = mask.first(); c >= 0; c = mask.next(c)) out.push_back(c);
  return out;
}

// Tags of one queue as the kernel prints a bitmap's list: runs, and every n-th as FROM-TO:1/n.
std::string tag_list(const std::vector<int>& tags) {
  std::string out;
  for (std::size_t i = 0, end; i < tags.size(); i = end) {
    const int step = i + 1 < tags.size() ? tags[i + 1] - tags[i] : 1;
    for (end = i + 1; end < tags.size() && tags[end] - tags[end - 1] == step;) ++end;
    if (step > 1 && end - i < 3) end = i + 1;
    if (!out.empty()) out += ",";
    out += std::to_string(tags[i]);
    if (end == i + 1) continue;
    out += "-" + std::to_string(tags[end - 1]);
    if (step > 1) out += ":1/" + std::to_string(step);
  }
  return out;
}

// {"q0": "0-127"}, or {"q0": "0", "q1": "3"}
json tags_of(const ublk::ServerThread& t) {
  std::map<int, std::vector<int>> by_queue;
  for (const auto& slot : t.slots()) by_queue[slot.queue].push_back(slot.tag);
  json out = json::object();
  for (const auto& [queue, tags] : by_queue) out["q" + std::to_string(queue)] = tag_list(tags);
  return out;
}

// A thread or CPU counts as the limit from this share of a CPU on.
constexpr double kFull = 0.95;

// Where a server thread is full the device is; else where a client is; else where every CPU that does anything is full
// the CPUs are; else the load asks for no more.
std::string limit_of(const ublk::Server& s, const std::map<const machine::KTask*, UblkTask>& tasks,
                     const UblkLoad& load) {
  std::string full, waiting;
  int nr_full = 0;
  for (const ublk::ServerThread& t : s.threads()) {
    const auto it = tasks.find(&const_cast<ublk::ServerThread&>(t).task());
    if (it == tasks.end()) continue;
    const std::string& comm = it->first->st.comm;
    const double busy = it->second.cpu_ns_per_s / 1e9, asks = busy + it->second.run_delay_ns_per_s / 1e9;
    if (busy >= kFull) full += (nr_full++ == 0 ? "" : ", ") + comm;
    if (asks >= kFull) waiting += (waiting.empty() ? "" : ", ") + comm;
  }
  if (nr_full > 0) return "server: " + full + (nr_full == 1 ? " takes a whole CPU" : " take a whole CPU each");
  if (load.busiest_client >= kFull) return "clients: one takes a whole CPU";
  if (!waiting.empty()) return "CPU: server " + waiting + " shares a full one";
  for (std::size_t c = 0; c < load.cpus.size(); ++c)
    if (load.cpus[c] >= kFull) return "CPU: " + std::to_string(c) + " is full";
  return "load: no task and no CPU is full";
}

}  // namespace

UblkStart ublk_start(const ublk::Device& d, const ublk::Server& s) {
  UblkStart start;
  start.device = d.counters;
  start.by_queue = d.committed_by_queue();
  for (const ublk::ServerThread& t : s.threads()) start.threads[&t] = counts(t);
  start.block = const_cast<ublk::Device&>(d).queue().counters;
  return start;
}

json ublk_json(const ublk::Device& d, const ublk::Server& s, const UblkStart& start,
               const std::map<const machine::KTask*, UblkTask>& tasks, const scenario::Ublk& conf, const UblkLoad& load,
               double seconds) {
  const auto& now = d.counters;
  const auto& then = start.device;
  const auto rate = [&](std::uint64_t a, std::uint64_t b) { return static_cast<double>(a - b) / seconds; };
  auto& queue = const_cast<ublk::Device&>(d).queue();
  const std::uint64_t batches = now.batches - then.batches;
  json out = {
      {"target", conf.target},
      {"live", d.live()},
      {"dispatched_per_s", rate(now.dispatched, then.dispatched)},
      {"committed_per_s", rate(now.committed, then.committed)},
      {"task_works_per_s", rate(now.batches, then.batches)},
      {"ios_per_task_work",
       batches > 0 ? static_cast<double>(now.dispatched - then.dispatched) / static_cast<double>(batches) : 0.0},
      {"largest_batch", now.largest_batch},
      {"get_data_per_s", rate(now.get_data, then.get_data)},
      {"cross_llc_per_s", rate(now.cross_llc, then.cross_llc)},
      {"tag_waits_per_s", rate(queue.counters.tag_waits, start.block.tag_waits)},
      {"aborted", now.aborted},
      {"requeued", now.requeued},
      {"reissued", now.reissued},
      {"in_flight_at_end", queue.in_flight()}};
  out["limit"] = limit_of(s, tasks, load);
  json queues = json::array();
  for (int q = 0; q < d.queues(); ++q) {
    const auto i = static_cast<std::size_t>(q);
    queues.push_back({{"id", q},
                      {"cpus", cpus_of(queue.cpu_map().cpus_of[i])},
                      {"ios_per_s", rate(d.committed_by_queue()[i], start.by_queue[i])}});
  }
  out["queues"] = queues;
  json threads = json::array();
  for (const ublk::ServerThread& t : s.threads()) {
    const auto it = start.threads.find(&t);
    const UblkStart::Thread before = it != start.threads.end() ? it->second : UblkStart::Thread{};
    const UblkStart::Thread after = counts(t);
    const machine::KTask& task = const_cast<ublk::ServerThread&>(t).task();
    const auto found = tasks.find(&task);
    const UblkTask of = found != tasks.end() ? found->second : UblkTask{};
    threads.push_back({{"comm", task.st.comm},
                       {"tid", task.st.pid},
                       {"slots", t.slots().size()},
                       {"tags", tags_of(t)},
                       {"ios_per_s", rate(after.served, before.served)},
                       {"enters_per_s", rate(after.loops, before.loops)},
                       {"sleeps_per_s", rate(after.sleeps, before.sleeps)},
                       {"cpu_ns_per_s", of.cpu_ns_per_s},
                       {"run_delay_ns_per_s", of.run_delay_ns_per_s}});
  }
  out["threads"] = threads;
  json errors = json::array();
  for (const auto& r : d.refusals())
    errors.push_back(
        {{"command", ublk::cmd_name(r.cmd)}, {"queue", r.queue}, {"tag", r.tag}, {"task", r.task}, {"result", r.res}});
  out["errors"] = errors;
  return out;
}

}  // namespace wakepath::run
