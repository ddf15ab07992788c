// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/verify/setting.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "models/kernel/versions.h"

namespace wakepath::verify {

using nlohmann::json;

namespace {

constexpr int kMaxCpus = 8192;

struct Tunable {
  const char* name;
  sched::Time sched::Tunables::*field;
};

constexpr Tunable kTunables[] = {{"latency_ns", &sched::Tunables::latency_ns},
                                 {"min_granularity_ns", &sched::Tunables::min_granularity_ns},
                                 {"wakeup_granularity_ns", &sched::Tunables::wakeup_granularity_ns},
                                 {"idle_min_granularity_ns", &sched::Tunables::idle_min_granularity_ns},
                                 {"base_slice_ns", &sched::Tunables::base_slice_ns}};

std::string lay_over(Setting& s, const json& from) {
  const json switches = from.value("switches", json::object());
  const json tunables = from.value("tunables", json::object());
  for (const auto& [name, value] : switches.items()) {
    if (std::string wrong = kernel::set_switch(s.switches, name, value.get<std::string>()); !wrong.empty())
      return wrong;
  }
  for (const auto& [name, value] : tunables.items()) {
    bool found = false;
    for (const Tunable& t : kTunables) {
      if (name == t.name) s.tunables.*t.field = value.get<std::int64_t>(), found = true;
    }
    if (!found) return fmt::format("no tunable '{}'", name);
  }
  if (!from.contains("groups")) return {};
  s.groups.clear();
  for (const json& g : from["groups"]) {
    s.groups.push_back({g.at("name"), g.at("shares"), g.at("tasks").get<std::vector<std::string>>()});
  }
  return {};
}

}  // namespace

tl::expected<Settings, std::string> settings_of(const std::string& json_text) {
  const json j = json::parse(json_text, nullptr, false);
  if (!j.is_object()) return tl::make_unexpected(std::string("the setting is no JSON object"));
  try {
    Settings out;
    out.version = j.at("kernel");
    if (!kernel::has_version(out.version)) return tl::make_unexpected("no table of kernel " + out.version);
    out.base.switches = kernel::switches_of(out.version);
    out.base.prints_vruntime = out.base.switches.stat_runtime_vruntime;
    out.base.cpus = j.value("cpus", 1);
    if (out.base.cpus < 1 || out.base.cpus > kMaxCpus) return tl::make_unexpected(std::string("cpus is out of range"));
    out.hz = j.value("hz", 250);
    out.base.tunables = sched::Tunables::defaults(out.base.switches, out.base.cpus, out.hz);
    for (const json& p : j.value("pinned", json::array()))
      out.pinned.push_back({p.at("tasks").get<std::vector<std::string>>(), p.at("cpu")});
    if (std::string wrong = lay_over(out.base, j); !wrong.empty()) return tl::make_unexpected(wrong);
    if (j.contains("changed")) {
      out.changed = out.base;
      if (std::string wrong = lay_over(*out.changed, j["changed"]); !wrong.empty()) return tl::make_unexpected(wrong);
    }
    return out;
  } catch (const json::exception& e) {
    return tl::make_unexpected(std::string(e.what()));
  }
}

}  // namespace wakepath::verify
