// SPDX-License-Identifier: GPL-2.0-or-later
#include "models/run/io_wq_json.h"
#include "tests/unit/catch.h"
#include "tests/unit/io_wq_fixture.h"

namespace io_wq_test {

using io_uring::IoWqCounters;

TEST_CASE("rates, averages and counts of a window", "[io_wq]") {
  IoWqCounters c;
  c.created_by_enqueue = 2, c.created_by_request = 8, c.exited = 4, c.wakeups_without_work = 6, c.peak = 5;
  c.live_ns = 6'000'000'000, c.idle_ns = 1'000'000'000;
  const auto j = run::io_wq_json(c, 2.0);
  CHECK(j["workers_created_per_s"] == 5.0);
  CHECK(j["workers_exited_per_s"] == 2.0);
  CHECK(j["wakeups_without_work_per_s"] == 3.0);
  CHECK(j["workers_peak"] == 5);
  CHECK(j["workers_live_mean"] == 3.0);
  CHECK(j["workers_idle_mean"] == 0.5);
  CHECK(j["counts"]["created_by_request"] == 8);
  CHECK(j["churn"].is_null());  // all of them were needed
}

TEST_CASE("a churn names the paths that disagree, from decisions", "[io_wq]") {
  const auto churn = [](const std::string& version, const std::string& comm) {
    Bench b({.version = version});
    b.s->st.comm = comm;
    b.run(
        [](KTask& t, Bench& x) -> Call<void> {  // a write blocks with the next one of its bucket listed, over and over
          for (int i = 0; i < 20; ++i) {
            co_await x.wq->enqueue(t, x.item("a").hash(1).spin(2 * kMs).sleep(5 * kMs));
            co_await x.pause(t, kMs);
            co_await x.wq->enqueue(t, x.item("b").hash(1));
            co_await x.pause(t, 10 * kMs);
          }
        },
        kSecond);
    return run::io_wq_json(b.wq->settle(), 1.0);
  };
  const auto before = churn("6.12", "submitter"), renamed = churn("6.12", "other"), after = churn("6.16", "submitter");
  CHECK(before["churn"]["cause"] == "bucket_busy");
  CHECK(before["churn"]["paths"][1] == "io_wq_worker_sleeping (sched-out hook)");
  CHECK(renamed["churn"] == before["churn"]);
  CHECK(after["churn"].is_null());
  CHECK(after["workers_created"] == 1);
}

}  // namespace io_wq_test
