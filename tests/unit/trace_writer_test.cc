// SPDX-License-Identifier: GPL-2.0-or-later
// The ftrace writer: what it writes is what a kernel wrote, byte for byte, and a file appears whole or not at all.
#include <sys/stat.h>

#include "sim/trace/ftrace_writer.h"
#include "sim/trace/input.h"
#include "tests/unit/catch.h"
#include "tests/unit/trace_files.h"

using namespace wakepath;

namespace {

std::string unpack(const std::string& path) {
  auto in = trace::Input::open(path);
  REQUIRE(in);
  std::string out, chunk(65536, '\0');
  for (;;) {
    const auto n = (*in)->read(chunk.data(), chunk.size());
    REQUIRE(n);
    if (*n == 0) return out;
    out.append(chunk, 0, *n);
  }
}

void rewrite(const std::string& from, const std::string& to) {
  trace::StringPool pool;
  auto reader = trace::Reader::open(from, pool);
  REQUIRE(reader);
  auto writer = trace::FtraceWriter::create(to, pool);
  REQUIRE(writer);
  REQUIRE(reader->drain(**writer));
  REQUIRE((*writer)->status());
}

std::string without_header(const std::string& text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] == '#') at = text.find('\n', at) + 1;
  return text.substr(at);
}

}  // namespace

TEST_CASE("writer: ftrace text of real kernels comes back byte for byte") {
  const tests::TemporaryFolder folder;
  for (const char* name :
       {"cfs-root.txt.xz", "cfs-w1000.txt.xz", "cfs-ping.txt.xz", "eevdf-root.txt.xz", "eevdf-w1000.txt.xz"}) {
    CAPTURE(name);
    const std::string original = unpack(tests::data_trace(name));
    rewrite(tests::data_trace(name), folder.file("out.txt"));
    const std::string back = tests::slurp(folder.file("out.txt"));
    CHECK(without_header(back) == without_header(original));
    // The pieces are cut, so their header counts more records; all else in it is the same.
    const auto line = [](const std::string& text) { return text.substr(0, text.find("entries-written: ")); };
    CHECK(line(back) == line(original));
    const auto rest = [](const std::string& text) { return text.substr(text.find("   #P:"), 600); };
    CHECK(rest(back) == rest(original));
  }
}

TEST_CASE("writer: perf text converted to ftrace text reads back the same") {
  const tests::TemporaryFolder folder;
  rewrite(tests::data_trace("perf-w10240.txt.xz"), folder.file("a.txt"));
  rewrite(folder.file("a.txt"), folder.file("b.txt"));
  CHECK(tests::slurp(folder.file("a.txt")) == tests::slurp(folder.file("b.txt")));
  trace::StringPool pool;
  const auto r = tests::read_trace(folder.file("a.txt"), pool);
  CHECK(r.report.bad_lines == 0);
  CHECK(r.report.records == 2500);
}

TEST_CASE("writer: the suffix packs, and the packed text is the plain one") {
  const tests::TemporaryFolder folder;
  rewrite(tests::data_trace("cfs-w1000.txt.xz"), folder.file("plain.txt"));
  const std::string plain = tests::slurp(folder.file("plain.txt"));
  for (const std::string suffix : {".xz", ".gz", ".zst"}) {
    CAPTURE(suffix);
    rewrite(tests::data_trace("cfs-w1000.txt.xz"), folder.file("packed" + suffix));
    CHECK(unpack(folder.file("packed" + suffix)) == plain);
    CHECK(tests::slurp(folder.file("packed" + suffix)).size() * 5 < plain.size());
    const std::string once = tests::slurp(folder.file("packed" + suffix));
    rewrite(tests::data_trace("cfs-w1000.txt.xz"), folder.file("packed" + suffix));
    CHECK(tests::slurp(folder.file("packed" + suffix)) == once);
  }
}

TEST_CASE("writer: a file that is not finished leaves the old one and nothing else") {
  const tests::TemporaryFolder folder;
  folder.write("t.txt", "good");
  trace::StringPool pool;
  trace::Event e;
  e.type = trace::EventType::irq_handler_exit;
  e.u.irq = {3, 0};
  {
    auto writer = trace::FtraceWriter::create(folder.file("t.txt"), pool);
    REQUIRE(writer);
    (*writer)->on_event(e);
    CHECK(tests::slurp(folder.file("t.txt")) == "good");
  }
  CHECK(tests::slurp(folder.file("t.txt")) == "good");
  CHECK(folder.entries() == 1);

  auto writer = trace::FtraceWriter::create(folder.file("t.txt"), pool);
  REQUIRE(writer);
  (*writer)->on_event(e);
  REQUIRE((*writer)->close());
  REQUIRE((*writer)->close());  // the second call changes nothing
  CHECK(tests::contains(tests::slurp(folder.file("t.txt")), "irq_handler_exit: irq=3 ret=handled"));
  CHECK(folder.entries() == 1);
}

TEST_CASE("writer: mode and link of an existing file stay, a wrong place is an error at once") {
  const tests::TemporaryFolder folder;
  folder.write("real.txt", "old");
  REQUIRE(::chmod(folder.file("real.txt").c_str(), 0640) == 0);
  std::filesystem::create_symlink("real.txt", folder.file("link.txt"));
  trace::StringPool pool;
  auto writer = trace::FtraceWriter::create(folder.file("link.txt"), pool);
  REQUIRE(writer);
  REQUIRE((*writer)->close());
  CHECK(std::filesystem::is_symlink(folder.file("link.txt")));
  CHECK(tests::contains(tests::slurp(folder.file("real.txt")), "# tracer: nop"));
  struct stat st {};
  REQUIRE(::stat(folder.file("real.txt").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0640);

  const auto wrong = trace::FtraceWriter::create(folder.file("no/such/folder.txt"), pool);
  REQUIRE_FALSE(wrong);
  CHECK(tests::contains(trace::to_string(wrong.error()), "cannot be written"));
  CHECK_FALSE(trace::FtraceWriter::create(folder.file(""), pool));
}

TEST_CASE("writer: losses, unknown events and pointers") {
  trace::StringPool pool;
  const auto line = [&pool](const trace::Event& e) {
    std::string out;
    trace::append_ftrace_line(out, e, pool);
    return out;
  };
  trace::Event e;
  e.type = trace::EventType::lost_events;
  e.cpu = 1;
  e.u.value = 5;
  CHECK(line(e) == "CPU:1 [LOST 5 EVENTS]\n");
  e.cpu = -1;
  e.u.value = 0;
  CHECK(line(e) == "[LOST EVENTS]\n");

  trace::Event w;
  w.type = trace::EventType::workqueue_execute_start;
  w.ts_ns = 77;
  w.pid = 46;
  w.comm = pool.intern("kworker/0:2");
  w.u.work = {0, pool.intern("f"), 0, -1, -1};
  CHECK(line(w) ==
        "     kworker/0:2-46      [000] .....           77: workqueue_execute_start: work struct (____ptrval____): "
        "function f\n");
  w.u.work.work = 0xf3b6d8c4;
  CHECK(tests::contains(line(w), "work struct 00000000f3b6d8c4: function f"));
  w.type = trace::EventType::unknown;
  w.u.unknown = {pool.intern("io_uring_complete")};
  CHECK(tests::contains(line(w), ": io_uring_complete:\n"));
}
