// SPDX-License-Identifier: GPL-2.0-or-later
// Every tracepoint through every format that is written and read: what comes back is what went in.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sim/analysis/analyze.h"
#include "sim/trace/blk_line.h"
#include "sim/trace/columns.h"
#include "sim/trace/event_names.h"
#include "sim/trace/fields.h"
#include "sim/trace/raw_flags.h"
#include "sim/trace/writer.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

#include <nlohmann/json.hpp>

using namespace wakepath;
using trace::Event;
using trace::EventType;
using trace::Field;
using trace::FieldKind;
using trace::StringPool;

namespace {

// Values that each field can have and that tell fields apart.
void fill(Event& e, const Field& f, int salt, StringPool& pool) {
  const std::string name(f.name);
  if (name == "prev_state") return set_number(e, f, salt % 2 == 0 ? 256 : 2, pool);
  if (name == "opcode") return set_number(e, f, 22 + salt % 2, pool);
  if (name == "vec") return set_number(e, f, 1 + salt % 9, pool);
  if (name == "ret" && f.kind == FieldKind::handled) return set_number(e, f, salt % 2, pool);
  if (name == "bytes") return set_number(e, f, 512 * (8 + salt), pool);
  if (name == "nr_sector") return set_number(e, f, 8 + salt, pool);
  if (name == "ioprio") return set_name(e, f, pool.intern(salt % 2 == 0 ? "be,0,4" : ""));
  if (name == "rwbs") return set_name(e, f, pool.intern("WS"));
  if (name == "callsite") return set_name(e, f, pool.intern("callsite=ttwu_queue+0x1/0x2 callback=0x0"));
  if (f.is_name()) return set_name(e, f, pool.intern(fmt::format("{}_{}", name.substr(0, 9), salt)));
  if (f.kind == FieldKind::u64)
    return set_number(e, f, static_cast<std::int64_t>(0xffff888000000000U) + salt * 64, pool);
  if (f.kind == FieldKind::flag) return set_number(e, f, salt % 2, pool);
  set_number(e, f, 1 + salt, pool);
}

std::vector<Event> every_event(StringPool& pool, bool with_unknown) {
  std::vector<Event> all;
  std::int64_t ts = 1'000'000'000;
  for (int round = 0; round < 3; ++round) {
    for (int t = with_unknown ? 0 : 1; t < static_cast<int>(EventType::count_); ++t) {
      Event e;
      e.type = static_cast<EventType>(t);
      e.ts_ns = ts += 137 + (t == 5 ? 300'000'000 : 0);  // further apart than the ring buffer's 27 bits of delta
      e.cpu = static_cast<std::int16_t>((t + round) % 3);
      e.pid = 100 + t;
      e.comm = pool.intern("task" + std::to_string(t));
      std::memset(static_cast<void*>(&e.u), 0, sizeof e.u);
      if (e.type == EventType::lost_events) {
        e.u.value = 5 + round;
        e.comm = 0;
        e.pid = 0;
        all.push_back(e);
        continue;
      }
      e.has_flags = true;
      e.flags = static_cast<std::uint8_t>(round == 0   ? trace::kIrqsOff | trace::kHardirq
                                          : round == 1 ? trace::kNeedResched | trace::kTifOnly
                                                       : trace::kNeedResched | trace::kSoftirq | trace::kBhOff);
      e.preempt_depth = static_cast<std::uint8_t>(round + 1);
      if (e.type == EventType::unknown) {
        e.u.unknown = {pool.intern("cpu_idle")};
      }
      for (const Field& f : trace::fields_of(e.type)) fill(e, f, round + static_cast<int>(f.name.size()) % 4, pool);
      trace::complete_fields(e);
      all.push_back(e);
    }
  }
  return all;
}

std::string said(const Event& e, const StringPool& pool, bool whole) {
  std::string out = fmt::format("{} cpu {} pid {} {}", e.ts_ns, e.cpu, e.pid, trace::name_of(e.type));
  if (e.type == EventType::lost_events) return fmt::format("cpu {} lost {}", e.cpu, e.u.value);
  out += fmt::format(" comm {} flags {}", pool.str(e.comm), e.flags);
  if (whole) out += fmt::format(" depth {}", e.preempt_depth);
  if (e.type == EventType::unknown) return out + pool.str(e.u.unknown.name);
  for (const Field& f : trace::fields_of(e.type)) {
    if (!whole && f.name == "ioprio") continue;
    if (!trace::is_present(e, f)) continue;
    out += f.is_name() ? fmt::format(" {}={}", f.name, pool.str(trace::name_of(e, f)))
                       : fmt::format(" {}={}", f.name, trace::number_of(e, f, pool));
  }
  return out;
}

void write(const std::string& path, const std::vector<Event>& events, const StringPool& pool) {
  auto writer = trace::Writer::create(path, pool);
  REQUIRE(writer);
  for (const Event& e : events) (*writer)->on_event(e);
  REQUIRE((*writer)->close());
}

// A trace.dat tells of a loss before the next record of its CPU: losses of all CPUs are compared after the records.
std::vector<Event> losses_last(std::vector<Event> events) {
  std::stable_partition(events.begin(), events.end(), [](const Event& e) { return e.type != EventType::lost_events; });
  return events;
}

void check_round_trip(const std::string& name, bool whole) {
  const tests::TemporaryFolder folder;
  StringPool pool;
  const std::vector<Event> events = every_event(pool, true);
  write(folder.file(name), events, pool);
  StringPool back_pool;
  const tests::ReadBack back = tests::read_trace(folder.file(name), back_pool);
  CHECK(back.error == "");
  CHECK(back.report.bad_lines == 0);
  REQUIRE(back.events.size() == events.size());
  const bool in_place = name.find(".dat") == std::string::npos;
  const auto mine = in_place ? events : losses_last(events);
  const auto theirs = in_place ? back.events : losses_last(back.events);
  for (std::size_t i = 0; i < events.size(); ++i) {
    CAPTURE(name, i);
    CHECK(said(theirs[i], back_pool, whole) == said(mine[i], pool, whole));
  }
}

}  // namespace

TEST_CASE("formats: the field table reaches every field of an event, and no two the same bytes") {
  for (int t = 1; t < static_cast<int>(EventType::count_); ++t) {
    const auto type = static_cast<EventType>(t);
    CAPTURE(trace::name_of(type));
    CHECK_FALSE(trace::fields_of(type).empty());
    std::vector<std::uint16_t> offsets;
    for (const Field& f : trace::fields_of(type)) {
      CHECK(f.offset >= offsetof(Event, u));
      CHECK(std::find(offsets.begin(), offsets.end(), f.offset) == offsets.end());
      offsets.push_back(f.offset);
      CHECK(trace::field_of(type, f.name) == &f);
    }
  }
  CHECK(trace::field_of(EventType::sched_switch, "no_such") == nullptr);
}

TEST_CASE("formats: latency columns and the ring buffer's bits are the same thing") {
  for (int flags = 0; flags < 256; ++flags) {
    const auto f = static_cast<std::uint8_t>(flags);
    if ((f & trace::kTifOnly) != 0 && (f & trace::kNeedResched) == 0) continue;  // no such column
    CHECK(trace::flags_of_raw(trace::raw_of_flags(f)) == f);
  }
}

TEST_CASE("formats: ftrace text gives every record back") { check_round_trip("t.txt.zst", true); }

#ifdef WAKEPATH_HAVE_TRACECMD
TEST_CASE("formats: a trace.dat gives every record back through trace-cmd's library") {
  check_round_trip("t.dat", true);
  check_round_trip("t.dat.xz", true);
}
#endif

#ifdef WAKEPATH_HAVE_PROTOBUF
TEST_CASE("formats: a Perfetto trace gives every record back") {
  check_round_trip("t.pftrace", false);
  check_round_trip("t.pftrace.gz", false);
}
#endif

TEST_CASE("formats: rows of columns are the records") {
  StringPool pool;
  trace::Columns columns(pool);
  const std::vector<Event> events = every_event(pool, true);
  for (const Event& e : events) columns.append(e);
  REQUIRE(columns.rows() == events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    CHECK(said(trace::event_of_row(columns.columns(), i, pool), pool, true) == said(events[i], pool, true));
  }
}

TEST_CASE("formats: figures of a real trace are the same in each format") {
  const tests::TemporaryFolder folder;
  for (const char* name : {"cfs-w1000.txt.xz", "io-wq.txt.xz"}) {
    const auto original = analysis::analyze_file(tests::data_trace(name));
    REQUIRE(original);
    std::vector<std::string> written{"t.txt"};
#ifdef WAKEPATH_HAVE_TRACECMD
    written.emplace_back("t.dat");
#endif
#ifdef WAKEPATH_HAVE_PROTOBUF
    written.emplace_back("t.pftrace");
#endif
    for (const std::string& to : written) {
      CAPTURE(name, to);
      StringPool pool;
      auto reader = trace::Reader::open(tests::data_trace(name), pool);
      REQUIRE(reader);
      auto writer = trace::Writer::create(folder.file(to), pool);
      REQUIRE(writer);
      REQUIRE(reader->drain(**writer));
      REQUIRE((*writer)->status());
      auto again = analysis::analyze_file(folder.file(to));
      REQUIRE(again);
      CHECK((*again)["trace"]["by_event"] == (*original)["trace"]["by_event"]);
      for (const auto& [key, value] : original->items()) {
        CAPTURE(key);
        if (key != "trace") CHECK((*again)[key] == value);
      }
    }
  }
}

TEST_CASE("formats: a file cut anywhere is an error that says how far it was read, or a shorter trace") {
  const tests::TemporaryFolder folder;
  StringPool pool;
  const std::vector<Event> events = every_event(pool, false);
  std::vector<std::string> names;
#ifdef WAKEPATH_HAVE_TRACECMD
  names.emplace_back("t.dat");
#endif
#ifdef WAKEPATH_HAVE_PROTOBUF
  names.emplace_back("t.pftrace");
#endif
  for (const std::string& name : names) {
    write(folder.file(name), events, pool);
    const std::string whole = tests::slurp(folder.file(name));
    for (std::size_t part = 1; part < 12; ++part) {
      CAPTURE(name, part);
      StringPool other;
      const auto back = tests::read_trace(folder.write("cut", whole.substr(0, whole.size() * part / 12)), other);
      CHECK(back.events.size() <= events.size());
      CHECK((!back.error.empty() || back.events.size() < events.size()));
    }
  }
}

TEST_CASE(
    "blkparse: issue and completion are typed, other actions are known by the kernel's names, totals are no records") {
  StringPool pool;
  const auto read = tests::read_text(
      "  8,0    3        1     0.000000000   697  Q   W 223490 + 8 [kjournald]\n"
      "  8,0    3        2     0.000000629   697  G   W 223490 + 8 [kjournald]\n"
      "  8,0    3        9     0.000004619   697  D   W 223490 + 8 [kjournald]\n"
      "  8,0    3       11     0.009507758     0  C   W 223490 + 8 [0]\n"
      "  8,0    1        0     0.009600000     0  m   N cfq workload slice:100\n"
      "CPU3 (8,0):\n Reads Queued:           0,        0KiB\t Writes Queued:           1,        4KiB\n"
      "Throughput (R/W): 0KiB/s / 420KiB/s\nEvents (8,0): 5 entries\nSkips: 0 forward (0 -   0.0%)\n",
      pool);
  CHECK(read.error == "");
  REQUIRE(read.events.size() == 5);
  CHECK(read.report.bad_lines == 0);
  CHECK(read.report.format() == "blkparse");
  const Event& issue = read.events[2];
  CHECK(issue.type == EventType::block_rq_issue);
  CHECK(issue.cpu == 3);
  CHECK(issue.ts_ns == 4619);
  CHECK(issue.pid == 697);
  CHECK(pool.str(issue.comm) == "kjournald");
  CHECK(issue.u.rq.major == 8);
  CHECK(issue.u.rq.sector == 223490);
  CHECK(issue.u.rq.bytes == 4096);
  const Event& done = read.events[3];
  CHECK(done.type == EventType::block_rq_complete);
  CHECK(done.u.rq.error == 0);
  CHECK(done.ts_ns - issue.ts_ns == 9503139);
  CHECK(read.report.unknown.at("block_bio_queue") == 1);
}

TEST_CASE("bpftrace: the shipped scripts' text is trace text; what is lost is told without a place") {
  StringPool pool;
  const auto read = tests::read_text(
      "Attaching 4 probes...\n"
      "fio-13 [001] 14592: sched_switch: prev_comm=fio prev_pid=13 prev_prio=120 prev_state=256 ==> "
      "next_comm=kworker/1:0 "
      "next_pid=46 next_prio=120\n"
      "Lost 7 events\n"
      "kworker/1:0-46 [001] 14900: workqueue_execute_end: work struct 0xffff888132720d00: function "
      "iomap_dio_complete_work\n",
      pool);
  CHECK(read.error == "");
  REQUIRE(read.events.size() == 3);
  CHECK(read.report.bad_lines == 0);
  CHECK(read.events[0].u.sw.prev_state == trace::kStatePreempted);
  CHECK(read.report.lost_events == 7);
  CHECK(read.events[1].cpu == -1);
}
