# SPDX-License-Identifier: GPL-2.0-or-later
"""Result: the figures of one run, schema wakepath.result/1. A thin, typed door to its JSON; tables go to pandas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wakepath.errors import InputError
from wakepath.paths import read_text, write_text

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from wakepath.records import Trace

SCHEMA = "wakepath.result/1"
# They depend on the machine that simulates, not on the one simulated (design 3.2).
WALL_KEYS = ("wall_s", "events_per_s", "simulated_per_wall")


def flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; lists are left out, they are tables of their own."""
    flat: dict[str, Any] = {}
    if isinstance(data, Mapping):
        for key, value in data.items():
            flat.update(flatten(value, f"{prefix}.{key}" if prefix else str(key)))
    elif not isinstance(data, list):
        flat[prefix] = data
    return flat


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table: as flatten has it, and a list of names (who is in a cycle) as one text."""
    joined = {k: " -> ".join(v) for k, v in row.items() if _is_names(v)}
    return flatten({**row, **joined})


class Table:
    """One part of a result: a sequence of rows."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._rows[index]

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([_row(row) for row in self._rows])

    def __repr__(self) -> str:
        return f"<wakepath table: {len(self)} rows>"

    def _repr_html_(self) -> str:
        from wakepath.html_repr import table

        return table([_row(row) for row in self._rows])


class Section(dict[str, Any]):
    """A mapping of figures that also goes to pandas, as one row."""

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([flatten(self)])


class Result:
    """`data` is the JSON object; the properties are its parts. `trace` is there where the run was asked to keep it."""

    def __init__(self, data: dict[str, Any], trace: Trace | None = None) -> None:
        self.data = data
        self._trace = trace

    @staticmethod
    def load(path: str) -> Result:
        try:
            data = json.loads(read_text(path))
        except json.JSONDecodeError as error:
            raise InputError(f"is not JSON: {error.msg}", path, error.lineno) from None
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise InputError(f"is not of schema {SCHEMA}", path)
        return Result(data)

    @property
    def status(self) -> str:
        """finished, limit or stopped"""
        return str(self.data.get("status", "finished"))

    @property
    def io(self) -> Section:
        return Section(self.data.get("io", {}))

    @property
    def totals(self) -> Section:
        return Section(self.data.get("totals", {}))

    @property
    def groups(self) -> Section:
        return Section(self.data.get("groups", {}))

    @property
    def cpus(self) -> Table:
        return Table(self.data.get("cpus", []))

    @property
    def tasks(self) -> Table:
        return Table(self.data.get("tasks", []))

    @property
    def pingpong(self) -> Table:
        return Table(self.data.get("pingpong", []))

    @property
    def trace(self) -> Trace:
        """The records of the measured window; InputError where the run did not keep them."""
        if self._trace is None:
            raise InputError("this result has no records", suggestion="run(..., trace=True) keeps them")
        return self._trace

    @property
    def has_trace(self) -> bool:
        return self._trace is not None

    @property
    def made_by(self) -> Section:
        return Section(self.data.get("made_by", {}))

    @property
    def control(self) -> Result | None:
        """The same workload in the root group, when it was run."""
        part = self.data.get("control")
        return Result(part) if isinstance(part, dict) else None

    def to_pandas(self) -> pd.DataFrame:
        """One tidy row: every single figure under its dotted name; the scenario's text is left out."""
        import pandas as pd

        row = flatten({k: v for k, v in self.data.items() if k != "made_by"})
        made_by = {k: v for k, v in self.made_by.items() if k not in ("scenario", "validity", "machine")}
        row.update(flatten(made_by, "made_by"))
        return pd.DataFrame([row])

    def to_xarray(self) -> xr.Dataset:
        """The figures of `to_pandas` as variables with `units` and `long_name`; what was fixed as attributes."""
        from wakepath.xarrays import result_dataset

        return result_dataset(self)

    def to_json(self, *, deterministic: bool = False) -> str:
        return json.dumps(without_wall(self.data) if deterministic else self.data, indent=2, ensure_ascii=False) + "\n"

    def save(self, path: str, *, deterministic: bool = False) -> None:
        write_text(path, self.to_json(deterministic=deterministic))

    def __repr__(self) -> str:
        return f"<wakepath result: {self.io.get('iops', 0):,.0f} IOPS, {self.status}>"

    def _repr_html_(self) -> str:
        from wakepath.html_repr import result_html

        return result_html(self)


def without_wall(data: dict[str, Any]) -> dict[str, Any]:
    """The result without what depends on the simulating machine, in the control too."""
    clean = dict(data)
    if isinstance(clean.get("engine"), dict):
        clean["engine"] = {k: v for k, v in clean["engine"].items() if k not in WALL_KEYS}
    if isinstance(clean.get("control"), dict):
        clean["control"] = without_wall(clean["control"])
    return clean
