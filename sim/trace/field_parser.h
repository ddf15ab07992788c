// SPDX-License-Identifier: GPL-2.0-or-later
// The fields of a record, as TP_printk of each tracepoint prints them, into the payload of an Event.
// Sources: include/trace/events/{sched,irq,workqueue,block,timer}.h and kernel/trace/trace_syscalls.c of 5.4 to 6.19,
// and the forms that libtraceevent's plugins print instead (`fio:119 [120] S ==> kworker/0:2:46 [120]`).
#pragma once

#include <string_view>

#include "sim/trace/event.h"
#include "sim/trace/string_pool.h"

namespace wakepath::trace {

// Fills e.u for e.type. Null when all went well, else the reason in words; e.u is then not to be used.
[[nodiscard]] const char* parse_fields(EventType type, std::string_view text, StringPool& pool, Event& e);

}  // namespace wakepath::trace
