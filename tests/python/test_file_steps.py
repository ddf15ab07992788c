# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of steps that use files (create, touch, write, fsync), and the clock that stretches what they run."""

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
version = "6.1"
[device]
service_ns = "100us"
[program.client]
kind = "steps"
cpu = 1
turns = [{turns}]
"""


def of(*turns: str, sets: tuple[str, ...] = (), duration: str = "200ms") -> Result:
    text = TEXT.replace("{turns}", ", ".join(f'"{turn}"' for turn in turns))
    return run(Scenario.from_toml(text, options=Options(sets=sets, duration=duration, warmup="10ms")))


def pass_ns(result: Result) -> float:
    return float(result.data["programs"]["client"]["pass_ns"])


def per_pass(result: Result, what: str) -> float:
    """Of a rate of the page cache; a pass may be cut by the window's ends."""
    return float(result.data["page_cache"][what]) * pass_ns(result) / 1e9


def test_a_pass_takes_what_its_steps_take() -> None:
    assert pass_ns(of("run 300us", "sleep 700us")) == pytest.approx(1_000_000, rel=0.06)  # with the timer's slack
    slow = ("program.client.run_percent=200",)
    assert pass_ns(of("run 300us", sets=slow)) == pytest.approx(2 * pass_ns(of("run 300us")), rel=0.01)


def test_fsync_of_a_new_file_allocates_and_logs_and_of_a_written_one_waits_for_its_data() -> None:
    """The inode's times change once a tick, so that many of the second kind have nothing to log."""
    new = of("run 100us", "create f", "write f 0 8192", "fsync f")
    assert per_pass(new, "conversion_items_per_s") == pytest.approx(1, abs=0.05)
    assert per_pass(new, "journal_commits_per_s") == pytest.approx(1, abs=0.05)
    assert per_pass(new, "written_pages_per_s") == pytest.approx(2, abs=0.1)
    old = of("run 100us", "write f 0 8192", "fsync f")
    assert per_pass(old, "conversion_items_per_s") < 0.05
    assert per_pass(old, "journal_commits_per_s") < 0.2
    touched = of("run 100us", "touch f", "write f 0 8192", "fsync f")
    assert per_pass(touched, "journal_commits_per_s") == pytest.approx(1, abs=0.05)
    assert pass_ns(new) > pass_ns(touched) + 1_000 > pass_ns(old) + 90_000


def test_what_is_not_synced_ends_with_its_file() -> None:
    """The accounting of pages is checked at the end of each run."""
    assert of("run 100us", "create f", "write f 0 65536").data["page_cache"]["written_pages_per_s"] == 0


def test_a_cpu_that_is_little_used_has_a_low_clock() -> None:
    """Busy a fifth of the time it is set to 5/4 of that, but not below the lowest."""
    turns = ("run 200us", "sleep 4ms")
    usual = pass_ns(of(*turns))
    assert pass_ns(of(*turns, sets=("machine.clock_min_percent=50",))) == pytest.approx(usual + 200_000, rel=0.02)
    busy = pass_ns(of("run 2ms", "sleep 100us", sets=("machine.clock_min_percent=50",)))
    assert busy == pytest.approx(pass_ns(of("run 2ms", "sleep 100us")), rel=0.01)


@pytest.mark.parametrize(
    ("turns", "sets", "words"),
    [
        (("run 1us", "fsync f"), ('fs.type="btrfs"',), "uses files"),
        (("run 1us", "write f 0"), (), "lacks something"),
        (("run 1us",), ("device.flush_alone=true",), "needs a write cache"),
    ],
)
def test_what_cannot_be_is_refused(turns: tuple[str, ...], sets: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        of(*turns, sets=sets)


def test_what_spins_looks_at_the_clock_and_what_runs_does_not() -> None:
    """Beside a hog on its CPU 80 ms of CPU time take 160: with 80 ms of sleep a turn is 240 ms, or 160 by the clock."""
    hog = ("program.hog.kind=hog", "program.hog.cpu=1")

    def turn_ms(step: str) -> float:
        result = of(f"{step} 80ms", "sleep 80ms", sets=hog, duration="4s")
        (client,) = (task for task in result.data["tasks"] if task["comm"] == "client")
        return 1e3 / float(client["wakeups_per_s"])

    assert turn_ms("spin") == pytest.approx(160, rel=0.07)
    assert turn_ms("run") == pytest.approx(240, rel=0.07)


@pytest.mark.parametrize("first", [0, 2])
def test_what_may_run_anywhere_is_forked_from_the_first_cpu(first: int) -> None:
    text = """
[machine]
cpus = 4
[kernel]
version = "6.1"
[program.free]
kind = "hog"
cpu = -1
[program.bound]
kind = "per"
run = "10us"
period = "1ms"
cpu = 1
"""
    sets = (f"machine.first_cpu={first}",)
    result = run(Scenario.from_toml(text, options=Options(sets=sets, duration="100ms", warmup="10ms")))
    busy = [float(cpu["user"]) for cpu in result.data["cpus"]]
    assert busy.index(max(busy)) == first
    assert busy[1] == pytest.approx(0.01, rel=0.1)


def test_exec_looks_for_the_idlest_cpu() -> None:
    """What execs beside a hog runs on the other CPU; else it stays. (kernel/sched/core.c:sched_exec)"""
    text = """
[machine]
cpus = 2
[kernel]
version = "6.1"
[program.hog]
kind = "hog"
cpu = 0
[program.child]
kind = "steps"
turns = ["cpus 0", "cpus all", {exec}"run 500us", "sleep 1500us"]
"""
    options = Options(duration="200ms", warmup="10ms")

    def ran_on_the_other(what: str) -> float:
        """Of its CPU time."""
        result = run(Scenario.from_toml(text.replace("{exec}", what), options=options))
        (child,) = (task for task in result.data["tasks"] if task["comm"] == "child")
        return 1e9 * float(result.data["cpus"][1]["user"]) / float(child["cpu_ns_per_s"])

    assert ran_on_the_other('"exec", ') > 0.9
    assert ran_on_the_other("") < 0.1


def test_cpus_that_are_not_there_are_named() -> None:
    with pytest.raises(InputError, match=r"program\.client\.turns: there is no CPU 7"):
        of("run 1us", "cpus 2,7")
    of("run 1us", "cpus 2,7", sets=("program.client.min_cpus=8",))  # it is left out
    with pytest.raises(InputError, match="program client of policy fifo changes its CPUs"):
        of("run 1us", "cpus 2", sets=("program.client.policy=fifo", "program.client.rt_priority=1"))


def test_a_cpuset_holds_for_what_a_program_asks_for() -> None:
    """sched_setaffinity within a cpuset: what lies outside is left out (kernel/cgroup/cpuset.c)."""
    text = """
[machine]
cpus = 4
[kernel]
version = "6.1"
[cgroup.g]
cpuset.cpus = "2-3"
[program.client]
kind = "steps"
cgroup = "g"
turns = ["cpus all", "run 2ms", "cpus 0-2", "run 2ms"]
"""
    result = run(Scenario.from_toml(text, options=Options(duration="100ms", warmup="10ms")))
    busy = [cpu["busy"] for cpu in result.data["cpus"]]
    assert busy[2] + busy[3] == pytest.approx(1, abs=0.02)
    assert busy[0] + busy[1] < 0.01
