// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/reader.h"

#include <array>
#include <string_view>

#include "sim/trace/input.h"
#include "sim/trace/perfetto_source.h"
#include "sim/trace/process_input.h"
#include "sim/trace/reorder_source.h"
#include "sim/trace/spool.h"
#include "sim/trace/text_source.h"
#include "sim/trace/trace_dat_source.h"

namespace wakepath::trace {
namespace {

constexpr std::size_t kHeadSize = 4096;  // enough to tell text from the binary formats

enum class Format : std::uint8_t { text, perf_data, trace_dat, perfetto, other };

// A packet of the one field that a Perfetto trace has, and bytes that no text holds.
bool looks_like_perfetto(std::string_view head) {
  if (!head.starts_with('\x0a')) return false;
  for (const char c : head.substr(0, 256)) {
    if (static_cast<unsigned char>(c) < 0x09 || (c > 0x0d && c < 0x20)) return true;
  }
  return false;
}

Format format_of(std::string_view head) {
  if (head.starts_with("PERFILE2")) return Format::perf_data;
  if (head.starts_with("\x17\x08\x44tracing")) return Format::trace_dat;
  if (looks_like_perfetto(head)) return Format::perfetto;
  if (head.starts_with("PAR1") || head.find('\0') != std::string_view::npos) return Format::other;
  return Format::text;
}

std::string reason_of_other(std::string_view head) {
  if (head.starts_with("PAR1")) {
    return "holds Parquet columns, which are read on the Python side: wakepath convert FILE OUT.txt";
  }
  constexpr std::size_t kTarMagic = 257;
  if (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar")) {
    return "is a tarball, not a trace: wakepath analyze, verify and convert take one of calibration/record/collect.sh";
  }
  return "is binary, and none of: ftrace or perf script text, trace.dat, perf.data, a Perfetto trace";
}

tl::expected<std::string, std::string> read_head(Input& input) {
  std::string head(kHeadSize, '\0');
  std::size_t size = 0;
  while (size < head.size()) {
    const auto n = input.read(head.data() + size, head.size() - size);
    if (!n) return tl::make_unexpected(n.error());
    if (*n == 0) break;
    size += *n;
  }
  head.resize(size);
  return head;
}

using Opened = tl::expected<std::unique_ptr<Source>, std::string>;

Opened open_binary(Format format, std::unique_ptr<Input> input, const std::string& head, const std::string& path,
                   StringPool& pool, ReadOptions options) {
  auto file = Spool::of(path, std::move(input), head);
  if (!file) return tl::make_unexpected(file.error());
  if (format == Format::trace_dat) return open_trace_dat(std::move(*file), path, pool);
  if (format == Format::perfetto) return open_perfetto(std::move(*file), path, pool);
  auto text = perf_script(std::move(*file), options.keep_call_chains);
  if (!text) return tl::make_unexpected(text.error());
  auto source = std::make_unique<TextSource>(std::move(*text), std::string_view(), pool, path, options);
  source->report().container = "perf.data";
  return source;
}

}  // namespace

tl::expected<Reader, Error> Reader::open(const std::string& path, StringPool& pool, ReadOptions options) {
  const auto fail = [&](std::string message) { return tl::make_unexpected(Error{path, 0, std::move(message)}); };
  auto input = Input::open(path);
  if (!input) return fail(input.error());
  const auto head = read_head(**input);
  if (!head) return fail(head.error());
  if (head->empty()) return fail("is empty, there is no trace in it");
  const Format format = format_of(*head);
  if (format == Format::other) return fail(reason_of_other(*head));
  if (format == Format::text) {
    std::unique_ptr<Source> text = std::make_unique<TextSource>(std::move(*input), *head, pool, path, options);
    if (head->starts_with("Attaching ")) text = std::make_unique<ReorderSource>(std::move(text));  // bpftrace
    return Reader(std::move(text));
  }
  auto source = open_binary(format, std::move(*input), *head, path, pool, options);
  if (!source) return fail(source.error());
  return Reader(std::move(*source));
}

tl::expected<bool, Error> Reader::next(Event& e) {
  auto more = source_->next(e);
  if (more && *more) {
    Report& r = source_->report();
    ++r.records;
    ++r.by_type[static_cast<std::size_t>(e.type)];
  }
  return more;
}

tl::expected<void, Error> Reader::drain(Sink& sink) {
  Event e;
  for (;;) {
    const auto more = next(e);
    if (more && *more) {
      sink.on_event(e);
      continue;
    }
    sink.finish();
    if (!more) return tl::make_unexpected(more.error());
    return {};
  }
}

}  // namespace wakepath::trace
