# SPDX-License-Identifier: GPL-2.0-or-later
"""compare(): what changed between two traces, two results, or two settings of scenarios.

Settings are run with the same seeds on both sides, so a difference is of pairs: it is called clear when its mean is
more than twice its standard error away from nothing (with one seed there is no error to tell, and nothing is clear).
Traces are compared by what an I/O costs: CPU time by part, which adds up to the whole change, then every other figure
by how much it moved.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath import _core, recording
from wakepath.errors import InputError
from wakepath.parallel import Keep, map_runs
from wakepath.paths import read_text
from wakepath.result import SCHEMA, Result, flatten
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario

if TYPE_CHECKING:
    import pandas as pd

# Figures of a run that a comparison of settings shows: name, path, factor, what more of it is (1 better, -1 worse).
SHOWN: tuple[tuple[str, tuple[str, ...], float, int], ...] = (
    ("IOPS", ("io", "iops"), 1.0, 1),
    ("latency p50, us", ("io", "clat_ns", "p50"), 1e-3, -1),
    ("latency p99, us", ("io", "clat_ns", "p99"), 1e-3, -1),
    ("switches/s", ("totals", "context_switches_per_s"), 1.0, -1),
    ("migrations/s", ("totals", "migrations_per_s"), 1.0, -1),
    ("wakeups/s", ("totals", "wakeups_per_s"), 1.0, 0),
    ("busy, % of CPUs", ("busy",), 100.0, 0),
)
CLEAR = 2.0
# Tasks and edges that are rarer than this say nothing: waits, and the share of the busiest edge.
LEAST_WAITS, LEAST_EDGE = 20, 0.01


@dataclass(frozen=True)
class Row:
    """One figure of both sides. Spreads are standard deviations over seeds; `clear`: more than chance."""

    of: str
    metric: str
    a: float | None
    b: float | None
    a_spread: float
    b_spread: float
    clear: bool
    effect: float  # what rows are ranked by

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None or self.a == 0 else self.b / self.a - 1


@dataclass(frozen=True)
class Comparison:
    kind: str  # settings, results, traces
    a: str
    b: str
    seeds: int
    rows: tuple[Row, ...]

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([{**asdict(r), "difference": r.difference} for r in self.rows])

    def as_json(self) -> dict[str, Any]:
        rows = [{**asdict(r), "difference": r.difference} for r in self.rows]
        head = {"schema": "wakepath.compare/1", "kind": self.kind, "a": self.a, "b": self.b, "seeds": self.seeds}
        return {**head, "rows": rows}


def compare(a: str, b: str) -> Comparison:
    """Two files: both results of `run --json`, or both traces."""
    results = [_is_result(path) for path in (a, b)]
    if all(results):
        return compare_results(Result.load(a), Result.load(b), a, b)
    if any(results):
        which, other = (a, b) if results[0] else (b, a)
        raise InputError(f"is a result, {other} is none", which, suggestion="give two results or two traces")
    return compare_traces(a, b)


def _is_result(path: str) -> bool:
    name = path.removesuffix(".xz").removesuffix(".gz").removesuffix(".zst")
    if not Path(path).is_file():
        raise InputError("no such file", path)
    return name.endswith(".json") and f'"{SCHEMA}"' in read_text(path)[:400]


def compare_settings(
    scenarios: Sequence[tuple[str, Scenario]],
    a: Sequence[str],
    b: Sequence[str],
    *,
    seeds: int = 1,
    jobs: int | None = None,
    done: Callable[[int], object] | None = None,
) -> Comparison:
    """Each scenario under the sets `a` and under `b`, with the same seeds."""
    first = {name: int(s.describe()["run"]["seed"]) for name, s in scenarios}
    work = [
        (name, side, scenario.with_sets(options=Options(sets=tuple(sets), seed=str(first[name] + k))))
        for name, scenario in scenarios
        for side, sets in (("a", a), ("b", b))
        for k in range(seeds)
    ]

    def one(item: tuple[str, str, Scenario], keep: Keep) -> dict[str, float]:
        return shown_figures(simulate(item[2], keep))

    figures = map_runs(one, work, jobs=jobs, done=done)
    rows: list[Row] = []
    for name, _ in scenarios:
        sides = {
            side: [f for (n, s, _), f in zip(work, figures, strict=True) if (n, s) == (name, side)] for side in "ab"
        }
        rows += [_paired(name, metric, sides["a"], sides["b"]) for metric, *_ in SHOWN if metric in sides["a"][0]]
    return Comparison("settings", " ".join(a) or "as it is", " ".join(b) or "as it is", seeds, tuple(rows))


def shown_figures(data: dict[str, Any]) -> dict[str, float]:
    cpus = data.get("cpus", [])
    busy = sum(c["busy"] for c in cpus) / len(cpus) if cpus else None
    found: dict[str, float] = {}
    for metric, path, factor, _ in SHOWN:
        value: Any = {**data, "busy": busy}
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            found[metric] = float(value) * factor
    return found


def _paired(of: str, metric: str, a: list[dict[str, float]], b: list[dict[str, float]]) -> Row:
    left, right = [x.get(metric, 0.0) for x in a], [x.get(metric, 0.0) for x in b]
    apart = [y - x for x, y in zip(left, right, strict=True)]
    error = statistics.stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
    mean = statistics.fmean(apart)
    clear = len(apart) > 1 and abs(mean) > CLEAR * error and mean != 0
    spread = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in (left, right)]
    before, after = statistics.fmean(left), statistics.fmean(right)
    return Row(of, metric, before, after, spread[0], spread[1], clear, _effect(before, after))


def _effect(a: float | None, b: float | None) -> float:
    """|ln(b / a)|, a figure that appears or goes away counts as a tenfold."""
    if a is None or b is None:
        return 0.0
    if a == b:
        return 0.0
    return abs(math.log(abs(b / a))) if a and b and a * b > 0 else math.log(10)


def compare_results(a: Result, b: Result, a_name: str = "a", b_name: str = "b") -> Comparison:
    """Every figure that both results hold, the most changed first; tables by what names their rows."""
    left, right = _figures_of(a), _figures_of(b)
    rows = [
        Row("", name, left.get(name), right.get(name), 0.0, 0.0, False, _effect(left.get(name, 0), right.get(name, 0)))
        for name in {**left, **right}
    ]
    rows = [r for r in rows if (r.a or 0) != (r.b or 0)]
    return Comparison("results", a_name, b_name, 1, tuple(sorted(rows, key=lambda r: (-r.effect, r.metric))))


def _figures_of(result: Result) -> dict[str, float]:
    data = {
        k: v
        for k, v in result.data.items()
        if k
        not in ("made_by", "engine", "control", "samples", "replay", "recorded", "unchanged", "untraced", "changed")
    }
    flat = {k: float(v) for k, v in flatten(data).items() if isinstance(v, int | float) and not isinstance(v, bool)}
    for task in result.tasks:
        flat |= _named(f"tasks.{task['comm']}", task, ("cpu_ns_per_s", "run_delay_ns_per_s"))
    for cpu in result.cpus:
        flat |= _named(f"cpus.{cpu['id']}", cpu, ("idle", "irq", "context_switches_per_s"))
    for cycle in result.pingpong:
        flat |= _named("pingpong." + ">".join(cycle["cycle"]), cycle, ("switches_per_s",))
    return flat


def _named(prefix: str, row: dict[str, Any], keys: tuple[str, ...]) -> dict[str, float]:
    return {f"{prefix}.{k}": float(row[k]) for k in keys if k in row}


def compare_traces(a: str, b: str) -> Comparison:
    """Two traces: CPU time of an I/O by part, which adds up, and its path by stage; who waits, who wakes and follows
    whom; then the event pattern (sim/analysis/compare.h). In each the most changed first."""
    with recording.open(a) as first, recording.open(b) as second:
        left, right = (json.loads(_core.analyze(path)) for path in (first.trace, second.trace))
        found = json.loads(_core.compare_traces(first.trace, second.trace))
    rows = _by_size("CPU ns an I/O", *(_per_io(data) for data in (left, right)))
    rows += _by_size("path of an I/O, mean ns", *(_stages(data) for data in (left, right)))
    rows += _by_size("waits for its CPU, mean ns", *(_waits(data) for data in (left, right)))
    for kind, of in (("wakeups_per_s", "wakeups a second"), ("switches_per_s", "switches a second")):
        rows += _by_size(of, *_edges(left, right, kind))
    pattern = [
        Row("figures", r["name"], r["a"], r["b"], 0.0, 0.0, False, _effect(r["a"], r["b"]))
        for r in found["rows"]
        if not r["minor"] and (r["a"] or 0) != (r["b"] or 0)
    ]
    pattern.sort(key=lambda r: (-r.effect, r.metric))
    return Comparison("traces", a, b, 1, (*rows, *pattern))


def _by_size(of: str, left: dict[str, float], right: dict[str, float]) -> list[Row]:
    """What both sides have, ranked by how much it moved."""
    rows = [
        Row(of, name, left.get(name, 0.0), right.get(name, 0.0), 0.0, 0.0, False, 0.0) for name in {**left, **right}
    ]
    return sorted(rows, key=lambda r: (-abs((r.b or 0.0) - (r.a or 0.0)), r.metric))


def _per_io(data: dict[str, Any]) -> dict[str, float]:
    ios = max(1, int(data["cpu_time"]["units"]["completions"]))
    parts = data["cpu_time"]["parts"]
    return {name: part["ns"] / ios for name, part in parts.items() if part["ns"] > 0 and name != "idle"}


def _stages(data: dict[str, Any]) -> dict[str, float]:
    return {row["stage"]: float(row["mean"]) for row in data["critical_path"]["stages"]}


def _waits(data: dict[str, Any]) -> dict[str, float]:
    return {row["task"]: float(row["mean_ns"]) for row in data["run_delay"] if row["waits"] >= LEAST_WAITS}


def _edges(left: dict[str, Any], right: dict[str, Any], kind: str) -> tuple[dict[str, float], dict[str, float]]:
    """Edges of the wake graph that are not rare on both sides."""
    a, b = (
        {f"{e['from']} > {e['to']}": float(e[kind]) for e in data["wake_graph"]["edges"] if e[kind] > 0}
        for data in (left, right)
    )
    least = LEAST_EDGE * max([*a.values(), *b.values(), 0.0])
    kept = {name for name in {**a, **b} if max(a.get(name, 0.0), b.get(name, 0.0)) >= least}
    return {k: v for k, v in a.items() if k in kept}, {k: v for k, v in b.items() if k in kept}
