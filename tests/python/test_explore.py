# SPDX-License-Identifier: GPL-2.0-or-later
"""Many schedules of a scenario: the race is found and repeated, the corrected version holds, all have a spread."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wakepath import Scenario
from wakepath.exploring import Exploration, explore, replay, text
from wakepath.scenario import Options

ROOT = Path(__file__).resolve().parents[2]
RACE = ROOT / "scenarios/ublk_dispatch_race"
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def found() -> Exploration:
    began = time.monotonic()
    outcome = explore(Scenario.load(str(RACE / "scenario.toml")), seeds=1000)
    assert time.monotonic() - began < 60
    return outcome


def test_the_race_is_found(found: Exploration) -> None:
    broken = found.violation
    assert broken is not None
    assert broken["rule"] == "I1"
    assert broken["seed"] <= 1000
    # Two queues in one batch, and at least one submitter that was moved in between.
    members = broken["facts"][0]
    assert "(q0," in members
    assert "(q1," in members
    assert any("is pushed from CPU" in act["text"] for act in broken["acts"])
    said = text(found)
    assert members in said
    assert all(line.strip() in said for line in broken["trace"])


def test_the_printed_trace_shows_two_queues_in_one_batch(found: Exploration) -> None:
    """One call of one submitter: it begins on a CPU of one queue, is moved, and issues requests of both queues."""
    broken = found.violation
    assert broken is not None
    *lines, last = broken["trace"]
    issue = re.compile(r"-(\d+) +\[\d+\].*: block_rq_issue: .*<- \(q(\d), tag \d+\) of CPU (\d+)$")
    issued = {i: m.groups() for i, line in enumerate(lines) if (m := issue.search(line))}
    (pid,) = {task for task, _, _ in issued.values()}
    of_cpu = {queue: int(cpu) for _, queue, cpu in issued.values()}
    assert set(of_cpu) == {"0", "1"}
    assert of_cpu["0"] < 8 <= of_cpu["1"]  # 16 CPUs, two queues
    # All in the one call that the trace begins with, and its task went over to the other queue's CPU in between.
    calls = [i for i, line in enumerate(lines) if f"-{pid} " in line and ": sys_io_uring_enter(" in line]
    assert calls[0] == 0
    assert not [i for i in calls[1:] if i < max(issued)]
    moved = re.compile(rf"sched_migrate_task: .* pid={pid} .*orig_cpu=(\d+) dest_cpu=(\d+)")
    moves = [{int(cpu) for cpu in m.groups()} for line in lines[: min(issued)] if (m := moved.search(line))]
    assert set(of_cpu.values()) in moves
    assert last == broken["facts"][0]
    assert "(q0," in last
    assert "(q1," in last


def test_its_seed_repeats_it(found: Exploration) -> None:
    broken = found.violation
    assert broken is not None
    whole = replay(found.scenario, broken["seed"])
    assert whole["status"] == "violation"
    again = replay(found.scenario, broken["seed"], only=broken["only"], ties=broken["ties"])
    assert again["violation"]["text"] == broken["text"]
    assert again["explore"]["acts"] == broken["acts"]
    assert len(broken["acts"]) <= len(whole["explore"]["acts"])


def test_the_outcome_does_not_depend_on_threads(found: Exploration) -> None:
    broken = found.violation
    assert broken is not None
    alone = explore(found.scenario, seeds=broken["seed"], jobs=1).violation
    assert alone is not None
    assert (alone["seed"], alone["only"], alone["text"]) == (broken["seed"], broken["only"], broken["text"])


def test_the_corrected_version_differs_in_one_switch() -> None:
    changed = [
        Scenario.load(str(RACE / f"{n}.toml")).describe()["kernel"]["changed"] for n in ("scenario", "corrected")
    ]
    assert changed == [["ublk_batch_of_carrier=true"], []]


def test_the_corrected_version_holds() -> None:
    outcome = explore(Scenario.load(str(RACE / "corrected.toml")), seeds=2000)
    assert outcome.held
    assert outcome.data["schedules"] == 2000


@pytest.mark.slow
def test_the_corrected_version_holds_in_100_000_schedules() -> None:
    began = time.monotonic()
    outcome = explore(Scenario.load(str(RACE / "corrected.toml")), seeds=100_000, first_seed=10_000)
    assert outcome.held
    assert time.monotonic() - began < 1800


def test_any_scenario_has_a_spread() -> None:
    scenario = Scenario.load(str(ROOT / "scenarios/starved_completions"), options=Options(duration="5ms", warmup="2ms"))
    data = explore(scenario, seeds=6).data
    assert data["violation"] is None
    assert data["iops"]["least"] > 0
    assert data["iops"]["least"] <= data["iops"]["median"] <= data["iops"]["greatest"]
    assert data["p99_ns"]["median"] > 0


def test_command(wakepath: Call, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    said = wakepath("explore", str(RACE), "--seeds", "1000", "--json", str(file))
    assert said.status == 1
    assert "invariant I1 broke" in said.out
    written = json.loads(file.read_text())
    assert written["schema"] == "wakepath.exploration/1"
    seed = written["violation"]["seed"]
    assert wakepath("explore", str(RACE), "--first-seed", str(seed), "--seeds", "1").status == 1
    assert wakepath("explore", str(RACE / "corrected.toml"), "--seeds", "5").status == 0
