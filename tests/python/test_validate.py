# SPDX-License-Identifier: GPL-2.0-or-later
"""validate and calibrate with the real core: on made-up cases whose truth is a simulation with other costs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from fake_core import write
from wakepath.metrics import truth_metrics
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario
from wakepath.truth import Case, count_range, read_cases
from wakepath.validate import COUNTED_RUNS, expected_median

Call = Callable[..., Any]

TRUTH = Path(__file__).parent.parent / "truth"
WINDOW = ("--duration", "40ms", "--warmup", "10ms")
BRIEF = Options(duration="40ms", warmup="10ms")
CALIBRATE = ("qemu-A-6.1-d71k-q128-m1-wroot", "qemu-A-6.1-d50k-q128-m1-wroot", "qemu-A-6.1-d71k-q8-m1-wroot")
PREDICT = ("qemu-A-6.1-d71k-q128-m1-w100", "qemu-A-6.1-d71k-q128-m1-w1000")
CHANGED = {"fs_dio_submit": 1.3, "rq_end": 0.8}


def shipped(ids: tuple[str, ...]) -> list[Case]:
    cases = {c.id: c for c in read_cases(str(TRUTH / "qemu.jsonl"))}
    return [cases[i] for i in ids]


def made_up(case: Case) -> dict[str, Any]:
    """The case with what the simulator says under other costs as its measurement."""
    entries = Scenario.from_case(case.raw).describe()["costs"]["entries"]
    sets = tuple(f"costs.{k}={round(entries[k]['mean_ns'] * v)}" for k, v in CHANGED.items())
    figures = simulate(Scenario.from_case(case.raw, options=replace(BRIEF, sets=sets)))
    return {**case.raw, "measured": truth_metrics(figures, cpu=case.cpu)}


@pytest.fixture(scope="module")
def cases_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = [made_up(c) for c in shipped(CALIBRATE + PREDICT)]
    return write(tmp_path_factory.mktemp("cases") / "made-up.jsonl", made)


def test_validate_reports_every_case(wakepath: Call, cases_file: str) -> None:
    said = wakepath("validate", cases_file, *WINDOW, "--json", "-")
    assert said.status == 0, said.err
    data = json.loads(said.out)
    assert [c["id"] for c in data["cases"]] == [*CALIBRATE, *PREDICT]
    for case in data["cases"]:
        assert set(case) >= {"id", "role", "ok", "metrics"}
        for metric in case["metrics"].values():
            assert set(metric) >= {"measured", "predicted", "error", "low", "high"}
    for role in ("calibrate", "predict"):
        assert set(data["summary"][role]["iops"]) >= {"mape", "max", "n"}
    assert data["summary"]["predict"]["iops"]["n"] == len(PREDICT)
    (onset,) = [o for o in data["checks"]["onset"] if len(o["weights"]) == 3]
    assert onset["measured"] == [100, 1000]
    assert "mean |error|" in said.err


def test_a_median_of_runs_is_predicted_by_as_many(wakepath: Call, tmp_path: Path) -> None:
    """A case says of how many runs its figures are medians: the seeds' own runs, by hand, give the same median."""
    (case,) = (c for c in read_cases(str(TRUTH / "host.jsonl")) if c.id == "host-libaio-randwrite-qd32-b32-s10240")
    assert case.runs == 3
    said = wakepath(
        "validate", write(tmp_path / "one.jsonl", [case.raw]), *WINDOW, "--set", "run.seed=5", "--json", "-"
    )
    (row,) = json.loads(said.out)["cases"]
    by_hand = [
        truth_metrics(
            simulate(Scenario.from_case(case.raw, options=replace(BRIEF, seed=str(seed)))),
            cpu=case.cpu,
            idle_is_uncharged=True,
        )
        for seed in (5, 6, 7)
    ]
    assert len({run["iops"] for run in by_hand}) == 3
    for name, metric in row["metrics"].items():
        assert metric["predicted"] == median(run[name] for run in by_hand)


def test_moves_are_predicted_by_what_is_to_be_expected_of_as_many_runs(wakepath: Call, tmp_path: Path) -> None:
    """One window's count is a draw: the mean of runs with seeds of their own, which begin on each CPU in turn, is
    predicted, and judged by what a count can say of a rate."""
    name = "qemu-C-6.12-lat20-bs4k-smp4"
    (case,) = (c for c in read_cases(str(TRUTH / "qemu-smp.jsonl")) if c.id == name)
    said = wakepath("validate", write(tmp_path / "one.jsonl", [case.raw]), *WINDOW, "--json", "-")
    (row,) = json.loads(said.out)["cases"]
    seed = int(Scenario.from_case(case.raw).describe()["run"]["seed"])
    by_hand = [
        truth_metrics(
            simulate(
                Scenario.from_case(
                    case.raw, options=replace(BRIEF, seed=str(seed + k), sets=(f"machine.first_cpu={k % 4}",))
                )
            ),
            cpu=None,
            all_cpus=True,
            idle_is_uncharged=True,
        )
        for k in range(COUNTED_RUNS)
    ]
    assert len({run["iops"] for run in by_hand}) > 1
    for metric in ("iops", "fio_migrations_per_s"):
        assert row["metrics"][metric]["predicted"] == pytest.approx(fmean(run[metric] for run in by_hand))
    moves = row["metrics"]["fio_migrations_per_s"]
    assert (moves["low"], moves["high"]) == pytest.approx(count_range(10.0, 0.5), rel=1e-3)  # 5 in half a second


def test_an_expected_median() -> None:
    values = [1.0, 2.0, 3.0, 10.0]
    assert expected_median(values, 1) == fmean(values)
    assert expected_median(values, 4) == 2.5
    assert expected_median(values, 3) == fmean([2.0, 2.0, 3.0, 3.0])
    assert expected_median([7.0], 3) == 7.0  # what only one run had


def test_filters_choose_cases(wakepath: Call, cases_file: str) -> None:
    said = wakepath("validate", cases_file, *WINDOW, "--role", "predict", "--only", "w1000", "--json", "-")
    data = json.loads(said.out)
    assert [c["id"] for c in data["cases"]] == [PREDICT[1]]
    # The baselines still know the calibrate cases.
    assert data["cases"][0]["metrics"]["iops"]["baselines"]["nothing_changes"]["error"] is not None
    assert wakepath("validate", cases_file, "--only", "nothing-like-it").status == 2


def test_calibrate_finds_the_changed_costs(wakepath: Call, cases_file: str, tmp_path: Path) -> None:
    machine, report = tmp_path / "machine.toml", tmp_path / "fit.json"
    arguments = ("calibrate", cases_file, "--out", str(machine), "--json", str(report), *WINDOW)
    said = wakepath(*arguments)
    assert said.status == 0, said.err
    fit = json.loads(report.read_text(encoding="utf-8"))
    assert set(fit["cases"]) == set(CALIBRATE)
    assert fit["after"]["fio_cpu_ns_per_s"] < min(0.015, fit["before"]["fio_cpu_ns_per_s"] / 3)
    scale = dict(zip((p["key"] for p in fit["parameters"]), fit["scales"], strict=True))
    assert scale["costs.fs_dio_submit"] == pytest.approx(1.3, rel=0.1)
    first = machine.read_bytes()
    # It says what it was fitted to, is the same when made again, and is taken by --machine.
    assert b"qemu-A-6.1-d71k-q128-m1-wroot" in first
    assert b"fitted" in first
    assert not any(i.encode() in first for i in PREDICT)
    assert wakepath(*arguments).status == 0
    assert machine.read_bytes() == first
    with_machine = wakepath("validate", cases_file, *WINDOW, "--machine", str(machine), "--json", "-")
    assert with_machine.status == 0, with_machine.err
    summary = json.loads(with_machine.out)["summary"]["predict"]
    without = json.loads(wakepath("validate", cases_file, *WINDOW, "--json", "-").out)["summary"]["predict"]
    assert summary["fio_cpu_ns_per_s"]["mape"] < without["fio_cpu_ns_per_s"]["mape"]


def test_several_kernels_must_be_chosen(wakepath: Call, tmp_path: Path) -> None:
    said = wakepath("calibrate", str(TRUTH / "qemu.jsonl"), "--out", str(tmp_path / "m.toml"))
    assert said.status == 2
    assert "--kernel 6.12" in said.err


def test_published_rows(wakepath: Call, tmp_path: Path) -> None:
    scenario = wakepath("show", "starved_completions/qemu-6.1").out
    (tmp_path / "scenario.toml").write_text(scenario, encoding="utf-8")
    row = '[[row]]\nid = "{}"\nmetric = "io.iops / control.io.iops"\nlow = {}\nhigh = 1.01\nband = "b"\n'
    head = (
        'schema = "wakepath.expected/1"\n[run]\nduration = "40ms"\nwarmup = "10ms"\n'
        '[band.b]\ncentre = "mid"\npoints.low = ["costs.cold_task=0"]\npoints.mid = ["costs.cold_task=100"]\n'
    )
    expected = tmp_path / "expected.toml"
    expected.write_text(head + row.format("good", 0.1), encoding="utf-8")
    said = wakepath("validate", str(tmp_path), "--json", "-")
    assert said.status == 0, said.err
    (case,) = json.loads(said.out)["cases"]
    (figure,) = case["metrics"].values()
    assert case["ok"] is True
    assert set(figure["band"]["values"]) == {"low", "mid"}
    assert figure["predicted"] == figure["band"]["values"]["mid"]
    expected.write_text(head.replace('"mid"', '"mean"') + row.format("mean", 0.1), encoding="utf-8")
    (figure,) = json.loads(wakepath("validate", str(tmp_path), "--json", "-").out)["cases"][0]["metrics"].values()
    assert figure["predicted"] == pytest.approx(sum(figure["band"]["values"].values()) / 2)
    expected.write_text(head + row.format("good", 0.1) + row.format("bad", 1.0), encoding="utf-8")
    said = wakepath("validate", str(tmp_path))
    assert said.status == 1
    assert "OUTSIDE" in said.out


def test_a_published_row_against_another_scenario(wakepath: Call, tmp_path: Path) -> None:
    scenario = wakepath("show", "starved_completions/qemu-6.1").out
    for name in ("scenario.toml", "same.toml"):
        (tmp_path / name).write_text(scenario, encoding="utf-8")
    (tmp_path / "expected.toml").write_text(
        'schema = "wakepath.expected/1"\n[run]\nduration = "40ms"\nwarmup = "10ms"\n'
        '[[row]]\nid = "equal"\nmetric = "io.iops / reference.io.iops"\nreference = "same.toml"\nlow = 1\nhigh = 1\n'
        '[[row]]\nid = "less"\nmetric = "io.iops / reference.io.iops"\nreference = "same.toml"\nhigh = 0.5\n'
        'set = ["device.iops_cap=1000"]\nlow = 0.001\n',
        encoding="utf-8",
    )
    said = wakepath("validate", str(tmp_path), "--json", "-")
    assert said.status == 0, said.out + said.err
    (tmp_path / "same.toml").unlink()
    said = wakepath("validate", str(tmp_path))
    assert said.status == 1
    assert "same.toml" in said.out


def test_a_case_that_cannot_be_run_is_reported(wakepath: Call, tmp_path: Path) -> None:
    (case,) = shipped(PREDICT[:1])
    raw = json.loads(json.dumps(case.raw))
    raw["setting"]["workload"]["iodepth"] = 0
    said = wakepath("validate", write(tmp_path / "c.jsonl", [raw]), *WINDOW)
    assert said.status == 1
    assert "not run" in said.out
    assert "iodepth" in said.out
