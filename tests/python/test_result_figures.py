# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a result agree with one another, each is explained, and the summary names what took the I/Os."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import wakepath
from wakepath.summary import summary

LIMIT = 'cgroup.kubepods.cpu.max="20000 100000"'
SHORT = {"duration": "40ms", "warmup": "10ms"}
Call = Callable[..., Any]


def leaves(data: Any, path: str = "") -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(data, list):
        for value in data:
            yield from leaves(value, path)
    else:
        yield path


@pytest.mark.parametrize(
    "name", ["starved_completions", "worker_churn", "ublk_imbalance", "migrating_submitter/writeback", "stacked_wakeup"]
)
def test_every_figure_is_explained(name: str) -> None:
    result = wakepath.run(name, set=[LIMIT] if name == "starved_completions" else [], **SHORT)
    for path in set(leaves({k: v for k, v in result.data.items() if k != "made_by"})):
        if path != "ublk.target":  # as the scenario has it
            assert wakepath.explain(path).startswith(f"{path}: "), path


def test_what_is_a_figure_and_a_key_is_explained_as_both() -> None:
    assert "hardware queues; at most one a CPU" in wakepath.explain("ublk.queues")
    assert wakepath.explain("ublk.queues").startswith("ublk.queues: ")
    with pytest.raises(wakepath.InputError, match=r"did you mean io\.iops\?"):
        wakepath.explain("io.iopss")


def test_counts_are_of_the_window() -> None:
    io = wakepath.run("starved_completions", **SHORT).io
    assert io["deferred_to_workqueue"] == pytest.approx(io["completed"], abs=128)
    io = wakepath.run("starved_completions/inline-6.19", **SHORT).io
    assert io["completed_in_interrupt"] == pytest.approx(io["completed"], abs=128)
    assert io["deferred_to_workqueue"] == 0


@pytest.mark.parametrize("kernel", ["v6.1", "v6.12"])
def test_a_group_that_is_throttled_is_named(kernel: str) -> None:
    result = wakepath.run(
        "starved_completions", set=[LIMIT, f"kernel.version={kernel}"], duration="500ms", warmup="100ms"
    )
    (group,) = result.data["cgroups"]
    assert (group["nr_periods"], group["nr_throttled"]) == (5, 5)
    # The rest of each period after fio's 20 ms, which take longer than that with the kworker beside it.
    assert group["throttled_ns"] == pytest.approx(5 * 70e6, rel=0.1)
    assert "why: kubepods had used up its cpu.max in 5 of 5 periods; its run queues were held for" in summary(result)
    assert "cpu.max" not in summary(wakepath.run("starved_completions", **SHORT))


def test_a_run_that_ends_in_the_warm_up_has_no_figures() -> None:
    result = wakepath.run("starved_completions", set=["run.max_events=20000"])
    assert result.status == "limit"
    assert "NOT FINISHED (limit): it ended in the warm-up: there are no figures" in summary(result)
    assert {cpu["busy"] for cpu in result.data["cpus"]} == {0.0}


def test_a_job_that_never_switches_has_no_ratio_of_switches() -> None:
    line = "fio --name=w --ioengine=libaio --direct=1 --rw=randread --bs=4k --iodepth=128 --cpus_allowed=3 --size=1g"
    sets = ["kernel.version=v6.1", "cgroup.g.cpu.weight=1000", "workload.w.cgroup=g"]
    reads = wakepath.run(wakepath.Scenario.from_fio(line, set=sets), control=True, **SHORT)
    assert reads.control.totals["context_switches_per_s"] == 0
    assert "no IOPS are lost inside the cgroup.\n" in summary(reads)


def test_many_moves_a_second_are_a_whole_number() -> None:
    text = wakepath.run("migrating_submitter/default-512", **SHORT).data["migrations"]["tasks"][0]["text"]
    assert "e+0" not in text
