# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorder's program: where it is, building it, running it under a bar."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from wakepath import building
from wakepath.errors import InputError

NAME = "wakepath_recorder"
NO_IO_URING = 4  # its exit status


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM undoes what was changed on the machine, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def find_program() -> Path | None:
    given = os.environ.get("WAKEPATH_RECORDER")
    for path in (Path(given) if given else None, building.RELEASE / NAME):
        if path is not None and path.is_file() and os.access(path, os.X_OK):
            return path
    found = shutil.which(NAME)
    return Path(found) if found else None


def newest_source() -> float:
    folder = building.CHECKOUT / "calibration/recorder"
    return max((p.stat().st_mtime for p in folder.glob("*.[ch]*")), default=0.0)


def _is_current() -> bool:
    found = find_program()
    return bool(found and ("WAKEPATH_RECORDER" in os.environ or found.stat().st_mtime >= newest_source()))


def program(report: Callable[[str], object] | None = None) -> Path:
    """The program, built in a checkout where it is not there or older than its sources."""
    if building.can_build():
        said = building.build(NAME, _is_current, report)
        if said is not None:
            raise InputError(_why_not_built(said))
    found = find_program()
    if found is None:
        raise InputError(f"{NAME} is not there", suggestion="use ./wakepath of a checkout, or set WAKEPATH_RECORDER")
    return found


def _why_not_built(text: str) -> str:
    if "unknown target" in text or "No rule to make target" in text:
        return "the recorder needs liburing: apt-get install --no-install-recommends liburing-dev, then again"
    lines = [line for line in text.splitlines() if "error" in line.lower()]
    return "the recorder cannot be built: " + (lines[0] if lines else text.strip().splitlines()[-1])


def run_probes(command: list[str], bar: Callable[[str, float], object]) -> tuple[int, str]:
    """Status and what it said. An interrupted recorder is ended with this program."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            for line in child.stdout:
                kind, _, rest = line.rstrip("\n").partition("\t")
                if kind == "progress":
                    share, _, what = rest.partition("\t")
                    bar(what, float(share))
            error = child.stderr.read().strip()
            return child.wait(), error
        except BaseException:
            child.terminate()
            child.wait()
            raise
