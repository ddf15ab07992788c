# SPDX-License-Identifier: GPL-2.0-or-later
"""Results with intervals: the same scenario with costs drawn from what is known of them.

A machine file of a recording carries draws (`[uncertainty]`): each is a set of factors on costs and device times that
explains the recording about as well as the best one, and the model's own error on the recorded windows.
Without it every
cost that is an estimate is drawn by half more or less, which is what an estimate is worth, and says so.

The seed differs from draw to draw, the draws do not from call to call: the same command gives the same interval.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, median
from typing import Any

from wakepath.calibrate import DEVICE_TIMES, NOT_FITTED, PRIOR, scaled
from wakepath.errors import InputError
from wakepath.parallel import map_runs
from wakepath.paths import read_text
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario

LEVEL = 0.90
# Which figures of a result the model's error on a figure of a truth case widens.
SAME_FIGURE = {
    "io.iops": "iops",
    "io.completed": "iops",
    "totals.context_switches_per_s": "context_switches_per_s",
    "groups.fio.cpu_ns_per_s": "fio_cpu_ns_per_s",
    "groups.kworker.cpu_ns_per_s": "kworker_cpu_ns_per_s",
    "totals.interrupts_per_s": "interrupts_per_s",
}
FIGURES = (
    *SAME_FIGURE,
    *("io.clat_ns.mean", "io.clat_ns.p50", "io.clat_ns.p99", "io.lat_ns.p50", "io.lat_ns.p99"),
    *("totals.migrations_per_s", "totals.wakeups_per_s"),
)


@dataclass
class Uncertainty:
    draws: dict[str, list[float]] = field(default_factory=dict)
    discrepancy: dict[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def count(self) -> int:
        return min((len(v) for v in self.draws.values()), default=0)


def read_uncertainty(machine: str) -> Uncertainty | None:
    """What a machine file says of itself; None where it says nothing."""
    try:
        table = tomllib.loads(read_text(machine)).get("uncertainty")
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not TOML: {error}", machine) from None
    if table is None:
        return None
    try:
        draws = {str(k): [float(f) for f in v] for k, v in table["draws"].items()}
        discrepancy = {str(k): float(v) for k, v in table.get("discrepancy", {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError("its [uncertainty] is damaged", machine, suggestion="wakepath calibrate again") from None
    return Uncertainty(draws, discrepancy, "draws of the machine file, and the model's error on the recorded windows")


def normal(i: int, n: int, shift: int) -> float:
    """The i-th of n evenly spread normal values; `shift` pairs those of different figures differently."""
    return NormalDist().inv_cdf(((i * (2 * shift + 1)) % n + 0.5) / n)


def of_estimates(describe: dict[str, Any], count: int) -> Uncertainty:
    """Without a recording: every estimate by half more or less, each cost by itself."""
    import numpy as np

    rng = np.random.default_rng(1)
    draws = {}
    for name, entry in describe["costs"]["entries"].items():
        if entry["mean_ns"] > 0 and name not in NOT_FITTED:
            sigma = PRIOR if entry["estimate"] else PRIOR / 4
            draws[f"costs.{name}"] = [float(v) for v in np.exp(sigma * rng.standard_normal(count))]
    for name in DEVICE_TIMES:
        if describe["device"][name]["mean_ns"] > 0:
            draws[f"device.{name}"] = [float(v) for v in np.exp(PRIOR / 4 * rng.standard_normal(count))]
    return Uncertainty(
        draws, {}, "no recording: every estimated cost by half more or less; wakepath record narrows this"
    )


def settings_of(
    describe: dict[str, Any], uncertainty: Uncertainty, i: int, drift: Mapping[str, float] | None = None
) -> tuple[str, ...]:
    """--set lines of the i-th draw; `drift`: factors by key besides."""
    found = []
    for key, factors in uncertainty.draws.items():
        table, _, name = key.partition(".")
        quantity = describe["costs"]["entries"].get(name) if table == "costs" else describe["device"].get(name)
        if quantity and quantity["mean_ns"] > 0:
            factor = factors[i % len(factors)] * (drift or {}).get(key, 1.0)
            found.append(f"{key}={scaled(quantity, factor)}")
    return tuple(found)


def sampled(
    scenario: Scenario, uncertainty: Uncertainty, samples: int, done: Callable[[int], object] | None = None
) -> list[dict[str, Any]]:
    """The bare figures of `samples` runs."""
    describe = scenario.describe()

    def one(i: int, keep: Any) -> dict[str, Any]:
        options = Options(sets=settings_of(describe, uncertainty, i), seed=str(describe["run"]["seed"] + i))
        return simulate(scenario.with_sets(options=options), keep)

    return map_runs(one, range(samples), done=done)


def interval(values: Sequence[float], error: float, shift: int = 0) -> dict[str, float]:
    """Low, median and high of LEVEL; `error`: the model's own, ln."""
    import math

    n = len(values)
    spread = sorted(v * math.exp(error * normal(i, n, shift)) for i, v in enumerate(sorted(values)))
    if error > 0:  # every draw meets every error
        spread = sorted(v * math.exp(error * normal(j, n, shift)) for v in values for j in range(n))

    def at(share: float) -> float:
        position = share * (len(spread) - 1)
        low = int(position)
        return spread[low] + (spread[min(low + 1, len(spread) - 1)] - spread[low]) * (position - low)

    return {"low": at((1 - LEVEL) / 2), "median": median(values), "high": at((1 + LEVEL) / 2)}


def figure(data: dict[str, Any], path: str) -> float | None:
    value: Any = data
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None


def intervals(
    scenario: Scenario, machine: str | None, samples: int, done: Callable[[int], object] | None = None
) -> dict[str, Any]:
    """The part `intervals` of a result."""
    if samples < 8:
        raise InputError(f"{samples} samples say nothing of a 90 % interval", "--samples", suggestion="8 or more")
    u = (read_uncertainty(machine) if machine else None) or of_estimates(scenario.describe(), samples)
    runs = sampled(scenario, u, samples, done)
    figures = {}
    for path in FIGURES:
        values = [v for v in (figure(run, path) for run in runs) if v is not None]
        if len(values) == samples and any(values):
            figures[path] = interval(values, u.discrepancy.get(SAME_FIGURE.get(path, ""), 0.0))
    return {"level": LEVEL, "samples": samples, "source": u.source, "figures": figures}


def interval_lines(part: dict[str, Any]) -> list[str]:
    lines = [f"{100 * part['level']:.0f} % intervals of {part['samples']} samples ({part['source']}):"]
    for path, v in part["figures"].items():
        lines.append(f"  {path:34} {v['low']:>14,.0f} .. {v['high']:>14,.0f}  median {v['median']:,.0f}")
    return lines
