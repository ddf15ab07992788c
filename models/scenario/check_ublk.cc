// SPDX-License-Identifier: GPL-2.0-or-later
// What must fit together in [ublk]: what ublk, its server or START_DEV would refuse or wait for without end.
#include <sstream>

#include "models/kernel/switches.h"
#include "models/scenario/document.h"
#include "models/ublk/owners.h"

namespace wakepath::scenario {
namespace {

using MaybeError = std::optional<Error>;

Error at(const Scenario& s, const Document& doc, const char* key, std::string message, std::string suggestion) {
  if (const Entry* e = doc.find({"ublk", key})) return e->error(std::move(message), std::move(suggestion));
  for (const Entry& e : doc.entries())
    if (e.path.front() == "ublk") return e.error(std::move(message), std::move(suggestion));
  return {s.file, 0, std::move(message), std::move(suggestion)};
}

MaybeError check_kernel(const Scenario& s, const Document& doc) {
  const Ublk& u = s.ublk;
  const auto& k = *s.kernel.switches;
  if (s.kernel.version == "5.4")
    return at(s, doc, "queues", "kernel 5.4 has no ublk", "it came with 6.0: kernel.version = \"6.1\" or later");
  if (k.ublk_batch < 0 || k.ublk_batch > 4)
    return Error{s.file, 0, "kernel.switches.ublk_batch is 0 to 4", "wakepath explain kernel.switches.ublk_batch"};
  if (u.per_io_daemon && !k.ublk_owner_slot)
    return at(s, doc, "per_io_daemon", "kernel " + s.kernel.version + " has no per-I/O daemons",
              "they came with 6.16; one change alone is kernel.switches.ublk_owner_slot = true");
  const bool old_zero_copy =
      s.kernel.version == "6.1" || s.kernel.version == "6.6" || s.kernel.version == "6.8" || s.kernel.version == "6.12";
  if (old_zero_copy && (u.data == "zero_copy" || u.data == "auto_buf_reg"))
    return at(s, doc, "data", "kernel " + s.kernel.version + " has no zero copy in ublk", "take 6.16 or later");
  if (u.need_get_data && u.data != "copy")
    return at(s, doc, "need_get_data", "need_get_data goes with data = \"copy\" only", "remove one of the two");
  return std::nullopt;
}

MaybeError check_threads(const Scenario& s, const Document& doc) {
  const Ublk& u = s.ublk;
  const bool shares = u.owners != "queue";
  if (shares && !s.kernel.switches->ublk_owner_slot)
    return at(s, doc, "owners",
              "kernel " + s.kernel.version + " gives a queue to one task: START_DEV would succeed, " +
                  "and every command of the queue's other threads fail",
              "owners = \"queue\", or a kernel with per-I/O daemons (6.16)");
  const std::string bad = ublk::owners_error({u.owners, u.queues, u.depth, u.threads});
  if (!bad.empty())
    return at(s, doc, "threads", "ublk: " + bad + (u.threads < u.queues ? ", and START_DEV would wait for ever" : ""),
              u.owners == "queue" && s.kernel.switches->ublk_owner_slot
                  ? "threads = " + std::to_string(u.queues) + ", or per_io_daemon = true"
                  : "change threads, queues or owners");
  if (!u.server_cpus.empty() && u.server_cpus.size() != static_cast<std::size_t>(u.threads))
    return at(s, doc, "server_cpus",
              "ublk.server_cpus names " + std::to_string(u.server_cpus.size()) + " CPUs for " +
                  std::to_string(u.threads) + " threads",
              "give one CPU a thread, or leave it out");
  for (const int c : u.server_cpus)
    if (c >= s.machine.cpus)
      return at(s, doc, "server_cpus", "ublk.server_cpus: there is no CPU " + std::to_string(c),
                "the machine has CPUs 0 to " + std::to_string(s.machine.cpus - 1));
  if (u.restart_ns > 0 && u.exit_at_ns == 0)
    return at(s, doc, "restart", "ublk.restart needs exit_at", "say when the server is killed");
  if (u.restart_ns > 0 && !u.recovery)
    return at(s, doc, "restart", "a device without recovery is gone with its server", "recovery = true");
  return std::nullopt;
}

MaybeError check_faults(const Scenario& s, const Document& doc) {
  const Ublk& u = s.ublk;
  for (const std::string& text : u.faults) {
    std::istringstream in(text);
    std::string what, rest;
    int queue = -1, tag = -1, by = 0;
    in >> what >> queue >> tag;
    const bool foreign = what == "commit_by";
    if (foreign) in >> by;
    const bool known = foreign || what == "fetch_again";
    if (!known || in.fail() || in >> rest || queue < 0 || queue >= u.queues || tag < 0 || tag >= u.depth || by < 0 ||
        by >= u.threads)
      return at(s, doc, "faults", "ublk.faults: \"" + text + "\" is no fault of this server",
                "write \"fetch_again QUEUE TAG\" or \"commit_by QUEUE TAG THREAD\"");
  }
  return std::nullopt;
}

}  // namespace

MaybeError check_ublk(const Scenario& s, const Document& doc) {
  if (!s.ublk.present) {
    for (const FioJob& job : s.workloads)
      if (job.disk == "ublk") {
        const Entry* e = doc.find({"workload", job.name, "disk"});
        const std::string message = "workload " + job.name + " uses a ublk device, and there is none";
        if (e != nullptr) return e->error(message, "describe it under [ublk]");
        return Error{s.file, 0, message, "describe it under [ublk]"};
      }
    return std::nullopt;
  }
  const std::string& group = s.ublk.server_cgroup;
  bool known = group.empty();
  for (const Cgroup& g : s.cgroups) known = known || g.path == group;
  if (!known)
    return at(s, doc, "server_cgroup", "ublk.server_cgroup: unknown cgroup '" + group + "'",
              "declare it: [cgroup." + group + "]");
  for (const FioJob& job : s.workloads)
    if (job.disk == "ublk" && (!job.direct || job.ioengine == "psync" || job.ioengine == "sync" || job.hipri)) {
      const Entry* e = doc.find({"workload", job.name, "ioengine"});
      const std::string message = "workload " + job.name +
                                  ": on a ublk device direct I/O of libaio, io_uring and "
                                  "t/io_uring without hipri is modelled";
      const char* hint = "direct=1 and ioengine=io_uring, or disk = \"block\"";
      return e != nullptr ? e->error(message, hint) : Error{s.file, 0, message, hint};
    }
  if (auto bad = check_kernel(s, doc)) return bad;
  if (auto bad = check_threads(s, doc)) return bad;
  return check_faults(s, doc);
}

}  // namespace wakepath::scenario
