// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/event_names.h"

#include <algorithm>
#include <array>

#include "sim/trace/scan.h"

namespace wakepath::trace {
namespace {

struct Name {
  EventType type;
  std::string_view text;
};

constexpr std::array kNames{
    Name{EventType::unknown, "unknown"},
    Name{EventType::sched_switch, "sched_switch"},
    Name{EventType::sched_waking, "sched_waking"},
    Name{EventType::sched_wakeup, "sched_wakeup"},
    Name{EventType::sched_wakeup_new, "sched_wakeup_new"},
    Name{EventType::sched_migrate_task, "sched_migrate_task"},
    Name{EventType::sched_stat_runtime, "sched_stat_runtime"},
    Name{EventType::sched_process_fork, "sched_process_fork"},
    Name{EventType::irq_handler_entry, "irq_handler_entry"},
    Name{EventType::irq_handler_exit, "irq_handler_exit"},
    Name{EventType::softirq_raise, "softirq_raise"},
    Name{EventType::softirq_entry, "softirq_entry"},
    Name{EventType::softirq_exit, "softirq_exit"},
    Name{EventType::local_timer_entry, "local_timer_entry"},
    Name{EventType::local_timer_exit, "local_timer_exit"},
    Name{EventType::reschedule_entry, "reschedule_entry"},
    Name{EventType::reschedule_exit, "reschedule_exit"},
    Name{EventType::hrtimer_expire_entry, "hrtimer_expire_entry"},
    Name{EventType::hrtimer_expire_exit, "hrtimer_expire_exit"},
    Name{EventType::workqueue_queue_work, "workqueue_queue_work"},
    Name{EventType::workqueue_activate_work, "workqueue_activate_work"},
    Name{EventType::workqueue_execute_start, "workqueue_execute_start"},
    Name{EventType::workqueue_execute_end, "workqueue_execute_end"},
    Name{EventType::block_rq_issue, "block_rq_issue"},
    Name{EventType::block_rq_complete, "block_rq_complete"},
    Name{EventType::sys_enter_io_submit, "sys_enter_io_submit"},
    Name{EventType::sys_exit_io_submit, "sys_exit_io_submit"},
    Name{EventType::sys_enter_io_getevents, "sys_enter_io_getevents"},
    Name{EventType::sys_exit_io_getevents, "sys_exit_io_getevents"},
    Name{EventType::sys_enter_io_uring_enter, "sys_enter_io_uring_enter"},
    Name{EventType::sys_exit_io_uring_enter, "sys_exit_io_uring_enter"},
    Name{EventType::lost_events, "lost_events"},
    Name{EventType::sched_process_exit, "sched_process_exit"},
    Name{EventType::io_uring_submit_req, "io_uring_submit_req"},
    Name{EventType::io_uring_queue_async_work, "io_uring_queue_async_work"},
    Name{EventType::io_uring_complete, "io_uring_complete"},
    Name{EventType::io_uring_cqring_wait, "io_uring_cqring_wait"},
    Name{EventType::io_uring_task_work_run, "io_uring_task_work_run"},
    Name{EventType::io_uring_local_work_run, "io_uring_local_work_run"},
    Name{EventType::io_uring_file_get, "io_uring_file_get"},
    Name{EventType::io_uring_poll_arm, "io_uring_poll_arm"},
    Name{EventType::io_uring_task_add, "io_uring_task_add"},
    Name{EventType::ipi_send_cpu, "ipi_send_cpu"},
    Name{EventType::sched_wake_idle_without_ipi, "sched_wake_idle_without_ipi"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i].type != static_cast<EventType>(i)) return false;
  }
  return kNames.size() == static_cast<std::size_t>(EventType::count_);
}
static_assert(in_order(), "kNames must list every EventType in its order");

// Sorted by name: the reader looks one up for every line.
constexpr auto kByName = [] {
  auto names = kNames;
  std::sort(names.begin(), names.end(), [](const Name& a, const Name& b) { return a.text < b.text; });
  return names;
}();

struct StateLetter {
  std::uint16_t bit;
  char letter;
};
constexpr std::array kStates{StateLetter{kStateInterruptible, 'S'}, StateLetter{kStateUninterruptible, 'D'},
                             StateLetter{kStateStopped, 'T'},       StateLetter{kStateTraced, 't'},
                             StateLetter{kStateDead, 'X'},          StateLetter{kStateZombie, 'Z'},
                             StateLetter{kStateParked, 'P'},        StateLetter{kStateIdle, 'I'}};

constexpr std::array<std::string_view, 10> kSoftirqs{"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                                     "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};

}  // namespace

std::string_view name_of(EventType type) {
  const auto i = static_cast<std::size_t>(type);
  return i < kNames.size() ? kNames[i].text : kNames[0].text;
}

EventType type_of(std::string_view name) {
  const auto* it = std::lower_bound(kByName.begin(), kByName.end(), name,
                                    [](const Name& a, std::string_view b) { return a.text < b; });
  if (name == "io_uring_submit_sqe") return EventType::io_uring_submit_req;  // its name up to 6.2
  if (it == kByName.end() || it->text != name || name == "lost_events") return EventType::unknown;
  return it->type;
}

void append_state(std::string& out, std::uint16_t prev_state) {
  bool any = false;
  for (const StateLetter& s : kStates) {
    if ((prev_state & s.bit) == 0) continue;
    if (any) out += '|';
    out += s.letter;
    any = true;
  }
  if (!any) out += 'R';
  if ((prev_state & kStatePreempted) != 0) out += '+';
}

std::optional<std::uint16_t> parse_state(std::string_view letters) {
  std::uint16_t state = 0;
  if (letters.empty()) return std::nullopt;
  if (scan::digit(letters.front())) {  // tools without the letters print the number (calibration/record/wakeups.bt)
    constexpr std::uint16_t kAll = kStatePreempted | (kStatePreempted - 1);
    return scan::number(letters, state) && state <= kAll ? std::optional(state) : std::nullopt;
  }
  if (letters.back() == '+') {
    state = kStatePreempted;
    letters.remove_suffix(1);
  }
  if (letters == "R") return state;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (i % 2 == 1) {
      if (letters[i] != '|' || i + 1 == letters.size()) return std::nullopt;
      continue;
    }
    const auto* it =
        std::find_if(kStates.begin(), kStates.end(), [c = letters[i]](const StateLetter& s) { return s.letter == c; });
    if (it != kStates.end()) {
      state = static_cast<std::uint16_t>(state | it->bit);
    } else if (letters[i] == 'x') {  // kernels before 4.14: dead; may be killed; being woken; not part of the load
      state = static_cast<std::uint16_t>(state | kStateDead);
    } else if (letters[i] == 'N') {
      state = kStateIdle;
    } else if (letters[i] != 'K' && letters[i] != 'W') {
      return std::nullopt;
    }
  }
  return letters.empty() ? std::nullopt : std::optional(state);
}

std::string_view softirq_name(std::int32_t vec) {
  return vec >= 0 && vec < static_cast<std::int32_t>(kSoftirqs.size()) ? kSoftirqs[static_cast<std::size_t>(vec)]
                                                                       : "UNKNOWN";
}

}  // namespace wakepath::trace
