# SPDX-License-Identifier: GPL-2.0-or-later
"""Fits named costs, and the device law where the setting does not state it, to measured figures of calibrate cases.

What is minimised: over cases and figures, (ln predicted - ln measured) / sigma of the figure, and for every parameter
ln(scale) / ln(1.5). A parameter is the factor on one named cost (or one time of the device law) of the starting table.
The second part is a weak prior: where the figures do not say, a cost stays what the table says, and "by half more or
less" is one sigma of it. Sigmas (SIGMA) are the accuracy asked of the model, not of the measurement.

Residuals beyond ROBUST sigmas count linearly (soft_l1): a case whose mechanism the model misses must show as a large
residual, and not bend the costs of all others until it looks better.

The seed is that of each scenario, the same in every evaluation (common random numbers), so a difference comes from the
parameter. The Jacobian is by forward differences of 6 % in ln(scale): figures are step functions of a cost on the scale
of a nanosecond (grids, batches), so a differential step would measure the steps. Columns are evaluated in threads; the
result does not depend on their number.

A fit sees cases with role calibrate and nothing else: calibration_cases() is the only way in, and it asserts that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wakepath.errors import InputError
from wakepath.metrics import truth_metrics
from wakepath.parallel import Keep, map_runs
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario
from wakepath.truth import Case

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# ln-errors of one sigma, by figure.
SIGMA = {
    "iops": 0.02,
    "context_switches_per_s": 0.04,
    "fio_cpu_ns_per_s": 0.02,
    "kworker_cpu_ns_per_s": 0.02,
    "interrupts_per_s": 0.05,
    "busy": 0.03,
    "client.cpu_ns_per_io": 0.02,
    "server.cpu_ns_per_io": 0.02,
    "cpu_ns_per_io": 0.02,
    "switches_per_io": 0.04,
}
PRIOR = math.log(1.5)
STEP = 0.06
# Residuals beyond this many sigmas count linearly.
ROBUST = 2.0
# A fitted cost beyond this factor of its starting value is outside what physics allows: reported, not hidden.
PHYSICAL = 10.0
# The search stays within this factor; at the edge a parameter is reported as well.
BOUND = 20.0
# Windows of a fit: long enough for thousands of I/Os, short enough for thousands of runs.
DURATION, WARMUP = "300ms", "60ms"
MAX_STEPS = 12
DEVICE_TIMES = ("service_ns", "read_service_ns", "latency_ns")
# Costs that say how a run is compared, not what the machine does; and one that comes once a tick, which no figure tells
# from what else a write takes: a recording shows it to the nanosecond.
NOT_FITTED = ("file_update_time", "trace_record", "trace_record_sched")


def calibration_cases(cases: Sequence[Case]) -> list[Case]:
    """The cases a fit may see. Whatever is not marked calibrate never gets past this line."""
    chosen = [case for case in cases if case.role == "calibrate"]
    assert all(case.role == "calibrate" for case in chosen)
    return chosen


def figures_of(case: Case) -> dict[str, float]:
    """The measured figures that a fit compares; noise is none."""
    assert case.role == "calibrate", f"{case.id} is marked {case.role}: a fit must not see it"
    figures = {k: case.measured[k] for k in SIGMA if case.measured.get(k, 0) > 0 and not case.is_noise(k)}
    # Interrupts in idle are charged to nobody: only the busy share shows what they cost, where it is by the clock.
    # Elsewhere it is the tasks' times once more.
    if case.spread and "idle" in case.measured and not case.idle_is_uncharged:
        figures["busy"] = 1.0 - case.measured["idle"]
    return figures


@dataclass(frozen=True)
class Parameter:
    """One fitted quantity: a cost, or a time of the device law. `start` is its mean in the starting table."""

    key: str
    start: int
    quantity: dict[str, Any]

    def setting(self, scale: float) -> str:
        return f"{self.key}={scaled(self.quantity, scale)}"


def scaled(quantity: dict[str, Any], scale: float) -> str:
    """A cost or device time times a factor, as --set reads it; whole ns."""

    def ns(value: int) -> int:
        return max(0, round(value * scale))

    kind = quantity["kind"]
    if kind == "uniform":
        return f"{{low = {ns(quantity['low'])}, high = {ns(quantity['high'])}}}"
    if kind == "exponential":
        return f'{{kind = "exponential", mean = {ns(quantity["ns"])}}}'
    if kind == "quantiles":
        return "{quantiles = [" + ", ".join(str(ns(v)) for v in quantity["quantiles"]) + "]}"
    return str(ns(quantity["ns"]))


@dataclass
class Fit:
    """A fit's outcome: factors, how well each is determined, what is left."""

    platform: str
    kernel: str
    cases: list[str]
    parameters: list[Parameter]
    scales: list[float]
    sigmas: list[float]
    residuals: dict[str, dict[str, float]]
    before: dict[str, float]
    after: dict[str, float]
    determined: int
    singular: list[float]
    combinations: list[str]
    evaluations: int
    complaints: list[str] = field(default_factory=list)

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(p.setting(s) for p, s in zip(self.parameters, self.scales, strict=True) if s != 1.0)

    @property
    def name(self) -> str:
        return f"{self.platform} {self.kernel}"


class Problem:
    """Cases, parameters, and the vector of residuals for a vector of ln(scale)."""

    def __init__(self, cases: Sequence[Case], options: Options, fit_device: bool | None = None) -> None:
        self.cases = calibration_cases(cases)
        if not self.cases:
            raise InputError("no case has the role calibrate", suggestion="a fit needs at least one")
        if len({c.set_key for c in self.cases}) != 1:
            raise InputError("the cases are of several platforms or kernels", suggestion="fit one at a time")
        self.options = options
        self.evaluations = 0
        self.parameters = self._parameters(fit_device)
        self.targets = [figures_of(case) for case in self.cases]

    def _parameters(self, fit_device: bool | None) -> list[Parameter]:
        describe = self._scenario(self.cases[0], ()).describe()
        entries = describe["costs"]["entries"]
        found = [
            Parameter(f"costs.{name}", entry["mean_ns"], entry)
            for name, entry in entries.items()
            if entry["mean_ns"] > 0 and name not in NOT_FITTED
        ]
        stated = all(isinstance(case.setting.get("device"), dict) for case in self.cases)
        if fit_device or (fit_device is None and not stated):
            device = describe["device"]
            found += [
                Parameter(f"device.{name}", device[name]["mean_ns"], device[name])
                for name in DEVICE_TIMES
                if device[name]["mean_ns"] > 0
            ]
            if device["coalesce_ns"] > 0:
                quantity = {"kind": "constant", "ns": device["coalesce_ns"]}
                found.append(Parameter("device.coalesce_ns", device["coalesce_ns"], quantity))
        return found

    def choose(self, globs: Sequence[str]) -> None:
        """Only the costs whose names match; a cost of a part that no other case has is fitted without moving others."""
        from fnmatch import fnmatchcase

        names = [p.key.partition(".")[2] for p in self.parameters]
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in names):
                raise InputError(f"no fitted cost is called '{glob}'", suggestion="wakepath explain costs lists them")
        wanted = [any(fnmatchcase(name, glob) for glob in globs) for name in names]
        self.parameters = [p for p, chosen in zip(self.parameters, wanted, strict=True) if chosen]

    def _scenario(self, case: Case, sets: tuple[str, ...]) -> Scenario:
        own = case.sampled_ns is not None  # the case's own times, as validate runs it
        duration, warmup = (f"{case.sampled_ns}ns", case.warmup) if own else (DURATION, WARMUP)
        o = replace(
            self.options,
            duration=self.options.duration or duration,
            warmup=self.options.warmup or warmup,
            sets=(*self.options.sets, *sets),
        )
        return Scenario.from_case(case.raw, options=o)

    def predict(self, case: Case, sets: tuple[str, ...], keep: Keep | None = None) -> dict[str, float]:
        data = simulate(self._scenario(case, sets), keep)
        figures = truth_metrics(
            data,
            cpu=case.cpu,
            all_cpus=case.cpu is None,
            at_device=case.at_device,
            idle_is_uncharged=case.idle_is_uncharged,
        )
        return {**figures, "busy": 1.0 - (figures.get("idle") or 0.0)}

    def sets_at(self, x: Sequence[float], *, only: Sequence[int] | None = None) -> tuple[str, ...]:
        chosen = range(len(self.parameters)) if only is None else only
        return tuple(self.parameters[i].setting(math.exp(x[i])) for i in chosen if x[i] != 0.0)

    def evaluate(self, points: Sequence[Sequence[float]]) -> list[list[float]]:
        """ln predicted - ln measured over sigma, for each point; all runs of all points in one pool."""
        work = [(i, case) for i in range(len(points)) for case in range(len(self.cases))]

        def one(item: tuple[int, int], keep: Keep) -> list[float]:
            point, index = item
            predicted = self.predict(self.cases[index], self.sets_at(points[point]), keep)
            return [_residual(predicted.get(k, 0.0), v, SIGMA[k]) for k, v in self.targets[index].items()]

        parts = map_runs(one, work)
        self.evaluations += len(work)
        n = len(self.cases)
        return [[v for part in parts[i * n : (i + 1) * n] for v in part] for i in range(len(points))]

    def labels(self) -> list[tuple[str, str]]:
        return [(case.id, name) for case, target in zip(self.cases, self.targets, strict=True) for name in target]


def _residual(predicted: float, measured: float, sigma: float) -> float:
    # A figure that vanishes is as wrong as a tenth of it: the logarithm must not run away.
    return math.log(max(predicted, 0.1 * measured) / measured) / sigma


def fit(problem: Problem, report: Callable[[float], object] | None = None, loss: str = "soft_l1") -> Fit:
    """Least squares over ln(scale), deterministic. loss "linear": a large residual counts as squares count it."""
    import numpy as np
    from scipy.optimize import least_squares

    n = len(problem.parameters)
    zero = [0.0] * n
    jac0 = _jacobian(problem, zero, list(range(n)))
    # A cost that none of the cases feels keeps its starting value: there is nothing to fit it to.
    felt = [i for i in range(n) if float(np.linalg.norm(jac0[1][:, i])) > 1e-6]
    if report:
        report(1.0 / (MAX_STEPS + 1))
    cache: dict[bytes, Any] = {}
    seen = [0]

    def full(x: Vector) -> list[float]:
        values = list(zero)
        for i, v in zip(felt, x, strict=True):
            values[i] = float(v)
        return values

    def residuals(x: Vector) -> Vector:
        key = x.tobytes()
        if key not in cache:
            cache[key] = np.array(problem.evaluate([full(x)])[0])
        return np.concatenate([cache[key], x / PRIOR])

    def jacobian(x: Vector) -> Vector:
        seen[0] += 1
        if report:
            report(min(0.99, (seen[0] + 1.0) / (MAX_STEPS + 1)))
        base, columns = (jac0[0], jac0[1][:, felt]) if not x.any() else _jacobian(problem, full(x), felt)
        cache[x.tobytes()] = base
        return np.vstack([columns, np.eye(len(felt)) / PRIOR])

    cache[np.zeros(len(felt)).tobytes()] = jac0[0]
    if felt:
        edge = math.log(BOUND)
        solution = least_squares(
            residuals,
            np.zeros(len(felt)),
            jac=jacobian,
            bounds=(-edge, edge),
            loss=loss,  # type: ignore[arg-type]
            f_scale=ROBUST,
            max_nfev=MAX_STEPS,
            xtol=1e-4,
            ftol=1e-4,
        )
        x, last = solution.x, np.asarray(solution.jac)[: len(jac0[0])]
    else:
        x, last = np.zeros(0), np.zeros((len(jac0[0]), 0))
    final = residuals(x)[: len(jac0[0])] if felt else jac0[0]
    return _outcome(problem, felt, full(x), last, jac0[0], final)


def _jacobian(problem: Problem, x: Sequence[float], columns: Sequence[int]) -> tuple[Vector, Vector]:
    """Residuals at x and forward differences along the columns."""
    import numpy as np

    points = [list(x)]
    for i in columns:
        moved = list(x)
        moved[i] += STEP
        points.append(moved)
    values = np.array(problem.evaluate(points))
    return values[0], (values[1:] - values[0]).T / STEP


def _outcome(
    problem: Problem, felt: Sequence[int], x: Sequence[float], jac: Vector, before: Vector, after: Vector
) -> Fit:
    import numpy as np

    parameters = [problem.parameters[i] for i in felt]
    scales = [math.exp(x[i]) for i in felt]
    information = jac.T @ jac + np.eye(len(felt)) / PRIOR**2
    sigmas = [float(s) for s in np.sqrt(np.diag(np.linalg.inv(information)))] if felt else []
    _, singular, directions = np.linalg.svd(jac * PRIOR, full_matrices=False) if felt else (None, np.zeros(0), None)
    # A direction with a singular value above 1 (in units of the prior) is told more by the figures than by the table.
    determined = int((singular > 1.0).sum())
    combos = [_combination(parameters, directions[i]) for i in range(determined)] if directions is not None else []
    case = problem.cases[0]
    outcome = Fit(
        platform=case.platform,
        kernel=case.kernel,
        cases=[c.id for c in problem.cases],
        parameters=parameters,
        scales=scales,
        sigmas=sigmas,
        residuals=_residual_table(problem, after),
        before=_mean_errors(problem, before),
        after=_mean_errors(problem, after),
        determined=determined,
        singular=[float(s) for s in singular],
        combinations=combos,
        evaluations=problem.evaluations,
    )
    outcome.complaints = complaints(outcome)
    return outcome


def _combination(parameters: Sequence[Parameter], direction: Vector) -> str:
    order = sorted(range(len(parameters)), key=lambda i: -abs(float(direction[i])))[:5]
    lead = 1.0 if float(direction[order[0]]) > 0 else -1.0
    return " ".join(f"{lead * float(direction[i]):+.2f} ln {parameters[i].key}" for i in order)


def _residual_table(problem: Problem, values: Vector) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for (case, name), value in zip(problem.labels(), values, strict=True):
        table.setdefault(case, {})[name] = math.exp(float(value) * SIGMA[name]) - 1.0
    return table


def _mean_errors(problem: Problem, values: Vector) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for (_, name), value in zip(problem.labels(), values, strict=True):
        columns.setdefault(name, []).append(abs(math.exp(float(value) * SIGMA[name]) - 1.0))
    return {name: sum(column) / len(column) for name, column in columns.items()}


def complaints(outcome: Fit) -> list[str]:
    """Fitted values that physics does not allow, each in one line."""
    found = []
    for p, scale in zip(outcome.parameters, outcome.scales, strict=True):
        if scale >= PHYSICAL or scale <= 1 / PHYSICAL:
            found.append(f"{p.key}: fitted {p.start * scale:.0f} ns is {scale:.3g} times the starting {p.start} ns")
    return found


def fits_for(
    cases: Sequence[Case], options: Options, report: Callable[[str, float], object] | None = None
) -> dict[tuple[str, str], Fit]:
    """One fit per platform and kernel among the calibrate cases; scheduler experiments have no cost of I/O to tell."""
    usable = [c for c in calibration_cases(cases) if not c.tasks]
    found = {}
    for key in dict.fromkeys(c.set_key for c in usable):
        problem = Problem([c for c in usable if c.set_key == key], options)
        label = " ".join(key)
        found[key] = fit(problem, (lambda share, label=label: report(label, share)) if report else None)  # type: ignore[misc]
    return found
