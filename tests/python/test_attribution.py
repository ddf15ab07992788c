# SPDX-License-Identifier: GPL-2.0-or-later
"""Loss attribution adds up, its what-if meets the root case, and the text says both."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path

import pytest

from wakepath.analyze import analyze_trace
from wakepath.analyze_text import text_of
from wakepath.attribution import Attribution
from wakepath.cli import status_of
from wakepath.replay import recorded_figures
from wakepath.replay_source import open_recording
from wakepath.runner import run
from wakepath.scenario import Options, Scenario

TRUTH = Path(__file__).resolve().parents[1] / "truth"
NAMES = ("A-6.1-d71k-q128-m1", "A-6.1-d36k-q128-m1", "A-6.12-d71k-q128-m1")


def trace(name: str) -> str:
    return str(TRUTH / "traces" / f"{name}.txt.xz")


def measured(name: str) -> dict[str, float]:
    for line in (TRUTH / "qemu.jsonl").read_text(encoding="utf-8").splitlines():
        if f'"qemu-{name}"' in line:
            return dict(json.loads(line)["measured"])
    raise AssertionError(name)


@pytest.mark.parametrize("name", [f"{n}-w{w}" for n in NAMES for w in ("root", "1000")])
def test_it_adds_up_to_the_window(name: str) -> None:
    data = analyze_trace(trace(name))
    a = Attribution.from_json(data["attribution"])
    cpus = len(data["cpu_time"]["cpus"])
    assert sum(p["ns"] for p in a.parts) == pytest.approx(a.window_ns * cpus, rel=0.01)
    assert sum(p["share"] for p in a.parts) == pytest.approx(1, rel=0.01)
    costs = sum(p["iops_cost"] or 0 for p in a.parts)
    assert a.iops + costs == pytest.approx(a.potential, rel=0.01)


# Depths from 1 to 128, a device with and without a grid, min_nr, four limits: a ping-pong in each weighted one.
WHAT_IF = (
    *NAMES,
    "A-6.1-d71k-q1-m1",
    "A-6.12-d71k-q8-m1",
    "A-6.1-d71k-q128-m128",
    "A-6.1-d36k-q128-m128",
    "A-6.1-d71kN-q128-m1",
    "A-6.12-d71kN-q128-m1",
    "A-6.1-lat60-q128-m1",
    "A-6.12-d80k-q128-m1",
)


@pytest.mark.parametrize("name", WHAT_IF)
def test_without_the_switches_it_is_the_root_case(name: str) -> None:
    weighted = analyze_trace(trace(f"{name}-w1000"))["attribution"]["without_switches"]
    assert weighted["by"] == "run"
    assert weighted["taken_away"] == "outside of g"
    assert weighted["iops"] == pytest.approx(measured(f"{name}-wroot")["iops"], rel=0.10)


@pytest.mark.parametrize("name", NAMES)
def test_a_root_case_has_no_ping_pong_to_be_without(name: str) -> None:
    root = analyze_trace(trace(f"{name}-wroot"))
    assert root["attribution"]["without_switches"]["iops"] is None
    assert root["pingpong"] == []


def test_without_a_setting_or_in_a_hurry_it_is_calculated() -> None:
    name = "A-6.1-d71k-q128-m1"
    quick = analyze_trace(trace(f"{name}-w1000"), quick=True)["attribution"]["without_switches"]
    assert quick["by"] == "arithmetic"
    assert quick["iops"] == quick["by_arithmetic"]
    assert quick["iops"] == pytest.approx(measured(f"{name}-wroot")["iops"], rel=0.10)


def test_the_cycle_has_its_rate_its_cost_and_its_cause_whatever_the_names(tmp_path: Path) -> None:
    data = analyze_trace(trace("A-6.1-d71k-q128-m1-w1000"))
    text = lzma.decompress(Path(trace("A-6.1-d71k-q128-m1-w1000")).read_bytes()).decode()
    renamed = tmp_path / "renamed.txt"
    renamed.write_text(text.replace("kworker/0:2", "xyz").replace("fio", "app"))
    other = analyze_trace(str(renamed))
    assert [r["cycle"] for r in data["pingpong"]] == ["fio > kworker"]
    assert [r["cycle"] for r in other["pingpong"]] == ["app > xyz"]
    for key in ("switches_per_s", "share", "cause", "ns_per_round", "cpu_share"):
        assert data["pingpong"][0][key] == other["pingpong"][0][key]
    row = data["pingpong"][0]
    assert row["share"] == pytest.approx(1, abs=0.05)
    assert "outweighs" in row["cause"]
    # Two switches and a wakeup a round, of some microseconds each, 31,000 times a second.
    assert 0.1 < row["cpu_share"] < 0.5


@pytest.mark.parametrize(
    "name",
    [
        "A-6.12-d36k-q128-m1-w1000",
        "A-6.12-d50k-q128-m1-w500",
        "A-6.12-d71k-q8-m1-w1000",
        "A-6.12-d71k-q32-m1-w10000",
        "A-6.12-lat60-q128-m1-w1000",
    ],
)
def test_a_heavier_wakee_is_proven_though_its_waker_sleeps_now_and_then(name: str) -> None:
    (row,) = analyze_trace(trace(name), quick=True)["pingpong"]
    assert row["cause"] == "wakeup preemption: the wakee's entity outweighs the waker's"
    assert row["proven_rounds"] >= 10


def test_a_waiter_woken_in_vain_is_said_to_be() -> None:
    data = analyze_trace(trace("A-6.1-d71k-q128-m128-w1000"))
    assert "min_nr" in data["pingpong"][0]["cause"]
    assert "min_nr" not in analyze_trace(trace("A-6.1-d71k-q128-m1-w1000"))["pingpong"][0]["cause"]


def test_result_figures_are_there_as_far_as_a_trace_tells() -> None:
    data = analyze_trace(trace("A-6.1-d71k-q128-m1-w1000"))
    assert data["io"]["iops"] == pytest.approx(30_900, rel=0.01)
    assert data["cpus"][0]["busy"] == pytest.approx(1, abs=0.01)
    assert sum(t["cpu_ns_per_s"] for t in data["tasks"]) == pytest.approx(1e9, rel=0.01)
    assert {t["comm"] for t in data["tasks"][:2]} == {"fio", "kworker/0:2"}


def test_text_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["analyze", trace("A-6.1-d71k-q128-m1-w1000")]) == 0
    said = capsys.readouterr().out
    for part in (
        "ping-pong: fio > kworker",
        "costs IOPS",
        "without the switches",
        "where an I/O is",
        "waits for its CPU",
    ):
        assert part in said
    assert "no ping-pong" in text_of(analyze_trace(trace("A-6.1-d71k-q128-m1-wroot")))


@pytest.mark.parametrize("name", ["starved_completions/qemu-6.1", "starved_completions/qemu-6.1-root"])
def test_hidden_addresses_give_the_same_path(tmp_path: Path, name: str) -> None:
    """A worker that never idles has a list from before the trace: what is on it is known by conservation."""
    shown, hidden = tmp_path / "shown.txt", tmp_path / "hidden.txt"
    run(Scenario.load(name, options=Options(duration="60ms", warmup="60ms")), trace=str(shown))
    text = shown.read_text()
    hidden.write_text(re.sub(r"work struct([= ])(0x)?[0-9a-f]+", r"work struct\1(____ptrval____)", text))
    assert hidden.read_text() != text
    a, b = (analyze_trace(str(path))["critical_path"] for path in (shown, hidden))
    assert b["ios"] == pytest.approx(a["ios"], rel=0.1)
    stages = {row["stage"]: row["mean"] for row in a["stages"]}
    for row in b["stages"]:
        assert row["mean"] == pytest.approx(stages[row["stage"]], rel=0.1, abs=200), row["stage"]
    # 128 in flight, each as long as Little's law says.
    assert a["latency_ns"]["mean"] * a["ios"] / 60e6 == pytest.approx(128, rel=0.1)


def test_cpus_that_have_no_part_in_the_ios_are_left_out(tmp_path: Path) -> None:
    """Of twelve CPUs one does the I/Os, one runs a hog, one has softirqs now and then, nine write no record."""
    file = str(tmp_path / "t.txt")
    hog = ("program.hog.kind=hog", "program.hog.cpu=3")
    run(Scenario.load("starved_completions", options=Options(duration="60ms", warmup="30ms", sets=hog)), trace=file)
    data = analyze_trace(file, quick=True)
    found = Attribution.from_json(data["attribution"])
    assert sum(p["ns"] for p in found.parts) == pytest.approx(found.window_ns, rel=0.01)
    outside = run(Scenario.load("starved_completions/root", options=Options(duration="60ms", warmup="30ms")))
    # By arithmetic it is the CPU's limit; the device's lies lower.
    assert outside.io["iops"] < found.without_switches < 1.15 * outside.io["iops"]
    busy = {cpu["id"]: cpu["busy"] for cpu in data["cpus"]}
    assert busy[11] == pytest.approx(1, abs=0.01)
    assert busy[3] > 0.9
    assert max(busy[cpu] for cpu in busy if cpu not in (3, 11)) < 0.01
    assert "busy: CPU 3 100.0%, CPU 11 100.0%" in text_of(data)
    assert "lost" not in text_of(data)
    recorded = recorded_figures(open_recording(file, kernel="6.1"))
    assert [cpu["id"] for cpu in recorded["cpus"] if cpu["busy"] > 0.01] == [3, 11]
