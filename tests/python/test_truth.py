# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading truth cases: the shipped ones, and what is wrong in a file."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fake_core import case as make_case
from fake_core import write
from wakepath.errors import InputError
from wakepath.metrics import truth_metrics
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario
from wakepath.truth import read_cases

TRUTH = Path(__file__).parent.parent / "truth"
ROOT = TRUTH.parents[1]


@pytest.mark.parametrize(
    ("name", "count"), [("qemu", 194), ("host", 32), ("sched", 82), ("qemu-smp", 42), ("host-smp", 14)]
)
def test_shipped_cases(name: str, count: int) -> None:
    cases = read_cases(str(TRUTH / f"{name}.jsonl"))
    assert len(cases) == count
    assert {c.role for c in cases} <= {"calibrate", "predict", "repeat"}


def test_shares_count_as_weight_and_latency_is_flat() -> None:
    cases = {c.id: c for c in read_cases(str(TRUTH / "host.jsonl"))}
    case = cases["host-libaio-randwrite-qd32-b32-s10240"]
    assert case.weight == 1000
    assert case.measured["latency_p50_ns"] > 0
    low, high = case.spread["iops"]
    assert low < high


def test_scheduler_experiments_have_figures_per_task() -> None:
    cases = {c.id: c for c in read_cases(str(TRUTH / "sched.jsonl"))}
    case = cases["qemu-B-6.1-duty300_700-hog"]
    assert case.tasks == ["d", "h"]
    assert case.measured["d.cpu_share"] == pytest.approx(0.303803)


def test_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(make_case("a", iops=1.0)).encode()))
    assert [c.id for c in read_cases(str(path))] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cases.jsonl:1: is not JSON"),
        ('{"schema": "other"}', "cases.jsonl:1: is not a case of schema wakepath.truth/1"),
        ('{"schema": "wakepath.truth/1", "id": "a"}', "a case lacks 'platform'"),
        ("\n", "has no case"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_cases(str(path))
    assert message in str(error.value)


def test_unknown_role_and_twice_the_same(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown role 'learn'"):
        read_cases(write(tmp_path / "c.jsonl", [make_case("a", role="learn", iops=1.0)]))
    with pytest.raises(InputError, match="two cases are called 'a'"):
        read_cases(write(tmp_path / "c.jsonl", [make_case("a", iops=1.0), make_case("a", iops=1.0)]))


@pytest.mark.parametrize("runs", [0, -3, "many"])
def test_a_number_of_runs_that_is_none(tmp_path: Path, runs: object) -> None:
    with pytest.raises(InputError, match=r"c.jsonl:1: a case has a wrong form: .*runs = "):
        read_cases(write(tmp_path / "c.jsonl", [{**make_case("a", iops=1.0), "runs": runs}]))


def test_truncated_xz(tmp_path: Path) -> None:
    import lzma

    path = tmp_path / "cases.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"schema": "wakepath.truth/1"}\n' * 100)[:-20])
    with pytest.raises(InputError, match="damaged compressed file"):
        read_cases(str(path))


def test_buffered_cases_count_requests_of_the_device() -> None:
    """Their `iops` is what the traces hold as block_rq_complete, and interrupts less ticks; fio completes far more."""
    cases = {case.id: case for case in read_cases(str(TRUTH / "qemu-iouring.jsonl"))}
    buffered = [case for case in cases.values() if case.at_device]
    assert {case.id for case in buffered} == {name for name in cases if "iowq" in name}
    result = {"io": {"iops": 30_000.0}, "block": {"requests_per_s": 2_000.0}}
    assert truth_metrics(result, cpu=None, at_device=True)["iops"] == 2_000.0
    assert truth_metrics(result, cpu=None)["iops"] == 30_000.0


def test_idle_is_what_no_task_is_charged_with_unless_it_was_counted_by_the_clock() -> None:
    tasks = [{"comm": "fio", "cpu_ns_per_s": 3e8}, {"comm": "kworker/1:1", "cpu_ns_per_s": 1e8}]
    result = {"cpus": [{"id": 1, "idle": 0.5, "context_switches_per_s": 10}], "tasks": tasks}
    assert truth_metrics(result, cpu=1)["idle"] == 0.5
    assert truth_metrics(result, cpu=1, idle_is_uncharged=True)["idle"] == pytest.approx(0.6)
    case = read_cases(str(TRUTH / "host.jsonl"))[0]
    assert case.idle_is_uncharged
    assert not replace(case, raw={**case.raw, "each": []}).idle_is_uncharged  # the recorder's
    # Of the cases on one CPU that have it, within what a point or two of tick sampling can do.
    for name, most in (("qemu", 0.045), ("host", 0.05)):
        for c in read_cases(str(TRUTH / f"{name}.jsonl")):
            if "idle" in c.measured and c.measured["idle"] > 0:
                tasks_share = (c.measured["fio_cpu_ns_per_s"] + c.measured["kworker_cpu_ns_per_s"]) / 1e9
                assert 1 - c.measured["idle"] == pytest.approx(tasks_share, abs=most), c.id


def test_who_counts_is_beside_cases_of_several_cpus_alone() -> None:
    """And what the platform has beside fio is asked of no other machine."""
    cases = {case.id: case.raw for case in read_cases(str(TRUTH / "host-smp.jsonl"))}
    raw = cases["host-smp-enginelibaio-bs4k-iodepth32-batch32-shares10240"]
    brief = Options(duration="20ms", warmup="205ms")  # they begin in it

    def threads(scenario: Scenario) -> set[str]:
        return {task["comm"] for task in simulate(scenario)["tasks"]}

    case = Scenario.from_case(raw, options=brief)
    assert threads(case) >= {"perf_stat", "perf_sleep", "fio_main"}
    assert threads(case.with_sets(options=Options(seed="2"))) >= {"perf_stat", "perf_sleep"}
    text = 'platform = "vm-2cpu-6.18"\n[program.x]\nkind = "hog"\n'
    assert not threads(Scenario.from_toml(text, options=brief)) & {"perf_stat", "perf_sleep"}
    other = Options(duration="20ms", warmup="205ms", machine=str(ROOT / "scenarios/platforms/server.toml"))
    assert not threads(Scenario.from_case(raw, options=other)) & {"perf_stat", "fio_main"}
    lone = Options(duration="20ms", warmup="205ms", sets=("machine.cpus=1", "block.irq_cpus=[0]"))
    assert not threads(Scenario.from_case(raw, options=lone)) & {"perf_stat", "perf_sleep"}
    pinned = read_cases(str(TRUTH / "host.jsonl"))[0].raw
    assert not threads(Scenario.from_case(pinned, options=brief)) & {"perf_stat", "fio_main", "kcompactd0"}
