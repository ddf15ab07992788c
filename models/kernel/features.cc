// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/kernel/features.h"

#include <algorithm>

#include "models/kernel/versions.h"

namespace wakepath::kernel {

namespace {

constexpr Feature kFeatures[] = {
    {"GENTLE_FAIR_SLEEPERS", "gentle_fair_sleepers", "5.4", "6.1"},
    {"START_DEBIT", "start_debit", "5.4", "6.1"},
    {"LAST_BUDDY", "last_buddy", "5.4", "6.1"},
    {"NEXT_BUDDY", "next_buddy", "5.4", ""},
    {"WAKEUP_PREEMPTION", "wakeup_preemption", "5.4", ""},
    {"ALT_PERIOD", "alt_period", "6.1", "6.1"},
    {"BASE_SLICE", "base_slice_floor", "6.1", "6.1"},
    {"PLACE_LAG", "place_lag", "6.6", ""},
    {"PLACE_DEADLINE_INITIAL", "place_deadline_initial", "6.6", ""},
    {"PLACE_REL_DEADLINE", "place_rel_deadline", "6.12", ""},
    {"RUN_TO_PARITY", "run_to_parity", "6.6", ""},
    {"PREEMPT_SHORT", "preempt_short", "6.12", ""},
    {"PICK_BUDDY", "pick_buddy", "6.12", ""},
    {"DELAY_DEQUEUE", "delay_dequeue", "6.12", ""},
    {"DELAY_ZERO", "delay_zero", "6.12", ""},
    {"NI_RANDOM", "newidle_random", "6.1", ""},
};

}  // namespace

std::span<const Feature> features() { return kFeatures; }

const Feature* find_feature(std::string_view name) {
  for (const Feature& f : kFeatures)
    if (f.name == name) return &f;
  return nullptr;
}

bool version_has(const Feature& f, std::string_view version) {
  const auto& all = versions();
  const auto at = std::find(all.begin(), all.end(), version);
  const auto first = std::find(all.begin(), all.end(), f.first);
  const auto last = f.last.empty() ? all.end() - 1 : std::find(all.begin(), all.end(), f.last);
  return at >= first && at <= last;
}

}  // namespace wakepath::kernel
