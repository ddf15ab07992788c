# SPDX-License-Identifier: GPL-2.0-or-later
"""Speed and memory of a sweep of the first mystery, on disk as a user would have it.

    .venv/bin/python bench/sweep.py [--points 40] [--rounds 5] [--duration 1s]
        The same points on one core and on all, in turns; the median of the rounds' ratios. Beside it what the machine
        gives to as many separate processes, which share nothing: a sweep cannot do better than those.
    .venv/bin/python bench/sweep.py --memory [--points 1000] [--duration 1s]
        Most memory used (VmHWM) by a sweep of a tenth of the points and by one of all, each in a process of its own.
    .venv/bin/python bench/sweep.py --points 1000 --rounds 1
        The whole of it; a quarter of the points runs on one core.

The machine must be idle. Exit status 1: all cores are less than 0.95 times their number faster than one, or the larger
sweep needs more than 10 % more memory than the smaller.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCENARIO, KEY = "starved_completions", "cgroup.kubepods.cpu.weight"
SHARE, GROWTH = 0.95, 1.10
LONG = 200  # from so many points on one core runs a quarter of them


def sweep_points(points: int, duration: str, jobs: int) -> dict[str, float]:
    """One sweep in this process: points per second, and the most memory that it has used."""
    import wakepath

    weights = [1 + i % 10000 for i in range(0, points * 7, 7)]
    with tempfile.TemporaryDirectory() as out:
        started = time.monotonic()
        whole = wakepath.sweep(
            SCENARIO, {KEY: weights}, set=[f"run.duration={duration}"], jobs=jobs, out=f"{out}/sweep"
        )
        taken = time.monotonic() - started
        assert len(whole) == points
        assert not whole.failed
    return {"per_s": points / taken, "peak_mib": peak_mib()}


def peak_mib() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def in_processes(count: int, points: int, duration: str, jobs: int) -> list[dict[str, float]]:
    """So many processes with a sweep each, at the same time. Each imports and warms up before it starts its clock."""
    command = [sys.executable, "-P", __file__, "--child", str(points), duration, str(jobs)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    return [json.loads(child.communicate()[0]) for child in children]


def child(points: int, duration: str, jobs: int) -> None:
    sweep_points(jobs, "50ms", jobs)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(sweep_points(points, duration, jobs)))


def speed(points: int, duration: str, rounds: int, cores: int) -> bool:
    on_one = points // 4 if points >= LONG else points
    ratios, ceilings = [], []
    for number in range(rounds):
        turns = ["one", "all", "apart"]
        rates: dict[str, float] = {}
        for turn in turns[number % 3 :] + turns[: number % 3]:
            if turn == "one":
                rates[turn] = in_processes(1, on_one, duration, 1)[0]["per_s"]
            elif turn == "all":
                rates[turn] = in_processes(1, points, duration, cores)[0]["per_s"]
            else:
                rates[turn] = sum(found["per_s"] for found in in_processes(cores, on_one // cores, duration, 1))
        ratios.append(rates["all"] / rates["one"])
        ceilings.append(rates["apart"] / rates["one"])
        print(
            f"round {number + 1}: {rates['one']:.2f} points/s on one core, {rates['all']:.2f} on {cores} "
            f"({ratios[-1]:.3f} times), {rates['apart']:.2f} by {cores} processes ({ceilings[-1]:.3f} times)",
            flush=True,
        )
    found = statistics.median(ratios)
    print(
        f"{points} points of {duration}, {rounds} rounds: {cores} cores are {found:.3f} times one (least "
        f"{min(ratios):.3f}, greatest {max(ratios):.3f}); {cores} separate processes {statistics.median(ceilings):.3f}"
    )
    return found >= SHARE * cores


def memory(points: int, duration: str, cores: int) -> bool:
    few, all_of_them = (in_processes(1, n, duration, cores)[0]["peak_mib"] for n in (points // 10, points))
    print(
        f"most memory used: {few:.1f} MiB by {points // 10} points, {all_of_them:.1f} MiB by {points} "
        f"({all_of_them / few:.3f} times)"
    )
    return all_of_them <= GROWTH * few


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", default="1s")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    if asked.child:
        child(int(asked.child[0]), asked.child[1], int(asked.child[2]))
        return 0
    if asked.memory:
        return 0 if memory(asked.points or 1000, asked.duration, cores) else 1
    return 0 if speed(asked.points or 40, asked.duration, asked.rounds, cores) else 1


if __name__ == "__main__":
    sys.exit(main())
