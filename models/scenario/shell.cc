// SPDX-License-Identifier: GPL-2.0-or-later
// The commands a mail about I/O scheduling pastes: groups made and weighted, tasks pinned and reniced, knobs written,
// fio run. A line that is not understood is an error: leaving one out could leave out the cause.
#include "models/scenario/shell.h"

#include <algorithm>
#include <array>

#include "models/kernel/versions.h"
#include "models/scenario/units.h"

namespace wakepath::scenario {
namespace {

using MaybeError = std::optional<Error>;
using Words = std::vector<Word>;

constexpr std::array<std::string_view, 22> kHarmless{
    "cd",    "sync",  "sleep", "set",  "mkfs.xfs", "mkfs.ext4", "mkfs", "mount",  "umount", "modprobe", "lsblk",
    "uname", "mkdir", "cat",   "true", "export",   "perf",      "wait", "iostat", "top",    "pidstat",  "cgdelete"};
constexpr std::array<std::string_view, 12> kOtherControllers{"blkio",    "memory",     "pids", "freezer",
                                                             "devices",  "hugetlb",    "rdma", "net_cls",
                                                             "net_prio", "perf_event", "misc", "systemd"};

std::string word_list(const Words& words) {
  std::string out;
  for (const Word& w : words) out += (out.empty() ? "" : " ") + w.text;
  return out;
}

struct GroupFile {
  bool cpu = true;  // false: another controller's
  std::string group, file;
};

class Shell {
 public:
  explicit Shell(const std::string& file) : file_(file) {}

  MaybeError run(std::string_view text, int first_line) {
    const auto commands = split_commands(text, file_, first_line);
    if (!commands) return commands.error();
    Words piped;
    for (const Command& c : *commands) {
      Command now = c;
      if (!piped.empty()) {
        if (now.words.front().text != "xargs") {  // fio ... | tee log
          piped.clear();
          continue;
        }
        now.words.erase(now.words.begin());
        now.words.insert(now.words.end(), piped.begin(), piped.end());
        piped.clear();
      }
      if (now.words.empty()) continue;
      const std::string& name = now.words.front().text;
      if (now.piped && (name == "pgrep" || name == "ps" || name == "pidof" || name == "grep" || name == "echo")) {
        piped = now.words;
        continue;
      }
      if (auto bad = command(now, shell_)) return bad;
      if (now.piped) piped = {{"tee", 0}};
    }
    return std::nullopt;
  }

  Layer out;
  bool ran_fio = false;

 private:
  MaybeError error(const Word& at, std::string message, std::string suggestion) const {
    return Error{file_, at.line, std::move(message), std::move(suggestion)};
  }

  void put(Path path, std::string value, const Word& at) {
    out.entries.push_back({std::move(path), Value::of(std::move(value), at.line), file_, at.line, {}});
  }
  void put_number(Path path, const std::string& value, const Word& at) {
    const auto number = parse_integer(value);
    Entry e{std::move(path), number ? Value::of(*number, at.line) : Value::of(value, at.line), file_, at.line, {}};
    out.entries.push_back(std::move(e));
  }
  void put_group(const std::string& group, const Word& at) {
    if (group.empty()) return;
    Value section;
    section.kind = Value::Kind::table;
    out.entries.push_back({{"cgroup", group}, section, file_, at.line, {}});
  }

  // /sys/fs/cgroup/[controller/]GROUP/FILE
  static std::optional<GroupFile> group_file(std::string path, bool has_file) {
    constexpr std::string_view root = "/sys/fs/cgroup/";
    if (path.rfind(root, 0) != 0) return std::nullopt;
    path.erase(0, root.size());
    GroupFile out;
    if (has_file) {
      const auto slash = path.rfind('/');
      out.file = path.substr(slash == std::string::npos ? 0 : slash + 1);
      path.erase(slash == std::string::npos ? 0 : slash);
    }
    const std::string first = path.substr(0, path.find('/'));
    const bool cpu_v1 = first == "cpu" || first == "cpu,cpuacct" || first == "cpuacct,cpu" || first == "unified";
    const bool other =
        std::find(kOtherControllers.begin(), kOtherControllers.end(), first) != kOtherControllers.end() ||
        first == "cpuacct" || first == "cpuset";
    if (cpu_v1 || other) path.erase(0, first.size() + 1);
    while (!path.empty() && path.back() == '/') path.pop_back();
    out.cpu = !other;
    out.group = path;
    return out;
  }

  MaybeError command(const Command& c, Surroundings& around) {
    const Word& first = c.words.front();
    const std::string name = first.text.substr(first.text.rfind('/') + 1);
    Words rest(c.words.begin() + 1, c.words.end());
    if (name == "sudo" || name == "exec" || name == "time" || name == "nohup" || name == "env" || name == "command") {
      return prefix(c, rest, around);
    }
    if (name == "sh" || name == "bash") return nested(first, rest, around);
    if (name == "fio") return fio(rest, around);
    if (name == "taskset" || name == "cgexec" || name == "nice" || name == "chrt" || name == "systemd-run") {
      Surroundings inner = around;
      return wrapper(name, first, rest, inner);
    }
    if (name == "cgcreate") return cgcreate(first, rest);
    if (name == "cgset") return cgset(first, rest);
    if (name == "mkdir") return mkdir(rest);
    if (name == "echo" || name == "printf") return echo(c, rest, around);
    if (name == "renice") return renice(first, rest);
    if (name == "sysctl") return sysctl(first, rest);
    if (name.find('=') != std::string::npos && rest.empty()) return std::nullopt;  // A=B
    if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) {
      out.notes.push_back("shell line without effect on the model: " + word_list(c.words));
      return std::nullopt;
    }
    return error(first, "command '" + name + "' is not understood",
                 "remove the line, or write what it sets as a scenario key");
  }

  MaybeError prefix(const Command& c, Words rest, Surroundings& around) {
    while (!rest.empty() && (rest.front().text[0] == '-' || rest.front().text.find('=') != std::string::npos))
      rest.erase(rest.begin());
    if (rest.empty()) return std::nullopt;
    Command inner = c;
    inner.words = std::move(rest);
    return command(inner, around);
  }

  MaybeError nested(const Word& at, const Words& rest, Surroundings& around) {
    if (rest.size() < 2 || rest[0].text != "-c")
      return error(at, "only sh -c '...' is understood", "paste the script's lines themselves");
    const Surroundings outside = shell_;
    shell_ = around;
    auto bad = run(rest[1].text, rest[1].line);
    shell_ = outside;
    return bad;
  }

  MaybeError fio(const Words& rest, const Surroundings& around) {
    const auto jobs = parse_fio_command(rest, file_);
    if (!jobs) return jobs.error();
    ran_fio = true;
    return add_fio_jobs(out, *jobs, around);
  }

  // Commands that run another one: their own words, then the command's.
  MaybeError wrapper(const std::string& name, const Word& at, Words rest, Surroundings& around) {
    MaybeError bad;
    if (name == "taskset")
      bad = taskset(at, rest, around);
    else if (name == "cgexec")
      bad = cgexec(at, rest, around);
    else if (name == "nice")
      bad = nice(at, rest, around);
    else if (name == "chrt")
      bad = chrt(at, rest, around);
    else
      bad = systemd_run(at, rest, around);
    if (bad) return bad;
    if (rest.empty()) return error(at, name + " runs nothing", "add the fio command");
    Command inner;
    inner.words = std::move(rest);
    return command(inner, around);
  }

  static std::string take(Words& rest) {
    if (rest.empty()) return {};
    std::string text = rest.front().text;
    rest.erase(rest.begin());
    return text;
  }

  MaybeError taskset(const Word& at, Words& rest, Surroundings& around) {
    std::string word = take(rest);
    const bool list = word == "-c" || word == "--cpu-list" || word == "-ac";
    if (list) word = take(rest);
    if (!word.empty() && word[0] == '-')
      return error(at, "taskset " + word + " is not understood", "write taskset -c LIST COMMAND");
    const auto cpus = list ? parse_cpu_list(word) : parse_cpu_mask(word);
    if (!cpus) return error(at, "taskset: " + cpus.error().message, cpus.error().suggestion);
    around.cpus = format_cpu_list(*cpus);
    return std::nullopt;
  }

  MaybeError cgexec(const Word& at, Words& rest, Surroundings& around) {
    while (!rest.empty() && rest.front().text[0] == '-') {
      const std::string option = take(rest);
      if (option == "--sticky") continue;
      if (option.rfind("-g", 0) != 0)
        return error(at, "cgexec " + option + " is not understood", "write cgexec -g cpu:GROUP COMMAND");
      const std::string spec = option.size() > 2 ? option.substr(2) : take(rest);
      const auto [controllers, group] = controllers_and_group(spec);
      if (controllers) around.cgroup = group;
    }
    return std::nullopt;
  }

  MaybeError nice(const Word& at, Words& rest, Surroundings& around) {
    std::string value = "10";
    if (!rest.empty() && rest.front().text[0] == '-') {
      const std::string option = take(rest);
      if (option == "-n")
        value = take(rest);
      else if (option.rfind("-n", 0) == 0)
        value = option.substr(2);
      else if (option.rfind("--adjustment=", 0) == 0)
        value = option.substr(13);
      else
        value = option.substr(1);
    }
    if (!parse_integer(value)) return error(at, "nice: '" + value + "' is not a number", "write nice -n N COMMAND");
    around.nice = value;
    return std::nullopt;
  }

  MaybeError chrt(const Word& at, Words& rest, Surroundings& around) {
    const std::string option = take(rest);
    if (option == "-b" || option == "--batch")
      around.policy = "batch";
    else if (option == "-i" || option == "--idle")
      around.policy = "idle";
    else if (option == "-o" || option == "--other")
      around.policy = "other";
    else
      return error(at, "chrt " + option + " is not modelled for fio", "use -b, -i or -o");
    take(rest);  // the priority, 0
    return std::nullopt;
  }

  MaybeError systemd_run(const Word& at, Words& rest, Surroundings& around) {
    const std::string group = "run-fio.scope";
    put_group(group, at);
    around.cgroup = group;
    while (!rest.empty() && rest.front().text[0] == '-') {
      std::string option = take(rest);
      if (option == "-p" || option == "--property") option = "--property=" + take(rest);
      constexpr std::string_view weight = "--property=CPUWeight=";
      if (option.rfind(weight, 0) == 0)
        put_number({"cgroup", group, "cpu", "weight"}, option.substr(weight.size()), at);
      else if (option.rfind("--property=", 0) == 0 || option.rfind("--slice", 0) == 0) {
        return error(at, "systemd-run " + option + " is not understood",
                     "only -p CPUWeight=N is; write the rest as scenario keys");
      }
    }
    return std::nullopt;
  }

  // "cpu,cpuacct:kubepods" -> cpu is among them, "kubepods".
  static std::pair<bool, std::string> controllers_and_group(const std::string& spec) {
    const auto colon = spec.find(':');
    if (colon == std::string::npos) return {true, spec};
    const std::string controllers = "," + spec.substr(0, colon) + ",";
    std::string group = spec.substr(colon + 1);
    while (!group.empty() && group.front() == '/') group.erase(0, 1);
    return {controllers.find(",cpu,") != std::string::npos || controllers == ",*,", group};
  }

  MaybeError cgcreate(const Word& at, Words rest) {
    bool any = false;
    while (!rest.empty()) {
      const std::string option = take(rest);
      if (option.rfind("-g", 0) == 0) {
        const auto [cpu, group] = controllers_and_group(option.size() > 2 ? option.substr(2) : take(rest));
        if (cpu) put_group(group, at);
        any = true;
      } else if (option == "-a" || option == "-t" || option == "-d" || option == "-f" || option == "-s") {
        take(rest);
      } else {
        return error(at, "cgcreate " + option + " is not understood", "write cgcreate -g cpu:GROUP");
      }
    }
    return any ? MaybeError() : error(at, "cgcreate names no group", "write cgcreate -g cpu:GROUP");
  }

  MaybeError cgset(const Word& at, Words rest) {
    std::vector<std::pair<std::string, std::string>> values;
    std::vector<std::string> groups;
    while (!rest.empty()) {
      const std::string word = take(rest);
      if (word.rfind("-r", 0) != 0) {
        groups.push_back(word);
        continue;
      }
      const std::string spec = word.size() > 2 ? word.substr(2) : take(rest);
      const auto equals = spec.find('=');
      if (equals == std::string::npos)
        return error(at, "cgset: '" + spec + "' is not KEY=VALUE", "write cgset -r cpu.weight=100 GROUP");
      values.emplace_back(spec.substr(0, equals), spec.substr(equals + 1));
    }
    if (groups.empty() || values.empty())
      return error(at, "cgset lacks a value or a group", "write cgset -r cpu.weight=100 GROUP");
    for (std::string& group : groups) {
      while (!group.empty() && group.front() == '/') group.erase(0, 1);
      for (const auto& [key, value] : values) {
        if (auto bad = group_value(group, key, value, at)) return bad;
      }
    }
    return std::nullopt;
  }

  MaybeError mkdir(const Words& rest) {
    for (const Word& w : rest) {
      if (const auto g = group_file(w.text, false); g && g->cpu) put_group(g->group, w);
    }
    return std::nullopt;
  }

  MaybeError group_value(const std::string& group, const std::string& key, const std::string& value, const Word& at) {
    if (key == "cpu.weight" || key == "cpu.shares") {
      put_number({"cgroup", group, "cpu", key.substr(4)}, value, at);
      return std::nullopt;
    }
    if (key == "cpu.idle") {
      put({"cgroup", group, "cpu", "idle"}, value, at);
      return std::nullopt;
    }
    if (key == "cgroup.subtree_control" || key == "cgroup.type" || key == "cgroup.clone_children") return std::nullopt;
    return error(at, "cgroup file '" + key + "' is not modelled", "modelled are cpu.weight, cpu.shares and cpu.idle");
  }

  MaybeError echo(const Command& c, Words rest, Surroundings& around) {
    const Word& at = c.words.front();
    while (!rest.empty() && (rest.front().text == "-n" || rest.front().text == "-e")) rest.erase(rest.begin());
    const std::string value = word_list(rest);
    const std::string& target = c.output;
    if (target.empty() || target.rfind("/dev/", 0) == 0) return std::nullopt;  // just printing
    if (const auto g = group_file(target, true)) {
      if (g->file == "tasks" || g->file == "cgroup.procs") {
        if (!g->cpu) return std::nullopt;
        if (value != "$$" && value != "0" && value != "$BASHPID" && value != "1" && value != "self") {
          return error(at, "cannot tell which task '" + value + "' is",
                       "write echo $$ > .../" + g->file + " before fio, or cgexec");
        }
        around.cgroup = g->group;
        return std::nullopt;
      }
      if (!g->cpu) return error(at, target + " is not modelled", "modelled are cpu.weight, cpu.shares and cpu.idle");
      return group_value(g->group, g->file, value, at);
    }
    return knob(target, value, at);
  }

  MaybeError knob(const std::string& path, const std::string& value, const Word& at) {
    const std::string file = path.substr(path.rfind('/') + 1);
    if (path.rfind("/sys/kernel/debug/sched/", 0) == 0) {
      if (file == "preempt") return put({"kernel", "preempt"}, value, at), std::nullopt;
      if (file == "features") return feature(value, at);
      return sched_tunable(file, value, at);
    }
    if (path.rfind("/proc/sys/kernel/sched_", 0) == 0 && file.rfind("sched_", 0) == 0)
      return sched_tunable(file.substr(6), value, at);
    if (path.rfind("/sys/block/", 0) == 0 && path.find("/queue/") != std::string::npos) {
      if (file == "rq_affinity" || file == "nr_requests" || file == "max_sectors_kb" || file == "nomerges") {
        put_number({"block", file == "nr_requests" ? "queue_depth" : file}, value, at);
        return std::nullopt;
      }
      if (file == "scheduler" && value == "none") return std::nullopt;
    }
    return error(at, "writing " + path + " is not understood",
                 "remove the line, or write what it sets as a scenario key");
  }

  MaybeError sched_tunable(const std::string& name, const std::string& value, const Word& at) {
    for (const char* known :
         {"latency_ns", "min_granularity_ns", "wakeup_granularity_ns", "idle_min_granularity_ns", "base_slice_ns"}) {
      if (name == known) return put_number({"kernel", "sched", name}, value, at), std::nullopt;
    }
    return error(at, "scheduler tunable '" + name + "' is not modelled",
                 "modelled are latency_ns, min_granularity_ns, wakeup_granularity_ns, base_slice_ns");
  }

  // echo NO_RUN_TO_PARITY > features
  MaybeError feature(const std::string& value, const Word& at) {
    std::string name = lower(value);
    const bool off = name.rfind("no_", 0) == 0;
    if (off) name.erase(0, 3);
    if (name == "base_slice") name = "base_slice_floor";
    if (name == "ni_random") name = "newidle_random";
    if (!kernel::has_switch(name))
      return error(at, "scheduler feature '" + value + "' is not modelled", "wakepath kernels lists the switches");
    put({"kernel", "switches", name}, off ? "false" : "true", at);
    return std::nullopt;
  }

  MaybeError renice(const Word& at, Words rest) {
    std::string value;
    Words who;
    while (!rest.empty()) {
      const Word w = rest.front();
      take(rest);
      if (w.text == "-n" || w.text == "--priority")
        value = take(rest);
      else if (w.text == "-p" || w.text == "--pid" || w.text == "-u" || w.text == "-g")
        continue;
      else if (value.empty() && parse_integer(w.text))
        value = w.text;
      else
        who.push_back(w);
    }
    const auto number = parse_integer(value);
    if (!number) return error(at, "renice has no nice value", "write renice -n N -p PID");
    const std::string target = word_list(who);
    std::string glob;
    if (target.find("kworker") != std::string::npos)
      glob = "kworker";
    else if (target.find("fio") != std::string::npos)
      glob = "fio";
    else {
      return error(at, "cannot tell which task '" + target + "' is", "write it as a key: task.kworker.nice = " + value);
    }
    put_number({"task", glob, "nice"}, value, at);
    if (glob == "kworker") {
      out.notes.push_back(
          "renice of kworkers is taken for all bound workers, present and future; "
          "a real renice is lost when the pool retires the worker");
    }
    return std::nullopt;
  }

  MaybeError sysctl(const Word& at, const Words& rest) {
    for (const Word& w : rest) {
      if (w.text[0] == '-') continue;
      const auto equals = w.text.find('=');
      constexpr std::string_view prefix = "kernel.sched_";
      if (equals == std::string::npos || w.text.rfind(prefix, 0) != 0) {
        return error(at, "sysctl " + w.text + " is not understood", "only kernel.sched_NAME=VALUE is");
      }
      if (auto bad = sched_tunable(w.text.substr(prefix.size(), equals - prefix.size()), w.text.substr(equals + 1), w))
        return bad;
    }
    return std::nullopt;
  }

  const std::string& file_;
  Surroundings shell_;
};

}  // namespace

Result<Layer> read_shell(std::string_view text, const std::string& file) {
  Shell shell(file);
  if (auto bad = shell.run(text, 1)) return tl::make_unexpected(*bad);
  if (!shell.ran_fio) return tl::make_unexpected(Error{file, 0, "no line runs fio", "add the fio command line"});
  return std::move(shell.out);
}

}  // namespace wakepath::scenario
