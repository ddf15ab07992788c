# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be written to. A device with a filesystem, a signature or any data is refused unless it is named as free to
overwrite; an existing file likewise. A scratch file of ours is removed when the block ends, and one that a killed
recording left is removed by the next.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from wakepath.errors import InputError
from wakepath.recorder.facts import PROC, SYS, read

SCRATCH = ".wakepath-record."
_LOOK = 4 << 20  # bytes at both ends of a device that must be empty


def why_in_use(device: Path) -> str:
    """Why a block device must not be written to; '' where nothing speaks against it."""
    real = str(device.resolve())
    for line in (read(PROC / "mounts") or "").splitlines():
        if line.split()[0] in (str(device), real):
            return f"is mounted on {line.split()[1]}"
    for line in (read(PROC / "swaps") or "").splitlines()[1:]:
        if line.split()[0] in (str(device), real):
            return "is used as swap"
    st = device.stat()
    folder = (SYS / f"dev/block/{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}").resolve()
    if any((folder / "holders").glob("*")):
        return "is held by another device"
    if any((p / "partition").exists() for p in folder.iterdir() if p.is_dir()):
        return "has partitions"
    return "holds data" if _has_data(device) else ""


def _has_data(device: Path) -> bool:
    with device.open("rb") as f:
        if any(f.read(_LOOK)):
            return True
        end = f.seek(0, os.SEEK_END)
        f.seek(max(0, end - _LOOK))
        return any(f.read(_LOOK))


class Target:
    """The file or device that is measured on. `path` exists and may be written to (unless `read_only`)."""

    def __init__(self, given: str, size: int, *, overwrite: bool = False, read_only: bool = False) -> None:
        self.given = Path(given)
        self.read_only = read_only
        self._scratch = False
        self._size = size
        if self.given.is_block_device():
            self.path = self.given
            if not read_only and not overwrite and (why := why_in_use(self.given)):
                raise InputError(
                    f"{why}: it is not touched",
                    given,
                    suggestion="--read-only only reads; --overwrite-data writes over all of it",
                )
        elif self.given.is_dir():
            self._make_scratch(self.given)
        elif self.given.exists():
            if not overwrite and not read_only:
                raise InputError(
                    "exists: it is not overwritten",
                    given,
                    suggestion="give its folder, a new name, --read-only, or --overwrite-data",
                )
            self.path = self.given
        elif read_only:
            raise InputError("does not exist, and --read-only makes none", given)
        else:
            self._make_scratch(self.given.parent, self.given.name)

    def _make_scratch(self, folder: Path, name: str | None = None) -> None:
        if self.read_only:
            raise InputError("is a folder: with --read-only a file or device is needed", str(folder))
        if not folder.is_dir():
            raise InputError("the folder of this file does not exist", str(self.given), suggestion=f"mkdir -p {folder}")
        remove_left_over(folder)
        self.path = folder / (name or f"{SCRATCH}{os.getpid()}")
        try:
            free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", str(folder)) from None
        if free < self._size * 5 // 4:
            raise InputError(
                f"{self._size >> 20} MiB are needed there, {free >> 20} MiB are free",
                str(folder),
                suggestion="give another --target, or a smaller --size",
            )
        self._fill()

    def _fill(self) -> None:
        """Written twice, so that later writes meet written blocks and nothing else."""
        block = os.urandom(1 << 20)
        try:
            with self.path.open("xb") as f:
                self._scratch = True
                for _ in range(2):
                    f.seek(0)
                    for _ in range(self._size >> 20):
                        f.write(block)
                    f.flush()
                    os.fsync(f.fileno())
        except OSError as error:
            self.close()
            raise InputError(f"cannot be written: {error.strerror}", str(self.path)) from None

    def close(self) -> None:
        if self._scratch:
            self.path.unlink(missing_ok=True)
            self._scratch = False

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def remove_left_over(folder: Path) -> list[str]:
    removed = []
    for path in folder.glob(SCRATCH + "*"):
        pid = path.name.removeprefix(SCRATCH)
        if pid.isdigit() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)
            removed.append(path.name)
    return removed
