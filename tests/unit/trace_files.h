// SPDX-License-Identifier: GPL-2.0-or-later
// Files for the tests of readers and analyses: the data folder, and temporary ones that go away with the test.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "sim/trace/event.h"
#include "sim/trace/reader.h"
#include "sim/trace/string_pool.h"
#include "tests/unit/catch.h"
#include "tests/unit/tree.h"

namespace wakepath::tests {

inline std::string data_trace(const std::string& name) { return source_dir() + "/tests/data/traces/" + name; }

inline const std::vector<std::string>& all_data_traces() {
  static const std::vector<std::string> kNames{
      "call-chains.txt.xz", "cfs-ping.txt.xz", "cfs-root.txt.xz",  "cfs-w1000.txt.xz",   "eevdf-root.txt.xz",
      "eevdf-w1000.txt.xz", "io-wq.txt.xz",    "perf-root.txt.xz", "perf-w10240.txt.xz", "ublk.txt.xz"};
  return kNames;
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A folder of its own below the system's temporary one.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path_ = std::filesystem::temp_directory_path() /
            ("wakepath-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(file(name), std::ios::binary) << content;
    return file(name);
  }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

struct ReadBack {
  std::vector<trace::Event> events;
  std::vector<std::vector<std::string>> chains;  // beside events, when kept
  trace::Report report;
  std::string error;
};

inline ReadBack read_trace(const std::string& path, trace::StringPool& pool, bool keep_call_chains = false) {
  ReadBack out;
  auto reader = trace::Reader::open(path, pool, {keep_call_chains});
  if (!reader) {
    out.error = trace::to_string(reader.error());
    return out;
  }
  trace::Event e;
  for (;;) {
    const auto more = reader->next(e);
    if (!more) out.error = trace::to_string(more.error());
    if (!more || !*more) break;
    out.events.push_back(e);
    out.chains.emplace_back();
    for (const auto id : reader->call_chain()) out.chains.back().push_back(pool.str(id));
  }
  out.report = reader->report();
  return out;
}

inline ReadBack read_text(std::string_view text, trace::StringPool& pool, bool keep_call_chains = false) {
  const TemporaryFolder folder;
  return read_trace(folder.write("trace.txt", text), pool, keep_call_chains);
}

}  // namespace wakepath::tests
