# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace: records of a run or of a recording as columns. `trace["sched_switch"]["next_pid"]` is a numpy view on the
core's memory, read-only and without a copy; names are numbers until `to_pandas`, which makes categories of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.errors import InputError, closest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

COMMON = ("index", "ts_ns", "cpu", "pid", "comm")


class Columns(Mapping[str, "npt.NDArray[Any]"]):
    """All records of one tracepoint: its fields by the kernel's names, `index` their place in the whole trace."""

    def __init__(self, core: _core.Records, type_name: str) -> None:
        self._core, self.type = core, type_name
        self._fields = dict(_core.Records.fields(type_name))

    def __getitem__(self, field: str) -> npt.NDArray[Any]:
        if field not in self._fields:
            near = closest(field, list(self._fields))
            raise InputError(
                f"{self.type} has no field '{field}'",
                suggestion=f"did you mean {near}?" if near else "one of " + ", ".join(self._fields),
            )
        return self._core.column(self.type, field)

    def __contains__(self, field: object) -> bool:
        return field in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    @property
    def size(self) -> int:
        """Records."""
        return len(self._core.column(self.type, "index"))

    def is_name(self, field: str) -> bool:
        """The column holds ids of Trace.names."""
        return self._fields[field]

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        names = self._core.names()
        return pd.DataFrame({field: _readable(self[field], self.is_name(field), names) for field in self})

    def __repr__(self) -> str:
        return f"<wakepath records: {self.size:,} of {self.type}>"

    def _repr_html_(self) -> str:
        return str(self.to_pandas().head(20).to_html()) + f"<p>{self.size:,} records of {self.type}</p>"


def _readable(column: npt.NDArray[Any], is_name: bool, names: list[str]) -> Any:
    if not is_name:
        return column
    import pandas as pd

    codes, ids = pd.factorize(column, sort=True)
    return pd.Categorical.from_codes(codes, categories=pd.Index(_distinct([names[i] for i in ids])))


def _distinct(names: list[str]) -> list[str]:
    assert len(set(names)) == len(names), "interned names are distinct"
    return names


class Trace(Mapping[str, Columns]):
    """Records by tracepoint. Of a run: `run(..., trace=True).trace`; of a file: `Trace.read(path)`."""

    def __init__(self, core: _core.Records) -> None:
        self._core = core

    @staticmethod
    def read(path: str) -> Trace:
        """A recording as `wakepath analyze` reads it, packed or not."""
        return Trace(_core.Records.read(str(path)))

    @property
    def core(self) -> _core.Records:
        return self._core

    @property
    def names(self) -> list[str]:
        """What the ids in columns of names stand for."""
        return self._core.names()

    def __getitem__(self, type_name: str) -> Columns:
        counts = self._core.counts()
        if type_name not in counts:
            near = closest(type_name, list(counts))
            raise InputError(
                f"no record of '{type_name}'",
                suggestion=f"did you mean {near}?" if near else "it has " + ", ".join(counts),
            )
        return Columns(self._core, type_name)

    def __contains__(self, type_name: object) -> bool:
        return type_name in self._core.counts()

    def __iter__(self) -> Iterator[str]:
        return iter(self._core.counts())

    def __len__(self) -> int:
        return len(self._core.counts())

    @property
    def size(self) -> int:
        """Records of all types."""
        return len(self._core)

    def time_ns(self) -> tuple[int, int]:
        """Stamps of the earliest and the latest record."""
        stamps: list[npt.NDArray[np.int64]] = [columns["ts_ns"] for columns in self.values()]
        if not stamps:
            raise InputError("the trace has no record")
        return min(int(s.min()) for s in stamps), max(int(s.max()) for s in stamps)

    def to_pandas(self, type_name: str | None = None) -> pd.DataFrame:
        """Every record in the trace's order with the fields all have; with a tracepoint's name, its records whole."""
        if type_name is not None:
            return self[type_name].to_pandas()
        import pandas as pd

        if not len(self):
            return pd.DataFrame(columns=["type", *COMMON])
        parts = [
            pd.DataFrame({field: columns[field] for field in COMMON}).assign(type=name)
            for name, columns in self.items()
        ]
        whole = pd.concat(parts, ignore_index=True).sort_values("index", ignore_index=True)
        whole["comm"] = _readable(whole["comm"].to_numpy(), True, self.names)
        whole["type"] = whole["type"].astype("category")
        return whole[["type", *COMMON]]

    def __reduce__(self) -> tuple[Any, ...]:
        return (Trace, (self._core,))

    def __repr__(self) -> str:
        return f"<wakepath trace: {self.size:,} records of {len(self)} tracepoints>"

    def _repr_html_(self) -> str:
        from wakepath.html_repr import table

        return table([{"tracepoint": k, "records": v} for k, v in self._core.counts().items()])
