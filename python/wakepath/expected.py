# SPDX-License-Identifier: GPL-2.0-or-later
"""Published rows of a scenario folder, expected.toml (schema wakepath.expected/1).

    schema = "wakepath.expected/1"
    scenario = "scenario.toml"             # of rows that name none; beside this file
    [run]                                  # optional, for every row
    duration = "1s"
    [band.switch_cost]                     # a range of settings: where the source leaves a constant open
    centre = "centre"                      # the point that decides; "mean": that of all points, as of several seeds
    points.low = ["costs.cold_task=0ns"]
    points.centre = [...]
    [[row]]
    id = "D2"
    role = "predict"                       # or "calibrate": a figure the constants were chosen by
    metric = "io.iops / control.io.iops"   # control: the same workload in the root group
    value = 0.5                            # as published
    low = 0.52
    high = 0.64
    band = "switch_cost"
    scenario = "eevdf-6.8.toml"            # optional
    reference = "before.toml"              # optional: another scenario, whose figures the metric calls reference.*
    set = ["task.kworker.nice=-10"]        # optional
    source = "..."

`ok` is judged at the band's centre, or by the mean; the points are printed. A row without low and high is printed only.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wakepath.errors import InputError, closest
from wakepath.paths import read_text

SCHEMA = "wakepath.expected/1"
MEAN = "mean"  # a band's centre: no point of its own decides
_ROW_KEYS = {
    "id", "role", "metric", "value", "low", "high", "band", "scenario", "reference", "set", "source", "title",
}  # fmt: skip
_TOP_KEYS = {"schema", "scenario", "run", "band", "row", "title"}


@dataclass(frozen=True)
class Band:
    name: str
    centre: str
    points: dict[str, list[str]]


@dataclass(frozen=True)
class ExpectedRow:
    id: str
    role: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    band: Band | None
    scenario: str
    sets: tuple[str, ...]
    source: str
    title: str = ""
    reference: str | None = None


@dataclass
class Expected:
    file: str
    rows: list[ExpectedRow] = field(default_factory=list)
    duration: str | None = None
    warmup: str | None = None


def expected_file(folder: str) -> str:
    path = Path(folder) / "expected.toml"
    if not path.is_file():
        raise InputError("has no expected.toml", folder, suggestion="give a case file or a folder with published rows")
    return str(path)


def read_expected(folder: str) -> Expected:
    file = expected_file(folder)
    text = read_text(file)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not TOML: {error}", file) from None
    _check_keys(data, _TOP_KEYS, file, text)
    if data.get("schema") != SCHEMA:
        raise InputError(f"schema is not {SCHEMA}", file, 1, f'write schema = "{SCHEMA}"')
    bands = {name: _band(name, raw, file) for name, raw in data.get("band", {}).items()}
    expected = Expected(file, duration=data.get("run", {}).get("duration"), warmup=data.get("run", {}).get("warmup"))
    for raw in data.get("row", []):
        expected.rows.append(_row(raw, data.get("scenario", "scenario.toml"), bands, file, text))
    ids = [row.id for row in expected.rows]
    for row_id in ids:
        if ids.count(row_id) > 1:
            raise InputError(f"two rows are called '{row_id}'", file, _line(text, row_id))
    if not ids:
        raise InputError("has no row", file)
    return expected


def _line(text: str, word: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if word in line and not line.lstrip().startswith("#"):
            return number
    return 0


def _check_keys(data: dict[str, Any], known: set[str], file: str, text: str) -> None:
    for key in data:
        if key not in known:
            near = closest(key, sorted(known))
            raise InputError(f"unknown key '{key}'", file, _line(text, key), f"did you mean {near}?" if near else "")


def _band(name: str, raw: dict[str, Any], file: str) -> Band:
    points = {point: list(sets) for point, sets in raw.get("points", {}).items()}
    centre = raw.get("centre", "centre")
    if centre not in (*points, MEAN) or not points:
        raise InputError(f"band '{name}' has no point '{centre}'", file, suggestion="points: " + ", ".join(points))
    return Band(name, centre, points)


def _row(raw: dict[str, Any], scenario: str, bands: dict[str, Band], file: str, text: str) -> ExpectedRow:
    _check_keys(raw, _ROW_KEYS, file, text)
    if "id" not in raw or "metric" not in raw:
        raise InputError("a row needs id and metric", file, _line(text, str(raw.get("id", "[[row]]"))))
    line = _line(text, f'"{raw["id"]}"')
    role = raw.get("role", "predict")
    if role not in ("calibrate", "predict"):
        raise InputError(f"row {raw['id']}: unknown role '{role}'", file, line, "calibrate or predict")
    band = None
    if "band" in raw:
        if raw["band"] not in bands:
            raise InputError(f"row {raw['id']}: unknown band '{raw['band']}'", file, line, "bands: " + ", ".join(bands))
        band = bands[raw["band"]]
    number = {k: float(raw[k]) if k in raw else None for k in ("value", "low", "high")}
    return ExpectedRow(
        id=raw["id"],
        role=role,
        metric=raw["metric"],
        value=number["value"],
        low=number["low"],
        high=number["high"],
        band=band,
        scenario=str(Path(file).parent / raw.get("scenario", scenario)),
        sets=tuple(raw.get("set", ())),
        source=raw.get("source", ""),
        title=raw.get("title", ""),
        reference=str(Path(file).parent / raw["reference"]) if "reference" in raw else None,
    )
