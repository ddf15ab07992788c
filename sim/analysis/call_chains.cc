// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/analysis/call_chains.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "sim/analysis/damaged_input.h"
#include "sim/trace/scan.h"

namespace wakepath::analysis {
namespace {

using std::string_view;
using trace::EventType;
namespace scan = trace::scan;

constexpr std::size_t kPathLength = 4;

bool starts_with_any(string_view function, std::initializer_list<string_view> starts) {
  return std::any_of(starts.begin(), starts.end(), [&](string_view s) { return function.starts_with(s); });
}

// The tracepoint's own frames, between the function that has it and the recorder.
bool is_recorder(string_view f) {
  return starts_with_any(f, {"perf_trace_", "perf_tp_", "perf_event_", "__traceiter_", "trace_event_", "bpf_trace_",
                             "__bpf_trace_", "ftrace_", "__ftrace_", "trace_", "0x"});
}

bool is_schedule(string_view f) { return f == "schedule" || f == "__schedule" || f == "__schedule_loop"; }

bool is_entry(string_view f) {  // of an interrupt, between the interrupted code and the way out
  return starts_with_any(f, {"irqentry_", "raw_irqentry_", "sysvec_", "asm_sysvec_", "asm_common_interrupt",
                             "common_interrupt", "el1", "ret_from_intr"});
}

bool is_wakeup(string_view f) {
  return starts_with_any(
      f, {"try_to_wake_up", "ttwu_", "wake_up_process", "default_wake_function", "autoremove_wake_function",
          "__wake_up", "wake_up_", "select_task_rq", "wake_q_", "wake_up", "swake_up", "complete_with_flags"});
}

std::string in_caller(const std::vector<string_view>& f, std::size_t i, string_view kind) {
  while (i < f.size() && (is_entry(f[i]) || is_recorder(f[i]))) ++i;
  return std::string(kind) + (i < f.size() ? " in " + scan::printable(f[i]) : "");
}

}  // namespace

string_view function_of_frame(string_view frame) {
  frame = scan::ltrim(frame);
  if (!scan::skip(frame, "=> ")) {
    string_view rest = frame;
    const string_view address = scan::word(rest);
    std::uint64_t number = 0;
    if (scan::hex(address, number)) frame = rest;
  }
  frame = frame.substr(0, frame.find_first_of(" +"));
  return frame.empty() ? string_view("[unknown]") : frame;
}

std::string switch_point(const std::vector<string_view>& f, bool involuntary) {
  std::size_t i = 0;
  while (i < f.size() && is_recorder(f[i])) ++i;
  if (i == f.size() || !is_schedule(f[i])) return "";
  while (i < f.size() && is_schedule(f[i])) ++i;
  if (i == f.size()) return "schedule";
  if (f[i].starts_with("preempt_schedule_irq") || f[i] == "raw_irqentry_exit_cond_resched" ||
      f[i] == "irqentry_exit_cond_resched") {
    return in_caller(f, i + 1, "interrupt return");
  }
  if (f[i].starts_with("preempt_schedule")) {
    while (i < f.size() && f[i].starts_with("preempt_schedule")) ++i;
    const bool cond = i < f.size() && starts_with_any(f[i], {"__cond_resched", "dynamic_cond_resched"});
    if (i < f.size() && starts_with_any(f[i], {"irqentry_", "raw_irqentry_"}))
      return in_caller(f, i, "interrupt return");
    return in_caller(f, cond ? i + 1 : i, cond ? "cond_resched" : "preempt_enable");
  }
  if (starts_with_any(f[i], {"__cond_resched", "dynamic_cond_resched", "_cond_resched"})) {
    return in_caller(f, i + 1, "cond_resched");
  }
  if (starts_with_any(f[i],
                      {"exit_to_user_mode", "syscall_exit_to_user", "prepare_exit_to_usermode", "do_notify_resume"})) {
    return "return to user";
  }
  if (f[i] == "schedule_idle" || f[i] == "do_idle") return "idle";
  if (!involuntary) return in_caller(f, i, "sleep");
  // The loop on the way out is often inlined into the entry code, whose caller is the program.
  const bool way_out = starts_with_any(f[i], {"asm_", "entry_", "do_syscall_", "[unknown]", "syscall_", "ret_from_"});
  return way_out ? "return to user" : in_caller(f, i, "schedule");
}

std::string waker_path(const std::vector<string_view>& f) {
  std::size_t i = 0;
  while (i < f.size() && (is_recorder(f[i]) || is_wakeup(f[i]))) ++i;
  std::string path;
  for (const std::size_t end = std::min(f.size(), i + kPathLength); i < end; ++i) {
    if (!path.empty()) path += " < ";
    path += scan::printable(f[i]);
  }
  return path;
}

void CallChains::on_event(const trace::Event& e, const std::vector<trace::StringId>& chain) {
  if (chain.empty() || (e.type != EventType::sched_switch && e.type != EventType::sched_waking)) return;
  ++chains_;
  std::vector<string_view> functions;
  for (const trace::StringId frame : chain) functions.push_back(function_of_frame(pool_->str(frame)));
  if (e.type == EventType::sched_waking) {
    ++wakings_[waker_path(functions)];
    return;
  }
  const std::uint16_t state = e.u.sw.prev_state;
  const bool involuntary = state == trace::kStateRunning || (state & trace::kStatePreempted) != 0;
  ++switches_[{switch_point(functions, involuntary), involuntary}];
}

nlohmann::json CallChains::json() const {
  nlohmann::json switches = nlohmann::json::array(), wakings = nlohmann::json::array();
  for (const auto& [key, n] : switches_) {
    switches.push_back({{"point", key.first}, {"involuntary", key.second}, {"n", n}});
  }
  for (const auto& [path, n] : wakings_) wakings.push_back({{"path", path}, {"n", n}});
  for (nlohmann::json* rows : {&switches, &wakings}) {
    std::stable_sort(rows->begin(), rows->end(), [](const auto& a, const auto& b) { return a["n"] > b["n"]; });
    if (rows->size() > kRows) rows->erase(rows->begin() + kRows, rows->end());
  }
  return {{"chains", chains_}, {"switches", std::move(switches)}, {"wakings", std::move(wakings)}};
}

}  // namespace wakepath::analysis
