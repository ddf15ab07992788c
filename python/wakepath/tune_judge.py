# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tuning found, judged on seeds that the search never saw: is the best better than the scenario as it is, or
equal within noise; and which knob did it.

Differences are taken seed by seed (the streams are common), and a difference counts where it is beyond the 95 %
interval of its mean by Student's t. A search takes the best of many, which is an optimist's figure; the figure that is
reported is the one on fresh seeds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from wakepath.tune_runs import Bench, Outcome, Setting
from wakepath.tune_space import Objective

CONFIDENCE = 0.975  # of one side


@dataclass(frozen=True)
class Difference:
    """Of one objective between two settings, in the objective's unit; above 0 is better."""

    metric: str
    before: float
    after: float
    gain: float
    interval: float  # half the 95 % interval of the gain

    @property
    def verdict(self) -> str:
        if not math.isfinite(self.gain) or abs(self.gain) <= self.interval or self.gain == 0:
            return "equal"
        return "better" if self.gain > 0 else "worse"


def difference(objective: Objective, before: Sequence[float], after: Sequence[float]) -> Difference:
    from scipy.stats import t

    gains = [objective.gain(b, a) for a, b in zip(before, after, strict=True)]
    n = len(gains)
    spread = statistics.stdev(gains) if n > 1 and all(map(math.isfinite, gains)) else math.inf
    half = float(t.ppf(CONFIDENCE, n - 1)) * spread / math.sqrt(n) if n > 1 else math.inf
    return Difference(
        objective.metric, statistics.fmean(before), statistics.fmean(after), statistics.fmean(gains), half
    )


@dataclass(frozen=True)
class Knob:
    """One key's part: alone from the default, and missed when it alone goes back."""

    key: str
    value: str
    alone: Difference  # the default with this key changed
    missed: Difference  # the best against the best without this key: above 0, it is needed

    @property
    def part(self) -> str:
        if self.alone.verdict == "better" and self.missed.verdict != "better":
            return "helps alone; not needed beside the others"
        if self.alone.verdict == "better":
            return "does it"
        if self.missed.verdict == "better":
            return "needed with the others"
        if self.missed.verdict == "worse":
            return "costs something"
        return "no effect"


def judge(bench: Bench, default: Setting, best: Setting, seeds: Sequence[int]) -> tuple[list[Difference], Outcome]:
    before, after = bench.measure([default, best], seeds)
    found = [difference(o, a, b) for o, a, b in zip(bench.objectives, before.values, after.values, strict=True)]
    return found, after


def knobs(bench: Bench, best: Setting, seeds: Sequence[int]) -> list[Knob]:
    """Every key alone and left out, by the first objective."""
    settings: list[Setting] = [(), best]
    for item in best:
        settings += [(item,), tuple(other for other in best if other != item)]
    outcomes = [outcome.values[0] for outcome in bench.measure(settings, seeds)]
    objective = bench.objectives[0]
    found = []
    for at, (key, value) in enumerate(best):
        alone, without = outcomes[2 + 2 * at], outcomes[3 + 2 * at]
        found.append(
            Knob(key, value, difference(objective, outcomes[0], alone), difference(objective, without, outcomes[1]))
        )
    return found
