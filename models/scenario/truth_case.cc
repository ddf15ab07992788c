// SPDX-License-Identifier: GPL-2.0-or-later
// A truth case (schema wakepath.truth/1) as a scenario: the setting of the case on the platform it was measured on.
// Whatever a setting says that the model does not know is an error, so that no case is predicted under other
// conditions.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models/scenario/document.h"

namespace wakepath::scenario {
namespace {

using Json = nlohmann::json;

// Tags of null_blk where a case does not say. The traces show more than 64 requests in flight at once, so it is not the
// module's default; with 1024 a depth of 128 never waits for a tag.
constexpr std::int64_t kNullBlkTags = 1024;

// fio of the emulated cases with several CPUs has a batch of 16 both ways, whatever their settings say: in every trace
// of a device that answers each request by itself, requests end in rounds of 16, also while 128 events wait for it, and
// a round is two of 13 and 3 or 14 and 2 for as long as the trace lasts. Such a split is that of the batch it collects,
// whose count goes on where a call for events has committed what there was.
constexpr std::int64_t kBatch = 16;

// Cases of `wakepath record`: the machine is its machine file's, given with --machine.
constexpr const char* kRecorded = "recorded";
constexpr const char* kVm = "vm-2cpu-6.18";
constexpr int kTruthCasesOnly = 8192;  // min_cpus of a program that is in no other run on the platform

class Case {
 public:
  explicit Case(const Json& json) : case_(json), id_(json.value("id", std::string("?"))) {}

  std::optional<Error> read() {
    if (case_.value("schema", std::string()) != "wakepath.truth/1")
      return error("not a case of schema wakepath.truth/1");
    platform_ = case_.value("platform", std::string());
    const bool recorded = platform_ == kRecorded;
    if (!recorded && platform_ != "qemu-icount" && platform_ != kVm)
      return error("platform '" + platform_ + "' is not known");
    if (!case_.contains("setting") || !case_["setting"].is_object()) return error("the case has no setting");
    put({"name"}, Value::of(id_));
    if (!recorded) put({"platform"}, Value::of(platform_));
    put({"kernel", "version"}, Value::of(case_.value("kernel", std::string())));
    const Json& given = case_["setting"];
    through_io_wq_ = given.value("workload", Json::object()).contains("fsync");
    small_batches_ = platform_ == "qemu-icount" && given.value("cpus", 1) > 1 &&
                     given.value("device", Json::object()).value("law", std::string()) != "ublk";
    for (const auto& [key, value] : case_["setting"].items()) {
      if (key == "start") continue;
      if (auto bad = setting(key, value)) return bad;
    }
    if (case_["setting"].contains("start")) {  // after the tasks, which it says more of
      if (auto bad = start(case_["setting"]["start"])) return bad;
    }
    if (platform_ == kVm)
      fio_is_pinned_ = !given.value("workload", Json::object()).value("pinned_cpu", Json()).is_null();
    return std::nullopt;
  }

  Layer out;
  // A case of tasks counts these alone: the platform's background threads were not seen to do what they do beside I/O.
  // So are they left out beside a pinned job on the machine of kVm, which nothing moves: docs/several-cpus.md says what
  // they would change. The hogs are the case's own. And fio's main thread and the sampler beside writers through io-wq
  // on one CPU, whom they make wait for each other from then on, as no trace shows (docs/accuracy.md).
  void arrange_background(Scenario& s) const {
    if (case_.value("role", std::string()) == "replay") return only_seen(s);
    beside_fio(s);
    if (fio_is_pinned_) std::erase_if(s.programs, [](const Program& p) { return p.kind != "hog"; });
    if (s.machine.cpus == 1 && through_io_wq_)
      std::erase_if(s.programs, [](const Program& p) { return p.name == "fio_main" || p.name == "meter"; });
    if (programs_.empty()) return;
    std::erase_if(s.programs, [&](const Program& p) {
      return std::find(programs_.begin(), programs_.end(), p.name) == programs_.end();
    });
  }
  [[nodiscard]] const std::string& id() const { return id_; }

 private:
  Error error(std::string message) const {
    return {"truth case " + id_, 0, std::move(message),
            "see the README beside the truth cases for what a setting may hold"};
  }
  Error unknown(const std::string& key) const { return error("setting '" + key + "' is not understood"); }

  void put(Path path, Value value) {
    out.entries.push_back({std::move(path), std::move(value), "truth case " + id_, 0, {}});
  }
  void put_section(Path path) {
    Value section;
    section.kind = Value::Kind::table;
    put(std::move(path), section);
  }
  static Value value_of(const Json& j) {
    if (j.is_boolean()) return Value::of(j.get<bool>());
    if (j.is_number_integer()) return Value::of(j.get<std::int64_t>());
    if (j.is_string()) return Value::of(j.get<std::string>());
    return Value::of(j.dump());
  }

  std::optional<Error> setting(const std::string& key, const Json& v) {
    if (key == "cpus") return put({"machine", "cpus"}, value_of(v)), std::nullopt;
    if (key == "hz" || key == "preempt" || key == "irq_time_accounting")
      return put({"kernel", key}, value_of(v)), std::nullopt;
    if (key == "sched")
      return each(v, [&](const std::string& k, const Json& x) {
        return put({"kernel", "sched", k}, value_of(x)), none();
      });
    if (key == "workload") return each(v, [&](const std::string& k, const Json& x) { return workload(k, x); });
    if (key == "cgroup") return cgroup(v);
    if (key == "cgroups") return each(v, [&](const std::string& k, const Json& x) { return named_group(k, x); });
    if (key == "nice") return each(v, [&](const std::string& k, const Json& x) { return nice(k, x); });
    if (key == "device") return v.is_object() ? device(v) : host_device(v);
    if (key == "tasks") return tasks(v);
    if (key == "hogs") return hogs(v);
    return unknown(key);
  }

  static std::optional<Error> none() { return std::nullopt; }

  // Of a recording's replay: its trace says who else ran, fio's own threads among them. RCU's it says by its name.
  static void only_seen(Scenario& s) {
    std::erase_if(s.programs, [](const Program& p) {
      return p.min_cpus == kTruthCasesOnly || p.name == "fio_main" || p.name == "fio_helper";
    });
  }

  // As far as the machine has them: fio's main and helper thread are in the group that holds the job, and who measures
  // is there, at a time that the platform gives for the default warm-up.
  void beside_fio(Scenario& s) const {
    for (Program& p : s.programs) {
      if (p.cgroup.empty() && (p.name == "fio_main" || p.name == "fio_helper")) p.cgroup = fio_group_;
      if (p.min_cpus != kTruthCasesOnly) continue;
      p.min_cpus = p.name == "meter" ? 1 : 2;
      p.startdelay_ns = std::max<std::int64_t>(0, p.startdelay_ns + s.run.warmup_ns - Run{}.warmup_ns);
      if (p.name == "meter") p.cpu = s.machine.cpus - 1;
    }
  }

  // Spinning programs beside fio; no CPU: not pinned.
  std::optional<Error> hogs(const Json& v) {
    int n = 0;
    for (const Json& h : v) {
      if (!h.is_object() || h.size() != 1 || !h.contains("cpu")) return unknown("hogs: " + v.dump());
      const std::string name = "hog" + std::to_string(n++);
      put({"program", name, "kind"}, Value::of(std::string("hog")));
      put({"program", name, "cpu"}, Value::of(h["cpu"].is_null() ? std::int64_t{-1} : h["cpu"].get<std::int64_t>()));
    }
    return none();
  }

  template <class F>
  std::optional<Error> each(const Json& object, F f) {
    if (!object.is_object()) return none();
    for (const auto& [k, x] : object.items()) {
      if (x.is_null()) continue;
      if (auto bad = f(k, x)) return bad;
    }
    return none();
  }

  std::optional<Error> workload(const std::string& key, const Json& v) {
    const auto fio = [&](const char* option) { put({"workload", "fio", option}, value_of(v)); };
    if (key == "engine") return fio("ioengine"), none();
    if (key == "filesystem") return put({"fs", "type"}, value_of(v)), none();
    if (key == "overwrite") return put({"fs", "written"}, value_of(v)), none();
    if (key == "pinned_cpu") return fio("cpus_allowed"), none();
    if (key == "pinned_cpus")  // one for each job
      return fio("cpus_allowed"), put({"workload", "fio", "cpus_allowed_policy"}, Value::of(std::string("split"))),
             none();
    if (key == "thinktime_us") return fio("thinktime"), none();
    static constexpr std::array<const char*, 14> same{"rw",
                                                      "nrfiles",
                                                      "filesize",
                                                      "file_service_type",
                                                      "fsync",
                                                      "thinktime_blocks",
                                                      "bs",
                                                      "direct",
                                                      "iodepth",
                                                      "iodepth_batch_submit",
                                                      "iodepth_batch_complete_min",
                                                      "iodepth_batch_complete_max",
                                                      "numjobs",
                                                      "verify"};
    if ((key == "iodepth_batch_complete_max" || key == "iodepth_batch_submit") && small_batches_ && v > kBatch) {
      out.notes.push_back("fio's " + key + " is " + std::to_string(kBatch) + " (its traces; the case says " + v.dump() +
                          ")");
      return add_fio_option(out, "fio", key, Value::of(kBatch), "truth case " + id_, 0);
    }
    for (const char* option : same) {
      if (key == option) return add_fio_option(out, "fio", key, value_of(v), "truth case " + id_, 0);
    }
    return unknown("workload." + key);
  }

  std::optional<Error> group_key(const std::string& group, const std::string& key, const Json& v) {
    if (key == "weight") return put({"cgroup", group, "cpu", "weight"}, value_of(v)), none();
    if (key == "shares") return put({"cgroup", group, "cpu", "shares"}, value_of(v)), none();
    if (key == "idle") return put({"cgroup", group, "cpu", "idle"}, value_of(v)), none();
    if (key == "parent") return put({"cgroup", group, "parent"}, value_of(v)), none();
    if (key == "version") return none();  // of the cgroup interface: weight or shares says it
    return unknown("cgroup." + key);
  }

  // Groups of ublk's client and server.
  std::optional<Error> side_group(const std::string& side, const Json& v) {
    const std::string name = v.value("name", side);
    put_section({"cgroup", name});
    if (side == "client")
      put_fio_in(name);
    else
      put({"ublk", "server_cgroup"}, Value::of(name));
    return each(v, [&](const std::string& k, const Json& x) { return k == "name" ? none() : group_key(name, k, x); });
  }

  void put_fio_in(const std::string& group) {
    fio_group_ = group;
    put({"workload", "fio", "cgroup"}, Value::of(group));
  }

  std::optional<Error> cgroup(const Json& v) {
    if (v.is_null()) return none();
    if (v.contains("client") || v.contains("server"))
      return each(v, [&](const std::string& side, const Json& x) { return side_group(side, x); });
    put_section({"cgroup", "g"});
    put_fio_in("g");
    return each(v, [&](const std::string& k, const Json& x) { return group_key("g", k, x); });
  }

  std::optional<Error> named_group(const std::string& name, const Json& v) {
    put_section({"cgroup", name});
    return each(v, [&](const std::string& k, const Json& x) { return group_key(name, k, x); });
  }

  std::optional<Error> nice(const std::string& who, const Json& v) {
    if (v == 0) return none();
    if (who == "fio") return put({"workload", "fio", "nice"}, value_of(v)), none();
    if (who == "server") return put({"ublk", "server_nice"}, value_of(v)), none();
    if (who == "kworker") return put({"task", "kworker", "nice"}, value_of(v)), none();
    return unknown("nice." + who);
  }

  std::optional<Error> ublk(const Json& v) {
    return each(v, [&](const std::string& k, const Json& x) -> std::optional<Error> {
      const auto set = [&](const char* key, Value value) { put({"ublk", key}, std::move(value)); };
      if (k == "law") return none();
      if (k == "target" || k == "queues" || k == "per_io_daemon") return set(k.c_str(), value_of(x)), none();
      if (k == "queue_depth") return set("depth", value_of(x)), none();
      if (k == "server_threads") return set("threads", value_of(x)), none();
      if (k == "ring")
        return set("ring", Value::of(x == "coop" ? std::string("coop_taskrun") : x.get<std::string>())), none();
      if (k == "server_cpus") {
        Value cpus;
        cpus.kind = Value::Kind::array;
        std::istringstream in(x.get<std::string>());
        for (std::string one; std::getline(in, one, ',');)
          cpus.items.push_back(Value::of(std::int64_t{std::stol(one)}));
        return set("server_cpus", std::move(cpus)), none();
      }
      return unknown("device." + k);
    });
  }

  std::optional<Error> device(const Json& v) {
    if (v.value("law", std::string()) == "ublk") return ublk(v);
    std::int64_t tags = kNullBlkTags;
    if (v.contains("hw_queue_depth"))
      tags = v["hw_queue_depth"].get<std::int64_t>();
    else
      out.notes.push_back("null_blk has " + std::to_string(tags) + " tags (assumed; the case does not say)");
    put({"block", "queue_depth"}, Value::of(tags));
    return each(v, [&](const std::string& k, const Json& x) {
      if (k == "hw_queue_depth" || k == "interrupt") return none();
      if (k == "completion_grid_ns") return put({"device", "grid_ns"}, value_of(x)), none();
      if (k == "law" || k == "service_ns" || k == "latency_ns" || k == "copies_data")
        return put({"device", k}, value_of(x)), none();
      return std::optional<Error>(unknown("device." + k));
    });
  }

  // The platform file describes it; the text must be the one it was written for.
  std::optional<Error> host_device(const Json& v) {
    if (v == "virtio-blk, one queue, its interrupt on CPU 1" || v == kRecorded) return none();
    return unknown("device: " + v.dump());
  }

  std::optional<Error> tasks(const Json& list) {
    struct Form {
      const char* kind;
      std::array<const char*, 3> keys;   // of args, in order
      std::array<const char*, 3> units;  // "" : a number
    };
    static constexpr std::array<Form, 7> forms{{{"hog", {}, {}},
                                                {"per", {"run", "period", nullptr}, {"us", "us", nullptr}},
                                                {"duty", {"run", "sleep", nullptr}, {"us", "us", nullptr}},
                                                {"ping", {"run", "in", "out"}, {"ns", "", ""}},
                                                {"src", {"run", "out", nullptr}, {"ns", "", nullptr}},
                                                {"sink", {"run", "in", nullptr}, {"ns", "", nullptr}},
                                                {"psrc", {"period", "run", "out"}, {"us", "ns", ""}}}};
    for (const Json& t : list) {
      const std::string name = t.value("name", std::string()), kind = t.value("kind", std::string());
      const Form* form = nullptr;
      for (const Form& f : forms) {
        if (kind == f.kind) form = &f;
      }
      const Json args = t.value("args", Json::array());
      const auto wanted = form == nullptr
                              ? 0
                              : static_cast<std::size_t>((form->keys[0] != nullptr) + (form->keys[1] != nullptr) +
                                                         (form->keys[2] != nullptr));
      if (form == nullptr || name.empty() || args.size() != wanted) return unknown("tasks: " + t.dump());
      put({"program", name, "kind"}, Value::of(kind));
      for (std::size_t i = 0; i < wanted; ++i) {
        const std::string unit = form->units[i];
        const Value v = unit.empty() ? value_of(args[i]) : Value::of(args[i].dump() + unit);
        put({"program", name, form->keys[i]}, v);
      }
      for (const auto& [k, x] : t.items()) {
        if (k == "name" || k == "kind" || k == "args" || x.is_null()) continue;
        if (k != "nice" && k != "cgroup" && k != "policy" && k != "rt_priority") return unknown("tasks." + k);
        put({"program", name, k}, value_of(x));
      }
      // The experiment releases tasks that wait; where it is not known from what vruntime, from the same one.
      put({"program", name, "start_vruntime_ns"}, Value::of(std::int64_t{0}));
      programs_.push_back(name);
    }
    return none();
  }

  // What only a recording tells of the moment the tasks were released (python/wakepath/free_run.py): the tick's phase,
  // vruntimes, what the machine's own threads did meanwhile, and which records were written.
  std::optional<Error> start(const Json& v) {
    return each(v, [&](const std::string& k, const Json& x) -> std::optional<Error> {
      if (k == "tick_offset_ns") return put({"machine", k}, value_of(x)), none();
      if (k == "trace_events") return put({"run", k}, list_of(x)), none();
      if (k == "vruntime_ns")
        return each(x, [&](const std::string& task, const Json& ns) {
          return put({"program", task, "start_vruntime_ns"}, value_of(ns)), none();
        });
      if (k == "replay") return each(x, [&](const std::string& task, const Json& r) { return replay(task, r); });
      return unknown("start." + k);
    });
  }

  std::optional<Error> replay(const std::string& task, const Json& v) {
    put({"program", task, "kind"}, Value::of(std::string("replay")));
    programs_.push_back(task);
    return each(v, [&](const std::string& k, const Json& x) -> std::optional<Error> {
      if (k == "turns") return put({"program", task, k}, list_of(x)), none();
      if (k != "nice" && k != "policy" && k != "rt_priority") return unknown("start.replay." + k);
      return put({"program", task, k}, value_of(x)), none();
    });
  }

  static Value list_of(const Json& list) {
    Value v;
    v.kind = Value::Kind::array;
    for (const Json& x : list) v.items.push_back(Value::of(x.get<std::string>()));
    return v;
  }

  const Json& case_;
  std::string id_, platform_, fio_group_;
  bool fio_is_pinned_ = false;  // of kVm
  std::vector<std::string> programs_;
  bool small_batches_ = false, through_io_wq_ = false;
};

}  // namespace

Result<Scenario> from_truth_case(std::string_view json, const LoadOptions& options) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (!parsed.is_object())
    return tl::make_unexpected(Error{"truth case", 0, "not a JSON object", "give one line of a case file"});
  Case c(parsed);
  try {
    if (auto bad = c.read()) return tl::make_unexpected(*bad);
  } catch (const Json::exception& e) {  // a value of another type than the schema has
    return tl::make_unexpected(Error{"truth case " + c.id(), 0, std::string("malformed case: ") + e.what(), {}});
  }
  auto s = build({c.out}, options, "truth case " + c.id(), c.id());
  if (s) c.arrange_background(*s);
  return s;
}

}  // namespace wakepath::scenario
