# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's side through perf, where no trace instance can be made: the same tracepoints, as `perf script` has them.

A trace instance is preferred: perf loses records that are written while a CPU idles.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from wakepath.recorder.tracefs import EVENTS, NoTraceError


def why_not(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    said = next((line for line in lines if "permission" in line.lower() or "error" in line.lower()), "")
    return said or (lines[-1] if lines else f"perf ended with status {done.returncode}")


def traced(run: Callable[[], object], before_s: float, seconds: float) -> str:
    """Text of a window of `seconds` that begins `before_s` after run() was called."""
    perf = shutil.which("perf")
    if perf is None:
        raise NoTraceError("perf is not installed either (apt-get install linux-perf)")
    events = [f"-e{event.replace('/', ':')}" for event in EVENTS if not event.startswith("syscalls/")]
    with tempfile.TemporaryDirectory(prefix="wakepath-perf.") as folder:
        data = str(Path(folder) / "perf.data")
        command = [perf, "record", "-q", "-a", "-k", "mono", "-m", "16M", *events, "-o", data]
        outcome: list[subprocess.CompletedProcess[str]] = []

        def window() -> None:
            threading.Event().wait(before_s)
            words = [*command, "--", "sleep", str(seconds)]
            outcome.append(subprocess.run(words, capture_output=True, text=True, check=False))

        thread = threading.Thread(target=window)
        thread.start()
        try:
            run()
        finally:
            thread.join()
        if outcome[0].returncode != 0 or not Path(data).is_file():
            raise NoTraceError(f"perf: {why_not(outcome[0])}")
        script = [perf, "script", "--ns", "-F", "comm,pid,cpu,time,event,trace", "-i", data]
        done = subprocess.run(script, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise NoTraceError(f"perf script: {why_not(done)}")
        return done.stdout
