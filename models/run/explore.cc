// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/explore.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace wakepath::run {

using json = nlohmann::ordered_json;

namespace {

struct Figures {
  bool ran = false, broken = false;
  double iops = 0, p99_ns = 0;
};

json one(const scenario::Scenario& s, const Perturbation& p) {
  Options o;
  o.perturb = &p;
  return json::parse(run(s, o).json);
}

Figures figures_of(const json& r) {
  Figures f;
  f.ran = true;
  f.broken = r["status"] == "violation";
  f.iops = r["io"]["iops"].get<double>();
  f.p99_ns = r["io"]["clat_ns"]["p99"].get<double>();
  return f;
}

json spread(std::vector<double> values) {
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  const auto at = [&](std::size_t percent) { return values[(values.size() - 1) * percent / 100]; };
  double sum = 0;
  for (const double v : values) sum += v;
  return {{"least", values.front()},   {"p5", at(5)},
          {"median", at(50)},          {"p95", at(95)},
          {"greatest", values.back()}, {"mean", sum / static_cast<double>(values.size())}};
}

class Explorer {
 public:
  Explorer(const scenario::Scenario& s, const Exploration& e)
      : scenario_(s), conf_(e), found_(e.seeds), broken_(e.first_seed + e.seeds) {}

  json result() {
    std::vector<std::thread> others;
    for (int i = 1; i < conf_.threads; ++i) others.emplace_back([this] { work(false); });
    work(true);
    for (std::thread& t : others) t.join();
    if (failure_) std::rethrow_exception(failure_);
    std::vector<double> iops, p99;
    std::uint64_t schedules = 0;
    for (const Figures& f : found_) {
      schedules += f.ran;
      if (!f.ran || f.broken) continue;
      iops.push_back(f.iops);
      p99.push_back(f.p99_ns);
    }
    json out = {{"schedules", schedules}, {"first_seed", conf_.first_seed}, {"seeds", conf_.seeds}};
    out["iops"] = spread(iops);
    out["p99_ns"] = spread(p99);
    out["violation"] = broken_ < conf_.first_seed + conf_.seeds ? cut_down(broken_) : json(nullptr);
    return out;
  }

 private:
  void work(bool reports) {
    try {
      for (std::uint64_t i = next_++; i < conf_.seeds && !stopped_; i = next_++) {
        const std::uint64_t seed = conf_.first_seed + i;
        if (seed > broken_) break;
        Perturbation p;
        p.seed = seed;
        found_[i] = figures_of(one(scenario_, p));
        if (found_[i].broken) lower(seed);
        if (reports && conf_.progress && !conf_.progress(static_cast<double>(i) / static_cast<double>(conf_.seeds)))
          stopped_ = true;
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      stopped_ = true;
    }
  }
  void lower(std::uint64_t seed) {
    std::uint64_t known = broken_;
    while (seed < known && !broken_.compare_exchange_weak(known, seed)) {
    }
  }

  // Fewer acts of the same schedule that break the same rule: one alone, two, or as few as leaving out one after the
  // other gets to; then without permuted ties.
  json cut_down(std::uint64_t seed) {
    Perturbation p;
    p.seed = seed;
    json best = one(scenario_, p);
    runs_ = 1;
    const std::vector<int> acts = numbers(best);
    if (!few(p, best, acts)) one_by_one(p, best, acts);
    Perturbation plain = p;
    plain.ties = false;
    try_with(plain, p, best);
    json v = best["violation"];
    v["seed"] = seed;
    v["only"] = p.only ? json(*p.only) : json(nullptr);
    v["ties"] = p.ties;
    v["acts"] = best["explore"]["acts"];
    v["at_ns"] = best["explore"]["at_ns"];
    v["runs"] = runs_;
    return v;
  }
  static std::vector<int> numbers(const json& result) {
    std::vector<int> out;
    for (const auto& act : result["explore"]["acts"]) out.push_back(act["number"].get<int>());
    return out;
  }
  // Does it break the same rule? Then it is the best known.
  bool try_with(const Perturbation& other, Perturbation& p, json& best) {
    json got = one(scenario_, other);
    ++runs_;
    if (got["status"] != "violation" || got["violation"]["rule"] != best["violation"]["rule"]) return false;
    p = other;
    best = std::move(got);
    return true;
  }
  bool few(Perturbation& p, json& best, const std::vector<int>& acts) {
    const auto with = [&](std::vector<int> only) {
      Perturbation other = p;
      other.only = std::move(only);
      return runs_ < kMostRuns && try_with(other, p, best);
    };
    if (with({})) return true;
    for (auto a = acts.rbegin(); a != acts.rend(); ++a)
      if (with({*a})) return true;
    for (auto a = acts.rbegin(); a != acts.rend(); ++a)
      for (auto b = a + 1; b != acts.rend(); ++b)
        if (with({*b, *a})) return true;
    return false;
  }
  void one_by_one(Perturbation& p, json& best, std::vector<int> acts) {
    for (std::size_t i = acts.size(); i-- > 0 && runs_ < 2 * kMostRuns;) {
      Perturbation other = p;
      other.only = acts;
      other.only->erase(other.only->begin() + static_cast<std::ptrdiff_t>(i));
      if (!try_with(other, p, best)) continue;
      acts = numbers(best);
      i = acts.size();
    }
  }
  static constexpr int kMostRuns = 200;

  const scenario::Scenario& scenario_;
  const Exploration& conf_;
  std::vector<Figures> found_;
  std::atomic<std::uint64_t> next_{0}, broken_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  int runs_ = 0;  // of cutting down
  std::exception_ptr failure_;
};

}  // namespace

json explore(const scenario::Scenario& s, const Exploration& e) { return Explorer(s, e).result(); }

}  // namespace wakepath::run
