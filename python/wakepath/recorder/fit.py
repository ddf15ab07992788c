# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs and device times from a recording: two steps of one least-squares problem over x = ln(factor on the start).

1. Equations: each probe is a sum of named costs (equations.toml). Gauss-Newton; prior: by half more or less of the
   starting table, for what is not measured. Gives means and a covariance: sums are determined, their split is
   the table's.
2. Windows: simulated, with the first step's means and covariance as the prior. What a window cannot feel keeps
   the first step's value.

A CPU of a shared host is faster in one second than in the next, whatever it does. So the probes, the traces and each
window have a speed of their own beside the costs: what they say of ratios stands, of the level they say it together.

Robust: residuals beyond ROBUST sigmas count linearly in both. What is left of the windows' residuals, each with its
own leverage taken out, is the model's own error (`discrepancy`), which goes into every interval.

Draws are of the posterior's normal distribution with a bootstrap over blocks of samples and over repeats in
its covariance:
both enter as sigmas of the equations and figures. They are stored, so that a result made with them is the same
everywhere.
"""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from wakepath.calibrate import PRIOR, ROBUST, SIGMA, Problem
from wakepath.parallel import map_runs
from wakepath.recorder.urtrace import Cost
from wakepath.scenario import Options
from wakepath.truth import Case

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

# The mean range of n values of a normal law, in sigmas.
RANGE_SIGMAS = (1.0, 1.0, 1.13, 1.69, 2.06, 2.33, 2.53, 2.70, 2.85, 2.97, 3.08, 3.17, 3.26)
STEP = 0.12
DRAWS = 64
SEED = 1
RECORD = "trace_record"  # a record's own cost, while tracing: fitted with the rest, not part of the machine
RECORD_NS, RECORD_SIGMA = 250.0, 0.7
SPEED_OF = "speed of "  # what was measured in the same seconds
SPEED_SIGMA = 0.12  # of a few seconds on a shared host, beside the mean of minutes: runs of one setting, 9 to 16 %
SCREEN_S, SCREEN_WARMUP = "40ms", "10ms"
WINDOW_S, WINDOW_WARMUP = "200ms", "40ms"
WHOLE_S = "1200ms"
MAX_STEPS = 6
CPU_TIMES = ("fio_cpu_ns_per_s", "kworker_cpu_ns_per_s", "busy")
TOLD = 0.5  # a direction of which the windows say at least half as much as the prior
DAMPING = (0.0, 0.1, 0.5, 2.0, 10.0)


@dataclass(frozen=True)
class Equation:
    kind: str
    measured_ns: float
    sigma: float
    sums: dict[str, float]
    seconds: str


def is_cost(name: str) -> bool:
    return name != RECORD and not name.startswith(SPEED_OF)


def bootstrap_sigma(blocks: Sequence[float], median: float, draws: int = 200) -> float:
    """Relative scatter of the median over resampled blocks."""
    import numpy as np

    if len(blocks) < 2 or median <= 0:
        return 0.0
    rng = np.random.default_rng(SEED)
    values = np.array(blocks)
    medians = np.median(values[rng.integers(0, len(values), (draws, len(values)))], axis=1)
    return float(np.std(medians) / median)


def equations(costs: Mapping[str, Cost], *, has: Callable[[str], bool]) -> list[Equation]:
    """Those of equations.toml whose kinds were measured."""
    table = tomllib.loads((Path(__file__).parent / "equations.toml").read_text(encoding="utf-8"))
    names = {cost.name for cost in costs.values()}
    found = []
    for row in table["equation"]:
        if row.get("unless") in names or ("needs" in row and not has(row["needs"])):
            continue
        for cost in costs.values():
            if cost.name != row["kind"] or cost.median_ns <= 0:
                continue
            sums = {k: float(v) for k, v in row.get("fixed", {}).items()}
            for name, n in row.get("each", {}).items():
                sums[name] = sums.get(name, 0.0) + n * cost.batch
            if row.get("record"):
                sums[RECORD] = float(row["record"])
            sigma = math.hypot(row["sigma"], bootstrap_sigma(cost.blocks, cost.median_ns))
            found.append(Equation(cost.kind, cost.median_ns, sigma, sums, cost.seconds))
    return found


@dataclass
class Linear:
    """Outcome of the first step, over `names`."""

    names: list[str]
    start_ns: list[float]
    x: Vector
    covariance: Vector
    rows: list[tuple[Equation, float]]  # with what the solution says, ns
    determined: int


def solve_equations(rows: list[Equation], start: Mapping[str, float], priors: Mapping[str, float]) -> Linear:
    import numpy as np

    names = sorted({name for row in rows for name in row.sums if start.get(name, 0) > 0} | set(priors))
    index = {name: i for i, name in enumerate(names)}
    base = np.array([start[name] for name in names])
    prior = np.array([priors.get(name, RECORD_SIGMA if name == RECORD else PRIOR) for name in names])
    moments = sorted({row.seconds for row in rows})
    prior = np.append(prior, [SPEED_SIGMA] * len(moments))
    counts = np.zeros((len(rows), len(names)))
    for r, row in enumerate(rows):
        for name, n in row.sums.items():
            if name in index:
                counts[r, index[name]] = n
    speeds = np.array([[float(row.seconds == moment) for moment in moments] for row in rows]).reshape(len(rows), -1)
    measured = np.array([row.measured_ns for row in rows])
    sigma = np.array([row.sigma for row in rows])
    x = np.zeros(len(prior))
    for _ in range(60):
        terms = counts * (base * np.exp(x[: len(names)]))
        total = np.maximum(terms.sum(axis=1), 1e-9)
        residual = (np.log(total / measured) + speeds @ x[len(names) :]) / sigma
        weight = 1 / np.sqrt(1 + (residual / ROBUST) ** 2)  # of soft_l1
        jac = np.column_stack([terms / total[:, None], speeds]) / sigma[:, None]
        information = (jac.T * weight) @ jac + np.diag(1 / prior**2)
        step = np.linalg.solve(information, -(jac.T @ (weight * residual)) - x / prior**2)
        x = x + np.clip(step, -0.7, 0.7)
        if float(np.abs(step).max(initial=0.0)) < 1e-6:
            break
    covariance = np.linalg.inv(information)
    said = (counts * (base * np.exp(x[: len(names)]))).sum(axis=1) * np.exp(speeds @ x[len(names) :])
    singular = np.linalg.svd(jac[:, : len(names)] * prior[: len(names)], compute_uv=False) if len(rows) else np.zeros(0)
    determined = int((singular > 1.0).sum())
    return Linear(
        names + [SPEED_OF + moment for moment in moments],
        [*map(float, base), *(1.0 for _ in moments)],
        x,
        covariance,
        list(zip(rows, map(float, said), strict=True)),
        determined,
    )


def screen(problem: Problem) -> list[int]:
    """Parameters that any window feels: a figure is another with that one changed, and be it by a bit."""
    short = replace(problem.options, duration=SCREEN_S, warmup=SCREEN_WARMUP)
    wanted = {(c.setting["workload"]["engine"], c.in_root): c for c in problem.cases}
    probe = Problem(list(wanted.values()), short)
    probe.parameters = problem.parameters
    work = [(-1, case) for case in range(len(probe.cases))]
    work += [(i, case) for i in range(len(probe.parameters)) for case in range(len(probe.cases))]

    def one(item: tuple[int, int], keep: Any) -> dict[str, float]:
        i, case = item
        sets = () if i < 0 else (probe.parameters[i].setting(1.5),)
        return probe.predict(probe.cases[case], sets, keep)

    outcome = map_runs(one, work)
    plain = outcome[: len(probe.cases)]
    n = len(probe.cases)
    return [i for i in range(len(probe.parameters)) if outcome[n * (i + 1) : n * (i + 2)] != plain]


@dataclass
class WindowFit:
    keys: list[str]
    x: Vector
    covariance: Vector
    labels: list[tuple[str, str]]
    before: Vector  # ln(predicted / measured)
    after: Vector
    discrepancy: dict[str, float]
    runs: int
    determined: int


def speed_of_runs(cases: Sequence[Case]) -> float:
    """ln-scatter of the CPU time an I/O from run to run, of the window that ran most often: a CPU of two speeds, for
    seconds each, shows in its dozen runs and may not in the three of another window."""
    no_runs: list[dict[str, float]] = []
    runs = max((case.raw.get("each", no_runs) for case in cases), key=len, default=no_runs)
    took = [
        r["fio_cpu_ns_per_s"] / r["iops"] for r in runs if r.get("iops", 0) > 0 and r.get("fio_cpu_ns_per_s", 0) > 0
    ]
    return statistics.stdev(map(math.log, took)) if len(took) > 2 else 0.0


def window_scatter(case: Case, names: Sequence[str], speed_of_run: float = 0.0) -> Vector:
    """Covariance of a window's figures, ln: what is asked of the model, and how far the medians of the repeats scatter
    by themselves; CPU times do so together, as far as the steadiest of them does: the window's own speed."""
    import numpy as np

    scatter = np.array([median_sigma(case, name, speed_of_run) for name in names])
    timed = np.array([name in CPU_TIMES for name in names])
    told = [s for s, name in zip(scatter, names, strict=True) if name in CPU_TIMES and name in case.spread]
    speed = min(told, default=0.0) * timed
    own = np.array([SIGMA[name] ** 2 for name in names]) + np.maximum(scatter**2 - speed**2, 0.0)
    found: Vector = np.diag(own) + np.outer(speed, speed)
    return found


def scatter_of(problem: Problem) -> Vector:
    """The same of all windows' figures, in the order of problem.labels()."""
    import numpy as np

    labels, speed = problem.labels(), speed_of_runs(problem.cases)
    found = np.zeros((len(labels), len(labels)))
    for case in problem.cases:
        at = [i for i, (of, _) in enumerate(labels) if of == case.id]
        found[np.ix_(at, at)] = window_scatter(case, [labels[i][1] for i in at], speed)
    return found


def soft_loss(res: Vector, z: Vector) -> float:
    import numpy as np

    return float((ROBUST**2 * 2 * (np.sqrt(1 + (res / ROBUST) ** 2) - 1)).sum() + z @ z)


def _descend(
    z: Vector,
    r: Vector,
    jac: Vector,
    directions: Vector,
    place: Callable[[Vector], Vector],
    evaluate: Callable[[list[Vector]], Vector],
    with_jacobian: Callable[[Vector, Vector], tuple[Vector, Vector]],
    report: Callable[[float], object] | None,
) -> tuple[Vector, Vector, Vector]:
    """Steps along `directions` until none of the dampings gains; the point, its residuals and its Jacobian."""
    import numpy as np

    for turn in range(MAX_STEPS):
        if report:
            report((turn + 2) / (MAX_STEPS + 2))
        weight = 1 / np.sqrt(1 + (r / ROBUST) ** 2)
        hessian = (jac.T * weight) @ jac + np.eye(directions.shape[1])
        gradient = jac.T @ (weight * r) + directions.T @ z
        steps = [directions @ np.linalg.solve(hessian + d * np.diag(np.diag(hessian)), -gradient) for d in DAMPING]
        points = [z + step for step in steps]
        results = evaluate([place(point) for point in points])
        losses = [soft_loss(results[i], point) for i, point in enumerate(points)]
        best = int(np.argmin(losses))
        gained = soft_loss(r, z) - losses[best]
        if gained <= 0:
            break
        z = points[best]
        r, jac = with_jacobian(z, directions)
        if gained < 0.01 * losses[best]:
            break
    return z, r, jac


def fit_windows(
    problem: Problem,
    whole: Problem,
    keys: list[str],
    means: Vector,
    covariance: Vector,
    report: Callable[[float], object] | None,
) -> WindowFit:
    """Gauss-Newton with several dampings at once (Levenberg), from the first step's means. `whole`: the same windows at
    length and with what else runs on the CPU; how far its figures are from the short ones at the start is held constant
    on the way, and the residuals at the end are its own."""
    import numpy as np

    chosen = {p.key: i for i, p in enumerate(problem.parameters)}
    columns = [chosen[k] for k in keys]
    labels = problem.labels()
    spread = np.linalg.cholesky(scatter_of(problem)).astype(np.float64)  # residuals, ln = spread @ r
    whiten = np.linalg.inv(spread) * np.array([SIGMA[name] for _, name in labels])

    def figures(of: Problem, points: list[Vector]) -> Vector:
        values = np.zeros((len(points), len(problem.parameters)))
        values[:, columns] = points
        found: Vector = np.array(of.evaluate(values.tolist())) @ whiten.T
        return found

    beside = figures(whole, [means])[0] - figures(problem, [means])[0]

    def evaluate(points: list[Vector]) -> Vector:
        found: Vector = figures(problem, points) + beside
        return found

    root = np.linalg.cholesky((covariance + covariance.T) / 2 + 1e-12 * np.eye(len(means)))  # x = means + root @ z

    def with_jacobian(z: Vector, directions: Vector) -> tuple[Vector, Vector]:
        """Residuals, and their derivatives along columns of `directions`; each is moved by STEP in its largest x."""
        scale = STEP / np.maximum(np.abs(root @ directions).max(axis=0), 1e-9)
        values = evaluate(
            [means + root @ z, *(means + root @ (z + d * s) for d, s in zip(directions.T, scale, strict=True))]
        )
        return values[0], ((values[1:] - values[0]) / scale[:, None]).T

    # The full Jacobian once; then only along what the windows say more of than the prior does.
    z = np.zeros(len(means))
    r, jac = with_jacobian(z, np.linalg.inv(root))
    before = r.copy()
    _, singular, rows = np.linalg.svd(jac @ root, full_matrices=False)
    directions = rows[singular > TOLD].T
    r, jac = with_jacobian(z, directions)
    z, r, jac = _descend(z, r, jac, directions, lambda z: means + root @ z, evaluate, with_jacobian, report)
    r = figures(whole, [means + root @ z])[0]
    weight = 1 / np.sqrt(1 + (r / ROBUST) ** 2)
    told = np.linalg.inv((jac.T * weight) @ jac + np.eye(directions.shape[1]))
    whitened = np.eye(len(means)) + directions @ (told - np.eye(directions.shape[1])) @ directions.T
    left = without_leverage(r, jac, told, weight, spread)
    return WindowFit(
        keys=keys,
        x=means + root @ z,
        covariance=root @ whitened @ root.T,
        labels=labels,
        before=spread @ before,
        after=spread @ r,
        discrepancy=discrepancy_of(labels, list(left), medians_of(problem)),
        runs=problem.evaluations + whole.evaluations,
        determined=directions.shape[1],
    )


def without_leverage(r: Vector, jac: Vector, told: Vector, weight: Vector, spread: Vector) -> Vector:
    """Residuals, ln, as they would be if no figure had a say in its own prediction."""
    import numpy as np

    moved = spread @ jac
    share = np.einsum("ij,jk,ik->i", moved, told, moved) / (spread**2).sum(axis=1) * weight
    found: Vector = spread @ r / np.sqrt(1 - np.clip(share, 0.0, 0.9))
    return found


def median_sigma(case: Case, name: str, speed_of_run: float = 0.0) -> float:
    """How far the median of a window's repeats is from what many would give: from their range, as of a normal law; of
    CPU times at least as one run's speed says."""
    low, high = case.spread.get(name, (0.0, 0.0))
    value, n = case.measured.get(name, 0.0), int(case.raw.get("runs", 1))
    if value <= 0 or n < 2:
        return 0.0
    run = (high - low) / value / RANGE_SIGMAS[min(n, len(RANGE_SIGMAS) - 1)]
    return max(run, speed_of_run * (name in CPU_TIMES)) * math.sqrt(math.pi / 2 / n)


def medians_of(problem: Problem) -> list[float]:
    """median_sigma of all windows' figures, in the order of problem.labels()."""
    speed = speed_of_runs(problem.cases)
    figures = zip(problem.cases, problem.targets, strict=True)
    return [median_sigma(case, name, speed) for case, names in figures for name in names]


def discrepancy_of(
    labels: Sequence[tuple[str, str]], left: Sequence[float], measured: Sequence[float]
) -> dict[str, float]:
    """The model's own error by figure: what windows left unexplained (`left`, each with its leverage taken out), less
    how far their medians scatter by themselves; of medians, since a window between two modes of the machine may be off
    by any factor. Not below what a fit could tell: the scatter over the root of the number of windows."""
    columns: dict[str, list[tuple[float, float]]] = {}
    for (_, name), value, scatter in zip(labels, left, measured, strict=True):
        columns.setdefault(name, []).append((float(value), scatter))
    found = {}
    for name, column in columns.items():
        noise = statistics.median(s * s for _, s in column)
        error = (statistics.median(abs(v) for v, _ in column) / NormalDist().inv_cdf(0.75)) ** 2 - noise
        found[name] = math.sqrt(max(error, noise / len(column)))
    return found


@dataclass
class Posterior:
    """Factors of all parameters, best and drawn."""

    factors: dict[str, float] = field(default_factory=dict)
    sigma: dict[str, float] = field(default_factory=dict)
    draws: dict[str, list[float]] = field(default_factory=dict)


def posterior(keys: Sequence[str], x: Vector, covariance: Vector) -> Posterior:
    """Draws around x: factors relative to the best ones."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    symmetric = (covariance + covariance.T) / 2
    values, vectors = np.linalg.eigh(symmetric)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    draws = rng.standard_normal((DRAWS, len(keys))) @ root.T
    return Posterior(
        {k: math.exp(float(v)) for k, v in zip(keys, x, strict=True)},
        {k: math.sqrt(max(0.0, float(symmetric[i, i]))) for i, k in enumerate(keys)},
        {k: [round(math.exp(float(d)), 4) for d in draws[:, i]] for i, k in enumerate(keys)},
    )


def options_for(machine: str, duration: str = WINDOW_S) -> Options:
    return Options(machine=machine, duration=duration, warmup=WINDOW_WARMUP)
