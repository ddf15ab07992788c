# SPDX-License-Identifier: GPL-2.0-or-later
"""cpu.max of 6.18 beside a real 6.18 (tests/truth/throttle_here.py): who is switched to when a quota is used up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import wakepath

TRUTH = Path(__file__).resolve().parents[1] / "truth"
CASES = {case["case"]: case for case in json.loads((TRUTH / "throttle-6.18.json").read_text(encoding="utf-8"))}
PREEMPTED = 256  # R+
TICK_NS = 4_000_000
KINDS = {"hog": 'kind = "hog"', "per": 'kind = "per"\nrun = "100us"\nperiod = "7ms"'}


@dataclass
class Episode:
    """Switches of the group's tasks one right after the other, each out of the kernel: a group that is throttled."""

    tasks: list[str]
    then: str


def episodes(trace: wakepath.Trace, case: dict[str, Any]) -> list[Episode]:
    inside = {t["comm"] for t in case["tasks"] if t["inside"]}
    rows = trace["sched_switch"].to_pandas()
    found: list[Episode] = []
    last, goes_on = 0, False
    for row in rows[rows["cpu"] == case["cpu"]].itertuples():
        # It was switched to and left again within 100 us, in the kernel: who is preempted by another has run longer.
        leaves = row.prev_comm in inside and row.prev_state == PREEMPTED and row.ts_ns - last < 100_000
        if leaves and not goes_on:
            found.append(Episode([], ""))
        if leaves:
            found[-1].tasks.append(row.prev_comm)
            found[-1].then = row.next_comm
        last, goes_on = row.ts_ns, leaves
    return found


def held_ns(case: dict[str, Any]) -> float:
    """How long a period's throttling lasted, by cpu.stat."""
    before, after = case["cpu_stat"]
    return float(after["throttled_time"] - before["throttled_time"]) / (after["nr_throttled"] - before["nr_throttled"])


def refill_before_tick_ns(case: dict[str, Any]) -> int:
    """What the first to run in a period is charged at its first tick."""
    charges = recorded(case["case"])["sched_stat_runtime"].to_pandas()
    charges = charges[charges["task_comm"].isin([t["comm"] for t in case["tasks"] if t["inside"]])]
    first = charges[charges["ts_ns"].diff() > 5 * TICK_NS]["runtime_ns"]
    return int(first.median())


def simulated(case: dict[str, Any], sets: str = "") -> wakepath.Result:
    phase = TICK_NS - refill_before_tick_ns(case)
    text = 'platform = "vm-2cpu-6.18"\n' + sets
    text += f'[cgroup.g]\ncpu.max = "{case["quota_us"]} {case["period_us"]}"\ncpu.max_phase = "{phase}ns"\n'
    for task in case["tasks"]:
        group = 'cgroup = "g"\n' if task["inside"] else ""
        text += f"[program.{task['comm']}]\n{KINDS[task['kind']]}\ncpu = {case['cpu']}\n{group}"
    return wakepath.run(wakepath.Scenario.from_toml(text), duration="2s", trace=True)


def recorded(name: str) -> wakepath.Trace:
    return wakepath.Trace.read(str(TRUTH / "traces" / f"throttle-6.18-{name}.txt.xz"))


@pytest.mark.parametrize("name", ["hogs", "beside"])
def test_every_task_leaves_by_itself(name: str) -> None:
    """All of them at once, or one that sleeps at that time alone at its next wakeup."""
    case = CASES[name]
    inside = sorted(t["comm"] for t in case["tasks"] if t["inside"])
    after = "out" if name == "beside" else "swapper"
    for found in (episodes(recorded(name), case), episodes(simulated(case).trace, case)):
        assert sum(e.then.split("/")[0] == after for e in found) >= 19
        for task in inside:  # once in each of the 20 periods, but for one that is cut by the window's ends
            assert sum(e.tasks.count(task) for e in found) == pytest.approx(20, abs=1)
        assert sum(sorted(e.tasks) == inside for e in found) >= 15


def test_who_is_back_goes_on_in_the_order_of_before() -> None:
    """Three hogs take turns, and neither leaving the queue nor coming back changes whose turn it is: lags survive."""
    case = CASES["hogs"]
    for trace in (recorded("hogs"), simulated(case).trace):
        rows = trace["sched_switch"].to_pandas()
        pairs = Counter(
            (one, two)
            for one, two in zip(rows["prev_comm"], rows["next_comm"], strict=True)
            if one.startswith("hog") and two.startswith("hog")
        )
        in_turn = sum(n for _, n in pairs.most_common(3))
        assert {one for (one, _), _ in pairs.most_common(3)} == {"hog-a", "hog-b", "hog-c"}
        assert in_turn > 100
        assert sum(pairs.values()) - in_turn <= 3  # a stranger's wakeup takes somebody's turn now and then


def test_before_6_18_the_group_left_at_once() -> None:
    result = simulated(CASES["hogs"], "[kernel.switches]\nthrottle_tasks = false\n")
    assert episodes(result.trace, CASES["hogs"]) == []


@pytest.mark.parametrize("name", ["hogs", "beside"])
def test_how_long_a_group_is_held(name: str) -> None:
    group = simulated(CASES[name]).data["cgroups"][0]
    assert group["nr_throttled"] == 20
    assert group["throttled_ns"] / group["nr_throttled"] == pytest.approx(held_ns(CASES[name]), rel=0.08)


def test_a_system_call_is_finished_first() -> None:
    """Recorded only: the last to leave is the caller where its call is done between two ticks, hogs leave at a tick."""
    case = CASES["kernel"]
    rows = recorded("kernel")["sched_switch"].to_pandas()
    ticks = rows[(rows["prev_comm"] == "hog-a") & (rows["prev_state"] == 0)]["ts_ns"]
    at_tick = int(ticks.median() % TICK_NS)
    calls = rows[(rows["prev_comm"] == "caller") & (rows["prev_state"] == PREEMPTED)]["ts_ns"]
    between = sum(((calls - at_tick + TICK_NS // 2) % TICK_NS - TICK_NS // 2).abs() > 300_000)
    assert sum((rows["prev_comm"] == "hog-a") & (rows["prev_state"] == PREEMPTED)) == 20
    assert between == pytest.approx(20, abs=3)  # one a period
    assert case["cpu_stat"][1]["nr_throttled"] > 30
