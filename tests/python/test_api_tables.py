# SPDX-License-Identifier: GPL-2.0-or-later
"""Records as columns without copies, xarray with units, the table of truth cases."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wakepath as wp
from wakepath import InputError, Trace
from wakepath.quantities import units_of
from wakepath.truth import read_cases

NAME = "starved_completions/qemu-6.1"
SHORT = ["run.duration=20ms", "run.warmup=5ms"]


@pytest.fixture(scope="module")
def result() -> wp.Result:
    return wp.run(wp.Scenario.load(NAME, set=SHORT), trace=True)


def test_columns_are_views_that_keep_their_memory(result: wp.Result) -> None:
    pid = result.trace["sched_switch"]["next_pid"]
    assert pid.base is not None
    assert not pid.flags.owndata
    assert not pid.flags.writeable
    again = result.trace["sched_switch"]["next_pid"]
    assert again.ctypes.data == pid.ctypes.data
    kept = wp.run(wp.Scenario.load(NAME, set=SHORT), trace=True).trace["sched_switch"]["ts_ns"]
    gc.collect()
    assert np.all(np.diff(kept) >= 0)


def test_records_are_those_of_the_file(result: wp.Result, tmp_path: Path) -> None:
    file = tmp_path / "run.txt"
    both = wp.run(wp.Scenario.load(NAME, set=SHORT), trace=str(file))
    assert not both.has_trace
    with pytest.raises(InputError, match="trace=True"):
        _ = both.trace
    read = Trace.read(str(file))
    assert {k: v.size for k, v in read.items()} == {k: v.size for k, v in result.trace.items()}
    ours, theirs = (t["sched_switch"].to_pandas() for t in (result.trace, read))
    for field in ("ts_ns", "prev_comm", "prev_state", "next_pid", "cpu", "index"):
        assert ours[field].astype(str).tolist() == theirs[field].astype(str).tolist(), field
    frame = result.trace.to_pandas()
    assert len(frame) == result.trace.size
    assert frame["ts_ns"].is_monotonic_increasing
    switches = (frame["type"] == "sched_switch").sum()
    assert switches == result.trace["sched_switch"].size
    per_s = result.totals["context_switches_per_s"]
    assert switches / 0.020 == pytest.approx(per_s, rel=0.01)


def test_a_result_with_its_trace_pickles(result: wp.Result) -> None:
    twin = pickle.loads(pickle.dumps(result))
    assert twin.data == result.data
    assert twin.trace.to_pandas("block_rq_complete").equals(result.trace.to_pandas("block_rq_complete"))


def test_wrong_names_say_what_is_near(result: wp.Result) -> None:
    with pytest.raises(InputError, match="sched_switch"):
        _ = result.trace["sched_swich"]
    assert "sched_swich" not in result.trace
    assert "next_pidd" not in result.trace["sched_switch"]
    with pytest.raises(InputError, match="next_pid"):
        _ = result.trace["sched_switch"]["next_pidd"]


def test_xarray_carries_units_and_what_was_fixed(result: wp.Result) -> None:
    whole = wp.sweep(
        NAME, {"cgroup.kubepods.cpu.weight": [100, 1000], "kernel.version": "v6.1,v6.12"}, set=SHORT, seeds=2
    )
    data = whole.to_xarray()
    assert dict(data.sizes) == {"cgroup.kubepods.cpu.weight": 2, "kernel.version": 2, "seed": 2}
    assert data["io.iops"].attrs["units"] == "1/s"
    assert data["io.clat_ns.p99"].attrs == {
        **data["io.clat_ns.p99"].attrs,
        "units": "ns",
        "long_name": "completion latency, p99",
    }
    assert data.attrs["workload.fio.iodepth"] == 128
    assert "cgroup.kubepods.cpu.weight" not in data.attrs
    assert all("units" in data[name].attrs and "long_name" in data[name].attrs for name in data.coords)
    one = whole.to_pandas().query("seed == 2")
    cell = data["io.iops"].sel({"cgroup.kubepods.cpu.weight": 1000, "kernel.version": "v6.12", "seed": 2}).item()
    assert (
        cell == one[(one["cgroup.kubepods.cpu.weight"] == 1000) & (one["kernel.version"] == "v6.12")]["io.iops"].item()
    )
    single = result.to_xarray()
    assert single["io.iops"].item() == result.io["iops"]
    assert single.attrs["kernel.version"] == result.made_by["kernel"]["requested"] or "kernel.version" in single.attrs


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("io.iops", "1/s"),
        ("io.clat_ns.p99", "ns"),
        ("groups.fio.cpu_ns_per_s", "ns/s"),
        ("totals.context_switches_per_s", "1/s"),
        ("cpus[0].busy", "1"),
        ("engine.events", "1"),
    ],
)
def test_units(name: str, unit: str) -> None:
    assert units_of(name) == unit


def test_truth_is_one_tidy_table() -> None:
    frame = wp.truth()
    assert not frame.duplicated(["id", "metric"]).any()
    files = Path(__file__).resolve().parents[1] / "truth"
    cases = {
        case.id: case for file in files.glob("*.jsonl") if file.stem != "iowq-host" for case in read_cases(str(file))
    }
    assert len(cases) == 515  # 388 of figures of I/O and of the scheduler, 127 of ublk
    assert set(frame["id"]) <= set(cases)
    lacking = set(cases) - set(frame["id"])
    assert all(name.startswith("qemu-U-") for name in lacking)  # ublk: docs/moved.md says so
    for row in frame[frame["failure"] == ""].itertuples():
        assert row.role == cases[row.id].role
        assert row.measured == pytest.approx(cases[row.id].measured[row.metric], rel=1e-5)
    failed = frame[frame["failure"] != ""]
    assert failed["id"].nunique() == 0
    whole = frame[(frame["failure"] == "") & (frame["metric"] == "iops")]
    assert whole["predicted"].notna().all()
    assert frame["costs"].notna().all()
    predicted = frame[(frame["role"] == "predict") & (frame["metric"] == "iops") & (frame["platform"] == "qemu-icount")]
    assert len(predicted) > 100
    error = ((predicted["predicted"] - predicted["measured"]) / predicted["measured"]).abs().mean()
    naive = ((predicted["nothing_changes"] - predicted["measured"]) / predicted["measured"]).abs().mean()
    assert error < naive
    assert frame.attrs["version"] == wp.__version__


def test_truth_of_a_file_is_predicted_now(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    lines = (root / "tests" / "truth" / "qemu.jsonl").read_text().splitlines()[:2]
    few = tmp_path / "few.jsonl"
    few.write_text("\n".join(lines) + "\n")
    frame = wp.truth(str(few), calibrate=False, duration="20ms")
    assert frame["id"].nunique() == 2
    assert frame["predicted"].notna().any()


def test_numbers_of_numpy_are_numbers() -> None:
    """What a loop over an array or a column gives."""
    scenario = wp.Scenario.load("starved_completions")
    scenario.cgroup.kubepods.cpu.weight = np.int64(5)
    scenario["workload.fio.iodepth"] = pd.Series([7])[0]
    scenario["workload.fio.cpus_allowed"] = [np.int32(3)]
    assert scenario.cgroup.kubepods.cpu.weight == 5
    assert scenario["workload.fio.iodepth"] == 7
    assert scenario["workload.fio.cpus_allowed"] == [3]
    with pytest.raises(InputError, match="must be an integer"):
        scenario.cgroup.kubepods.cpu.weight = np.float64(5.5)
    assert wp.run("starved_completions", duration="2ms", warmup="1ms", seed=np.int64(3)).made_by["seed"] == 3
    runs = wp.sweep(
        "starved_completions",
        {"workload.fio.iodepth": [np.int64(1)]},
        set=["run.duration=2ms", "run.warmup=1ms"],
        seeds=np.arange(2, 4),
    )
    assert runs.to_pandas()["seed"].tolist() == [2, 3]


def test_a_scenario_says_what_it_has() -> None:
    scenario = wp.Scenario.load("starved_completions")
    assert "workload.fio.iodepth" in scenario
    assert "workload.fio.iodepht" not in scenario
    assert {"kernel", "workload"} <= set(scenario)


def test_a_cycle_is_in_its_table() -> None:
    row = wp.run("starved_completions", duration="20ms", warmup="5ms").pingpong.to_pandas().iloc[0]
    assert row["cycle"] == "kworker/11:1 -> fio"


def test_modules_come_in_when_they_are_asked_for() -> None:
    code = "import sys, wakepath; assert 'wakepath.plot' not in sys.modules; print(wakepath.plot, wakepath.kubernetes)"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    with pytest.raises(AttributeError, match="no attribute 'plott'"):
        wp.plott  # noqa: B018
