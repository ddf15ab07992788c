# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace formats by the suffix of a file, and convert(). The core reads a format by its content and writes one by its
suffix; Parquet is Python's part (parquet.py)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.arguments import checked
from wakepath.errors import InputError, closest

PACKED = (".xz", ".gz", ".zst")
WRITTEN = {
    ".txt": "ftrace text",
    ".ftrace": "ftrace text",
    ".pftrace": "Perfetto",
    ".perfetto-trace": "Perfetto",
    ".dat": "trace.dat of trace-cmd",
    ".parquet": "Parquet columns",
}


def check_suffix(path: str) -> None:
    """A name that may be written: a device, a pipe and standard output take text, as does a name without a suffix."""
    name = path
    for packed in PACKED:
        name = name.removesuffix(packed)
    suffix = Path(name).suffix
    if path == "-" or not suffix or suffix in WRITTEN or (Path(path).exists() and not Path(path).is_file()):
        if suffix == ".parquet" and name != path:
            raise InputError("Parquet packs by itself", path, suggestion=name)
        return
    near = closest(suffix, list(WRITTEN))
    raise InputError(
        f"no trace format has the suffix '{suffix}'",
        path,
        suggestion=f"did you mean {near}?" if near else f"one of {' '.join(WRITTEN)}, and {' '.join(PACKED)} after it",
    )


@contextmanager
def written(path: str | None) -> Iterator[str | None]:
    """A file for the core to write the records of `path` into; what must become Parquet does so at the end."""
    if path is None or not path.endswith(".parquet"):
        yield path
        return
    from wakepath.parquet import from_trace

    with tempfile.TemporaryDirectory(prefix="wakepath.") as folder:
        text = str(Path(folder) / "trace.txt")
        yield text
        from_trace(text, path)


@checked
def convert(source: str, out: str) -> dict[str, Any]:
    """Write the records of a trace (any format, a tarball of collect.sh too) in the format of another name.

    Gives the reader's report: what was read, what is known by its name only, what could not be read.
    """
    from wakepath import recording

    check_suffix(out)
    with recording.open(source) as opened:
        if out.endswith(".parquet"):
            from wakepath.parquet import from_trace

            return from_trace(opened.trace, out)
        report: dict[str, Any] = json.loads(_core.convert(opened.trace, out))
        return report
