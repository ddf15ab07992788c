// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/kernel/switches.h"
#include "models/kernel/versions.h"
#include "tests/unit/catch.h"

namespace wakepath::kernel {

TEST_CASE("a version string finds its table", "[kernel]") {
  const auto version = [](const char* text) {
    const auto r = resolve(text);
    return r ? r->version : "error: " + r.error().message;
  };
  CHECK(version("6.12") == "6.12");
  CHECK(version("v6.12") == "6.12");
  CHECK(version("6.12.30") == "6.12");
  CHECK(version("6.1.0-18-cloud-amd64") == "6.1");
  CHECK(version("6.8.0-1015-aws") == "6.8");
  CHECK(version("5.4.0-216-generic") == "5.4");
  CHECK(version("6.18-rc3") == "6.18");
  CHECK(resolve("v6.1")->requested == "v6.1");
}

TEST_CASE("a version without a table names the nearest ones and what they leave open", "[kernel]") {
  const auto r = resolve("6.9");
  REQUIRE_FALSE(r);
  CHECK(r.error().message.find("the nearest are 6.8 and 6.12") != std::string::npos);
  CHECK(r.error().message.find("delay_dequeue") != std::string::npos);
  CHECK(r.error().message.find("aio_obey_min_nr") == std::string::npos);  // both have it
  CHECK(r.error().suggestion == "choose with kernel.assume = \"6.8\" or kernel.assume = \"6.12\"");
  CHECK(resolve("4.19").error().message.find("the nearest is 5.4") != std::string::npos);
  CHECK(resolve("7.2").error().message.find("the nearest is 6.19") != std::string::npos);
  for (const char* nonsense : {"", "six", "6", "6.", "v", "6.x", "6.1x", "linux-6.1"}) {
    CAPTURE(nonsense);
    CHECK_FALSE(resolve(nonsense));
  }
}

TEST_CASE("an assumption decides and is remembered", "[kernel]") {
  const auto r = resolve("6.9.3", "6.8");
  REQUIRE(r);
  CHECK(r->version == "6.8");
  CHECK(r->requested == "6.9.3");
  CHECK(r->assumed == "6.8");
  CHECK_FALSE(resolve("6.1", "6.9"));
}

TEST_CASE("what the specifications state of the versions", "[kernel]") {
  const auto has = [](const char* version, const char* name) { return cell(version, name).value; };
  CHECK(has("6.1", "eevdf") == 0);
  CHECK(has("6.6", "eevdf") == 1);
  CHECK(has("6.6", "base_slice_ns") == 750'000);
  CHECK(has("6.12", "base_slice_ns") == 700'000);
  CHECK(has("6.6", "aio_obey_min_nr") == 0);
  CHECK(has("6.8", "aio_obey_min_nr") == 1);
  CHECK(has("6.18", "dio_write_complete_inline") == 0);
  CHECK(has("6.19", "dio_write_complete_inline") == 1);
  CHECK(has("6.1", "plug_lifo") == 1);
  CHECK(has("6.12", "plug_lifo") == 0);
  CHECK(has("5.4", "ipi_completes_in_hardirq") == 1);
  CHECK(has("6.1", "softirq_waits_for_ksoftirqd") == 1);
  CHECK(has("6.6", "softirq_waits_for_ksoftirqd") == 0);
  CHECK(has("6.8", "reweight_scales_lag") == 1);
  CHECK(has("6.18", "reweight_by_place") == 1);
  CHECK(has("6.18", "preempt_lazy") == 1);
}

// Scheduler specification, sections 0.2, 3.10, 5.2: what is on, for the trees that were read and the ones between.
TEST_CASE("the fair class by version", "[kernel]") {
  struct Row {
    const char* name;
    const char* on;  // the versions, of those below
  };
  const Row rows[] = {
      {"eevdf", "6.6 6.8 6.12 6.18 6.19"},
      {"gentle_fair_sleepers", "5.4 6.1"},
      {"start_debit", "5.4 6.1"},
      {"last_buddy", "5.4 6.1"},
      {"alt_period", "6.1"},
      {"base_slice_floor", "6.1"},
      {"next_buddy", ""},
      {"next_buddy_picks", "6.6 6.8"},
      {"wakeup_preemption", "5.4 6.1 6.6 6.8 6.12 6.18 6.19"},
      {"place_lag", "6.6 6.8 6.12 6.18 6.19"},
      {"place_deadline_initial", "6.6 6.8 6.12 6.18 6.19"},
      {"run_to_parity", "6.6 6.8 6.12 6.18 6.19"},
      {"place_rel_deadline", "6.12 6.18 6.19"},
      {"preempt_short", "6.12 6.18 6.19"},
      {"delay_dequeue", "6.12 6.18 6.19"},
      {"delay_zero", "6.12 6.18 6.19"},
      {"pick_buddy", "6.12 6.18 6.19"},
      {"custom_slice", "6.12 6.18 6.19"},
      {"yield_if_eligible", "6.12 6.18 6.19"},
      {"idle_loses_protection", "6.12 6.18 6.19"},
      {"batch_test_after_idle", "6.12 6.18 6.19"},
      {"empty_group_keeps_weight", "6.12 6.18 6.19"},
      {"protect_by_vruntime", "6.18 6.19"},
      {"tick_unprotected", "6.18 6.19"},
      {"reweight_scales_lag", "6.8 6.12"},
      {"reweight_by_place", "6.18 6.19"},
      {"tg_load_avg_ratelimit", "6.8 6.12 6.18 6.19"},
      {"unthrottle_async", "6.6 6.8 6.12 6.18 6.19"},
      {"bandwidth_random_phase", "6.6 6.8 6.12 6.18 6.19"},
      {"throttle_tasks", "6.18 6.19"},
      {"newidle_random", "6.1 6.6 6.12 6.18 6.19"},
      {"stat_runtime_vruntime", "5.4 6.1 6.6"},
  };
  for (const Row& row : rows) {
    for (const char* version : {"5.4", "6.1", "6.6", "6.8", "6.12", "6.18", "6.19"}) {
      CAPTURE(row.name, version);
      const bool on = (" " + std::string(row.on) + " ").find(" " + std::string(version) + " ") != std::string::npos;
      CHECK(cell(version, row.name).value == (on ? 1 : 0));
    }
  }
  for (const char* version : {"6.12", "6.15", "6.16", "6.17", "6.18", "6.19"})
    CHECK(cell(version, "base_slice_ns").value == 700'000);
}

TEST_CASE("every cell has a source, and the read trees are graded so", "[kernel]") {
  for (const auto& v : versions()) {
    for (const auto& s : switch_list()) {
      CAPTURE(v, s.name);
      CHECK_FALSE(cell(v, s.name).source.empty());
      CHECK_FALSE(s.doc.empty());
      if (v == "6.1" || v == "6.12") CHECK(cell(v, s.name).grade == Grade::read);
    }
  }
}

TEST_CASE("features of one class are off under the other", "[kernel]") {
  for (const auto& v : versions()) {
    const Switches s = switches_of(v);
    CAPTURE(v);
    if (s.eevdf)
      CHECK_FALSE((s.gentle_fair_sleepers || s.start_debit || s.last_buddy || s.alt_period || s.base_slice_floor));
    else
      CHECK_FALSE((s.place_lag || s.run_to_parity || s.preempt_short || s.delay_dequeue || s.base_slice_ns != 0));
    CHECK_FALSE((s.reweight_scales_lag && s.reweight_by_place));
  }
}

TEST_CASE("switches are set and read as text", "[kernel]") {
  Switches s = switches_of("6.1");
  CHECK(set_switch(s, "aio_obey_min_nr", "true").empty());
  CHECK(s.aio_obey_min_nr);
  CHECK(get_switch(s, "aio_obey_min_nr") == "true");
  CHECK(set_switch(s, "base_slice_ns", "3000000").empty());
  CHECK(changed_switches(s, "6.1") == std::vector<std::string>{"base_slice_ns=3000000", "aio_obey_min_nr=true"});
  CHECK_FALSE(set_switch(s, "aio_obey_min_nr", "maybe").empty());
  CHECK_FALSE(set_switch(s, "base_slice_ns", "-1").empty());
  CHECK_FALSE(set_switch(s, "nonsense", "true").empty());
}

TEST_CASE("differences between neighbours", "[kernel]") {
  CHECK(previous_version("6.8") == "6.6");
  CHECK(previous_version("5.4").empty());
  std::vector<std::string> names;
  for (const auto& d : differences("6.18", "6.19")) names.push_back(d.name);
  CHECK(names == std::vector<std::string>{"dio_write_complete_inline"});
}

}  // namespace wakepath::kernel
