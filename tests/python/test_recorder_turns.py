# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read off whole turns of the load and of its kworker, and what a fit makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recorder_data import cost, trace_of
from wakepath.recorder.calibration import own_costs
from wakepath.recorder.trace_costs import finish, trace_costs
from wakepath.recorder.urtrace import mean_of_quantiles


def test_whole_turns_are_taken_where_little_is_recorded(tmp_path: Path) -> None:
    """A drain of what was submitted by two calls, the turn after it, and a kworker that is preempted. Where items are
    recorded, so that a turn is mostly records, there are none."""

    def switch(before: str, state: str, after: str) -> str:
        return f"sched_switch: prev_comm={before} prev_pid=1 prev_prio=120 prev_state={state} ==> next_comm={after}"

    kworker, fio, waking = "kworker/1:0-9", "fio-7", "sched_waking: comm=fio pid=7 prio=120 target_cpu=001"
    drain = [(0, kworker, waking), (40, kworker, switch("kworker/1:0", "I", "fio"))]
    batch = [
        (50, fio, "sys_io_submit -> 0x19"),
        (60, fio, "sys_io_submit -> 0x7"),
        (240, fio, switch("fio", "S", "swapper/1")),
    ]
    steps = [*drain, *batch, *((t + 1000, *what) for t, *what in [*drain, *batch])]
    preempted = [
        (0, fio, switch("fio", "S", "kworker/1:0")),
        (1, kworker, waking),
        (3, kworker, switch("kworker/1:0", "R+", "fio")),
    ]
    steps += [(t + 2000, *what) for t, *what in preempted]
    found = trace_costs(trace_of(tmp_path, steps), 1, 36).samples
    assert dict(found) == {"turn_batch2/32": [200_000] * 2, "turn_drain/32": [40_000], "turn_preempted": [3000]}
    steps.insert(1, (1, kworker, "workqueue_execute_start: work struct 0: function iomap_dio_complete_work"))
    assert not [k for k in trace_costs(trace_of(tmp_path, steps), 1, 36).samples if k.startswith("turn_")]


def test_what_the_first_turns_after_idle_take_beyond_the_others(tmp_path: Path) -> None:
    """A hundred times: idle, kblockd, then a kworker and the submitter to and fro, each slower in its first turn. Where
    kblockd did not run the submitter rings in its first turn, and the kworker's begin is not recorded."""

    def switch(before: str, state: str, after: str) -> str:
        return f"sched_switch: prev_comm={before} prev_pid=1 prev_prio=120 prev_state={state} ==> next_comm={after}"

    kworker, fio, waking = "kworker/1:0-9", "fio-7", "sched_waking: comm=fio pid=7 prio=120 target_cpu=001"
    steps: list[tuple[int, str, str]] = []
    now = 0

    def turn(took: int, who: str, state: str, after: str, *inside: str) -> None:
        nonlocal now
        steps.extend((now, who, what) for what in inside)
        now += took
        steps.append((now, who, switch(who.rpartition("-")[0], state, after)))

    def round_trip(worker_took: int, fio_took: int) -> None:
        turn(worker_took, kworker, "R+", "fio", waking)
        turn(fio_took, fio, "S", "kworker/1:0", "sys_io_submit -> 0x1")

    for episode in range(200):
        now += 1000
        if episode % 2 == 1:
            round_trip(500, 28)  # since the switch to idle: not a turn
        else:
            turn(60, "kworker/1:0H-8", "I", "kworker/1:0")
            round_trip(5, 17)
        for _ in range(3):
            round_trip(3, 8)
        turn(20, kworker, "I", "swapper/1")
    for _ in range(10):  # idle for less than a record can tell
        turn(0, "kworker/1:0H-8", "I", "kworker/1:0")
        round_trip(7, 70)
        turn(20, kworker, "I", "swapper/1")
    found = finish(trace_costs(trace_of(tmp_path, steps), 1, 36)).samples
    # The first episode has no idle before it. 1.06 ms of idle, in which most of it has gone cold.
    assert found["turn_cold_kworker"] == [round(2000 * (1 + (0.2 / 1.06) ** 2))] * 99
    assert found["turn_cold_task"] == [round(9000 * (1 + (0.2 / 1.06) ** 2))] * 99
    assert found["turn_cold_task_rung"] == [20_000] * 100
    assert found["turn_preempted"] == [3000] * 600


def test_costs_of_the_hosts_own_start_from_what_was_measured() -> None:
    """... and their scatter keeps the mean."""
    table = {
        "doorbell": {"ns": 10_000, "source": "s"},
        "nop_wake": {"ns": 5},
        "idle_cold_task": {"ns": 0, "source": "s"},
        "idle_cold_kworker": {"ns": 0},
    }
    measured = {"trace_doorbell": replace(cost("trace_doorbell", 20.0), quantiles=tuple(range(12, 29)))}
    found = own_costs(table, measured)
    assert {k: found[k] for k in table if k != "doorbell"} == {k: table[k] for k in table if k != "doorbell"}
    assert mean_of_quantiles(found["doorbell"]["quantiles"]) == pytest.approx(10_000, rel=1e-3)
    assert found["doorbell"]["quantiles"][-1] / found["doorbell"]["quantiles"][0] == pytest.approx(27 / 12, rel=1e-3)
    assert "ns" not in found["doorbell"]
    cold = {kind: cost(kind, 3000.0) for kind in ("turn_cold_task", "turn_cold_kworker")}
    found = own_costs(table, cold)
    assert found["idle_cold_kworker"] == {"ns": 3000}
    assert mean_of_quantiles(found["idle_cold_task"]["quantiles"]) == pytest.approx(3000, rel=1e-3)
    # A table that has them keeps them.
    table["idle_cold_kworker"] = {"ns": 700}
    assert own_costs(table, cold)["idle_cold_kworker"] == {"ns": 700}
