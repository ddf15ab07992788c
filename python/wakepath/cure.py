# SPDX-License-Identifier: GPL-2.0-or-later
"""cure(): tries every known lever, alone and in pairs, and ranks what restores performance.

The levers are data (levers.toml). Each is run with the same seeds as the scenario as it is. What can be done on the
running machine comes before what needs a restart, a boot, or a patch; within that, the most IOPS first. Rows whose IOPS
differ by less than TIE of the best are equal in IOPS and ranked by p99 (in steps of TIE_P99), by what the neighbours
lose, then by how much of the machine they change. A pair is shown where it beats both of its levers by more than TIE.

Neighbours are all other tasks of the scenario but kworkers: what they lose is their CPU time and their I/Os beside the
scenario as it is; 0 where there are none.
"""

from __future__ import annotations

import itertools
import statistics
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.errors import InputError
from wakepath.parallel import Keep, map_runs
from wakepath.result import Section
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario, toml_key

if TYPE_CHECKING:
    import pandas as pd

LEVERS = Path(__file__).resolve().parent / "levers.toml"
EFFORTS = ("live", "restart", "boot", "patch")
REACHES = ("group", "cpu", "task", "machine")
TIE, TIE_P99 = 0.02, 0.05
# Levers that are paired: the best few of different kinds.
PAIRED = 5
SEEDS = 3


@dataclass(frozen=True)
class Lever:
    """One change: what it sets in the scenario, and how it is made on a real machine."""

    name: str
    kind: str
    effort: str
    reach: str
    sets: tuple[str, ...]
    shell: str
    undone_by: str


@dataclass(frozen=True)
class Row:
    """What one lever, or a pair, gives. Spreads are standard deviations over seeds; `gain` is beside `as it is`."""

    name: str
    effort: str
    reach: str
    sets: tuple[str, ...]
    shell: tuple[str, ...]
    undone_by: tuple[str, ...]
    iops: float
    iops_spread: float
    gain: float
    p99_ns: float
    p99_spread: float
    switches: float
    neighbours_loss: float
    status: str = "ok"


@dataclass(frozen=True)
class Cure:
    """`now`: the scenario as it is; `rows`: the best first."""

    now: Row
    rows: tuple[Row, ...]
    seeds: int
    refused: tuple[tuple[str, str], ...]
    how: dict[str, Any]

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([asdict(r) for r in (self.now, *self.rows)])

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": "wakepath.cure/1",
            "seeds": self.seeds,
            "now": asdict(self.now),
            "rows": [{"rank": i, **asdict(r)} for i, r in enumerate(self.rows, 1)],
            "refused": [{"lever": name, "why": why} for name, why in self.refused],
            "how": self.how,
        }


def cure(
    scenario: Scenario | str,
    *,
    seeds: int = SEEDS,
    jobs: int | None = None,
    pairs: bool = True,
    how: dict[str, Any] | None = None,
    closed: Sequence[str] = (),
    progress: Callable[[float], object] | None = None,
) -> Cure:
    """Try the levers on a scenario (a recording's: `cure_trace`). Levers that would be set through a file of `closed`
    are left out, with the reason."""
    if isinstance(scenario, str):
        scenario = Scenario.load(scenario)
    if not scenario.describe()["workloads"]:
        raise InputError("has no workload that does I/O", scenario.describe()["name"], suggestion="[workload.fio]")
    trial = _Trial(scenario, seeds, jobs, progress)
    now = trial.rows([()])[0]
    assert isinstance(now, Row)
    refused: list[tuple[str, str]] = []
    levers = []
    for lever in levers_of(scenario):
        if file := next((f for f in closed if f in lever.shell), None):
            refused.append((lever.name, f"the recorded machine does not let root read {file}, so it cannot be set"))
        else:
            levers.append(lever)
    singles: list[tuple[tuple[Lever, ...], Row]] = []
    for lever, row in zip(levers, trial.rows([(lever,) for lever in levers], now), strict=True):
        if isinstance(row, Row):
            singles.append(((lever,), row))
        else:
            refused.append((lever.name, row))
    found = [row for _, row in singles]
    if pairs:
        found += _pairs(trial, singles, now)
    return Cure(now, tuple(_ranked(found)), seeds, tuple(refused), how or {})


def cure_trace(trace: str, **options: Any) -> Cure:
    """The same on the workload of a recording, replayed without what recording cost."""
    from wakepath.replay import SHORTEST_NS, Source, changed_scenario, recorded_figures
    from wakepath.replay_source import open_recording

    names = ("setting", "kernel")
    sets = options.pop("sets", ())
    recording = open_recording(trace, *(options.pop(n, None) for n in names))
    source = Source(recording, options.pop("machine", None))
    source.fit()
    scenario = source.scenario(traced=False, duration=f"{SHORTEST_NS}ns")
    if sets:
        scenario = changed_scenario(scenario, sets)
    how = {**source.how(), "recorded": recorded_figures(recording)}
    return cure(scenario, how=how, closed=recording.closed, **options)


def _pairs(trial: _Trial, singles: list[tuple[tuple[Lever, ...], Row]], now: Row) -> list[Row]:
    best = sorted(singles, key=lambda s: -s[1].iops)
    chosen: list[tuple[Lever, Row]] = []
    for (lever,), row in best:
        if all(lever.kind != other.kind for other, _ in chosen) and len(chosen) < PAIRED:
            chosen.append((lever, row))
    both = [(a, b) for a, b in itertools.combinations(chosen, 2)]
    rows = trial.rows([(a[0], b[0]) for a, b in both], now)
    return [
        row
        for (a, b), row in zip(both, rows, strict=True)
        if isinstance(row, Row) and row.iops > max(a[1].iops, b[1].iops) * (1 + TIE)
    ]


def _ranked(rows: Sequence[Row]) -> list[Row]:
    out: list[Row] = []
    for effort in EFFORTS:
        left = sorted((r for r in rows if r.effort == effort), key=lambda r: -r.iops)
        while left:
            top = left[0].iops
            equal = [r for r in left if r.iops >= top * (1 - TIE)]
            best = max(1.0, min(r.p99_ns for r in equal))
            out += sorted(equal, key=lambda r: (_step(r.p99_ns / best), round(r.neighbours_loss, 2), *_narrow(r)))
            left = left[len(equal) :]
    return out


def _step(ratio: float) -> int:
    """Latencies within TIE_P99 of the best are one."""
    return int((ratio - 1) / TIE_P99)


def _narrow(row: Row) -> tuple[int, int, float]:
    """One lever before two, the one that changes less before the one that changes more."""
    return (len(row.shell), REACHES.index(row.reach), -row.iops)


class _Trial:
    """Runs combinations of levers on one scenario, all seeds of all of them in one pool."""

    def __init__(
        self, scenario: Scenario, seeds: int, jobs: int | None, progress: Callable[[float], object] | None
    ) -> None:
        self.scenario, self.seeds, self.jobs, self.progress = scenario, seeds, jobs, progress
        self.seed = int(scenario.describe()["run"]["seed"])
        self.before: list[dict[str, Any]] = []

    def rows(self, tries: Sequence[tuple[Lever, ...]], now: Row | None = None) -> list[Row | str]:
        """A row for each, or why the scenario refuses it."""
        work: list[tuple[int, Scenario]] = []
        why: dict[int, str] = {}
        for i, levers in enumerate(tries):
            sets = tuple(s for lever in levers for s in lever.sets)
            try:
                for k in range(self.seeds):
                    options = Options(sets=sets, seed=str(self.seed + k))
                    work.append((i, self.scenario.with_sets(options=options)))
            except InputError as error:
                why[i] = str(error)
        told = self.progress
        done = None if told is None else lambda n: told(n / max(1, len(work)))
        results = map_runs(_run, work, jobs=self.jobs, done=done)
        out: list[Row | str] = []
        for i, levers in enumerate(tries):
            mine = [r for (k, _), r in zip(work, results, strict=True) if k == i]
            if i in why:
                out.append(why[i])
                continue
            if now is None:
                self.before = mine
            out.append(self._row(levers, mine, now))
        return out

    def _row(self, levers: tuple[Lever, ...], runs: list[dict[str, Any]], now: Row | None) -> Row:
        iops = [float(r["io"]["iops"]) for r in runs]
        p99 = [float(r["io"]["clat_ns"]["p99"]) for r in runs]
        mean = statistics.fmean(iops)
        return Row(
            name=" + ".join(lever.name for lever in levers) or "as it is",
            effort=max((lever.effort for lever in levers), key=EFFORTS.index, default="live"),
            reach=max((lever.reach for lever in levers), key=REACHES.index, default="group"),
            sets=tuple(s for lever in levers for s in lever.sets),
            shell=tuple(lever.shell for lever in levers),
            undone_by=tuple(lever.undone_by for lever in levers),
            iops=mean,
            iops_spread=statistics.stdev(iops) if len(iops) > 1 else 0.0,
            gain=mean / now.iops - 1 if now and now.iops else 0.0,
            p99_ns=statistics.fmean(p99),
            p99_spread=statistics.stdev(p99) if len(p99) > 1 else 0.0,
            switches=statistics.fmean(float(r["totals"]["context_switches_per_s"]) for r in runs),
            neighbours_loss=_loss(self.before, runs) if now else 0.0,
        )


def _run(item: tuple[int, Scenario], keep: Keep) -> dict[str, Any]:
    return simulate(item[1], keep)


def _neighbours(run: dict[str, Any]) -> tuple[float, float]:
    """CPU time of the other tasks, and I/Os of the other workloads."""
    cpu = sum(t["cpu_ns_per_s"] for t in run["tasks"] if t["group"] not in ("fio", "kworker"))
    return float(cpu), float(sum(j["iops"] for j in run["io"]["jobs"][1:]))


def _loss(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> float:
    """The greater loss of the two, as a share; threads of the machine (below 2 % of a CPU) are no neighbours."""
    pairs = [(_neighbours(a), _neighbours(b)) for a, b in zip(before, after, strict=True)]
    worst = 0.0
    for k, least in ((0, 2e7), (1, 1.0)):
        was, is_ = (statistics.fmean(p[side][k] for p in pairs) for side in (0, 1))
        if was > least:
            worst = max(worst, 1 - is_ / was)
    return worst


def levers_of(scenario: Scenario) -> list[Lever]:
    """Those of levers.toml that mean something here, filled in."""
    facts = _facts(scenario)
    out: list[Lever] = []
    for entry in tomllib.loads(LEVERS.read_text(encoding="utf-8"))["lever"]:
        if not all(_holds(condition, facts) for condition in entry["when"]):
            continue
        for raw in entry["values"]:
            value = str(raw).format(**facts["names"])
            if _no_change(entry, value, facts):
                continue
            names = {**facts["names"], "value": value}
            shown = f" {value}" if len(entry["values"]) > 1 or value not in ("true", "false") else ""
            out.append(
                Lever(
                    name=entry["name"] + shown,
                    kind=entry["kind"],
                    effort=entry["effort"],
                    reach=entry["reach"],
                    sets=tuple(s.format(**names) for s in entry["set"]),
                    shell=entry["shell"].format(**names),
                    undone_by=entry["undone_by"],
                )
            )
    return out


def _facts(scenario: Scenario) -> dict[str, Any]:
    doc, describe = tomllib.loads(scenario.to_toml()), scenario.describe()
    job_name, job = next(iter(doc["workload"].items()))
    version = describe["kernel"]["version"]
    switches = {row["name"]: row["value"] for row in _core.kernel_switches(version)}
    switches |= dict(change.split("=", 1) for change in describe["kernel"]["changed"])
    group = _nearest_group(describe, job.get("cgroup", ""), _has_weight)
    limited = _nearest_group(describe, job.get("cgroup", ""), lambda g: not g.get("cpu_max", "max").startswith("max"))
    cpus = job.get("cpus_allowed") or [0]
    depth = int(job.get("iodepth", 1))
    return {
        "group": group,
        "limited": limited,
        "switches": {k: str(v).lower() for k, v in switches.items()},
        "version": version,
        "cpus": describe["machine"]["cpus"],
        "job": job,
        "direct_writes": "write" in job["rw"] or job["rw"] in ("randrw", "rw", "readwrite"),
        "names": {
            "group": toml_key(group["path"]) if group else "",
            "limited": toml_key(limited["path"]) if limited else "",
            "job": toml_key(job_name),
            "cpu": cpus[0],
            "dev": doc["block"]["name"],
            "comm": "fio",
            "depth": depth,
            "half": max(1, depth // 2),
        },
        "doc": doc,
    }


def _has_weight(group: dict[str, Any]) -> bool:
    return group["cpu_weight"] is not None or group["cpu_shares"] is not None


def _nearest_group(
    describe: dict[str, Any], path: str, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any] | None:
    """The group at or above `path` that is as wanted."""
    groups = {g["path"]: g for g in describe["cgroups"]}
    while path and path in groups:
        group = groups[path]
        if wanted(group):
            return dict(group)
        path = group["parent"]
    return None


def _holds(condition: str, facts: dict[str, Any]) -> bool:
    group, limited = facts["group"], facts["limited"]
    if condition.startswith("off:"):
        return str(facts["switches"].get(condition.removeprefix("off:"), "true")) == "false"
    return bool(
        {
            "weighted": group is not None,
            "v2": group is not None and group["cpu_weight"] is not None,
            "v1": group is not None and group["cpu_weight"] is None,
            "limited": limited is not None and limited["cpu_shares"] is None,
            "limited_v1": limited is not None and limited["cpu_shares"] is not None,
            "cfs": facts["switches"]["eevdf"] == "false",
            "eevdf": facts["switches"]["eevdf"] == "true",
            "libaio": facts["job"]["ioengine"] == "libaio",
            "workers": facts["direct_writes"] and facts["switches"]["dio_write_complete_inline"] == "false",
            "several_cpus": facts["cpus"] > 1,
            "newer": True,
        }[condition]
    )


def _no_change(entry: dict[str, Any], value: str, facts: dict[str, Any]) -> bool:
    """What is so already, or an older kernel."""
    group, job = facts["group"], facts["job"]
    if entry["kind"] == "weight":
        now = group["cpu_weight"] if group["cpu_weight"] is not None else group["cpu_shares"]
        return int(value) >= int(now)
    if entry["kind"] == "kernel":
        order = _core.kernel_versions()
        return value not in order or order.index(value) <= order.index(facts["version"])
    if entry["kind"] == "min_nr":
        return int(value) == int(job["iodepth_batch_complete_min"])
    if entry["kind"] == "rq_affinity":
        return int(value) == int(facts["doc"]["block"]["rq_affinity"])
    return False


def first(found: Cure) -> Section:
    """The best row, as a mapping."""
    return Section(asdict(found.rows[0])) if found.rows else Section()
