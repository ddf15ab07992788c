# SPDX-License-Identifier: GPL-2.0-or-later
"""The runs of a tuning: a setting is judged by the same seeds as every other (common random numbers), its figures are
the means over them. Settings that were run before are not run again. Runs use all cores; the result does not depend
on how many there are."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wakepath.errors import InputError
from wakepath.parallel import Keep, map_runs
from wakepath.runner import run
from wakepath.scenario import Options, Scenario
from wakepath.tune_space import Constraint, Objective

Setting = tuple[tuple[str, str], ...]  # key, value as text; () is the scenario as it is


@dataclass(frozen=True)
class Outcome:
    """Figures of one setting by seed: objectives, then constraint violations. `failure`: the setting was refused."""

    values: tuple[tuple[float, ...], ...]  # [objective][seed]
    violations: tuple[float, ...]
    failure: str = ""

    @property
    def means(self) -> tuple[float, ...]:
        return tuple(statistics.fmean(v) for v in self.values)

    @property
    def feasible(self) -> bool:
        return not self.failure and all(v <= 0 for v in self.violations)


@dataclass
class Bench:
    """Runs settings of one scenario."""

    scenario: Scenario
    objectives: Sequence[Objective]
    constraints: Sequence[Constraint]
    control: bool
    jobs: int | None = None
    runs: int = 0
    stopped: bool = False
    _known: dict[tuple[Setting, int], dict[str, Any] | str] = field(default_factory=dict)

    def measure(self, settings: Sequence[Setting], seeds: Sequence[int]) -> list[Outcome]:
        """Each setting with each seed; what is known already is taken from there."""
        needed = [(s, seed) for s in dict.fromkeys(settings) for seed in seeds if (s, seed) not in self._known]
        self._known.update(zip(needed, map_runs(self._one, needed, jobs=self.jobs), strict=True))
        self.runs += len(needed)
        return [self._outcome(setting, seeds) for setting in settings]

    def _one(self, item: tuple[Setting, int], keep: Keep) -> dict[str, Any] | str:
        setting, seed = item
        try:
            options = Options(sets=tuple(f"{key}={value}" for key, value in setting), seed=str(seed))
            result = run(self.scenario.with_sets(options=options), control=self.control, progress=keep)
        except InputError as error:
            return str(error)
        if result.status == "stopped":
            raise KeyboardInterrupt
        figures = [o.of(result.data) for o in self.objectives]
        return {"values": figures, "violations": [c.violation(result.data) for c in self.constraints]}

    def _outcome(self, setting: Setting, seeds: Sequence[int]) -> Outcome:
        runs = [self._known[setting, seed] for seed in seeds]
        good = [r for r in runs if not isinstance(r, str)]
        if len(good) < len(runs):
            worst = tuple((float("-inf") if o.maximize else float("inf"),) * len(seeds) for o in self.objectives)
            return Outcome(
                worst, tuple(float("inf") for _ in self.constraints), next(r for r in runs if isinstance(r, str))
            )
        values = tuple(tuple(r["values"][i] for r in good) for i in range(len(self.objectives)))
        violations = tuple(max(r["violations"][i] for r in good) for i in range(len(self.constraints)))
        return Outcome(values, violations)


def setting_of(values: Mapping[str, str]) -> Setting:
    return tuple(values.items())
