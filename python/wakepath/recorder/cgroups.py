# SPDX-License-Identifier: GPL-2.0-or-later
"""A cgroup of our own with a CPU weight, of version 1 (cpu.shares) or 2 (cpu.weight); removed when the block ends.

Only the controller file of the new group is written. Version 2 needs `cpu` in cgroup.subtree_control of the
root, which is
switched on for as long as the block runs where it was off.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from wakepath.recorder.facts import cgroup_facts, read

PREFIX = "wakepath-"


class NoCgroupError(Exception):
    """No group can be made here; the text says why."""


class Group:
    def __init__(self, name: str = "g") -> None:
        facts = cgroup_facts()
        if facts["version"] is None:
            raise NoCgroupError("no cgroup hierarchy has the cpu controller")
        self.version = int(facts["version"])
        self._root = Path(facts["mount"])
        self._switched_on = False
        self._path = self._root / f"{PREFIX}{os.getpid()}-{name}"

    def __enter__(self) -> Group:
        for left in self._root.glob(PREFIX + "*"):
            pid = left.name.removeprefix(PREFIX).split("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():
                self._remove(left)
        try:
            control = self._root / "cgroup.subtree_control"
            if self.version == 2 and "cpu" not in (read(control) or "").split():
                control.write_text("+cpu")
                self._switched_on = True
            self._path.mkdir()
        except OSError as error:
            self.__exit__()
            raise NoCgroupError(f"{self._path.parent}: {error.strerror}") from None
        return self

    def set_weight(self, shares: int) -> dict[str, int]:
        """A weight on the scale of cpu.shares; what a case says of it."""
        try:
            if self.version == 1:
                (self._path / "cpu.shares").write_text(str(shares))
                return {"shares": shares, "version": 1}
            weight = max(1, min(10000, round(shares * 100 / 1024)))
            (self._path / "cpu.weight").write_text(str(weight))
            return {"weight": weight, "version": 2}
        except OSError as error:
            raise NoCgroupError(f"the weight cannot be set: {error.strerror}") from None

    @property
    def procs(self) -> Path:
        return self._path / "cgroup.procs"

    def _remove(self, path: Path) -> None:
        for _ in range(20):  # a task that is just leaving
            try:
                path.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)

    def __exit__(self, *_: Any) -> None:
        self._remove(self._path)
        if self._switched_on:
            with contextlib.suppress(OSError):
                (self._root / "cgroup.subtree_control").write_text("-cpu")
            self._switched_on = False
