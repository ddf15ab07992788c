# SPDX-License-Identifier: GPL-2.0-or-later
"""Sweeps on a real cluster of separate processes: the same rows as here, also when a worker is killed mid-way."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import wakepath as wp
from wakepath import InputError
from wakepath.sweeps import digest

pytestmark = [
    pytest.mark.xdist_group("dask"),
    pytest.mark.filterwarnings("ignore"),  # sockets of killed workers are closed late, and the cluster says so
]
SHORT = ("run.duration=50ms", "run.warmup=10ms")
VARY = {"cgroup.kubepods.cpu.weight": [100, 300, 1000, 3000], "workload.fio.iodepth": [8, 32, 64, 128]}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as found:
            yield found


def test_a_killed_worker_loses_no_row(cluster: Any, tmp_path: Path) -> None:
    expected = wp.sweep("starved_completions", VARY, set=SHORT, seeds=3)
    with cluster.get_client() as client:
        pids = list(client.run(os.getpid).values())
        assert len({os.getpid(), *pids}) == 3
        killed = threading.Event()

        def on_row(row: dict[str, Any]) -> None:
            if not killed.is_set() and row["status"] == "finished":
                killed.set()
                os.kill(pids[0], signal.SIGKILL)

        whole = wp.sweep(
            "starved_completions", VARY, set=SHORT, seeds=3, client=client, out=str(tmp_path / "s"), on_row=on_row
        )
    assert killed.is_set()
    assert whole.status == "finished"
    assert not whole.failed
    assert digest(whole) == digest(expected)
    assert digest(wp.Sweep.load(str(tmp_path / "s"))) == digest(expected)


def test_by_address(cluster: Any) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and len(cluster.scheduler.workers) < 2:
        time.sleep(0.1)  # the nanny starts another worker in the place of the killed one
    vary = {"workload.fio.iodepth": [8, 32]}
    whole = wp.sweep("starved_completions", vary, set=SHORT, dask=cluster.scheduler_address)
    assert digest(whole) == digest(wp.sweep("starved_completions", vary, set=SHORT))
    with pytest.raises(InputError, match="both"):
        wp.sweep("starved_completions", vary, set=SHORT, dask="tcp://x", client=object())
