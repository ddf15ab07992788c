# SPDX-License-Identifier: GPL-2.0-or-later
"""cure: every lever is a change the scenario reader takes, and what restores is ranked first."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from wakepath.cli import status_of
from wakepath.cure import EFFORTS, LEVERS, REACHES, Cure, cure, cure_trace, levers_of
from wakepath.cure_text import text_of
from wakepath.scenario import Options, Scenario

TRACES = Path(__file__).resolve().parents[1] / "truth" / "traces"
SHORT = Options(duration="60ms", warmup="30ms")


def load(name: str) -> Scenario:
    return Scenario.load(name, options=SHORT)


@pytest.fixture(scope="module")
def weighted() -> Cure:
    return cure(load("starved_completions/qemu-6.1"), seeds=2)


def test_weight_and_renice_restore_and_come_first(weighted: Cure) -> None:
    first = [row.name for row in weighted.rows]
    assert first[0] in ("weight 100", "kworker nice -10")
    assert {"weight 100", "kworker nice -10"} <= set(first[:4])
    root = cure(load("starved_completions/qemu-6.1-root"), seeds=1, pairs=False).now
    for row in weighted.rows[:2]:
        assert row.iops == pytest.approx(root.iops, rel=0.02)
        assert row.gain > 0.3


def test_each_row_says_what_to_type_and_what_undoes_it(weighted: Cure) -> None:
    for row in weighted.rows:
        assert row.shell
        assert row.undone_by
        assert all(row.shell)
        assert all(row.undone_by)
        assert "{" not in "".join(row.shell).replace("{print", "")
    text = text_of(weighted, 5)
    assert "echo 100 > /sys/fs/cgroup/kubepods/cpu.weight" in text
    assert "undone by" in text


def test_live_levers_come_before_restarts_boots_and_patches(weighted: Cure) -> None:
    order = [EFFORTS.index(row.effort) for row in weighted.rows]
    assert order == sorted(order)


def test_a_scenario_that_loses_nothing_gains_nothing_live() -> None:
    found = cure(load("starved_completions/qemu-6.1-root"), seeds=1, pairs=False)
    assert not any(row.gain > 0.02 for row in found.rows if row.effort == "live")


def test_every_lever_is_taken_by_the_reader(weighted: Cure) -> None:
    """None is refused where it applies, on CFS and EEVDF, v1 and v2, one CPU and several."""
    assert weighted.refused == ()
    for name in ("starved_completions", "starved_completions/qemu-6.12", "starved_completions/this-machine"):
        scenario = load(name)
        for lever in levers_of(scenario):
            scenario.with_sets(*lever.sets)


def test_the_table_is_whole() -> None:
    for entry in tomllib.loads(LEVERS.read_text(encoding="utf-8"))["lever"]:
        assert entry["effort"] in EFFORTS
        assert entry["reach"] in REACHES
        assert entry["undone_by"]
        assert entry["shell"]
        assert entry["set"]
        assert entry["values"]


def test_a_recording_is_cured() -> None:
    found = cure_trace(str(TRACES / "A-6.1-d71k-q128-m1-w1000.txt.xz"), seeds=1, pairs=False)
    assert {"weight 100", "kworker nice -10"} <= {row.name for row in found.rows[:4]}
    assert found.how["recorded"]["io"]["iops"] == pytest.approx(30_900, rel=0.01)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.json"
    arguments = ["cure", "starved_completions/qemu-6.12", "--seeds", "1", "--duration", "50ms", "--no-pairs"]
    assert status_of([*arguments, "--json", str(out)]) == 0
    assert [row["rank"] for row in json.loads(out.read_text())["rows"]][:3] == [1, 2, 3]
    assert "renice" in capsys.readouterr().out
    assert status_of(["cure", "no_such_scenario"]) == 2


def test_what_nobody_may_set_there_is_no_cure() -> None:
    scenario = Scenario.load("starved_completions/eevdf-6.8", options=Options(duration="20ms", warmup="10ms"))
    features = "/sys/kernel/debug/sched/features"
    free, barred = (cure(scenario, seeds=1, pairs=False, closed=closed) for closed in ((), (features,)))
    assert any(features in line for row in free.rows for line in row.shell)
    assert not any(features in line for row in barred.rows for line in row.shell)
    assert any(features in why for _, why in barred.refused)


def test_what_was_counted_before_recording_is_set_beside(weighted: Cure) -> None:
    """A recorder may bring a machine into another state; then its replay says little of the machine without one."""
    recorded = {"io": {"iops": weighted.now.iops}}
    for factor, doubted in ((1.0, False), (0.95, False), (0.6, True), (1.5, True)):
        counted = {"iops": factor * weighted.now.iops, "context_switches_per_s": 1000.0}
        text = text_of(replace(weighted, how={"recorded": recorded, "unrecorded": counted}), 1)
        assert f"counted before the recorder was turned on: {counted['iops']:,.0f} IOPS, 1,000 switches/s" in text
        assert "setting: none found, so there are no groups with weights" in text
        assert ("another state" in text) is doubted
    assert "counted" not in text_of(replace(weighted, how={"recorded": recorded, "unrecorded": None}), 1)


@pytest.mark.parametrize("old", [False, True])
def test_a_quota_that_is_used_up_is_a_lever(old: bool) -> None:
    weight = 'cgroup."g/pod".cpu.shares=1024' if old else 'cgroup."g/pod".cpu.weight=100'
    sets = ('cgroup.g.cpu.max="10000 50000"', weight, 'workload.fio.cgroup="g/pod"')
    if old:
        sets += ("cgroup.g.cpu.shares=1024",)
    limited = Scenario.load(
        "starved_completions/qemu-6.1-root", options=Options(duration="200ms", warmup="50ms", sets=sets)
    )
    best = cure(limited, seeds=1, pairs=False).rows[0]
    assert best.shell == (
        ("echo -1 > /sys/fs/cgroup/cpu/g/cpu.cfs_quota_us",) if old else ("echo max > /sys/fs/cgroup/g/cpu.max",)
    )
    assert best.gain > 1
    assert not [lever for lever in levers_of(load("starved_completions")) if lever.kind == "limit"]
