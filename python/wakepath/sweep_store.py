# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the rows of a sweep are kept: in memory, or in a folder so that neither a stop nor a crash loses one and memory
stays flat however many there are.

    OUT/sweep.json               what was asked: a sweep that is resumed must ask the same
    OUT/rows.jsonl               the newest rows, a line each, flushed as they come
    OUT/rows/part-00000.parquet  the rows before them, CHUNK each: point, seed, status, error, the varied keys, every
                                 figure under its dotted name, and `result`, the whole as JSON text

A part is written beside and renamed, then the journal is emptied; a crash between the two leaves rows in both, which
are the same rows. `pandas.read_parquet("OUT/rows")` reads a finished sweep without wakepath.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from wakepath.errors import InputError
from wakepath.extras import need
from wakepath.result import flatten
from wakepath.vary import typed

HEAD, JOURNAL, PARTS = "sweep.json", "rows.jsonl", "rows"
CHUNK = 128
OWN = ("point", "seed", "status", "error", "values", "result")

SweepRow = dict[str, Any]


def line_of(row: SweepRow) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def flat_row(row: SweepRow) -> dict[str, Any]:
    """The varied keys, seed, status, error, and every figure under its dotted name."""
    flat: dict[str, Any] = {key: typed(text) for key, text in row["values"].items()}
    flat["seed"], flat["status"] = row["seed"], row["status"]
    if "error" in row:
        flat["error"] = row["error"]
    kept = {k: v for k, v in row.get("result", {}).items() if k not in ("schema", "status", "made_by")}
    flat.update(flatten(kept))
    return flat


class MemoryStore(Sequence[SweepRow]):
    """Rows by point, in memory. Rows are added from several threads."""

    def __init__(self) -> None:
        self._rows: dict[int, SweepRow] = {}
        self._order: list[int] | None = None

    def add(self, row: SweepRow) -> None:
        self._rows[row["point"]] = row
        self._order = None

    def has(self, point: int) -> bool:
        return point in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if self._order is None:
            self._order = sorted(self._rows)
        if isinstance(at, slice):
            return [self._rows[point] for point in self._order[at]]
        return self._rows[self._order[at]]

    def __iter__(self) -> Iterator[SweepRow]:
        return (self._rows[point] for point in sorted(self._rows))

    def flat(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        return (flat_row(row) for row in self)

    def close(self) -> None:
        pass


class FolderStore(Sequence[SweepRow]):
    """The same in a folder. In memory are the points that are done and where they stand, and one part at a time."""

    def __init__(self, out: str, head: dict[str, Any], *, resume: bool) -> None:
        self._parquet = need("pyarrow.parquet", "tables")
        self._lock = threading.Lock()
        self._folder = Path(out)
        self._places: dict[int, tuple[int, int]] = {}  # point -> part (-1: the journal), row in it
        self._journal: dict[int, SweepRow] = {}
        self._parts = 0
        self._file: TextIO | None = None
        self._read_part = lru_cache(maxsize=4)(self._load_part)
        self._begin(head, resume)

    def _begin(self, head: dict[str, Any], resume: bool) -> None:
        folder = self._folder
        try:
            (folder / PARTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot be made: {error.strerror}", str(folder)) from None
        if resume and (folder / HEAD).exists():
            check_head(folder, head)
            self._find()
        elif (folder / JOURNAL).exists() or any((folder / PARTS).glob("*.parquet")):
            raise InputError(
                "holds a sweep already", str(folder), suggestion="--resume goes on with it; or give another folder"
            )
        (folder / HEAD).write_text(json.dumps(head, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        self._write_journal()

    def _find(self) -> None:
        """What is there already: parts first, then the journal's whole lines."""
        for path in sorted((self._folder / PARTS).glob("part-*.parquet")):
            number = int(path.stem.partition("-")[2])
            points = self._parquet.read_table(path, columns=["point"]).column("point").to_pylist()
            self._places.update({point: (number, at) for at, point in enumerate(points)})
            self._parts = max(self._parts, number + 1)
        for row in read_journal(self._folder):
            if row["point"] not in self._places:
                self._journal[row["point"]] = row
                self._places[row["point"]] = (-1, 0)

    def _write_journal(self) -> None:
        """Written anew: a last line that was cut off must not stand before the next one."""
        if self._file:
            self._file.close()
        part = self._folder / (JOURNAL + ".part")
        part.write_text("".join(map(line_of, self._journal.values())), encoding="utf-8")
        part.replace(self._folder / JOURNAL)
        self._file = (self._folder / JOURNAL).open("a", encoding="utf-8")

    def add(self, row: SweepRow) -> None:
        with self._lock:
            assert self._file is not None, "a closed sweep takes no row"
            self._journal[row["point"]] = row
            self._places[row["point"]] = (-1, 0)
            self._file.write(line_of(row))
            self._file.flush()
            if len(self._journal) >= CHUNK:
                self._pack()

    def _pack(self) -> None:
        rows = [self._journal[point] for point in sorted(self._journal)]
        name = self._folder / PARTS / f"part-{self._parts:05}.parquet"
        part = name.with_suffix(".tmp")
        self._parquet.write_table(_arrow(rows), part, compression="zstd")
        part.replace(name)
        self._places.update({row["point"]: (self._parts, at) for at, row in enumerate(rows)})
        self._parts += 1
        self._journal.clear()
        self._write_journal()

    def close(self) -> None:
        with self._lock:
            if self._journal:
                self._pack()
            if self._file:
                self._file.close()
                self._file = None

    def has(self, point: int) -> bool:
        return point in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, at: Any) -> Any:
        order = sorted(self._places)
        if isinstance(at, slice):
            return [self._row(point) for point in order[at]]
        return self._row(order[at])

    def __iter__(self) -> Iterator[SweepRow]:
        return (self._row(point) for point in sorted(self._places))

    def _row(self, point: int) -> SweepRow:
        part, at = self._places[point]
        return self._journal[point] if part < 0 else row_from(self._read_part(part), at)

    def _load_part(self, number: int) -> Any:
        path = self._folder / PARTS / f"part-{number:05}.parquet"
        return self._parquet.read_table(path, columns=list(OWN)).to_pydict()

    def table(self) -> Any:
        """All rows' columns but the JSON texts, as one Arrow table in the order of the points."""
        arrow = need("pyarrow", "tables")
        tables = [
            self._parquet.read_table(path).drop_columns(["values", "result"])
            for path in sorted((self._folder / PARTS).glob("part-*.parquet"))
        ]
        if self._journal:
            tables.append(_arrow([*self._journal.values()]).drop_columns(["values", "result"]))
        return arrow.concat_tables(tables, promote_options="permissive").sort_by("point") if tables else None

    def flat(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        return (flat_row(row) for row in self)


def row_from(columns: dict[str, list[Any]], at: int) -> SweepRow:
    row: SweepRow = {
        "point": columns["point"][at],
        "values": json.loads(columns["values"][at]),
        "seed": columns["seed"][at],
        "status": columns["status"][at],
    }
    if columns["error"][at] is not None:
        row["error"] = columns["error"][at]
    if columns["result"][at] is not None:
        row["result"] = json.loads(columns["result"][at])
    return row


def _arrow(rows: list[SweepRow]) -> Any:
    """Rows as an Arrow table; a column of numbers that are not all whole becomes one of doubles."""
    arrow = need("pyarrow", "tables")
    flats = [flat_row(row) for row in rows]
    columns: dict[str, Any] = {
        "point": arrow.array([row["point"] for row in rows], arrow.int64()),
        "seed": arrow.array([row["seed"] for row in rows], arrow.uint64()),
        "status": arrow.array([row["status"] for row in rows], arrow.string()),
        "error": arrow.array([row.get("error") for row in rows], arrow.string()),
    }
    for key in dict.fromkeys(key for flat in flats for key in flat if key not in columns):
        columns[key] = _column(arrow, [flat.get(key) for flat in flats])
    columns["values"] = arrow.array([json.dumps(row["values"]) for row in rows], arrow.string())
    texts = [json.dumps(row["result"], ensure_ascii=False) if "result" in row else None for row in rows]
    columns["result"] = arrow.array(texts, arrow.string())
    return arrow.table(columns)


def _column(arrow: Any, values: list[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and float in kinds:
        return arrow.array([None if v is None else float(v) for v in values], arrow.float64())
    if len(kinds) > 1:
        return arrow.array([None if v is None else str(v) for v in values], arrow.string())
    return arrow.array(values)


def check_head(folder: Path, head: dict[str, Any]) -> None:
    before = read_head(folder)
    for key, value in head.items():
        if before.get(key) != value:
            raise InputError(
                f"was made with another {key}",
                str(folder / HEAD),
                suggestion="resume with the same arguments, or give another folder",
            )


def read_head(folder: Path) -> dict[str, Any]:
    if not (folder / HEAD).is_file():
        raise InputError("holds no sweep", str(folder), suggestion="a folder that sweep --out DIR has written")
    try:
        found: dict[str, Any] = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", str(folder / HEAD), error.lineno) from None
    return found


def read_journal(folder: Path) -> Iterator[SweepRow]:
    if not (folder / JOURNAL).exists():
        return
    for text in (folder / JOURNAL).read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            continue  # the line that was being written when the sweep was stopped: its point is run again
