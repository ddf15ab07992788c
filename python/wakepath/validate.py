# SPDX-License-Identifier: GPL-2.0-or-later
"""Predictions beside measurements: truth cases and published rows. Every row is reported, good or bad.

A fit, when asked for, sees the cases with role calibrate and nothing else (calibrate.calibration_cases checks it).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from wakepath.baselines import formula as formula_baseline
from wakepath.baselines import nothing_changes
from wakepath.errors import InputError
from wakepath.expected import MEAN, Expected, ExpectedRow, read_expected
from wakepath.formula import evaluate
from wakepath.free_run import FreeRun, begun, compare, summarize_free_runs, trace_of
from wakepath.metrics import HEADLINE, task_metrics, truth_metrics
from wakepath.parallel import Keep, map_runs
from wakepath.runner import control_of, simulate
from wakepath.scenario import Options, Scenario
from wakepath.scores import (
    Flat,
    Metric,
    Onset,
    Row,
    Sweep,
    cause_orders,
    flat_sweeps,
    onsets,
    summarize,
    sweeps,
    tau_over,
)
from wakepath.truth import SHARE_RANGE, Case

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "wakepath.validation/1"

Done = Callable[[float], object]
# Runs of a case in which moves are counted. Twelve seconds of one say less: it may lock into one phase of its ticks.
COUNTED_RUNS = 48
# Settings that a fit found, by (platform, kernel): lines for --set.
Fits = dict[tuple[str, str], tuple[str, ...]]


@dataclass
class PublishedRow:
    """One row of expected.toml: its formula at every point of the band; judged at the centre, or by the mean."""

    row: ExpectedRow
    values: dict[str, float]
    failure: str = ""

    @property
    def centre(self) -> float | None:
        name = self.row.band.centre if self.row.band else "centre"
        if name == MEAN and MEAN not in self.values and self.values:
            return fmean(self.values.values())
        return self.values.get(name)

    @property
    def ok(self) -> bool | None:
        if self.failure:
            return False
        if self.centre is None or (self.row.low is None and self.row.high is None):
            return None
        above = self.row.low is None or self.centre >= self.row.low
        return above and (self.row.high is None or self.centre <= self.row.high)


@dataclass
class Validation:
    rows: list[Row] = field(default_factory=list)
    published: list[PublishedRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def sweeps(self) -> list[Sweep]:
        return sweeps(self.rows)

    @property
    def held(self) -> bool:
        """False where a row with a range is outside it, or could not be run. A spread is a distance, not a range."""
        return all(p.ok is not False for p in self.published) and not any(r.failure for r in self.rows)

    def to_pandas(self) -> pd.DataFrame:
        """A row per case and metric: the setting, measured, predicted, both baselines (wakepath.truth has the same)."""
        from wakepath.truth_table import frame_of

        return frame_of(self)

    def of_role(self, role: str, kernel: str | None = None) -> list[Row]:
        return [r for r in self.rows if r.case.role == role and kernel in (None, r.case.kernel)]


def predict_cases(
    cases: Sequence[Case],
    *,
    options: Options,
    fits: Fits,
    references: Sequence[Case] | None = None,
    done: Done | None = None,
) -> list[Row]:
    """Run every case. Baselines look at the calibrate cases among `references` (default: the same cases)."""
    known = [c for c in (cases if references is None else references) if c.role == "calibrate"]

    def one(case: Case, keep: Keep) -> Row:
        try:
            return _predict(case, known, options, fits, keep)
        except (InputError, RuntimeError) as error:
            return Row(case, {}, failure=str(error))

    return map_runs(one, cases, done=(lambda n: done(n / max(1, len(cases)))) if done else None)


def _predict(case: Case, cases: Sequence[Case], options: Options, fits: Fits, keep: Keep) -> Row:
    sets = (*fits.get(case.set_key, ()), *options.sets)
    options = _windowed(case, _with(options, sets))
    free: FreeRun | None = None
    if case.tasks:
        figures, free = _free_run(case, options, keep)
        predicted = predicted_metrics(case, figures)
    else:
        predicted = _runs_of_case(case, Scenario.from_case(case.raw, options=options), keep)
    # The baselines are about I/O; for a scheduler experiment there is no calibrate case that is like it.
    changed, closed = ({}, {}) if case.tasks else (nothing_changes(case, cases), formula_baseline(case, cases))
    metrics = {}
    for name, measured in case.measured.items():
        if name not in predicted:
            continue
        low, high = case.spread.get(name, (None, None))
        baselines = {"nothing_changes": changed, "formula": closed}
        metrics[name] = Metric(
            measured=measured,
            predicted=predicted[name],
            low=low,
            high=high,
            noise=case.is_noise(name),
            baselines={k: v[name] for k, v in baselines.items() if name in v},
        )
    return Row(case, metrics, free_run=free)


def _runs_of_case(case: Case, scenario: Scenario, keep: Keep) -> dict[str, float]:
    """What was measured is the median of some runs: so is what is predicted, each run of a seed of its own.

    Where moves are counted in a short window, or a workload has two states, that is a draw, and so is the CPU where the
    shell was that began it. What is to be expected of it is predicted: the mean of the medians of as many out of
    COUNTED_RUNS runs, which begin on each CPU in turn."""
    number = max(case.runs, COUNTED_RUNS if case.counts else 1)
    if number == 1:
        return predicted_metrics(case, simulate(scenario, keep))
    described = scenario.describe()
    seed, cpus = int(described["run"]["seed"]), int(described["machine"]["cpus"]) if case.counts else 1

    def variant(k: int) -> Scenario:
        sets = (f"machine.first_cpu={k % cpus}",) if cpus > 1 else ()
        return scenario.with_sets(options=Options(seed=str(seed + k), sets=sets))

    runs = [predicted_metrics(case, simulate(variant(k), keep)) for k in range(number)]
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: expected_median([run[name] for run in runs if name in run], case.runs) for name in names}


def expected_median(values: Sequence[float], runs: int) -> float:
    """Of so many out of `values`, over all ways to choose them; of one it is the mean."""
    chosen = combinations(values, min(runs, len(values)))
    return fmean(median(some) for some in chosen)


def _free_run(case: Case, options: Options, keep: Keep) -> tuple[dict[str, Any], FreeRun | None]:
    """An experiment of the scheduler from its release on: untraced over the measured window, and beside its trace."""
    raw, free, trace = case.raw, None, trace_of(case)
    if trace is not None:
        free, start = compare(case, trace, options)
        raw = begun(case, start)
    window = f"{case.raw['measured'].get('window_ns', 1_000_000_000)}ns"
    o = replace(options, warmup=options.warmup or "0ns", duration=options.duration or window)
    return simulate(Scenario.from_case(raw, options=o), keep), free


def _with(options: Options, sets: tuple[str, ...]) -> Options:
    return replace(options, sets=sets)


def _windowed(case: Case, options: Options) -> Options:
    """The window of a case that counts few events, unless another is asked for."""
    if case.window_ns is None or options.duration is not None:
        return options
    return replace(options, duration=f"{case.window_ns}ns", warmup=options.warmup or case.warmup)


def predicted_metrics(case: Case, figures: dict[str, Any]) -> dict[str, float]:
    if case.tasks:
        return task_metrics(figures, case.tasks)
    return truth_metrics(
        figures,
        cpu=case.cpu,
        all_cpus=case.cpu is None,
        at_device=case.at_device,
        idle_is_uncharged=case.idle_is_uncharged,
    )


def predict_published(folder: str, *, options: Options, done: Done | None = None) -> list[PublishedRow]:
    """Every row of a folder's expected.toml. Runs that rows share are made once."""
    expected = read_expected(folder)
    points = _points(expected)
    runs: dict[tuple[str, tuple[str, ...]], dict[str, Any] | str] = {}
    needed = list(dict.fromkeys(run for row, point, sets in points for run in _runs_of(row, point, sets)))

    def one(key: tuple[str, tuple[str, ...]], keep: Keep) -> dict[str, Any] | str:
        try:
            return _with_control(key, expected, options, keep)
        except (InputError, RuntimeError) as error:
            return str(error)

    results = map_runs(one, needed, done=(lambda n: done(n / max(1, len(needed)))) if done else None)
    runs.update(zip(needed, results, strict=True))
    found = {row.id: PublishedRow(row, {}) for row in expected.rows}
    for row, point, sets in points:
        own, *others = (runs[run] for run in _runs_of(row, point, sets))
        _evaluate(found[row.id], point, own, others, expected.file)
    return list(found.values())


def _runs_of(row: ExpectedRow, point: str, sets: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The row's own run, and its reference: another scenario at the same point of the band, without the row's set."""
    runs = [(row.scenario, sets)]
    if row.reference is not None:
        runs.append((row.reference, tuple(row.band.points[point]) if row.band else ()))
    return runs


def _points(expected: Expected) -> list[tuple[ExpectedRow, str, tuple[str, ...]]]:
    points: list[tuple[ExpectedRow, str, tuple[str, ...]]] = []
    for row in expected.rows:
        band = row.band.points if row.band else {"centre": []}
        points.extend((row, name, (*band[name], *row.sets)) for name in band)
    return points


def _with_control(key: tuple[str, tuple[str, ...]], expected: Expected, options: Options, keep: Keep) -> dict[str, Any]:
    file, sets = key
    o = replace(
        options,
        sets=(*options.sets, *sets),
        duration=options.duration or expected.duration,
        warmup=options.warmup or expected.warmup,
    )
    scenario = Scenario.load(file, options=o)
    data = simulate(scenario, keep)
    outside = control_of(scenario)
    if outside is not None:
        data["control"] = simulate(outside, keep)
    return data


def _evaluate(
    found: PublishedRow, point: str, own: dict[str, Any] | str, others: list[dict[str, Any] | str], file: str
) -> None:
    for run in (own, *others):
        if isinstance(run, str):
            found.failure = found.failure or run
            return
    assert isinstance(own, dict)
    data = {**own, "reference": others[0]} if others else own
    try:
        found.values[point] = evaluate(found.row.metric, data, file=file)
    except InputError as error:
        found.failure = found.failure or str(error)


def checks(validation: Validation) -> dict[str, Any]:
    """Order, flatness and onset over the sweeps, as data."""
    found = validation.sweeps
    tau = {}
    for name in HEADLINE:
        value, n = tau_over(found, name)
        if n:
            tau[name] = {"tau": value, "pairs": n}
    flats: list[Flat] = flat_sweeps(found)
    starts: list[Onset] = onsets(found)
    return {
        "kendall_tau": tau,
        "flat_sweeps": [
            {
                "sweep": f.sweep,
                "measured_spread": f.measured_spread,
                "predicted_spread": f.predicted_spread,
                "ok": f.ok,
            }
            for f in flats
        ],
        "causes_of_moves": [
            {
                "case": o.case,
                "measured": o.measured,
                "predicted": o.predicted,
                "same_order": o.same_order,
                "worst_share": o.worst,
                "ok": o.same_order and o.worst <= SHARE_RANGE,
            }
            for o in cause_orders(validation.rows)
        ],
        "onset": [
            {
                "sweep": o.sweep,
                "kernel": o.kernel,
                "weights": o.weights,
                "measured": o.measured,
                "predicted": o.predicted,
                "ok": o.ok,
            }
            for o in starts
        ],
    }


def free_runs(validation: Validation) -> dict[str, Any]:
    """Scheduler experiments beside their recordings, by role and kernel; empty when there is none."""
    found: dict[str, Any] = {}
    for role in dict.fromkeys(r.case.role for r in validation.rows):
        rows = [r for r in validation.of_role(role) if r.free_run is not None]
        for kernel in [*_kernels(rows), None] if rows else []:
            chosen = [(r.case.id, r.free_run) for r in rows if kernel in (None, r.case.kernel) and r.free_run]
            found.setdefault(role, {})[kernel or "all"] = summarize_free_runs(chosen)
    return found


def as_json(validation: Validation, *, version: str, fits: Fits) -> dict[str, Any]:
    """Schema of design §5, with what it leaves open added beside it."""
    roles = list(dict.fromkeys(r.case.role for r in validation.rows))
    cases = [_case_json(row) for row in validation.rows]
    cases += [_published_json(p) for p in validation.published]
    summary = {role: summarize(validation.of_role(role)) for role in roles if role != "repeat"}
    by_kernel = {
        role: {kernel: summarize(validation.of_role(role, kernel)) for kernel in _kernels(validation.of_role(role))}
        for role in summary
    }
    return {
        "schema": SCHEMA,
        "made_by": {"program": "wakepath", "version": version, "fitted": sorted("/".join(k) for k in fits)},
        "cases": cases,
        "summary": summary,
        "summary_by_kernel": by_kernel,
        "checks": checks(validation),
        "free_run": free_runs(validation),
        "notes": validation.notes,
    }


def _kernels(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r.case.kernel for r in rows))


def _case_json(row: Row) -> dict[str, Any]:
    case: dict[str, Any] = {
        "id": row.case.id,
        "role": row.case.role,
        "platform": row.case.platform,
        "kernel": row.case.kernel,
        "ok": row.ok,
    }
    if row.failure:
        case["failure"] = row.failure
    case["metrics"] = {name: _metric_json(metric) for name, metric in row.metrics.items()}
    if row.free_run is not None:
        case["free_run"] = row.free_run.as_json()
    return case


def _metric_json(m: Metric) -> dict[str, Any]:
    return {
        "measured": m.measured,
        "predicted": m.predicted,
        "error": m.error,
        "low": m.low,
        "high": m.high,
        "distance": m.distance,
        "noise": m.noise,
        "baselines": {k: {"predicted": v, "error": m.baseline_error(k)} for k, v in m.baselines.items()},
    }


def _published_json(p: PublishedRow) -> dict[str, Any]:
    case: dict[str, Any] = {"id": p.row.id, "role": p.row.role, "ok": p.ok, "source": p.row.source}
    if p.failure:
        case["failure"] = p.failure
    measured = p.row.value
    error = (p.centre - measured) / measured if p.centre is not None and measured else None
    figure: dict[str, Any] = {"measured": measured, "predicted": p.centre, "error": error}
    figure.update({"low": p.row.low, "high": p.row.high})
    if p.row.band:
        figure["band"] = {"name": p.row.band.name, "values": p.values}
    case["metrics"] = {p.row.metric: figure}
    return case
