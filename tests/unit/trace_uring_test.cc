// SPDX-License-Identifier: GPL-2.0-or-later
// Records of io_uring and of interprocessor interrupts: every kernel's spelling becomes one record, and the text
// written from it reads back as the same.
#include "sim/trace/event_names.h"
#include "sim/trace/field_parser.h"
#include "sim/trace/ftrace_writer.h"
#include "sim/trace/line_parser.h"
#include "sim/trace/uring_opcodes.h"
#include "tests/unit/catch.h"

using namespace wakepath::trace;

namespace {

struct Parsed {
  Event e;
  std::string error, again;
};

Parsed parse(StringPool& pool, const std::string& fields) {
  const std::string text = "  fio-222 [000] ..... 15289259146: " + fields;  // the record points into it
  const Line l = parse_line(text);
  REQUIRE(l.kind == LineKind::record);
  Parsed p;
  p.e.type = type_of(l.name);
  REQUIRE(p.e.type != EventType::unknown);
  const char* reason = parse_fields(p.e.type, l.text, pool, p.e);
  p.error = reason == nullptr ? "" : reason;
  append_ftrace_line(p.again, p.e, pool);
  return p;
}

}  // namespace

TEST_CASE("uring: a request is submitted, under either name") {
  StringPool pool;
  const Parsed p =
      parse(pool,
            "io_uring_submit_req: ring (____ptrval____), req 0xffff88810, user_data 0x6, opcode URING_CMD, "
            "flags 0x200001, sq_thread 0");
  CHECK(p.error.empty());
  CHECK(p.e.u.uring.ctx == 0);
  CHECK(p.e.u.uring.req == 0xffff88810);
  CHECK(p.e.u.uring.user_data == 6);
  CHECK(p.e.u.uring.opcode == uring_opcode("URING_CMD"));
  CHECK(p.e.u.uring.flags == 0x200001);
  CHECK_FALSE(p.e.u.uring.flag);
  const Parsed old = parse(pool,
                           "io_uring_submit_sqe: ring 00000000e4d0a4b6, req 00000000a5c3b2d1, user_data 0x34fa7200, "
                           "opcode WRITE, flags 0x10, non block 1, sq_thread 0");
  CHECK(old.e.type == EventType::io_uring_submit_req);
  CHECK(old.e.u.uring.opcode == kUringWrite);
  CHECK(old.e.u.uring.flag);  // forced to the workers
}

TEST_CASE("uring: numbers of the other records") {
  StringPool pool;
  const Parsed c = parse(pool,
                         "io_uring_complete: ring (____ptrval____), req (____ptrval____), user_data 0x34fa7200, result "
                         "-11, cflags 0x2 extra1 0 extra2 0 ");
  CHECK(c.error.empty());
  CHECK(c.e.u.uring.value == -11);
  CHECK(c.e.u.uring.flags == 2);
  const Parsed q = parse(pool,
                         "io_uring_queue_async_work: ring (____ptrval____), request (____ptrval____), user_data 0x1, "
                         "opcode FSYNC, flags 0xe0040000, hashed queue, work (____ptrval____)");
  CHECK(q.error.empty());
  CHECK(q.e.u.uring.opcode == kUringFsync);
  CHECK(q.e.u.uring.flag);
  CHECK(parse(pool, "io_uring_cqring_wait: ring (____ptrval____), min_events 32").e.u.uring.value == 32);
  CHECK(parse(pool, "io_uring_task_work_run: tctx (____ptrval____), count 7").e.u.uring.value == 7);
  const Parsed l = parse(pool, "io_uring_local_work_run: ring (____ptrval____), count 3, loops 2");
  CHECK(l.e.u.uring.value == 3);
  CHECK(l.e.u.uring.flags == 2);
  const Parsed f =
      parse(pool, "io_uring_file_get: ring (____ptrval____), req (____ptrval____), user_data 0x32cdf7c0, fd 8");
  CHECK(f.e.u.uring.value == 8);
  const Parsed a =
      parse(pool, "io_uring_poll_arm: ring 0x1, req 0x2, user_data 0x3, opcode POLL_ADD, mask 0x0, events 0x2001");
  CHECK(a.e.u.uring.flags == 0x2001);
  CHECK(parse(pool, "io_uring_task_add: ring 0x1, req 0x2, user_data 0x3, opcode READ, mask c3").e.u.uring.value ==
        0xc3);
}

TEST_CASE("uring: what is written reads back the same") {
  StringPool pool;
  for (const char* text :
       {"io_uring_submit_req: ring 0x1a, req 0x2b, user_data 0x6, opcode URING_CMD, flags 0x200001, sq_thread 0",
        "io_uring_complete: ring 0x1a, req 0x2b, user_data 0x6, result -4096, cflags 0x1 extra1 0 extra2 0",
        "io_uring_queue_async_work: ring 0x1a, request 0x2b, user_data 0x6, opcode WRITE, flags 0x4, hashed queue, "
        "work "
        "0x1",
        "io_uring_cqring_wait: ring 0x1a, min_events 4", "io_uring_task_work_run: tctx 0x1a, count 5",
        "io_uring_local_work_run: ring 0x1a, count 6, loops 1",
        "io_uring_file_get: ring 0x1a, req 0x2b, user_data 0x6, fd 9",
        "io_uring_poll_arm: ring 0x1a, req 0x2b, user_data 0x6, opcode POLL_ADD, mask 0x5, events 0x41",
        "io_uring_task_add: ring 0x1a, req 0x2b, user_data 0x6, opcode READ, mask ab",
        "ipi_send_cpu: cpu=1 callsite=ttwu_queue_wakelist+0x1 callback=0x0", "sched_wake_idle_without_ipi: cpu=3"}) {
    CAPTURE(text);
    const Parsed first = parse(pool, text);
    CHECK(first.error.empty());
    const Line l = parse_line(std::string_view(first.again).substr(0, first.again.size() - 1));
    REQUIRE(l.kind == LineKind::record);
    Event e;
    e.type = type_of(l.name);
    CHECK(e.type == first.e.type);
    CHECK(parse_fields(e.type, l.text, pool, e) == nullptr);
    if (e.type == EventType::ipi_send_cpu || e.type == EventType::sched_wake_idle_without_ipi) {
      CHECK(e.u.irq.irq == first.e.u.irq.irq);
      CHECK(pool.str(e.u.irq.name) == pool.str(first.e.u.irq.name));
      continue;
    }
    CHECK(e.u.uring.ctx == 0x1a);
    CHECK(e.u.uring.req == first.e.u.uring.req);
    CHECK(e.u.uring.user_data == first.e.u.uring.user_data);
    CHECK(e.u.uring.opcode == first.e.u.uring.opcode);
    CHECK(e.u.uring.value == first.e.u.uring.value);
    CHECK(e.u.uring.flags == first.e.u.uring.flags);
    CHECK(e.u.uring.flag == first.e.u.uring.flag);
  }
}

TEST_CASE("uring: broken fields are reasons, not records") {
  StringPool pool;
  for (const char* text : {"io_uring_complete: ring 0x1, req 0x2, user_data 0x3", "io_uring_cqring_wait: min_events 3",
                           "io_uring_complete: ring zz, req 0x2, user_data 0x3, result 0, cflags 0x0",
                           "io_uring_submit_req: ring 0x1, req 0x2, user_data 0xqq, opcode READ, flags 0x0",
                           "io_uring_complete: ring 0x1, req 0x2, user_data 0x3, result many, cflags 0x0",
                           "io_uring_submit_req: ring 0x1, req 0x2, user_data 0x1, opcode READ, flags 0xzz",
                           "ipi_send_cpu: callsite=x", "sched_wake_idle_without_ipi: cpu=one"}) {
    CAPTURE(text);
    CHECK_FALSE(parse(pool, text).error.empty());
  }
  const Parsed odd =
      parse(pool, "io_uring_submit_req: ring 0x1, req 0x2, user_data 0x3, opcode NEWER, flags 0x0, sq_thread 0");
  CHECK(odd.error.empty());
  CHECK(odd.e.u.uring.opcode == -1);
  CHECK(odd.again.find("opcode INVALID") != std::string::npos);
}
