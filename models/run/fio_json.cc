// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/fio_json.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

namespace wakepath::run {

using json = nlohmann::ordered_json;

namespace {

struct Bin {
  engine::Time middle;  // as fio names a bin
  std::int64_t n;
};

// fio's bins are those of engine::Histogram: exact below 128 ns, then 64 for each power of two.
engine::Time bin_end(engine::Time value) {
  const auto v = static_cast<std::uint64_t>(value);
  const unsigned shift = v < 128 ? 0 : static_cast<unsigned>(std::bit_width(v)) - 7;
  return static_cast<engine::Time>(((v >> shift) + 1) << shift);
}

engine::Time bin_middle(engine::Time value) {
  const auto v = static_cast<std::uint64_t>(value);
  const unsigned shift = v < 128 ? 0 : static_cast<unsigned>(std::bit_width(v)) - 7;
  return static_cast<engine::Time>((v >> shift << shift) + (shift > 0 ? std::uint64_t{1} << (shift - 1) : 0));
}

// A histogram gives out values by rank only; where a bin ends is found by halving.
std::vector<Bin> bins_of(const engine::Histogram& h) {
  std::vector<Bin> bins;
  const std::int64_t n = h.count();
  for (std::int64_t first = 1; first <= n;) {
    const engine::Time value = h.percentile(first, n), end = bin_end(value);
    std::int64_t inside = first, outside = n + 1;
    while (outside - inside > 1) {
      const std::int64_t half = inside + (outside - inside) / 2;
      (h.percentile(half, n) < end ? inside : outside) = half;
    }
    bins.push_back({bin_middle(value), inside - first + 1});
    first = inside + 1;
  }
  return bins;
}

json latency(const engine::Histogram& h, bool whole) {
  const double n = static_cast<double>(h.count());
  const double mean = h.count() > 0 ? static_cast<double>(h.sum()) / n : 0.0;
  double squares = 0;
  const std::vector<Bin> bins = bins_of(h);
  for (const Bin& b : bins) {
    const double off = static_cast<double>(b.middle) - mean;
    squares += off * off * static_cast<double>(b.n);
  }
  json out{{"min", h.min()},
           {"max", h.max()},
           {"mean", mean},
           {"stddev", h.count() > 1 ? std::sqrt(squares / (n - 1)) : 0.0},
           {"N", h.count()}};
  if (!whole || h.count() == 0) return out;
  // In hundredths of a percent, and as fio's -o json prints them.
  constexpr std::array kPercentiles{100,  500,  1000, 2000, 3000, 4000, 5000, 6000, 7000,
                                    8000, 9000, 9500, 9900, 9950, 9990, 9995, 9999};
  for (const int p : kPercentiles) {
    out["percentile"][fmt::format("{}.{:02}0000", p / 100, p % 100)] = h.percentile(p, 10000);
  }
  for (const Bin& b : bins) out["bins"][std::to_string(b.middle)] = b.n;
  return out;
}

json direction(const workload::FioJob& job, bool has_it, double seconds) {
  const auto& w = job.window();
  const engine::Histogram none;
  const std::uint64_t ios = has_it ? w.completed : 0;
  const std::uint64_t bytes = ios * static_cast<std::uint64_t>(job.conf().bs);
  const auto per_s = [&](std::uint64_t n) { return static_cast<double>(n) / seconds; };
  return {{"io_bytes", bytes},
          {"io_kbytes", bytes >> 10U},
          {"bw_bytes", static_cast<std::uint64_t>(per_s(bytes))},
          {"bw", static_cast<std::uint64_t>(per_s(bytes >> 10U))},
          {"iops", per_s(ios)},
          {"runtime", static_cast<std::int64_t>(seconds * 1000)},
          {"total_ios", ios},
          {"short_ios", 0},
          {"drop_ios", 0},
          {"slat_ns", latency(has_it ? w.slat : none, false)},
          {"clat_ns", latency(has_it ? w.clat : none, true)},
          {"lat_ns", latency(has_it ? w.lat : none, false)}};
}

json options_of(const scenario::FioJob& c) {
  return {{"name", c.name},
          {"ioengine", c.ioengine},
          {"rw", c.rw},
          {"bs", std::to_string(c.bs)},
          {"direct", c.direct ? "1" : "0"},
          {"iodepth", std::to_string(c.iodepth)},
          {"iodepth_batch_submit", std::to_string(c.iodepth_batch_submit)},
          {"iodepth_batch_complete_min", std::to_string(c.iodepth_batch_complete_min)},
          {"iodepth_batch_complete_max", std::to_string(c.iodepth_batch_complete_max)}};
}

}  // namespace

json fio_json(const std::deque<workload::FioJob>& jobs, double seconds) {
  json out{{"fio version", "wakepath"}, {"jobs", json::array()}};
  int group = 0;
  for (const workload::FioJob& job : jobs) {
    const auto& w = job.window();
    const bool reads = w.reads > 0 && w.reads == w.completed, mixed = w.reads > 0 && !reads;
    json one{{"jobname", job.conf().name},
             {"groupid", group++},
             {"error", 0},
             {"eta", 0},
             {"elapsed", static_cast<std::int64_t>(seconds)},
             {"job options", options_of(job.conf())}};
    if (mixed) one["mixed"] = direction(job, true, seconds);
    if (!mixed) one["read"] = direction(job, reads, seconds);
    if (!mixed) one["write"] = direction(job, !reads, seconds);
    if (!mixed) one["trim"] = direction(job, false, seconds);
    one["sync"] = {{"total_ios", w.syncs}, {"lat_ns", latency(w.sync_lat, false)}};
    one["job_runtime"] = static_cast<std::int64_t>(seconds * 1000);
    one["latency_depth"] = job.conf().iodepth;
    out["jobs"].push_back(std::move(one));
  }
  return out;
}

}  // namespace wakepath::run
