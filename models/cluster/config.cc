// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/cluster/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "models/cluster/replica.h"
#include "models/scenario/document.h"
#include "models/scenario/suggest.h"
#include "models/scenario/units.h"
#include "models/scenario/value.h"

namespace wakepath::cluster {

namespace files = std::filesystem;
using scenario::Error;
using scenario::Value;

namespace {

struct Layer {
  std::string file;
  Value table;
};

// A value and the file that it stands in.
struct Found {
  const Value* value = nullptr;
  const std::string* file = nullptr;
  [[nodiscard]] Error error(std::string message, std::string suggestion = {}) const {
    return {*file, value->line, std::move(message), std::move(suggestion)};
  }
};

class Reader {
 public:
  Reader(std::vector<Layer> layers, const scenario::LoadOptions& options)
      : layers_(std::move(layers)), options_(options) {}
  ClusterConf read();  // throws Error

 private:
  // The topmost layer that has it; null otherwise.
  std::optional<Found> find(const scenario::Path& path) const {
    for (auto l = layers_.rbegin(); l != layers_.rend(); ++l) {
      const Value* v = &l->table;
      for (const auto& part : path) v = v != nullptr && v->is(Value::Kind::table) ? v->field(part) : nullptr;
      if (v != nullptr) return Found{v, &l->file};
    }
    return std::nullopt;
  }
  Found need(const scenario::Path& path, const std::string& suggestion) const {
    if (auto f = find(path)) return *f;
    throw Error{layers_.back().file, 0, "there is no " + scenario::join_path(path), suggestion};
  }
  // Names of the tables below `section`, sorted: neither the order in the file nor the platform's changes a result.
  std::vector<std::string> names(const std::string& section) const {
    std::vector<std::string> out;
    for (const auto& l : layers_)
      if (const Value* t = l.table.field(section); t != nullptr && t->is(Value::Kind::table))
        for (const auto& f : t->fields)
          if (std::find(out.begin(), out.end(), f.first) == out.end()) out.push_back(f.first);
    std::sort(out.begin(), out.end());
    return out;
  }
  void only(const scenario::Path& section, const std::vector<std::string>& allowed) const;

  std::string text(const Found& f) const {
    if (!f.value->is(Value::Kind::string)) throw f.error("a string is wanted here", "put it in quotes");
    return f.value->text;
  }
  std::int64_t integer(const Found& f, std::int64_t low, std::int64_t high) const {
    if (!f.value->is(Value::Kind::integer))
      throw f.error(fmt::format("an integer is wanted here, not {}", kind_name(f.value->kind)));
    if (f.value->integer < low || f.value->integer > high)
      throw f.error(fmt::format("{} is outside {}..{}", f.value->integer, low, high));
    return f.value->integer;
  }
  Time time(const Found& f) const {
    if (f.value->is(Value::Kind::integer) && f.value->integer != 0)
      throw f.error("a time needs its unit", fmt::format("write \"{}s\" or \"{}ms\"", f.value->text, f.value->text));
    const auto ns = scenario::parse_time(f.value->text);
    if (!ns) throw f.error(ns.error().message, ns.error().suggestion);
    return *ns;
  }
  std::int64_t size(const Found& f) const {
    const auto bytes = scenario::parse_fio_size(f.value->text);
    if (!bytes) throw f.error(bytes.error().message, bytes.error().suggestion);
    return *bytes;
  }
  std::vector<std::string> strings(const Found& f) const {
    if (!f.value->is(Value::Kind::array)) throw f.error("a list of strings is wanted here", "write [\"…\"]");
    std::vector<std::string> out;
    for (const Value& v : f.value->items) {
      if (!v.is(Value::Kind::string)) throw Found{&v, f.file}.error("a string is wanted here", "put it in quotes");
      out.push_back(v.text);
    }
    return out;
  }
  std::vector<int> cpus(const Found& f, int online) const {
    std::vector<int> out;
    if (f.value->is(Value::Kind::array)) {
      for (const Value& v : f.value->items) out.push_back(static_cast<int>(integer({&v, f.file}, 0, online - 1)));
    } else {
      const auto list = scenario::parse_cpu_list(f.value->text);
      if (!list) throw f.error(list.error().message, list.error().suggestion);
      out = *list;
    }
    for (const int c : out)
      if (c >= online) throw f.error(fmt::format("CPU {} of {}", c, online), "CPUs count from 0");
    return out;
  }
  template <class F>
  void with(const scenario::Path& path, F f) const {
    if (auto found = find(path)) f(*found);
  }

  void run(ClusterConf& c) const;
  void log(ClusterConf& c) const;
  void log_times(ClusterConf& c) const;
  void costs(ClusterConf& c) const;
  NodeConf node(const std::string& name) const;
  ClientConf client(const std::string& name) const;

  std::vector<Layer> layers_;
  const scenario::LoadOptions& options_;
};

void Reader::only(const scenario::Path& section, const std::vector<std::string>& allowed) const {
  for (const auto& l : layers_) {
    const Value* t = &l.table;
    for (const auto& part : section) t = t != nullptr && t->is(Value::Kind::table) ? t->field(part) : nullptr;
    if (t == nullptr) continue;
    if (!t->is(Value::Kind::table))
      throw Error{l.file, t->line, scenario::join_path(section) + " must be a table",
                  "write [" + scenario::join_path(section) + "]"};
    for (const auto& f : t->fields) {
      if (std::find(allowed.begin(), allowed.end(), f.first) != allowed.end()) continue;
      scenario::Path full = section;
      full.push_back(f.first);
      std::string near = scenario::did_you_mean(f.first, allowed);
      if (near.empty()) near = fmt::format("known here: {}", fmt::join(allowed, ", "));
      throw Error{l.file, f.second.line, "unknown key " + scenario::join_path(full), near};
    }
  }
}

void Reader::run(ClusterConf& c) const {
  only({"run"}, {"duration", "warmup", "seed", "window", "retry"});
  with({"run", "duration"}, [&](const Found& f) { c.duration_ns = time(f); });
  with({"run", "warmup"}, [&](const Found& f) { c.warmup_ns = time(f); });
  with({"run", "window"}, [&](const Found& f) { c.window_ns = time(f); });
  with({"run", "retry"}, [&](const Found& f) { c.retry_ns = time(f); });
  with({"run", "seed"}, [&](const Found& f) {
    c.seed = static_cast<std::uint64_t>(integer(f, 0, std::numeric_limits<std::int64_t>::max()));
  });
  const auto option = [](const std::optional<std::string>& text, const char* name, Time& out) {
    if (!text) return;
    const auto ns = scenario::parse_time(*text);
    if (!ns) throw Error{name, 0, ns.error().message, ns.error().suggestion};
    out = *ns;
  };
  option(options_.duration, "--duration", c.duration_ns);
  option(options_.warmup, "--warmup", c.warmup_ns);
  if (options_.seed) {
    const auto seed = scenario::parse_integer(*options_.seed);
    if (!seed || *seed < 0) throw Error{"--seed", 0, "a seed is an integer from 0 on", {}};
    c.seed = static_cast<std::uint64_t>(*seed);
  }
  if (c.duration_ns <= 0) throw need({"run", "duration"}, {}).error("the duration is 0", "write \"1s\"");
}

void Reader::log(ClusterConf& c) const {
  only({"log"},
       {"partitions", "replicas", "record", "queue_depth", "election_timeout", "heartbeat", "durability", "segment"});
  c.has_log = find({"log"}).has_value();
  if (!c.has_log) return;
  with({"log", "partitions"}, [&](const Found& f) { c.log.partitions = static_cast<int>(integer(f, 1, 1'000'000)); });
  with({"log", "replicas"}, [&](const Found& f) {
    c.log.replicas = static_cast<int>(integer(f, 1, kMostReplicas));
    if (c.log.replicas % 2 == 0) throw f.error("an even number of replicas has no majority of its own", "write 3 or 5");
    if (c.log.replicas > static_cast<int>(c.nodes.size()))
      throw f.error(fmt::format("{} replicas on {} nodes", c.log.replicas, c.nodes.size()), "add nodes, or lower it");
  });
  with({"log", "record"}, [&](const Found& f) {
    c.log.record_bytes = size(f);
    if (c.log.record_bytes < 512 || c.log.record_bytes % 512 != 0 || c.log.record_bytes > (1 << 20))
      throw f.error("a record is a direct write: a multiple of 512 bytes up to 1m", "write \"4k\"");
  });
  with({"log", "queue_depth"}, [&](const Found& f) { c.log.queue_depth = static_cast<int>(integer(f, 1, 65536)); });
  log_times(c);
  with({"log", "durability"}, [&](const Found& f) {
    if (text(f) != "direct" && text(f) != "fsync")
      throw f.error("no such durability: " + text(f), "write \"direct\" or \"fsync\"");
    c.log.fsync = text(f) == "fsync";
  });
  with({"log", "segment"}, [&](const Found& f) {
    c.log.segment_bytes = size(f);
    if (c.log.segment_bytes < c.log.record_bytes || c.log.segment_bytes > (std::int64_t{1} << 40))
      throw f.error("a segment holds one record at least and 1t at most", "write \"64m\"");
  });
  for (const NodeConf& n : c.nodes)
    if (n.reactors.empty())
      throw need({"node", n.name}, {}).error("node " + n.name + " has no reactors", "write reactors = [0]");
}

void Reader::log_times(ClusterConf& c) const {
  LogConf& log = c.log;
  with({"log", "election_timeout"}, [&](const Found& f) {
    log.election_timeout_ns = time(f);
    if (log.election_timeout_ns < 1'000'000) throw f.error("an election timeout is 1 ms at least", "write \"1500ms\"");
  });
  log.heartbeat_ns = log.election_timeout_ns / 10;
  with({"log", "heartbeat"}, [&](const Found& f) {
    log.heartbeat_ns = time(f);
    if (log.heartbeat_ns < 100'000 || log.heartbeat_ns >= log.election_timeout_ns)
      throw f.error("a heartbeat takes 100 us at least and less than the election timeout", "leave it out: a tenth");
  });
}

void Reader::costs(ClusterConf& c) const {
  static const std::vector<std::string> kNames{
#define X(name, text) #name,
      WAKEPATH_CLUSTER_COSTS(X)
#undef X
  };
  only({"cost"}, kNames);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    only({"cost", kNames[i]}, {"ns", "source"});
    if (!c.has_log) continue;
    need({"cost", kNames[i], "source"}, "every cost says where it comes from");
    c.costs[i] = integer(need({"cost", kNames[i], "ns"}, "give its CPU time in ns"), 0, 1'000'000'000);
  }
}

NodeConf Reader::node(const std::string& name) const {
  only({"node", name}, {"host", "scenario", "set", "kernel", "reactors", "cgroup", "nice", "nic_cpu", "idle_poll",
                        "disk", "shares", "background_shares", "task_quota"});
  NodeConf n;
  n.name = name;
  n.host = name;
  n.host_line = need({"node", name}, {}).value->line;
  with({"node", name, "host"}, [&](const Found& f) { n.host = text(f), n.host_line = f.value->line; });
  const Found which = need({"node", name, "scenario"}, "name the node's scenario: \"node.toml\"");
  scenario::LoadOptions o;
  o.search_dirs = options_.search_dirs;
  o.machine_file = options_.machine_file;
  with({"node", name, "set"}, [&](const Found& f) { o.sets = strings(f); });
  with({"node", name, "kernel"}, [&](const Found& f) { o.kernel = text(f); });
  if (options_.kernel) o.kernel = options_.kernel;
  std::string path = text(which);
  std::error_code ec;
  const files::path here = files::path(*which.file).parent_path() / path;
  if (files::exists(here, ec)) path = here.lexically_normal().string();
  auto s = scenario::load(path, o);
  if (!s) throw which.error("node " + name + ": " + to_string(s.error()));
  n.scenario = std::move(*s);
  const int online = n.scenario.machine.cpus;
  with({"node", name, "reactors"}, [&](const Found& f) { n.reactors = cpus(f, online); });
  with({"node", name, "nic_cpu"}, [&](const Found& f) { n.nic_cpu = static_cast<int>(integer(f, 0, online - 1)); });
  with({"node", name, "idle_poll"}, [&](const Found& f) { n.idle_poll_ns = time(f); });
  with({"node", name, "shares"}, [&](const Found& f) { n.shares = static_cast<int>(integer(f, 1, 1000)); });
  with({"node", name, "background_shares"},
       [&](const Found& f) { n.background_shares = static_cast<int>(integer(f, 0, 1000)); });
  with({"node", name, "task_quota"}, [&](const Found& f) {
    n.task_quota_ns = time(f);
    if (n.task_quota_ns < 1'000) throw f.error("a task quota is 1 us at least", "write \"500us\"");
  });
  with({"node", name, "disk"}, [&](const Found& f) { n.disk = text(f), n.disk_line = f.value->line; });
  with({"node", name, "nice"}, [&](const Found& f) { n.nice = static_cast<int>(integer(f, -20, 19)); });
  with({"node", name, "cgroup"}, [&](const Found& f) {
    n.cgroup = text(f);
    const auto& groups = n.scenario.cgroups;
    if (!n.cgroup.empty() &&
        std::none_of(groups.begin(), groups.end(), [&](const auto& g) { return g.path == n.cgroup; }))
      throw f.error(fmt::format("{} has no cgroup {}", n.scenario.file, n.cgroup),
                    fmt::format("add [cgroup.{}] to it", n.cgroup));
  });
  return n;
}

ClientConf Reader::client(const std::string& name) const {
  only({"client", name}, {"host", "loop", "rate", "concurrency", "think", "timeout"});
  ClientConf c;
  c.name = c.host = name;
  c.host_line = need({"client", name}, {}).value->line;
  with({"client", name, "host"}, [&](const Found& f) { c.host = text(f), c.host_line = f.value->line; });
  const Found loop =
      need({"client", name, "loop"}, "write loop = \"open\" with a rate, or \"closed\" with a concurrency");
  if (text(loop) != "open" && text(loop) != "closed")
    throw loop.error("no such loop: " + text(loop), "write \"open\" or \"closed\"");
  c.open = text(loop) == "open";
  if (c.open) {
    c.rate = integer(need({"client", name, "rate"}, "records per second"), 1, 1'000'000'000);
    with({"client", name, "concurrency"},
         [](const Found& f) { throw f.error("an open loop has no concurrency", "write loop = \"closed\""); });
  } else {
    c.concurrency =
        static_cast<int>(integer(need({"client", name, "concurrency"}, "records under way at a time"), 1, 1'000'000));
    with({"client", name, "rate"},
         [](const Found& f) { throw f.error("a closed loop has no rate", "write loop = \"open\""); });
  }
  with({"client", name, "think"}, [&](const Found& f) { c.think_ns = time(f); });
  with({"client", name, "timeout"}, [&](const Found& f) {
    c.timeout_ns = time(f);
    if (c.timeout_ns < 1'000'000) throw f.error("a timeout is 1 ms at least", "write \"1s\"");
  });
  return c;
}

ClusterConf Reader::read() {
  only({}, {"title", "platform", "simgrid", "run", "node", "client", "log", "cost"});
  ClusterConf c;
  c.file = layers_.front().file;
  with({"title"}, [&](const Found& f) { c.title = text(f); });
  const Found platform = need({"platform"}, "name the SimGrid platform: \"rack.xml\"");
  c.platform_line = platform.value->line;
  c.file = *platform.file;
  c.platform = (files::path(*platform.file).parent_path() / text(platform)).lexically_normal().string();
  std::error_code ec;
  if (!files::is_regular_file(c.platform, ec))
    throw platform.error("no such file: " + c.platform, "paths are relative to the file that names them");
  with({"simgrid"}, [&](const Found& f) { c.simgrid = strings(f); });
  for (const auto& name : names("node")) c.nodes.push_back(node(name));
  if (c.nodes.empty())
    throw Error{layers_.back().file, 0, "there is no node", "write [node.NAME] with host and scenario"};
  run(c);
  log(c);
  costs(c);
  for (const auto& name : names("client")) c.clients.push_back(client(name));
  if (!c.has_log && !c.clients.empty()) throw need({"client"}, {}).error("clients without a log", "write [log]");
  std::set<std::string> used;
  for (const auto& n : c.nodes)
    if (!used.insert(n.host).second)
      throw need({"node", n.name}, {}).error("two nodes on host " + n.host, "one node a host");
  for (const auto& n : c.clients)
    if (used.contains(n.host))
      throw need({"client", n.name}, {})
          .error("client and node on host " + n.host, "give the clients a host of their own");
  return c;
}

// `KEY=VALUE` as a table of its own.
Layer layer_of_set(const std::string& set) {
  const std::string name = "--set " + set;
  const auto equals = set.find('=');
  if (equals == std::string::npos) throw Error{name, 0, "there is no '='", "write --set KEY=VALUE"};
  auto table = scenario::parse_toml(set, name);
  if (!table)
    table = scenario::parse_toml(set.substr(0, equals) + "=" + scenario::toml_string(set.substr(equals + 1)), name);
  if (!table) {
    Error e = table.error();
    e.line = 0;
    throw e;
  }
  return {name, std::move(*table)};
}

void read_files(std::vector<Layer>& layers, const std::string& file, const Error& named_by, int depth) {
  auto content = scenario::read_file(file, named_by);
  if (!content) throw content.error();
  auto table = scenario::parse_toml(*content, file);
  if (!table) throw table.error();
  if (const Value* base = table->field("extends")) {
    const Error here{file, base->line, {}, {}};
    if (!base->is(Value::Kind::string) || depth > 16)
      throw Error{file, base->line, "extends names one other file, and the chain must end",
                  "write extends = \"scenario.toml\""};
    read_files(layers, (files::path(file).parent_path() / base->text).lexically_normal().string(), here, depth + 1);
    std::erase_if(table->fields, [](const auto& f) { return f.first == "extends"; });
  }
  layers.push_back({file, std::move(*table)});
}

std::string locate(const std::string& name, const std::vector<std::string>& search_dirs) {
  std::error_code ec;
  if (files::is_directory(name, ec)) return (files::path(name) / "scenario.toml").string();
  if (files::exists(name, ec)) return name;
  for (const auto& dir : search_dirs)
    for (const files::path& p :
         {files::path(dir) / name / "scenario.toml", files::path(dir) / (name + ".toml"), files::path(dir) / name})
      if (files::is_regular_file(p, ec)) return p.string();
  throw Error{name, 0, "no such file", "scenarios/replicated_log has cluster files"};
}

}  // namespace

scenario::Result<ClusterConf> load_cluster(const std::string& path, const scenario::LoadOptions& options) {
  try {
    std::vector<Layer> layers;
    read_files(layers, locate(path, options.search_dirs), Error{path, 0, {}, {}}, 0);
    const std::string file = layers.back().file;
    for (const auto& set : options.sets) layers.push_back(layer_of_set(set));
    auto c = Reader(std::move(layers), options).read();
    c.file = file;
    return c;
  } catch (Error& e) {
    return tl::make_unexpected(std::move(e));
  }
}

}  // namespace wakepath::cluster
