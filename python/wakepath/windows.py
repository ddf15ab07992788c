# SPDX-License-Identifier: GPL-2.0-or-later
"""Several short windows of one scenario as one result.

A recorder is turned on on a machine that ran without: what a short recording shows is how that machine moves from the
one steady state to the other, from whatever moment it was turned on at. So a replay that is held beside it is run as
often as makes up a run of ordinary length, each time with another seed and turned on at another moment, and the figures
are means over the windows.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Scenario

# Together they are to be so long; more than MOST are not needed.
TOGETHER_NS, MOST = 400_000_000, 10
WARMUP_NS = 60_000_000
# Warm-ups differ by this, which no period of a tick (1, 4, 10 ms) divides.
STAGGER_NS = 1_370_000
MEANS = ("io", "totals", "cpus", "tasks", "groups", "workqueue")


def count(window_ns: int) -> int:
    return max(1, min(MOST, -(-TOGETHER_NS // max(1, window_ns))))


def over_windows(scenario_of: Callable[[str, str, int], Scenario], window_ns: int, seed: int) -> Result:
    """`scenario_of(duration, warmup, seed)` makes each; the result is the first one's with means in its figures."""
    results = [
        run(scenario_of(f"{window_ns}ns", f"{WARMUP_NS + i * STAGGER_NS}ns", seed + i)) for i in range(count(window_ns))
    ]
    first = results[0]
    for key in MEANS:
        if key in first.data:
            first.data[key] = mean_of([r.data.get(key) for r in results])
    return first


def mean_of(values: Sequence[Any]) -> Any:
    """Numbers that all have: their mean. What is no number, or not there each time, is the first one's."""
    first = values[0]
    if isinstance(first, bool) or any(type(v) is not type(first) and not _numbers(v, first) for v in values):
        return first
    if isinstance(first, dict):
        return {k: mean_of([v[k] for v in values]) if all(k in v for v in values) else x for k, x in first.items()}
    if isinstance(first, list):
        if any(len(v) != len(first) for v in values):
            return first
        return [mean_of(items) for items in zip(*values, strict=True)]
    if isinstance(first, int) and all(isinstance(v, int) for v in values):
        return round(statistics.fmean(values))
    return statistics.fmean(values) if isinstance(first, int | float) else first


def _numbers(a: Any, b: Any) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in (a, b))
