# SPDX-License-Identifier: GPL-2.0-or-later
"""A loop device (drivers/block/loop.c): a worker of an unbound workqueue does its requests, on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wakepath import _core
from wakepath.errors import InputError
from wakepath.replay import replay
from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Options, Scenario

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
SERVICE_NS = 8_000
# The worker is unbound: which of the two CPUs it is on after a tick hangs on the seed and on a microsecond there.
STAYS = "costs.file_update_time=0ns"

LOOP = f"""
title = "ext4 on a loop device"
costs = "server-3ghz"
[machine]
cpus = 2
[kernel]
version = "6.12"
hz = 250
[block]
name = "loop0"
driver = "loop"
hw_queues = 1
queue_depth = 128
rq_affinity = 2
[device]
service_ns = {SERVICE_NS}
bytes_per_s = 1_000_000_000
[fs]
type = "ext4"
[workload.fio]
cpus_allowed = "1"
rw = "randwrite"
bs = "4k"
iodepth = 32
[run]
duration = "200ms"
warmup = "20ms"
"""


def loop(tmp_path: Path, *sets: str) -> Scenario:
    file = tmp_path / "loop.toml"
    file.write_text(LOOP)
    return Scenario.load(str(file), options=Options(sets=sets))


def unbound_ns(result: Result) -> float:
    return sum(float(t["cpu_ns_per_s"]) for t in result.tasks if t["comm"].startswith("kworker/u"))


def test_the_worker_takes_a_cpu_for_each_request(tmp_path: Path) -> None:
    result = run(loop(tmp_path))
    per_request = unbound_ns(result) / result.io["iops"]
    assert SERVICE_NS <= per_request <= 1.3 * SERVICE_NS
    assert result.io["iops"] == pytest.approx(1e9 / per_request, rel=0.02)  # the worker is what limits it
    cpus = result.data["cpus"]
    assert cpus[0]["busy"] > 0.95  # it is on the CPU that fio leaves free


def test_more_data_takes_longer(tmp_path: Path) -> None:
    small, large = (run(loop(tmp_path, f'workload.fio.bs="{size}"')) for size in ("4k", "64k"))
    longer = 1e9 / large.io["iops"] - 1e9 / small.io["iops"]
    assert longer == pytest.approx(60 * 1024, rel=0.05)  # 60 KiB more at 1 GB/s


def test_its_cpu_is_taken_from_who_is_there(tmp_path: Path) -> None:
    """A program on the CPU that fio leaves free takes the worker's time; a device without a worker loses nothing."""
    hog = ('program.hog.kind="hog"', "program.hog.cpu=0")
    server = ('block.driver="nvme"', 'device.law="serial"')
    for device, slower in (((), True), (server, False)):
        alone, beside = run(loop(tmp_path, *device)), run(loop(tmp_path, *device, *hog))
        assert (beside.io["iops"] < 0.8 * alone.io["iops"]) is slower
        assert (beside.io["iops"] == pytest.approx(alone.io["iops"], rel=0.03)) is not slower


@pytest.mark.parametrize(("affinity", "on"), [(2, 1), (0, 0)])
def test_requests_end_where_rq_affinity_says(tmp_path: Path, affinity: int, on: int) -> None:
    trace = tmp_path / "trace.txt"
    run(loop(tmp_path, f"block.rq_affinity={affinity}", STAYS), trace=str(trace))
    programs = json.loads(_core.profile(str(trace)))["programs"]
    where = {int(cpu): n for cpu, n in programs["completed_on"].items()}
    assert where.get(on, 0) > 0.95 * sum(where.values())
    assert programs["completed_in_softirq"] == programs["completed"]  # no interrupt of its own


def test_a_replay_finds_the_worker_again(tmp_path: Path) -> None:
    """Of simulated recordings: what a request takes of the worker; the mean rate (142,000 to 172,000 by seed)."""
    rates = []
    for seed in (1, 2, 3):
        trace = tmp_path / f"trace{seed}.txt"
        sets = ("device.service_ns=3000", "block.rq_affinity=1", f"run.seed={seed}")
        made = run(loop(tmp_path, *sets), trace=str(trace))
        setting = {"kernel": "6.12", "cpus": 2, "hz": 250}
        Path(f"{trace}.setting.json").write_text(json.dumps(setting))
        found = replay(str(trace), machine=str(SCENARIOS / "platforms" / "server.toml"), kernel="6.12")
        assert found.how["device"] is None
        assert found.how["loop_worker_ns"] == pytest.approx(3000, rel=0.1)
        rates.append((found.unchanged.io["iops"], made.io["iops"]))
    again, before = (sum(rate) for rate in zip(*rates, strict=True))
    assert again == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("block.hw_queues=2", "a loop device has one hardware queue"),
        ("block.poll_queues=1", "a loop device has one hardware queue"),
        ("device.iops_cap=1000", "no law but what its worker takes"),
        ("block.ring_requests=64", "a loop device has no ring"),
    ],
)
def test_what_a_loop_device_cannot_have(tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        loop(tmp_path, key).describe()
