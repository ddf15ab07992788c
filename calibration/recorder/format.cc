// SPDX-License-Identifier: GPL-2.0-or-later
#include "calibration/recorder/format.h"

#include <liburing.h>
#include <unistd.h>

#include "calibration/recorder/clock.h"

namespace wakepath::recorder {

Writer::Writer(const std::string& path) : out_(std::fopen(path.c_str(), "we")), path_(path), t0_(now_ns()) {
  if (out_ == nullptr) fail("cannot write " + path);
}

Writer::~Writer() {
  if (out_ != nullptr) std::fclose(out_);
}

void Writer::put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), out_); }
void Writer::put(std::int64_t value) { std::fprintf(out_, "%lld", static_cast<long long>(value)); }
void Writer::put(const std::vector<std::int64_t>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0) put(",");
    put(list[i]);
  }
}

template <class... Fields>
void Writer::line(char type, const Fields&... fields) {
  std::fputc(type, out_);
  const auto field = [&](const auto& f) {
    std::fputc('\t', out_);
    put(f);
  };
  (field(fields), ...);
  std::fputc('\n', out_);
}

// A full disk shows here, not as half a file that looks whole.
void Writer::flush() {
  if (std::fflush(out_) != 0 || std::ferror(out_) != 0) fail("cannot write " + path_);
}

void Writer::header(const std::string& kernel, const std::string& cpu_model, bool virtual_machine,
                    const std::string& clocksource) {
  line('H', std::string_view("urtrace"), std::int64_t{1}, std::int64_t{0}, t0_,
       static_cast<std::int64_t>(::sysconf(_SC_NPROCESSORS_ONLN)), std::string_view(kernel),
       std::string_view(cpu_model), std::int64_t{virtual_machine}, std::int64_t{0}, std::string_view(clocksource),
       std::string_view("2"));
  flush();
}

void Writer::target(const std::string& path, bool block_device, std::int64_t size) {
  (void)path;  // a name tells more than a recording has to
  line('F', std::int64_t{0}, std::string_view(block_device ? "blk" : "reg"), std::int64_t{1}, std::string_view("-"),
       std::int64_t{0}, std::int64_t{0}, size);
}

void Writer::cost(const Samples& s) {
  if (s.empty()) return;
  line('K', std::string_view(s.kind()), static_cast<std::int64_t>(s.size()), s.quantile(100), s.quantile(500),
       s.quantile(900), s.quantile(990), s.block_medians(), s.quantiles());
  flush();
}

void Writer::count(std::string_view kind, std::int64_t n, std::int64_t happened) {
  line('N', kind, n, happened);
  flush();
}

void Writer::loop(std::string_view name, const LoopTotals& t) {
  line('L', name, t.window_ns, t.ios, t.calls, t.cpu_ns, t.user_ns, t.system_ns, t.voluntary, t.involuntary, t.run_ns,
       t.wait_ns, t.interrupts);
  flush();
}

void Writer::ios(const std::vector<IoRecord>& ios, const std::vector<CallRecord>& calls, bool write,
                 std::int64_t bytes) {
  const auto first_io = static_cast<std::int64_t>(ios_), first_call = static_cast<std::int64_t>(calls_);
  for (std::size_t i = 0; i < ios.size(); ++i)
    line('Q', first_io + static_cast<std::int64_t>(i), std::int64_t{0},
         static_cast<std::int64_t>(write ? IORING_OP_WRITE : IORING_OP_READ), std::int64_t{0}, ios[i].offset, bytes,
         std::int64_t{0}, ios[i].prep_ns - t0_, std::int64_t{0});
  for (std::size_t c = 0; c < calls.size(); ++c) {
    const CallRecord& call = calls[c];
    const std::int64_t mode = call.submitted == 0 ? 2 : call.min_complete > 0 ? 1 : 0;
    line('S', first_call + static_cast<std::int64_t>(c), std::int64_t{0}, call.begin_ns - t0_, call.end_ns - t0_,
         std::int64_t{call.cpu_begin}, std::int64_t{call.cpu_end}, std::int64_t{call.submitted},
         std::int64_t{call.min_complete}, std::int64_t{call.ret}, first_io + std::int64_t{call.first_io}, mode);
  }
  for (std::size_t i = 0; i < ios.size(); ++i)
    line('C', first_io + static_cast<std::int64_t>(i), ios[i].seen_ns - t0_, std::int64_t{ios[i].result},
         std::int64_t{0}, first_call + std::int64_t{ios[i].seen_call});
  ios_ += ios.size();
  calls_ += calls.size();
  flush();
}

void Writer::lack(std::string_view part, std::string_view reason) {
  line('X', part, reason);
  flush();
}

void Writer::host(std::int64_t steal_ticks, std::int64_t irq_ticks, std::int64_t softirq_ticks) {
  line('V', now_ns() - t0_, steal_ticks, irq_ticks, softirq_ticks);
}

void Writer::end() {
  line('E', now_ns() - t0_, static_cast<std::int64_t>(ios_), static_cast<std::int64_t>(calls_),
       static_cast<std::int64_t>(ios_), std::int64_t{0});
  flush();
}

}  // namespace wakepath::recorder
