# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that a checkout builds when a command first needs them (the recorder, the fleet), one process at a time."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
RELEASE = CHECKOUT / "build/release"


def can_build() -> bool:
    return (RELEASE / "CMakeCache.txt").is_file() and os.access(RELEASE.parent, os.W_OK)


def build(target: str, is_there: Callable[[], bool], report: Callable[[str], object] | None = None) -> str | None:
    """Configures and builds `target` unless `is_there`. One process at a time asks and builds: what another links at
    this moment is there and cannot be run yet. None, or what the step that failed printed."""
    with (RELEASE.parent / ".programs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_there():
            return None
        if report:
            report(f"building {target}")
        configure = ["cmake", str(CHECKOUT), "-B", str(RELEASE)]
        for command in (configure, ["cmake", "--build", str(RELEASE), "--target", target]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return done.stdout + done.stderr
    return None
