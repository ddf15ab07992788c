# SPDX-License-Identifier: GPL-2.0-or-later
"""sensitivity(): which knob matters over the whole of its range, by SALib.

Morris: a few random walks that turn one key at a time; mu_star is the mean size of the effect on the figure, sigma
how much it depends on the others. Sobol: shares of the figure's variance, alone (S1) and with the others (ST); many
more runs. All runs have the same seed, so that what is seen is the keys' doing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wakepath.arguments import checked
from wakepath.errors import InputError
from wakepath.extras import need
from wakepath.scenario import Scenario
from wakepath.tune_runs import Bench, Setting
from wakepath.tune_space import Parameter, given_params, needs_control, objectives_of

if TYPE_CHECKING:
    import pandas as pd

METHODS = ("morris", "sobol")
CHUNK = 64  # runs between two looks at the progress bar


@dataclass(frozen=True)
class Sensitivity:
    """`rows`: a dict per key, the most important first."""

    metric: str
    method: str
    runs: int
    rows: list[dict[str, Any]]

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.rows)

    def report(self) -> str:
        columns = [name for name in self.rows[0] if name != "key"]
        width = max(len(row["key"]) for row in self.rows)
        lines = [
            f"{self.method}, {self.runs} runs: effect on {self.metric}",
            " " * width + "".join(f"{c:>14}" for c in columns),
        ]
        lines += [f"{row['key']:{width}}" + "".join(f"{row[c]:14,.4g}" for c in columns) for row in self.rows]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        from wakepath.html_repr import table

        return table(self.rows, f"{self.method}: effect on {self.metric}")


@checked
def sensitivity(
    scenario: Scenario | str,
    params: Mapping[str, Any] | Sequence[Parameter],
    metric: str = "io.iops",
    *,
    method: str = "morris",
    samples: int = 8,
    set: Sequence[str] = (),
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Sensitivity:
    """Effect of each parameter on a figure. `samples`: walks of Morris (keys + 1 runs each), or Sobol's base number, a
    power of two (keys + 2 runs each)."""
    if method not in METHODS:
        raise InputError(f"no method '{method}'", suggestion="one of " + ", ".join(METHODS))
    if samples < 2 or (method == "sobol" and samples & (samples - 1)):
        raise InputError(f"{samples} samples", suggestion="2 or more; of sobol a power of two")
    base = Scenario.load(scenario, set=set) if isinstance(scenario, str) else scenario.with_sets(*set)
    parameters = given_params(params) if isinstance(params, Mapping) else list(params)
    objective = objectives_of([metric], [])
    bench = Bench(base, objective, [], needs_control(objective, []), jobs)
    problem = {
        "num_vars": len(parameters),
        "names": [p.key for p in parameters],
        "bounds": [[0.0, 1.0]] * len(parameters),
    }
    points = _sample(problem, method, samples, seed)
    settings: list[Setting] = [
        tuple((p.key, p.at(float(x))) for p, x in zip(parameters, row, strict=True)) for row in points
    ]
    figures: list[float] = []
    for start in range(0, len(settings), CHUNK):
        chunk = bench.measure(settings[start : start + CHUNK], [int(base.describe()["run"]["seed"])])
        for setting, outcome in zip(settings[start:], chunk, strict=False):
            if outcome.failure:
                said = " ".join(f"{k}={v}" for k, v in setting)
                raise InputError(f"{said}: {outcome.failure}", suggestion="ranges whose every combination is allowed")
            figures.append(outcome.means[0])
        if progress:
            progress(len(figures) / len(settings))
    rows = _analyse(problem, method, points, figures, seed)
    return Sensitivity(objective[0].metric, method, bench.runs, rows)


def _sample(problem: dict[str, Any], method: str, samples: int, seed: int) -> Any:
    if method == "morris":
        return need("SALib.sample.morris", "tune").sample(problem, samples, num_levels=4, seed=seed)
    return need("SALib.sample.sobol", "tune").sample(problem, samples, calc_second_order=False, seed=seed)


def _analyse(
    problem: dict[str, Any], method: str, points: Any, figures: list[float], seed: int
) -> list[dict[str, Any]]:
    import numpy as np

    y = np.asarray(figures)
    if not np.ptp(y):
        # Nothing moved: SALib would divide by zero.
        return [{"key": key, "mu_star" if method == "morris" else "ST": 0.0} for key in problem["names"]]
    if method == "morris":
        found = need("SALib.analyze.morris", "tune").analyze(problem, points, y, num_levels=4, seed=seed)
        names = {"mu_star": "mu_star", "sigma": "sigma", "mu": "mu"}
    else:
        found = need("SALib.analyze.sobol", "tune").analyze(problem, y, calc_second_order=False, seed=seed)
        names = {"ST": "ST", "S1": "S1", "ST_conf": "ST_conf"}
    rows = [
        {"key": key, **{name: float(found[column][i]) for name, column in names.items()}}
        for i, key in enumerate(problem["names"])
    ]
    lead = next(iter(names))
    return sorted(rows, key=lambda row: -row[lead] if math.isfinite(row[lead]) else 0.0)
