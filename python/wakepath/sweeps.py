# SPDX-License-Identifier: GPL-2.0-or-later
"""sweep(): the same scenario over values of keys and over seeds, on all cores of this machine or of a Dask cluster.

Every point is run with the same seeds (common random numbers), so that a difference between two points is not one of
their random streams. With `out` results go to disk as they come (sweep_store.py); a sweep that was stopped goes on with
resume=True. A point whose values are refused, or that ends in an error, is a row with its `status` and no figures.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.arguments import checked
from wakepath.errors import InputError, closest
from wakepath.parallel import Keep, map_runs
from wakepath.result import Result, without_wall
from wakepath.runner import run_bare
from wakepath.scenario import Options, Scenario
from wakepath.sweep_store import FolderStore, MemoryStore, SweepRow, line_of, read_head
from wakepath.vary import given_vary

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SCHEMA = "wakepath.sweep/1"
MOST_RUNS = 1_000_000


@dataclass(frozen=True)
class Point:
    """One run: its number, the value of each varied key as text, its seed."""

    index: int
    values: tuple[tuple[str, str], ...]
    seed: int

    @property
    def name(self) -> str:
        return " ".join([*(f"{k}={v}" for k, v in self.values), f"seed={self.seed}"])


@dataclass
class Sweep:
    """`rows` in the order of the points: {"point", "values", "seed", "status", "error"?, "result"?}. With `out` they
    are read from disk when looked at; memory does not grow with their number."""

    scenario: Scenario
    vary: dict[str, list[str]]
    seeds: list[int]
    rows: Sequence[SweepRow] = field(default_factory=MemoryStore)
    status: str = "finished"

    @staticmethod
    def load(out: str) -> Sweep:
        """A sweep from the folder that `out` named, as far as it has come."""
        head = read_head(Path(out))
        store = FolderStore(out, head, resume=True)
        store.close()
        whole = Sweep(Scenario.from_toml(head["scenario"]), head["vary"], head["seeds"], store)
        points = len(whole.seeds)
        for listed in whole.vary.values():
            points *= len(listed)
        whole.status = "finished" if len(store) == points else "stopped"
        return whole

    @property
    def failed(self) -> list[SweepRow]:
        return [row for row in self.rows if row["status"] not in ("finished", "limit")]

    def results(self) -> Iterator[Result]:
        """Each run's result, in the order of the points."""
        return (Result(row["result"]) for row in self.rows if "result" in row)

    def flat(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Rows as `to_pandas` shows them, one at a time."""
        assert isinstance(self.rows, MemoryStore | FolderStore)
        return self.rows.flat(columns)

    def to_pandas(self) -> pd.DataFrame:
        """One row per point and seed: the varied keys, seed, status, and every figure under its dotted name."""
        import pandas as pd

        if isinstance(self.rows, FolderStore):
            found = self.rows.table()
            if found is not None:
                frame: pd.DataFrame = found.to_pandas().drop(columns="point")
                if frame["error"].isna().all():
                    frame = frame.drop(columns="error")
                front = [*self.vary, "seed", "status"]
                return frame[[*front, *(name for name in frame.columns if name not in front)]]
        return pd.DataFrame(list(self.flat()))

    def to_xarray(self) -> xr.Dataset:
        """A dimension per varied key and `seed`; figures with `units` and `long_name`, what was fixed in `attrs`."""
        from wakepath.xarrays import sweep_dataset

        return sweep_dataset(self)

    def to_json(self) -> str:
        head = _head(self.scenario, self.vary, self.seeds)
        whole = {**head, "status": self.status, "rows": list(self.rows)}
        return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"

    def __len__(self) -> int:
        return len(self.rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unpickled, (self.scenario, self.vary, self.seeds, list(self.rows), self.status))

    def __repr__(self) -> str:
        return f"<wakepath sweep: {len(self.rows)} runs over {', '.join(self.vary)}, {self.status}>"

    def _repr_html_(self) -> str:
        from wakepath.html_repr import sweep_html

        return sweep_html(self)


def _unpickled(
    scenario: Scenario, vary: dict[str, list[str]], seeds: list[int], rows: list[SweepRow], status: str
) -> Sweep:
    store = MemoryStore()
    for row in rows:
        store.add(row)
    return Sweep(scenario, vary, seeds, store, status)


@checked
def sweep(
    scenario: Scenario | str,
    vary: Mapping[str, Any],
    *,
    set: Sequence[str] = (),
    seeds: int | Sequence[int] = 1,
    jobs: int | None = None,
    out: str | None = None,
    resume: bool = False,
    client: Any = None,
    dask: str | None = None,
    progress: Callable[[float], object] | None = None,
    on_row: Callable[[SweepRow], object] | None = None,
) -> Sweep:
    """Run every combination of values with every seed. Ctrl-C ends it: status "stopped", finished rows kept.

    `seeds`: how many, counted up from the scenario's, or they themselves. `jobs`: threads on this machine.
    `out`, `resume`: a folder that holds every row as soon as it is there, and going on with it. `client`, `dask`: a
    Dask client, or a scheduler's address, whose workers do the runs instead.
    """
    base = Scenario.load(scenario, set=set) if isinstance(scenario, str) else scenario.with_sets(*set)
    values = given_vary(vary)
    first = int(base.describe()["run"]["seed"])
    numbers = [first + i for i in range(seeds)] if isinstance(seeds, int) else [int(seed) for seed in seeds]
    points = _points(values, numbers)
    _check_keys(base, values)
    if out is None and resume:
        raise InputError("--resume needs the folder of the sweep", suggestion="--out DIR --resume")
    cluster = _cluster(client, dask)
    store = MemoryStore() if out is None else FolderStore(out, _head(base, values, numbers), resume=resume)
    whole = Sweep(base, values, numbers, store)
    todo = [point for point in points if not store.has(point.index)]

    def take(row: SweepRow) -> None:
        if row["status"] == "stopped":  # a run that was cut short is not a point of the sweep
            return
        store.add(row)
        if progress and cluster is not None:
            progress(len(store) / len(points))
        if on_row:
            on_row(row)

    def done(count: int) -> None:
        if progress:
            progress((len(points) - len(todo) + count) / len(points))

    try:
        if todo and cluster is not None:
            from wakepath.sweep_dask import map_points

            map_points(cluster, base.to_toml(), str(base.describe()["name"] or "text"), todo, take)
        elif todo:
            map_runs(lambda point, keep: take(run_point(base, point, keep)), todo, jobs=jobs, done=done)
    except KeyboardInterrupt:
        whole.status = "stopped"
    finally:
        store.close()
        if dask is not None and cluster is not None:
            cluster.close()
    return whole


def _cluster(client: Any, address: str | None) -> Any:
    if client is not None and address is not None:
        raise InputError("both client= and dask= are given", suggestion="one of them")
    if address is None:
        return client
    from wakepath.sweep_dask import connect

    return connect(address)


def _points(values: Mapping[str, list[str]], seeds: Sequence[int]) -> list[Point]:
    if not values:
        raise InputError("nothing is varied", suggestion="give at least one --vary KEY=V1,V2")
    if not seeds:
        raise InputError("no seed", suggestion="seeds=1 or more")
    count = len(seeds)
    for listed in values.values():
        count *= len(listed)
    if count > MOST_RUNS:
        raise InputError(f"{count} runs", suggestion=f"at most {MOST_RUNS}: fewer values, or several sweeps")
    combinations: Iterable[tuple[str, ...]] = itertools.product(*values.values())
    return [
        Point(index, tuple(zip(values, chosen, strict=True)), seed)
        for index, (chosen, seed) in enumerate(itertools.product(combinations, seeds))
    ]


def _check_keys(base: Scenario, values: Mapping[str, list[str]]) -> None:
    """A key that takes none of its values is the user's mistake and found before the first run."""
    for key, listed in values.items():
        refused: InputError | None = None
        for value in listed:
            try:
                base.with_sets(f"{key}={value}")
                break
            except InputError as error:
                refused = refused or error
        else:
            assert refused is not None
            raise refused


def run_point(base: Scenario, point: Point, keep: Keep) -> dict[str, Any]:
    row: dict[str, Any] = {"point": point.index, "values": dict(point.values), "seed": point.seed}
    try:
        sets = tuple(f"{key}={value}" for key, value in point.values)
        scenario = base.with_sets(options=Options(sets=sets, seed=str(point.seed)))
        result = run_bare(scenario, keep)
    except InputError as error:
        return {**row, "status": "refused", "error": str(error)}
    except Exception as error:  # one point's failure is a row, not the end of a thousand others
        return {**row, "status": "failed", "error": f"{type(error).__name__}: {error}"}
    # The text of the scenario stands once in the sweep's head; here it would be most of the file.
    return {**row, "status": result.status, "result": without_wall(result.data)}


def _head(base: Scenario, vary: Mapping[str, list[str]], seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": _core.version,
        "vary": dict(vary),
        "seeds": list(seeds),
        "scenario": base.to_toml(),
    }


def metric_of(name: str, known: Sequence[str]) -> str:
    """A metric's dotted name, from itself or its last part; InputError with the nearest one."""
    if name in known:
        return name
    ends = [key for key in known if key.endswith("." + name)]
    if len(ends) == 1:
        return ends[0]
    near = closest(name, list(known))
    raise InputError(f"no metric '{name}'", suggestion=f"did you mean {near}?" if near else "see sweep --json")


def digest(whole: Sweep) -> str:
    """One sum over all rows: equal for equal figures, whatever the number of jobs."""
    return hashlib.sha256("".join(map(line_of, whole.rows)).encode()).hexdigest()
