// SPDX-License-Identifier: GPL-2.0-or-later
// Writes a trace.dat, version 6, as trace-cmd record leaves it: `trace-cmd report` and KernelShark read it. Each CPU's
// records go to a file of their own first (without a name, gone with the writer), as the format keeps them apart.
//
// Layout: head (formats of the tracepoints, function names, comms, where each CPU's data is), then pages of the ring
// buffer for one CPU after the other. A loss is the flag of a page that follows it, its count stored behind its data.
// A pid has one comm in this format: the last one seen.
// Source: trace-cmd's Documentation/trace-cmd/trace-cmd.dat.v6.5.txt; kernel/trace/ring_buffer.c for the pages.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/trace/output.h"
#include "sim/trace/trace_dat_formats.h"
#include "sim/trace/writer.h"

namespace wakepath::trace {

class TraceDatWriter final : public Writer {
 public:
  static tl::expected<std::unique_ptr<TraceDatWriter>, Error> create(const std::string& path, const StringPool& pool,
                                                                     int cpus);
  TraceDatWriter(const TraceDatWriter&) = delete;
  TraceDatWriter& operator=(const TraceDatWriter&) = delete;
  ~TraceDatWriter() override;
  void on_event(const Event& e) override;

 protected:
  tl::expected<void, Error> complete() override;

 private:
  struct Cpu {
    int fd = -1;
    std::string page;  // data of the page under way
    std::int64_t page_ts_ns = 0, last_ts_ns = 0;
    std::int64_t lost = -1;  // before the page under way; 0: it is not told how many
    std::uint64_t size = 0;  // bytes in fd
  };

  TraceDatWriter(std::unique_ptr<Output> output, const StringPool& pool, std::string path, int cpus);
  Cpu& cpu(int number);
  const DatFormat& format_of(const Event& e);
  void build_record(const Event& e, const DatFormat& format);
  void append(Cpu& to, std::int64_t ts_ns);
  void end_page(Cpu& c);
  std::uint64_t address_of(StringId function);
  [[nodiscard]] std::string head() const;
  void put_formats(std::string& out) const;
  [[nodiscard]] std::string symbols() const;
  [[nodiscard]] std::string comms() const;

  std::unique_ptr<Output> output_;
  const StringPool* pool_;
  std::string path_;
  std::vector<Cpu> cpus_;
  std::vector<std::unique_ptr<DatFormat>> formats_;  // by EventType
  std::map<StringId, std::unique_ptr<DatFormat>> unknown_;
  std::unordered_map<StringId, std::uint64_t> addresses_;
  std::vector<StringId> functions_;
  std::map<std::int32_t, StringId> comms_;
  std::string record_;
  int error_ = 0;
};

}  // namespace wakepath::trace
