# SPDX-License-Identifier: GPL-2.0-or-later
"""Speed and memory of a sweep of the first mystery, on one core and on all, on disk as a user would have it:

    .venv/bin/python bench/sweep.py [POINTS [DURATION]]      default: 1000 points of 1s

The machine must be idle. Exit status 1: two cores are less than 1.9 times one, or memory grew by more than 20 %
from the second quarter of the points (packing a part has its own, once) to the last. One core runs a quarter of the
points.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import wakepath


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def timed(points: int, duration: str, jobs: int) -> tuple[float, list[float]]:
    """Points per second, and memory after each row."""
    weights = [1 + i % 10000 for i in range(0, points * 7, 7)]
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as out:
        started = time.monotonic()
        whole = wakepath.sweep(
            "starved_completions",
            {"cgroup.kubepods.cpu.weight": weights},
            set=[f"run.duration={duration}"],
            jobs=jobs,
            out=f"{out}/sweep",
            on_row=lambda row: memory.append(rss_mib()),
        )
        taken = time.monotonic() - started
        assert len(whole) == points
        assert not whole.failed
    return points / taken, memory


def main() -> int:
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    duration = sys.argv[2] if len(sys.argv) > 2 else "1s"
    cores = len(os.sched_getaffinity(0))
    timed(4, "100ms", cores)  # files read, packages imported
    one, _ = timed(max(8, points // 4), duration, 1)
    every, memory = timed(points, duration, cores)
    quarter = len(memory) // 4
    early, late = max(memory[quarter : 2 * quarter]), max(memory[-quarter:])
    print(f"{points} points of {duration}: {one:.2f}/s on one core, {every:.2f}/s on {cores}: {every / one:.2f} times")
    print(f"memory: {early:.0f} MiB in the second quarter, {late:.0f} MiB in the last")
    return 0 if every / one >= 0.95 * cores and late <= 1.2 * early else 1


if __name__ == "__main__":
    sys.exit(main())
