# SPDX-License-Identifier: GPL-2.0-or-later
"""machine.steal_every_ns: what the host of a virtual machine takes of a CPU."""

from __future__ import annotations

import pytest

from wakepath.errors import InputError
from wakepath.recorder.base import steal_of
from wakepath.recorder.urtrace import Cost, Probes
from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Options, Scenario

TEXT = """
platform = "server"
[machine]
cpus = 1
[kernel]
version = "6.12"
hz = 250
[program.worker]
kind = "per"
run = "400us"
period = "1ms"
"""
TAKEN = ('machine.steal_every_ns="100us"', 'machine.steal_ns="10us"')


def of(*sets: str, duration: str = "2s") -> Result:
    return run(Scenario.from_toml(TEXT, options=Options(sets=sets, duration=duration, warmup="10ms")))


def cpu_ns(result: Result) -> float:
    return float(result.data["groups"]["worker"]["cpu_ns_per_s"])


def test_whoever_is_on_the_cpu_takes_longer_and_is_charged() -> None:
    """A stretch of 10 us comes 10,000 times a second: 1.1 times as long where it falls in, 1.11 with its own."""
    assert cpu_ns(of(*TAKEN)) / cpu_ns(of()) == pytest.approx(1.1, abs=0.03)


def test_an_idle_cpu_loses_nothing() -> None:
    """The program's work and its period are the same: what the host takes of the idle rest is nobody's."""
    plain, taken = of(), of(*TAKEN)
    idle = [1 - r.data["cpus"][0]["busy"] for r in (plain, taken)]
    extra = (cpu_ns(taken) - cpu_ns(plain)) / 1e9
    assert idle[0] - idle[1] == pytest.approx(extra, abs=0.005)


def test_it_is_drawn_from_the_seed() -> None:
    one, same = of(*TAKEN, duration="100ms"), of(*TAKEN, duration="100ms")
    other = of(*TAKEN, "run.seed=2", duration="100ms")
    assert cpu_ns(one) == cpu_ns(same) != cpu_ns(other)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (TAKEN[:1], "without machine.steal_ns takes nothing"),
        (('machine.steal_every_ns="10us"', 'machine.steal_ns="10us"'), "take more than there is"),
        ((*TAKEN, "machine.shared_clock=true"), "take turns"),
    ],
)
def test_what_a_host_cannot_take(sets: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        of(*sets, duration="1ms")


def gaps(seen: int, quantiles: tuple[int, ...]) -> Probes:
    probes = Probes()
    probes.costs["gap"] = Cost("gap", seen, float(quantiles[8]), (), quantiles)
    probes.counts["gap_window_us"] = (1_000_000, seen)
    return probes


FACTS = {"cpu": {"virtual": True}, "kernel": {"hz": 250}}


def test_the_guests_own_ticks_are_no_steal() -> None:
    """1,250 gaps a second, 250 of them ticks, the shortest: 1,000 are the host's, and not the short ones."""
    found = steal_of(FACTS, gaps(1250, tuple(range(1000, 18000, 1000))))
    assert found["steal_every_ns"] == 1_000_000
    lengths = found["steal_ns"]["quantiles"]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (4200, 17000)  # a fifth of the way from 1,000 to 17,000


def test_without_a_host_or_without_gaps_there_is_none() -> None:
    some = gaps(1250, tuple(range(1000, 18000, 1000)))
    assert steal_of({**FACTS, "cpu": {"virtual": False}}, some) == {}
    assert steal_of(FACTS, gaps(255, tuple(range(1000, 18000, 1000)))) == {}
    assert steal_of(FACTS, None) == {}
