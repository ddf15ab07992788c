# SPDX-License-Identifier: GPL-2.0-or-later
"""Scores of predictions: errors, order within sweeps, flatness, and where a loss sets in. Plain arithmetic on rows.

A sweep is a set of cases of one platform and kernel whose settings differ in one key only.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wakepath.metrics import ABSOLUTE, MOVERS, SIDES
from wakepath.truth import Case

if TYPE_CHECKING:
    from wakepath.free_run import FreeRun

# Measured values nearer than this are a tie: neither an order nor a slope is asked of the model there.
TIE = 0.03


@dataclass
class Metric:
    """One predicted figure beside its measurement."""

    measured: float
    predicted: float
    low: float | None = None
    high: float | None = None
    noise: bool = False
    baselines: dict[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float | None:
        """Relative error; None where nothing was measured to relate it to."""
        return (self.predicted - self.measured) / self.measured if self.measured else None

    @property
    def distance(self) -> float | None:
        """How far outside the measured spread, relative to the median; 0 inside it."""
        if self.low is None or self.high is None or not self.measured:
            return None
        return max(0.0, self.low - self.predicted, self.predicted - self.high) / abs(self.measured)

    @property
    def ok(self) -> bool | None:
        return None if self.low is None or self.high is None else self.low <= self.predicted <= self.high

    def in_points(self) -> Metric:
        """The same with errors relative to a whole CPU."""
        shift = 1.0 - self.measured
        bounds = [None if b is None else b + shift for b in (self.low, self.high)]
        moved = {k: v + shift for k, v in self.baselines.items()}
        return Metric(1.0, self.predicted + shift, bounds[0], bounds[1], self.noise, moved)

    def baseline_error(self, name: str) -> float | None:
        if name not in self.baselines or not self.measured:
            return None
        return (self.baselines[name] - self.measured) / self.measured


@dataclass
class Row:
    """A case with its predicted figures, or the reason why there are none."""

    case: Case
    metrics: dict[str, Metric]
    failure: str = ""
    free_run: FreeRun | None = None  # of a scheduler experiment with a recording

    @property
    def ok(self) -> bool | None:
        """Inside every spread or range it has; None when it has none. A case that could not be run is not ok."""
        if self.failure:
            return False
        verdicts = [m.ok for m in self.metrics.values() if m.ok is not None and not m.noise]
        return all(verdicts) if verdicts else None


def summary_name(name: str) -> str:
    """Figures of single tasks are one column: h1.cpu_share and h2.cpu_share are tasks.cpu_share."""
    if name.partition(".")[0] in SIDES:
        return name
    return "tasks." + name.rpartition(".")[2] if "." in name else name


def summarize(rows: Sequence[Row]) -> dict[str, dict[str, float | int]]:
    """Per metric: mean and worst absolute error in percent, the same of the baselines, over rows with a measurement."""
    columns: dict[str, list[tuple[str, Metric]]] = defaultdict(list)
    for row in rows:
        for name, metric in row.metrics.items():
            if metric.error is not None and not metric.noise:
                columns[summary_name(name)].append((row.case.id, metric))
    return {name: _summary(name, column) for name, column in columns.items()}


def _summary(name: str, column: Sequence[tuple[str, Metric]]) -> dict[str, Any]:
    if name in ABSOLUTE:
        # A share of the CPU that may be near zero: errors are points of the CPU, and the summary says so.
        column = [(i, m.in_points()) for i, m in column]
    errors = [100.0 * abs(m.error or 0.0) for _, m in column]
    worst = max(range(len(errors)), key=lambda i: errors[i])
    summary: dict[str, Any] = {
        "mape": statistics.fmean(errors),
        "max": errors[worst],
        "n": len(errors),
        "worst": column[worst][0],
        "bias": statistics.fmean(100.0 * (m.error or 0.0) for _, m in column),
    }
    if name in ABSOLUTE:
        summary["unit"] = "points of the CPU"
    distances = [100.0 * m.distance for _, m in column if m.distance is not None]
    if distances:
        summary["distance"] = statistics.fmean(distances)
        summary["distance_max"] = max(distances)
    for baseline in ("nothing_changes", "formula"):
        found = [100.0 * abs(e) for _, m in column if (e := m.baseline_error(baseline)) is not None]
        if found:
            summary[f"{baseline}_mape"] = statistics.fmean(found)
            summary[f"{baseline}_max"] = max(found)
    return summary


def kendall_tau(pairs: Sequence[tuple[float, float]], tie: float = TIE) -> tuple[float | None, int]:
    """Tau over the pairs whose measured values differ by more than `tie`; (None, 0) when there are none.

    A pair that the prediction leaves equal counts as neither right nor wrong: it lowers |tau|.
    """
    return _tau_of(*_concordance(pairs, tie))


def _tau_of(score: int, n: int) -> tuple[float | None, int]:
    return (score / n, n) if n else (None, 0)


def _concordance(pairs: Sequence[tuple[float, float]], tie: float) -> tuple[int, int]:
    score = n = 0
    for i, (measured, predicted) in enumerate(pairs):
        for other_measured, other_predicted in pairs[:i]:
            larger = max(abs(measured), abs(other_measured))
            if larger == 0 or abs(measured - other_measured) <= tie * larger:
                continue
            n += 1
            slope = (measured - other_measured) * (predicted - other_predicted)
            score += (slope > 0) - (slope < 0)
    return score, n


def _flat_setting(setting: dict[str, Any]) -> dict[str, str]:
    """A setting as comparable leaves: workload.iodepth -> "128". A group, tunables and a device are one key each."""
    leaves: dict[str, str] = {}
    for key, value in setting.items():
        if isinstance(value, dict) and key in ("workload", "nice"):
            leaves.update({f"{key}.{k}": json.dumps(v, sort_keys=True) for k, v in value.items()})
        else:
            leaves[key] = json.dumps(value, sort_keys=True)
    return leaves


@dataclass
class Sweep:
    key: str
    rows: list[Row]

    @property
    def name(self) -> str:
        first = self.rows[0].case
        return f"{first.platform} {first.kernel} {self.key} ({first.id} ... {len(self.rows)} cases)"

    def pairs(self, metric: str) -> list[tuple[float, float]]:
        return [(m.measured, m.predicted) for r in self.rows if (m := r.metrics.get(metric)) is not None]


def sweeps(rows: Sequence[Row]) -> list[Sweep]:
    """Every set of two or more cases that differ in one key; `repeat` cases are other spellings and take no part."""
    usable = [r for r in rows if not r.failure and r.case.role != "repeat"]
    flats = [_flat_setting(r.case.setting) for r in usable]
    found = []
    for key in sorted({k for flat in flats for k in flat}):
        groups: dict[str, list[Row]] = defaultdict(list)
        for row, flat in zip(usable, flats, strict=True):
            rest = {k: v for k, v in flat.items() if k != key}
            groups[json.dumps([*row.case.set_key, rest], sort_keys=True)].append(row)
        for rest_key in sorted(groups):
            if len(groups[rest_key]) > 1:
                found.append(Sweep(key, groups[rest_key]))
    return found


def tau_over(found: Sequence[Sweep], metric: str) -> tuple[float | None, int]:
    """One tau over the pairs of all sweeps: a pair counts within its own sweep only."""
    parts = [_concordance(s.pairs(metric), TIE) for s in found]
    return _tau_of(sum(p[0] for p in parts), sum(p[1] for p in parts))


@dataclass
class Flat:
    sweep: str
    measured_spread: float
    predicted_spread: float

    @property
    def ok(self) -> bool:
        return self.predicted_spread <= TIE


def _relative_spread(values: Sequence[float]) -> float:
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def flat_sweeps(found: Sequence[Sweep], metric: str = "iops") -> list[Flat]:
    """Sweeps in which the real kernel did not care; the model must not either."""
    flats = []
    for sweep in found:
        pairs = sweep.pairs(metric)
        if len(pairs) < 2:
            continue
        measured = _relative_spread([p[0] for p in pairs])
        if measured <= TIE:
            flats.append(Flat(sweep.name, measured, _relative_spread([p[1] for p in pairs])))
    return flats


@dataclass
class Onset:
    """Between which two neighbouring weights a loss sets in; None: it does not. Weight 0 stands for the root group."""

    sweep: str
    kernel: str
    weights: list[int]
    measured: tuple[int, int] | None
    predicted: tuple[int, int] | None

    @property
    def ok(self) -> bool:
        return self.measured == self.predicted


def onsets(found: Sequence[Sweep]) -> list[Onset]:
    """A loss: IOPS below 0.9 of the root group's, or more than 1.5 times its switches."""
    result = []
    for sweep in found:
        rows = {row.case.weight or 0: row for row in sweep.rows}
        if sweep.key != "cgroup" or 0 not in rows or len(rows) < 3:
            continue
        weights = sorted(rows)
        first = rows[0].case
        result.append(
            Onset(
                sweep.name, first.kernel, weights, _onset(rows, weights, "measured"), _onset(rows, weights, "predicted")
            )
        )
    return result


def _onset(rows: dict[int, Row], weights: list[int], which: str) -> tuple[int, int] | None:
    def figure(weight: int, name: str) -> float:
        metric = rows[weight].metrics.get(name)
        return float(getattr(metric, which)) if metric else 0.0

    for before, after in pairwise(weights):
        fewer = figure(after, "iops") < 0.9 * figure(0, "iops")
        more = figure(after, "context_switches_per_s") > 1.5 * figure(0, "context_switches_per_s")
        if fewer or more:
            return (before, after)
    return None


@dataclass
class CauseOrder:
    """What moves fio in a case, the most frequent first, as measured and as predicted."""

    case: str
    measured: dict[str, float]
    predicted: dict[str, float]

    @property
    def same_order(self) -> bool:
        """No cause that is more frequent than another is predicted to be rarer."""
        return not any(
            self.measured[a] > self.measured[b] and self.predicted[a] < self.predicted[b]
            for a in self.measured
            for b in self.measured
        )

    @property
    def worst(self) -> float:
        return max(abs(self.measured[mover] - self.predicted[mover]) for mover in self.measured)


def cause_orders(rows: Sequence[Row]) -> list[CauseOrder]:
    found = []
    for row in rows:
        shares = {mover: m for mover in MOVERS if (m := row.metrics.get(f"fio_{mover}_share")) is not None}
        if shares:
            both = ({k: m.measured for k, m in shares.items()}, {k: m.predicted for k, m in shares.items()})
            found.append(CauseOrder(row.case.id, *both))
    return found
