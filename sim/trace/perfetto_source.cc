// SPDX-License-Identifier: GPL-2.0-or-later
#include "sim/trace/perfetto_source.h"

#ifdef WAKEPATH_HAVE_PROTOBUF
#include "sim/trace/perfetto_bundle.h"
#include "sim/trace/perfetto_index.h"
#include "sim/trace/scan.h"

namespace wakepath::trace {
namespace {

class PerfettoSource final : public Source {
 public:
  PerfettoSource(Spool file, PerfettoIndex index, std::string path, StringPool& pool)
      : file_(std::move(file)), index_(std::move(index)), path_(std::move(path)), pool_(&pool), decoder_(pool, index_) {
    report_.container = "Perfetto";
    report_.header_lines = index_.other_packets;
    for (const auto& [cpu, bundles] : index_.bundles) lanes_.push_back({cpu, 0, {}, 0});
  }

  tl::expected<bool, Error> next(Event& e) override {
    Lane* first = nullptr;
    for (Lane& lane : lanes_) {
      while (lane.at == lane.events.size() && load(lane)) {
      }
      if (lane.at == lane.events.size()) continue;
      if (first == nullptr || lane.events[lane.at].ts_ns < first->events[first->at].ts_ns) first = &lane;
    }
    if (first == nullptr) return at_end();
    e = first->events[first->at++];
    note(e);
    return true;
  }

 private:
  struct Lane {  // the records of one CPU
    std::uint32_t cpu;
    std::size_t next_bundle;
    std::vector<Event> events;
    std::size_t at;
  };

  bool load(Lane& lane) {
    const auto& bundles = index_.bundles.at(lane.cpu);
    if (lane.next_bundle == bundles.size()) return false;
    lane.at = 0;
    const PerfettoIndex::Place& place = bundles[lane.next_bundle++];
    if (!decoder_.decode(index_.bytes(place), place.sequence, lane.events)) {
      lane.events.clear();
      ++report_.bad_lines;
      if (report_.first_bad.size() < Report::kBadLinesKept) {
        report_.first_bad.push_back({report_.records + report_.bad_lines, "a bundle that is no FtraceEventBundle", ""});
      }
    }
    return true;
  }

  void note(Event& e) {
    const bool first = report_.records == 0;
    report_.lines = report_.records + 1;
    if (e.type == EventType::unknown) {
      std::string name = scan::printable(pool_->str(e.u.unknown.name));
      if (!report_.unknown.contains(name) && report_.unknown.size() >= Report::kUnknownNamesKept) name = "(others)";
      ++report_.unknown[name];
      e.u.unknown = {pool_->intern(name)};
    } else if (e.type == EventType::lost_events) {
      ++report_.losses;
      report_.lost_events += e.u.value;
    }
    if (first) report_.first_ts_ns = e.ts_ns;
    if (!first && e.ts_ns < report_.last_ts_ns) ++report_.stamps_back;
    report_.last_ts_ns = e.ts_ns;
  }

  tl::expected<bool, Error> at_end() {
    if (!index_.broken.empty()) {
      return tl::make_unexpected(
          Error{path_, 0, index_.broken + ", after " + std::to_string(report_.records) + " records"});
    }
    if (report_.records == 0) {
      return tl::make_unexpected(Error{path_, 0, "a Perfetto trace without ftrace events: there is no record to read"});
    }
    return false;
  }

  Spool file_;
  PerfettoIndex index_;
  std::string path_;
  StringPool* pool_;
  PerfettoBundle decoder_;
  std::vector<Lane> lanes_;
};

}  // namespace

tl::expected<std::unique_ptr<Source>, std::string> open_perfetto(Spool file, const std::string& path,
                                                                 StringPool& pool) {
  auto index = PerfettoIndex::of(file.fd());
  if (!index) return tl::make_unexpected(index.error());
  return std::make_unique<PerfettoSource>(std::move(file), std::move(*index), path, pool);
}

}  // namespace wakepath::trace

#else

namespace wakepath::trace {

tl::expected<std::unique_ptr<Source>, std::string> open_perfetto(Spool, const std::string&, StringPool&) {
  return tl::make_unexpected(
      std::string("is a Perfetto trace, and this build cannot read it: apt-get install protobuf-compiler "
                  "libprotobuf-dev and build again"));
}

}  // namespace wakepath::trace
#endif
