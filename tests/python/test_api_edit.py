# SPDX-License-Identifier: GPL-2.0-or-later
"""A scenario's keys as attributes and by path, what two scenarios differ in, wrong input with the command's text."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wakepath as wp
from wakepath import InputError, Scenario, extras
from wakepath.keys import parts_of
from wakepath.progress import Bar, duration

NAME = "starved_completions/qemu-6.1"


def test_read_and_write_as_attributes_and_by_path() -> None:
    s = Scenario.load(NAME)
    assert s.workload.fio.iodepth == s["workload.fio.iodepth"] == 128
    s.workload.fio.iodepth = 32
    s["cgroup.kubepods.cpu.weight"] = 100
    s.kernel.hz = 1000
    s.kernel.switches.dio_write_complete_inline = True
    s.workload.fio.cpus_allowed = [0]
    assert s == Scenario.load(
        NAME,
        set=[
            "workload.fio.iodepth=32",
            "cgroup.kubepods.cpu.weight=100",
            "kernel.hz=1000",
            "kernel.switches.dio_write_complete_inline=true",
        ],
    )
    assert s.cgroup.kubepods.cpu.weight == 100
    assert s.cgroup["kubepods"].cpu["weight"] == 100
    assert set(s.workload) == {"fio"}
    assert "iodepth = 32" in s.to_toml()


def test_a_copy_and_a_pickle_stand_alone() -> None:
    s = Scenario.load(NAME)
    twin, carried = s.copy(), pickle.loads(pickle.dumps(s))
    s.workload.fio.nice = 5
    assert twin == carried != s
    assert s.diff(twin) == {"workload.fio.nice": (5, 0)}


def test_diff_tells_two_scenarios_apart() -> None:
    found = Scenario.load("starved_completions").diff(Scenario.load("starved_completions/renice"))
    assert found["task.kworker.nice"] == (None, -10)
    assert all(key.startswith("task.kworker.") for key in found)
    assert "task.kworker.nice" in found.to_pandas()["key"].tolist()
    assert "task.kworker.nice" in found._repr_html_()
    assert Scenario.load(NAME).diff(Scenario.load(NAME)) == {}


def test_a_key_that_may_be_given_and_is_not_is_none() -> None:
    s = Scenario.load(NAME)
    assert s["kernel.switches.eevdf"] is None
    assert not hasattr(s.workload.fio, "iodepht")
    assert hasattr(s, "workload")
    assert not hasattr(s, "wrkload")


WRONG: list[tuple[str, str, Any]] = [
    ("workload.fio.iodepht", "workload.fio.iodepht=3", 3),
    ("workload.fio.iodepth", "workload.fio.iodepth=-3", -3),
    ("kernel.version", "kernel.version=v9.9", "v9.9"),
    ("run.duration", "run.duration=5", 5),
    ("cgroup.kubepods.cpu.weight", "cgroup.kubepods.cpu.weight=0", 0),
    ("device.latency_ns", "device.latency_ns=fast", "fast"),
]


@pytest.mark.parametrize(("key", "line", "value"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong_input_is_one_exception_with_the_text_of_the_command_line(
    wakepath: Callable[..., Any], key: str, line: str, value: Any
) -> None:
    s = Scenario.load(NAME)
    before = s.to_toml()
    with pytest.raises(InputError) as by_path:
        s[key] = value
    with pytest.raises(InputError) as by_set:
        Scenario.load(NAME, set=[line])
    said = wakepath("run", NAME, "--set", line)
    assert said.status == 2
    assert said.err == f"wakepath: {by_set.value}\n"
    assert by_path.value.message == by_set.value.message
    assert by_path.value.suggestion == by_set.value.suggestion
    assert s.to_toml() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda: Scenario.load("no/such/file.toml"),
        lambda: Scenario.from_fio("fio --name=w --ioengin=libaio"),
        lambda: Scenario.from_toml("[kernel]\nversion = 6.1\n"),
        lambda: wp.run(NAME, duration="5"),
        lambda: wp.sweep(NAME, {"workload.fio.iodepht": [1]}),
        lambda: wp.sweep(NAME, {}),
        lambda: wp.validate("no/such/file.jsonl"),
        lambda: wp.validate(),
        lambda: wp.calibrate("no/such/file.jsonl"),
        lambda: wp.analyze("no/such/trace"),
        lambda: wp.verify("no/such/trace", kernel="6.1"),
        lambda: wp.explain("no.such.key"),
        lambda: wp.kernels("v99"),
        lambda: wp.Trace.read("no/such/trace"),
        lambda: wp.truth("no/such/file.jsonl"),
        lambda: parts_of("a..b"),
        lambda: Scenario.load(NAME).__setitem__("workload.fio.iodepth", object()),
    ],
)
def test_every_wrong_input_is_input_error(call: Callable[[], Any]) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_functions_of_the_commands() -> None:
    assert "starved_completions" in wp.scenarios()
    assert "6.12" in set(wp.kernels()["version"])
    assert {"name", "value", "doc", "grade", "source"} <= set(wp.kernels("6.12").columns)
    assert "iodepth" in wp.explain("workload.fio.iodepth")
    assert "per second" in wp.explain("io.iops")


def test_reprs_for_notebooks() -> None:
    s = Scenario.load(NAME)
    result = wp.run(s, duration="10ms", warmup="5ms", control=True)
    whole = wp.sweep(s, {"workload.fio.iodepth": [4, 8]}, set=["run.duration=10ms", "run.warmup=5ms"])
    for thing in (s, result, result.tasks, whole):
        text = thing._repr_html_()
        assert text.count("<table>") == text.count("</table>") >= 1
        assert "<script" not in text
    assert "in the group" in result._repr_html_()


def test_ctrl_c_ends_a_run_and_a_sweep_and_keeps_what_was_computed(tmp_path: Path) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")

    once = threading.Event()

    def interrupt(_: object) -> None:
        if not once.is_set():
            once.set()
            os.kill(os.getpid(), signal.SIGINT)

    result = wp.run("starved_completions", duration="600s", warmup="1ms", progress=interrupt)
    assert result.status == "stopped"
    assert result.io["completed"] > 0
    once.clear()
    whole = wp.sweep(
        "starved_completions",
        {"workload.fio.iodepth": list(range(1, 129))},
        set=["run.duration=100ms"],
        jobs=2,
        out=str(tmp_path / "s"),
        on_row=interrupt,
    )
    assert whole.status == "stopped"
    assert 0 < len(whole) < 128
    assert {row["status"] for row in whole.rows} == {"finished"}
    assert len(wp.Sweep.load(str(tmp_path / "s"))) == len(whole)


def test_the_bar_says_rate_and_time_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr("wakepath.progress.time.monotonic", lambda: next(clock))
    bar = Bar("sweeping", show=True, total=400)
    bar(0.25)  # a resumed sweep: these were there already
    bar(0.5)
    bar.close()
    said = capsys.readouterr().err
    assert "100/400" in said
    assert "200/400  5/s  40 s left" in said
    assert duration(3700) == "1 h 1 min"


def test_an_optional_package_is_installed_in_a_checkout_and_named_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(extras, "_install", lambda: calls.append("pip"))
    monkeypatch.setattr(extras, "_is_own_venv", lambda: True)
    assert extras.need("json", "tune").__name__ == "json"
    assert calls == []
    for own in (True, False):
        monkeypatch.setattr(extras, "_is_own_venv", lambda own=own: own)
        with pytest.raises(InputError, match=r"no_such_package.*pip install 'wakepath\[tune\]'"):
            extras.need("no_such_package.part", "tune")
    assert calls == ["pip"]
    pinned = extras.LIST.read_text(encoding="utf-8").lower()
    for name in ("optuna", "salib", "plotly", "matplotlib", "pyarrow", "xarray", "distributed"):
        assert f"\n{name}==" in pinned
