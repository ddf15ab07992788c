# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording: a trace and the setting it was made under, from whatever a user has.

open(path) takes a trace file in any format the reader knows, with TRACE.setting.json beside it where there is one, or a
tarball of calibration/record/collect.sh. What it gives has a trace file that the core reads, and the setting object of
a truth case (tests/truth/README.md) as far as it is known. Files that had to be unpacked live until close().
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from wakepath.collected import Collected, is_tarball
from wakepath.errors import InputError
from wakepath.lockstep import find_setting, read_setting

PARQUET = (".parquet",)


@dataclass
class Recording:
    """`trace` is for the core to read; `path` is what the user gave and what messages name."""

    path: str
    trace: str
    setting: dict[str, Any]
    setting_from: str  # the file it was found in; "" when there is none
    kernel: str  # uname -r of the recorded machine; "" when it is not told
    notes: list[str] = field(default_factory=list)  # what the recording lacks, one line each
    closed: tuple[str, ...] = ()  # files of the recorded machine that nobody there may set
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, InputError) and error.file == self.trace:
            error.file = self.path  # what was unpacked has a name that says nothing to the user
        self.close()


def open(path: str, setting: str | None = None) -> Recording:
    """A trace file or a tarball; `setting` names a file that takes the place of what is found."""
    if is_tarball(path):
        return _of_tarball(path, setting)
    found, where = find_setting(path, setting)
    kernel = str(found.get("kernel", ""))
    if not path.endswith(PARQUET):
        return Recording(path, path, found, where, kernel)
    from wakepath.parquet import to_trace

    folder = tempfile.TemporaryDirectory(prefix="wakepath.")
    text = str(Path(folder.name) / "trace.txt")
    try:
        to_trace(path, text)
    except BaseException:
        folder.cleanup()
        raise
    return Recording(path, text, found, where, kernel, _folder=folder)


def _of_tarball(path: str, setting: str | None) -> Recording:
    folder = tempfile.TemporaryDirectory(prefix="wakepath.")
    try:
        collected = Collected(path, folder.name)
        found, where = (read_setting(setting), setting) if setting else (collected.setting(), path)
        trace = collected.trace()
        if not trace:
            raise InputError(
                f"holds no events (recorder {collected.manifest.get('recorder', 'none')})",
                path,
                suggestion="run collect.sh as root on a machine with tracefs or perf",
            )
    except BaseException:
        folder.cleanup()
        raise
    kernel = collected.manifest.get("release", "")
    return Recording(path, trace, found, where, kernel, collected.notes, collected.closed(), _folder=folder)
