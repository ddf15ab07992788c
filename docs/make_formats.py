# SPDX-License-Identifier: GPL-2.0-or-later
"""What reading and writing a million records costs in each format: the table of docs/formats.md.

    .venv/bin/python -P docs/make_formats.py [FOLDER]

CPU seconds (user and system, children included) and the peak of resident memory, each of a process of its own; the
start of Python with the package is in it. The trace is simulated, so it is the same everywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS = ("txt", "txt.zst", "dat", "pftrace", "parquet")
RUN = ("run", "starved_completions", "--duration", "560ms", "--warmup", "10ms", "--no-control", "--trace")


def measured(*arguments: str) -> tuple[float, float]:
    """(CPU seconds, peak memory in MB) of one command."""
    process = subprocess.Popen([sys.executable, "-P", "-m", "wakepath", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{arguments[0]} ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def main(folder: Path) -> None:
    source = folder / "source.txt"
    measured(*RUN, str(source))
    report = folder / "report.json"
    measured("analyze", str(source), "--json", str(report))
    records = json.loads(report.read_text())["trace"]["records"]
    print(f"{records:,} records; CPU seconds (peak MB)\n")
    print("| format | file, MB | written by convert from .txt | read by analyze |\n|---|---|---|---|")
    for suffix in FORMATS:
        out = folder / f"t.{suffix}"
        write = measured("convert", str(source), str(out))
        read = measured("analyze", str(out), "--json", str(report))
        size = out.stat().st_size / 1e6
        print(
            f"| .{suffix} | {size:.0f} | {write[0]:.1f} ({write[1]:.0f}) | {read[0]:.1f} ({read[1]:.0f}) |", flush=True
        )
        out.unlink()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
