# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python API: scenarios, runs, results as tables, errors; runs in threads do not meet."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import wakepath
from wakepath import InputError, Scenario
from wakepath.result import Result
from wakepath.validity import outside_envelope, validity_of

NAME = "starved_completions/qemu-6.1"


@pytest.fixture(scope="module")
def result() -> Result:
    return wakepath.run(Scenario.load(NAME), duration="20ms", warmup="5ms", seed=3, control=True)


def test_run_and_tables(result: Result) -> None:
    assert result.status == "finished"
    assert result.io["iops"] > 0
    row = result.to_pandas()
    assert len(row) == 1
    assert row["io.iops"][0] == result.io["iops"]
    assert row["made_by.seed"][0] == 3
    assert "fio" in set(result.tasks.to_pandas()["comm"])
    assert list(result.cpus.to_pandas()["id"]) == [0]
    assert {"switches_per_s", "cause"} <= set(result.pingpong.to_pandas().columns)
    assert result.io.to_pandas()["clat_ns.p99"][0] > 0
    assert result.control is not None
    assert result.control.io["iops"] > result.io["iops"]


def test_save_and_load(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    result.save(str(path))
    assert Result.load(str(path)).data == result.data
    assert Scenario.load(path) == Scenario.from_toml(result.made_by["scenario"])


def test_threads_give_the_same_bytes() -> None:
    scenario = Scenario.load(NAME)

    def one(_: int) -> str:
        return wakepath.run(scenario, duration="10ms").to_json(deterministic=True)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(one, range(8)))) == 1


def test_seed_and_sets_make_new_scenarios() -> None:
    scenario = Scenario.load(NAME)
    changed = scenario.with_sets("workload.fio.iodepth=4")
    assert changed != scenario
    assert changed.describe()["workloads"][0]["iodepth"] == 4
    assert scenario.describe()["workloads"][0]["iodepth"] == 128


def test_from_fio_and_pickle() -> None:
    scenario = Scenario.from_fio("fio --name=w --ioengine=libaio --direct=1 --rw=randwrite --iodepth=2 --size=1g")
    assert pickle.loads(pickle.dumps(scenario)) == scenario


def test_errors_have_a_place_and_pickle(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[kernel]\nversion = "v6.1"\nhzz = 3\n', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Scenario.load(path)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.line == 3
    assert error.file.endswith("bad.toml")
    assert "hz" in error.suggestion
    assert str(error) == str(caught.value)


def test_progress_can_stop_a_run_and_its_errors_come_out() -> None:
    scenario = Scenario.load(NAME)
    assert wakepath.run(scenario, duration="600s", progress=lambda share: False).status == "stopped"

    def broken(share: float) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wakepath.run(scenario, duration="600s", progress=broken)


def test_validity_says_in_which_respect_a_setting_is_new() -> None:
    base = {
        "kernel": "6.1", "preempt": "voluntary", "engine": "libaio", "rw": "randwrite", "depth": 8, "min_nr": 1,
        "weight": 1000, "law": "serial", "jobs": 1, "numjobs": 1, "pinned": True,
    }  # fmt: skip
    cases = [{"features": base}, {"features": {**base, "depth": 128, "weight": 100}}]
    assert outside_envelope({**base, "depth": 32}, cases, []) == []
    assert outside_envelope({**base, "depth": 256, "kernel": "6.6"}, cases, ["eevdf=true"]) == [
        "kernel 6.6",
        "depth 256",
        "kernel.switches.eevdf=true",
    ]
    assert outside_envelope(base, [], []) == ["no checked cases ship with this version"]


@pytest.mark.parametrize(
    ("sets", "beyond"),
    [
        ([], []),
        (["task.kworker.nice=-10", "kernel.sched.wakeup_granularity_ns=2000000"], []),
        (["kernel.sched.wakeup_granularity_ns=20000000"], ["kernel.sched.wakeup_granularity_ns 20000000"]),
        (['cgroup.kubepods.cpu.max="20000 100000"'], ["cgroup.cpu.max 20000 100000"]),
        (["fs.type=ext4", "workload.fio.bs=64k"], ["fs.type ext4", "workload.bs 65536"]),
        (["task.fio.nice=-10"], ["task.fio.nice -10"]),
        (["event.e.at=1s", "event.e.set=task.fio.nice=5"], ["event.set task.fio.nice=5"]),
        (["kernel.hz=1000", "block.rq_affinity=0"], ["kernel.hz 1000", "block.rq_affinity 0"]),
    ],
)
def test_only_what_was_checked_is_called_so(sets: list[str], beyond: list[str]) -> None:
    scenario = Scenario.load("starved_completions", set=sets)
    assert validity_of(scenario.describe(), scenario.to_toml())["outside_by"] == beyond
