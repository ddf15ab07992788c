# SPDX-License-Identifier: GPL-2.0-or-later
"""Tuning: what may be turned, the first mystery cured and the knob named, "equal" where nothing helps, storage."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wakepath as wp
from wakepath import InputError
from wakepath.tune_judge import difference
from wakepath.tune_space import Objective, parse_constraint, parse_params

MYSTERY = "starved_completions"
SHORT = ("run.duration=100ms", "run.warmup=50ms")
KNOBS = {
    "task.kworker.nice": "-20..19",
    "kernel.sched.wakeup_granularity_ns": "0..20000000",
    "kernel.sched.min_granularity_ns": "100000..10000000:log",
    "cgroup.kubepods.cpu.weight": "100..10000:log",
}


@pytest.mark.parametrize(
    ("text", "share", "value"),
    [
        ("k=1..11", 0.5, "6"),
        ("k=1..10000:log", 0.5, "100"),
        ("k=30us..300us", 0.0, "30us"),
        ("k=0.5..1.5", 1.0, "1.5"),
        ("k=0.5..4.5:int", 0.5, "2"),
        ("k=a,b,c", 0.99, "c"),
        ("k=v6.1,v6.12", 0.0, "v6.1"),
        ("k=-20..19", 0.0, "-20"),
    ],
)
def test_params(text: str, share: float, value: str) -> None:
    assert parse_params([text])[0].at(share) == value


def test_a_constraint_understands_units_and_both_directions() -> None:
    data = {"io": {"clat_ns": {"p99": 1_500_000.0}, "iops": 10.0}}
    assert parse_constraint("io.clat_ns.p99 <= 2ms").violation(data) < 0
    assert parse_constraint("io.clat_ns.p99 < 1.4ms").violation(data) == pytest.approx(100_000)
    assert parse_constraint("io.iops >= 20").violation(data) == 10


def test_a_gain_within_the_spread_is_equal() -> None:
    up = Objective("x", True)
    assert difference(up, [10, 11, 12, 13], [10.1, 10.9, 12.2, 12.9]).verdict == "equal"
    assert difference(up, [10, 11, 12, 13], [11, 12.1, 13, 14.1]).verdict == "better"
    assert difference(Objective("x", False), [10, 11, 12, 13], [11, 12.1, 13, 14.1]).verdict == "worse"
    assert difference(up, [10, 10], [10, 10]).verdict == "equal"
    assert difference(up, [10.0, 11.0], [-math.inf, 12.0]).verdict == "equal"


def test_the_first_mystery_is_cured_and_the_knob_named() -> None:
    """The bar: within 2 % of the IOPS outside the group in at most 100 trials, on seeds the search did not see."""
    found = wp.tune(MYSTERY, KNOBS, maximize="io.iops", set=SHORT, trials=40, fresh=4)
    assert found.best is not None
    outside = wp.run(wp.Scenario.load(f"{MYSTERY}/root", set=SHORT)).io["iops"]
    assert found.best.differences[0].after >= 0.98 * outside
    assert found.verdict == "better"
    parts = {knob.key: knob.part for knob in found.knobs}
    did = {key for key, part in parts.items() if part != "no effect" and "costs" not in part}
    assert did
    assert did <= {"task.kworker.nice", "cgroup.kubepods.cpu.weight", "kernel.sched.wakeup_granularity_ns"}
    assert not set(found.seeds) & set(found.fresh)
    # Put into the scenario, it is what the run gives.
    best = wp.run(found.best_scenario(), seed=found.fresh[0]).io["iops"]
    assert best >= 0.98 * outside
    again = wp.tune(MYSTERY, KNOBS, maximize="io.iops", set=SHORT, trials=40, fresh=4, jobs=1)
    assert again.to_json() == found.to_json()


def test_where_no_knob_helps_the_best_is_called_equal() -> None:
    found = wp.tune(f"{MYSTERY}/root", {"task.kworker.nice": "-5..0"}, maximize="io.iops", set=SHORT, trials=8, fresh=4)
    assert found.verdict == "equal"
    assert {knob.part for knob in found.knobs} <= {"no effect"}


def test_a_constraint_holds_and_one_that_cannot_gives_none() -> None:
    limits = {"workload.fio.iodepth": "1..128:log"}
    found = wp.tune(
        f"{MYSTERY}/root",
        limits,
        maximize="io.iops",
        subject_to="io.clat_ns.p99 <= 300us",
        set=SHORT,
        trials=16,
        fresh=2,
    )
    assert found.best is not None
    assert found.best.feasible
    depth = int(found.best.setting["workload.fio.iodepth"])
    assert wp.run(found.best_scenario()).io["clat_ns"]["p99"] <= 300_000
    assert 8 < depth < 128
    none = wp.tune(
        f"{MYSTERY}/root", limits, maximize="io.iops", subject_to="io.clat_ns.p99 <= 1us", set=SHORT, trials=4, fresh=2
    )
    assert none.verdict == "none"


def test_two_objectives_give_a_front() -> None:
    found = wp.tune(
        f"{MYSTERY}/root",
        {"workload.fio.iodepth": "1..128:log"},
        maximize="io.iops",
        minimize="io.clat_ns.p99",
        set=SHORT,
        trials=16,
        fresh=2,
    )
    points = [tuple(d.after for d in c.differences) for c in found.candidates]
    assert len(points) > 2
    for a in points:
        assert not any(b[0] > 1.02 * a[0] and b[1] < 0.98 * a[1] for b in points)


def test_storage_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def call(trials: int) -> wp.Tuning:
        return wp.tune(
            MYSTERY,
            {"task.kworker.nice": "-20..19"},
            maximize="io.iops",
            set=SHORT,
            trials=trials,
            fresh=2,
            storage=f"sqlite:///{tmp_path}/t.db",
        )

    first, second = call(8), call(12)
    assert second.trials[:8] == first.trials
    assert len(second.trials) == 12
    with pytest.raises(InputError, match="storage"):
        wp.tune(MYSTERY, {"task.kworker.nice": "-1..1"}, maximize="io.iops", storage="sqlite:////no/such/dir/x.db")


def test_sensitivity_ranks_the_knob_that_matters_first() -> None:
    knobs = {k: KNOBS[k] for k in ("kernel.sched.min_granularity_ns", "task.kworker.nice")}
    for method, samples in (("morris", 4), ("sobol", 8)):
        found = wp.sensitivity(MYSTERY, knobs, "io.iops", method=method, samples=samples, set=SHORT)
        assert found.rows[0]["key"] == "task.kworker.nice"
        assert "task.kworker.nice" in found.report()
    two = {"task.kworker.nice": "-2..0", "workload.fio.nice": "0..1"}
    flat = wp.sensitivity(f"{MYSTERY}/root", two, set=SHORT, samples=2)
    assert len(flat.rows) == 2


def test_command(wakepath: Callable[..., Any], tmp_path: Path) -> None:
    sets = [word for line in SHORT for word in ("--set", line)]
    out = tmp_path / "t.json"
    said = wakepath(
        "tune", MYSTERY, *sets, "--maximize", "iops", "--param", "task.kworker.nice=-10,0", "--trials", "4",
        "--fresh", "2", "--json", str(out), "--csv", str(tmp_path / "t.csv"), "--report", str(tmp_path / "t.html"),
    )  # fmt: skip
    assert said.status == 0, said.err
    assert "best: --set task.kworker.nice=-10" in said.out
    assert "task.kworker.nice=-10  alone" in said.out
    assert json.loads(out.read_text())["verdict"] == "better"
    assert "Which knob did it: task.kworker.nice=-10 (does it)" in (tmp_path / "t.html").read_text(encoding="utf-8")
    said = wakepath(
        "tune", MYSTERY, *sets, "--maximize", "iops", "--param", "task.kworker.nice=-10,0", "--param",
        "workload.fio.nice=0,1", "--sensitivity", "morris", "--samples", "2",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert "morris" in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--param KEY=A..B"),
        (("--param", "task.kworker.nice=-1..1"), "nothing is wanted"),
        (("--param", "task.kworker.nice=1..-1", "--maximize", "iops"), "smaller end first"),
        (("--param", "task.kworker.nice=5", "--maximize", "iops"), "one value only"),
        (("--param", "task.kworker.nic=-1..1", "--maximize", "iops"), "did you mean"),
        (("--param", "task.kworker.nice=-1..1", "--maximize", "io.iop"), "did you mean iops"),
        (("--param", "k=-1..1", "--maximize", "iops", "--subject-to", "p99"), "no comparison"),
        (("--param", "task.kworker.nice=-1..1:exp", "--maximize", "iops"), "not a range"),
        (("--param", "task.kworker.nice", "--maximize", "iops"), "no '='"),
        (("--param", "x=0..1:log", "--maximize", "iops"), "above 0"),
    ],
)
def test_wrong_input(wakepath: Callable[..., Any], arguments: tuple[str, ...], message: str) -> None:
    said = wakepath("tune", MYSTERY, "--set", SHORT[0], "--set", SHORT[1], *arguments)
    assert said.status == 2
    assert message in said.err
    assert said.err.count("\n") == 1
