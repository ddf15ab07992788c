# SPDX-License-Identifier: GPL-2.0-or-later
"""The story of scenarios/starved_completions: what a reader is told happens."""

from __future__ import annotations

import wakepath
from wakepath import Scenario
from wakepath.scenario import Options

LOST = "starved_completions/renice-lost"


def iops_by_time(**sets: str) -> list[float]:
    scenario = Scenario.load(LOST).with_sets(*(f"{key}={value}" for key, value in sets.items()))
    result = wakepath.run(scenario)
    samples = result.data["samples"]
    return [s["completed"] * len(samples) / (result.data["window_ns"] / 1e9) for s in samples]


def test_a_reniced_worker_is_lost_with_its_thread() -> None:
    kept = iops_by_time(**{"dio_wq.idle_timeout": "300s"})
    lost = iops_by_time()
    device = max(kept)
    assert max(kept[:5]) < 0.7 * device  # before the renice
    assert min(kept[-5:]) > 0.97 * device  # reniced once, and kept
    assert max(lost) > 0.97 * device  # it had helped
    assert max(lost[-5:]) < 0.7 * device  # until the pool made new threads


def test_a_rule_for_the_pool_outlives_its_threads() -> None:
    held = iops_by_time(**{"task.kworker.nice": "-10"})
    assert min(held) > 0.7 * max(held)  # each new thread begins with a debit of vruntime, some 20 ms; two may meet
    assert sum(held) / len(held) > 0.93 * max(held)


def test_a_delayed_sleeper_is_paid_for_where_kernels_delay() -> None:
    """Costs of taking one off at the next pick: 6.12 pays them, 6.6 and 6.1, which dequeue at once, do not."""
    dear = ("costs.pick_delayed=3000", "costs.schedule_undelay=3000")

    def busy(kernel: str, *sets: str) -> float:
        options = Options(kernel=kernel, duration="50ms", warmup="20ms", sets=("workload.fio.iodepth=1", *sets))
        data = wakepath.run(Scenario.load("starved_completions", options=options)).data
        return max(float(cpu["busy"]) for cpu in data["cpus"])

    for kernel in ("6.1", "6.6"):
        assert busy(kernel, *dear) == busy(kernel)
    assert busy("6.12", *dear) > 1.2 * busy("6.12")


def test_a_thread_of_the_kernel_may_be_late_for_its_own_period() -> None:
    """Interrupted on its way to sleep, it finds that its time has passed: the timer expires at once."""
    for run in range(6000, 6400, 23):
        thread = (*('program.k.kind="kthread"', "program.k.cpu=0", "program.k.period=10us"), f"program.k.run={run}ns")
        options = Options(
            kernel="6.1",
            duration="3ms",
            warmup="1ms",
            sets=(*thread, "costs.syscall_entry=300", "workload.fio.iodepth=1"),
        )
        data = wakepath.run(Scenario.load("starved_completions", options=options)).data
        assert next(t for t in data["tasks"] if t["comm"] == "k")["cpu_ns_per_s"] > 0.3e9
