# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces as Parquet columns (sim/trace/columns.h says which), by pyarrow, a batch at a time. pyarrow is one of
the extras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from wakepath import _core
from wakepath.errors import InputError
from wakepath.extras import need

ROWS = 1 << 14  # of a batch: some 10 MB in memory
SCHEMA_KEY = b"wakepath"
SCHEMA = b"wakepath.columns/1"


def from_trace(trace: str, out: str) -> dict[str, Any]:
    """A trace file as Parquet; gives the reader's report. The file appears whole or not at all."""
    pa, parquet = need("pyarrow", "tables"), need("pyarrow.parquet", "tables")
    reader = _core.TraceReader(trace)
    types = dict(_core.column_types())
    plain = {"int32": pa.int32(), "int64": pa.int64(), "uint64": pa.uint64(), "name": pa.string()}
    schema = pa.schema([(name, plain[kind]) for name, kind in types.items()], metadata={SCHEMA_KEY: SCHEMA})
    words: list[str] = []
    part = Path(f"{out}.part")
    try:
        with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
            while True:
                batch = reader.next(ROWS)
                if batch["rows"] == 0:
                    break
                words += batch["names"]
                names = pa.array(words, pa.string())
                columns = [_column(pa, batch["columns"][name], plain[kind], names) for name, kind in types.items()]
                writer.write_batch(pa.record_batch(columns, schema=schema))
        part.replace(out)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", out) from None
    finally:
        part.unlink(missing_ok=True)
    report: dict[str, Any] = json.loads(reader.report())
    return report


def _column(pa: Any, column: tuple[Any, Any], kind: Any, names: Any) -> Any:
    values, valid = column
    if kind == pa.string():
        return names.take(pa.array(values, pa.int64(), mask=~valid))
    if kind == pa.uint64():
        values = values.view(np.uint64)
    return pa.array(values, mask=~valid).cast(kind)


def to_trace(path: str, out: str) -> int:
    """Columns back into a trace file of the format of `out`; gives the number of rows."""
    pa, parquet = need("pyarrow", "tables"), need("pyarrow.parquet", "tables")
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"is no Parquet file: {error}", path) from None
    lacking = [name for name in ("ts_ns", "event", "common_cpu", "common_pid") if name not in file.schema_arrow.names]
    if lacking:
        raise InputError(f"has no column '{lacking[0]}'", path, suggestion="columns as `wakepath convert` writes them")
    writer = _core.TraceWriter(out)
    types = [(name, kind) for name, kind in _core.column_types() if name in file.schema_arrow.names]
    rows = 0
    try:
        for batch in file.iter_batches(ROWS, columns=[name for name, _ in types]):
            names: dict[str, int] = {"": 0}
            columns = {name: _values(pa, batch.column(name), kind, names) for name, kind in types}
            writer.append(batch.num_rows, columns, list(names))
            rows += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"breaks after {rows} records: {error}", path, suggestion="write it again") from None
    if rows == 0:
        raise InputError("holds no trace record", path)
    writer.close()
    return rows


def _values(pa: Any, column: Any, kind: str, names: dict[str, int]) -> tuple[Any, Any]:
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    if kind == "name":
        coded = column.cast(pa.string()).dictionary_encode()
        ids = [names.setdefault(word, len(names)) for word in coded.dictionary.to_pylist()]
        codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return (np.array(ids, np.int64)[codes] if ids else np.zeros(len(column), np.int64)), valid
    filled = column.fill_null(0).to_numpy(zero_copy_only=False)
    return (filled.view(np.int64) if filled.dtype == np.uint64 else filled.astype(np.int64)), valid
