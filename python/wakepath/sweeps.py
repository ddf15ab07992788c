# SPDX-License-Identifier: GPL-2.0-or-later
"""sweep(): the same scenario over values of keys and over seeds, on all cores of this machine.

Every point is run with the same seeds (common random numbers), so that a difference between two points is not one of
their random streams. Results go to disk as they come (OUT/rows.jsonl, a line each, flushed); a sweep that was stopped
goes on with resume=True. A point whose values are refused, or that ends in an error, is a row with its `status`
and no figures.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from wakepath import _core
from wakepath.errors import InputError, closest
from wakepath.parallel import Keep, map_runs
from wakepath.result import Result, flatten, without_wall
from wakepath.runner import run
from wakepath.scenario import Options, Scenario
from wakepath.vary import given_vary, typed

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "wakepath.sweep/1"
ROWS, HEAD = "rows.jsonl", "sweep.json"
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
    """`rows` in the order of the points: {"point", "values", "seed", "status", "error"?, "result"?}."""

    scenario: Scenario
    vary: dict[str, list[str]]
    seeds: list[int]
    rows: list[dict[str, Any]] = field(default_factory=list)
    status: str = "finished"

    @property
    def failed(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["status"] not in ("finished", "limit")]

    def results(self) -> list[Result]:
        return [Result(row["result"]) for row in self.rows if "result" in row]

    def to_pandas(self) -> pd.DataFrame:
        """One row per point and seed: the varied keys, seed, status, and every figure under its dotted name."""
        import pandas as pd

        return pd.DataFrame([flat_row(row) for row in self.rows])

    def to_json(self) -> str:
        head = _head(self.scenario, self.vary, self.seeds)
        return json.dumps({**head, "status": self.status, "rows": self.rows}, indent=1, ensure_ascii=False) + "\n"

    def __repr__(self) -> str:
        return f"<wakepath sweep: {len(self.rows)} runs over {', '.join(self.vary)}, {self.status}>"


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {key: typed(text) for key, text in row["values"].items()}
    flat["seed"], flat["status"] = row["seed"], row["status"]
    if "error" in row:
        flat["error"] = row["error"]
    kept = {k: v for k, v in row.get("result", {}).items() if k not in ("schema", "status", "made_by")}
    flat.update(flatten(kept))
    return flat


def sweep(
    scenario: Scenario | str,
    vary: Mapping[str, Any],
    *,
    set: Sequence[str] = (),
    seeds: int | Sequence[int] = 1,
    jobs: int | None = None,
    out: str | None = None,
    resume: bool = False,
    progress: Callable[[float], object] | None = None,
    on_row: Callable[[dict[str, Any]], object] | None = None,
) -> Sweep:
    """Run every combination of values with every seed. Ctrl-C ends it: status "stopped", finished rows kept.

    `seeds`: how many, counted up from the scenario's seed, or the seeds themselves.
    """
    base = Scenario.load(scenario, set=set) if isinstance(scenario, str) else scenario.with_sets(*set)
    values = given_vary(vary)
    first = int(base.describe()["run"]["seed"])
    numbers = [first + i for i in range(seeds)] if isinstance(seeds, int) else [int(seed) for seed in seeds]
    points = _points(values, numbers)
    _check_keys(base, values)
    whole = Sweep(base, values, numbers)
    store = _Store(out, _head(base, values, numbers), resume)
    todo = [point for point in points if point.index not in store.rows]

    def work(point: Point, keep: Keep) -> None:
        row = _run_point(base, point, keep)
        if row["status"] != "stopped":  # a run that was cut short is not a point of the sweep
            store.add(row)
            if on_row:
                on_row(row)

    def done(count: int) -> None:
        if progress:
            progress((len(points) - len(todo) + count) / len(points))

    try:
        if todo:
            map_runs(work, todo, jobs=jobs, done=done)
    except KeyboardInterrupt:
        whole.status = "stopped"
    finally:
        store.close()
    whole.rows = [store.rows[index] for index in sorted(store.rows)]
    return whole


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


def _run_point(base: Scenario, point: Point, keep: Keep) -> dict[str, Any]:
    row: dict[str, Any] = {"point": point.index, "values": dict(point.values), "seed": point.seed}
    try:
        sets = tuple(f"{key}={value}" for key, value in point.values)
        scenario = base.with_sets(options=Options(sets=sets, seed=str(point.seed)))
        result = run(scenario, progress=keep)
    except InputError as error:
        return {**row, "status": "refused", "error": str(error)}
    except Exception as error:  # one point's failure is a row, not the end of a thousand others
        return {**row, "status": "failed", "error": f"{type(error).__name__}: {error}"}
    data = without_wall(result.data)
    # The text of the scenario stands once in the sweep's head; here it would be most of the file.
    data["made_by"] = {k: v for k, v in data.get("made_by", {}).items() if k not in ("scenario", "validity")}
    return {**row, "status": result.status, "result": data}


def _head(base: Scenario, vary: Mapping[str, list[str]], seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "version": _core.version,
        "vary": dict(vary),
        "seeds": list(seeds),
        "scenario": base.to_toml(),
    }


class _Store:
    """Rows by point, and their file when there is one. Rows are added from several threads."""

    def __init__(self, out: str | None, head: dict[str, Any], resume: bool) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        if out is None:
            if resume:
                raise InputError("--resume needs the folder of the sweep", suggestion="--out DIR --resume")
            return
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot be made: {error.strerror}", out) from None
        if resume and (folder / HEAD).exists():
            self._read(folder, head)
        elif (folder / ROWS).exists():
            raise InputError(
                "holds a sweep already", out, suggestion="--resume goes on with it; or give another folder"
            )
        (folder / HEAD).write_text(json.dumps(head, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # Written anew: a last line that was cut off must not stand before the next one.
        part = folder / (ROWS + ".part")
        part.write_text("".join(_line(row) for row in self.rows.values()), encoding="utf-8")
        part.replace(folder / ROWS)
        self._file = (folder / ROWS).open("a", encoding="utf-8")

    def _read(self, folder: Path, head: dict[str, Any]) -> None:
        try:
            before = json.loads((folder / HEAD).read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise InputError(f"is not JSON: {error.msg}", str(folder / HEAD), error.lineno) from None
        for key, value in head.items():
            if before.get(key) != value:
                raise InputError(
                    f"was made with another {key}",
                    str(folder / HEAD),
                    suggestion="resume with the same arguments, or give another folder",
                )
        if not (folder / ROWS).exists():
            return
        for text in (folder / ROWS).read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(text)
            except json.JSONDecodeError:
                continue  # the line that was being written when the sweep was stopped: its point is run again
            self.rows[row["point"]] = row

    def add(self, row: dict[str, Any]) -> None:
        with self._lock:
            self.rows[row["point"]] = row
            if self._file:
                self._file.write(_line(row))
                self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


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
    return hashlib.sha256("".join(_line(row) for row in whole.rows).encode()).hexdigest()
