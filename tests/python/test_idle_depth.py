# SPDX-License-Identifier: GPL-2.0-or-later
"""machine.deep_idle_*, machine.cold_move_ns: what waking a sleeping CPU and moving a task cost beside the switch."""

from __future__ import annotations

import pytest

from wakepath.errors import InputError
from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Options, Scenario

TEXT = """
platform = "server"
[machine]
cpus = 4
[kernel]
version = "6.12"
hz = 250
[workload.fio]
cpus_allowed = "1"
iodepth = 1
[device]
service_ns = "100us"
"""
# Clients that write 4 KiB and fsync, all the time, on two sockets.
SYNCING = """
platform = "server"
[machine]
cpus = 48
topology.threads_per_core = 2
topology.packages = 2
topology.nodes = 2
[kernel]
version = "5.4"
[block]
hw_queues = 48
[device]
servers = 2
service_ns = { low = 60000, high = 100000, source = "any" }
[fs]
written = false
[workload.dbench]
ioengine = "psync"
rw = "write"
size = "4g"
bs = "4k"
direct = 0
fsync = 1
[costs]
fio_prep_io = { ns = 15000, source = "any" }
idle_wake_latency = { ns = 12000, source = "any" }
"""
DEEP = 'machine.deep_idle_wake_ns="50us"'


def of(*sets: str) -> Result:
    return run(Scenario.from_toml(TEXT, options=Options(sets=sets, duration="200ms", warmup="10ms")))


def io_ns(*sets: str) -> float:
    return 1e9 / float(of(*sets).data["io"]["iops"])


def test_a_cpu_that_idled_long_enough_wakes_later() -> None:
    """fio's CPU sleeps 100 us for each I/O, until the interrupt."""
    assert io_ns('machine.deep_idle_after_ns="60us"', DEEP) == pytest.approx(io_ns() + 50_000, abs=500)
    assert io_ns('machine.deep_idle_after_ns="150us"', DEEP) == io_ns()


def test_deep_idle_without_a_latency_is_refused() -> None:
    with pytest.raises(InputError, match="is no deeper"):
        of('machine.deep_idle_after_ns="60us"')


def test_a_move_costs_what_is_done_first_on_the_other_cpu() -> None:
    """Woken by the worker on its CPU, fio goes to an idle one at each I/O: one move, one cost."""
    away = ('workload.fio.cpus_allowed="0-3"', "kernel.switches.stack_wakee_on_kthread=false")
    assert io_ns(*away, 'machine.cold_move_ns="30us"') == pytest.approx(io_ns(*away) + 30_000, abs=500)
    assert io_ns('machine.cold_move_ns="30us"') == io_ns()


def test_a_task_pulled_away_leaves_its_interrupt_behind() -> None:
    """A CPU about to idle pulls a task just put on another: that one has to look at what was queued behind it.

    The wakeup's interrupt once went after the task; eight clients then stood still within 200 ms.
    """
    sets = ("workload.dbench.numjobs=8", 'machine.cold_move_ns="115us"')
    options = Options(sets=sets, duration="200ms", warmup="200ms")
    assert run(Scenario.from_toml(SYNCING, options=options)).data["io"]["iops"] > 10_000
