# SPDX-License-Identifier: GPL-2.0-or-later
"""A shared disk is not the same from one run to the next. The reference setting runs every few runs; from its runs
before and after, weighted by how near they are, comes how fast the machine was when another setting ran.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

from wakepath.truth import Case, case_from

EVERY = 3  # runs of other settings between two of the reference
# Runs, over which the weight of a neighbour falls to 1/e: the one that tells the reference's own runs best.
REACHES = (1.5, 3.0, 6.0, 12.0, 24.0, 1e9)
STALL = 3.0  # a run of the reference that is this many times off its median met a disk that stood still, no drift
KEY = "reference_iops"  # of a run: what the reference would have had
RATES = ("iops", "context_switches_per_s", "interrupts_per_s", "fio_cpu_ns_per_s", "kworker_cpu_ns_per_s")


def local(at: float, reference: Mapping[float, float], reach: float) -> float | None:
    """The reference's figure at a place in the order of runs, from those at other places: a weighted mean of logs."""
    usual = statistics.median(reference.values())
    kept = {place: v for place, v in reference.items() if place != at and usual / STALL < v < usual * STALL}
    near = [(math.exp(-abs(place - at) / reach), v) for place, v in kept.items()]
    total = sum(weight for weight, _ in near)
    return math.exp(sum(weight * math.log(v) for weight, v in near) / total) if total > 0 else None


def scatter(reference: Mapping[float, float], reach: float) -> float:
    """ln-scatter of one run around what its neighbours say, as of a normal law with this median deviation."""
    left = [abs(math.log(v / near)) for at, v in reference.items() if v > 0 and (near := local(at, reference, reach))]
    return statistics.median(left) / NormalDist().inv_cdf(0.75) if len(left) > 2 else 0.0


def mark(order: Sequence[tuple[float, dict[str, float]]], reference: Mapping[float, float]) -> None:
    """Writes KEY into the runs, each given with its place."""
    reach = min(REACHES, key=lambda r: scatter(reference, r)) if reference else 0.0
    for place, run in order:
        if reference and (iops := local(place, reference, reach)) is not None:
            run[KEY] = round(iops, 1)


def noise(reference: Sequence[Mapping[str, float]], figure: str) -> float:
    """ln-scatter of one run of the reference, given in order, where its neighbours tell it best."""
    values = {float(i * (EVERY + 1)): run.get(figure, 0.0) for i, run in enumerate(reference)}
    return min((scatter(values, reach) for reach in REACHES), default=0.0) if values else 0.0


def undrifted(cases: Sequence[Case]) -> list[Case]:
    """Windows as they would have been, had the machine been all the time as it was in the middle: rates of each run in
    proportion to the reference's. Cases whose runs do not say are as they were."""
    marks = [run[KEY] for case in cases for run in case.raw.get("each", []) if KEY in run]
    if not marks:
        return list(cases)
    usual = statistics.median(marks)
    return [_undrifted(case, usual) for case in cases]


def _undrifted(case: Case, usual: float) -> Case:
    runs: list[dict[str, float]] = case.raw.get("each", [])
    if not runs or not all(KEY in run for run in runs):
        return case
    measured: dict[str, Any] = dict(case.raw["measured"])
    spread: dict[str, Any] = dict(case.raw["spread"])

    def put(name: str, values: list[float]) -> None:
        values.sort()
        measured[name], spread[name] = statistics.median(values), [values[0], values[-1]]

    for name in RATES:
        if all(name in run for run in runs):
            put(name, [run[name] * usual / run[KEY] for run in runs])
    if all("idle" in run for run in runs):
        put("idle", [max(0.0, 1.0 - (1.0 - run["idle"]) * usual / run[KEY]) for run in runs])
    return case_from({**case.raw, "measured": measured, "spread": spread})
