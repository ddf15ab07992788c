# SPDX-License-Identifier: GPL-2.0-or-later
"""Long runs and large ones: what a simulated second costs after an hour, what an event costs among 10,000 tasks.

    .venv/bin/python -P bench/long_runs.py [--seconds 1,10,60,3600] [--built] [--write] [WORD...]

After ./test unit. CPU time and the most memory of a process of its own for each run (bench/peers/run.cc). Parts: `hour`
(the first mystery for longer and longer), `sleepers` (tasks that wake in turn, as many wakeups a second whatever their
number), `hogs` (tasks that never sleep), `groups` (a sleeper each), `flight` (I/Os under way at once). --write puts the
table into docs/performance.md. Exit status 1: a simulated second of a longer run costs over 5 % more than one of the
shortest, or an event costs more than in proportion to the logarithm of the tasks.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
WORK = ROOT / "build" / "peers"
PAGE = ROOT / "docs" / "performance.md"
SIZES = (10, 100, 1000, 10000)
Found = tuple[list[str], list[str]]  # rows, bars that were missed


@dataclass
class Run:
    ns: float  # of CPU for each event
    events: float
    iops: float
    rss_mib: float


def measure(what: str, scenario: str, seconds: float, *sets: str) -> Run:
    command = [str(BUILD / "peers" / "peers_run"), what, scenario, str(seconds), *sets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    ns, n, iops = (float(word) for word in said.split())
    return Run(ns, n, iops, used.ru_maxrss / 1024)


def slope(file: str, seconds: float) -> Run:
    """What events cost beyond those of a shorter run: making the tasks and the result is not theirs."""
    short, long = measure("events", file, seconds), measure("events", file, 4 * seconds)
    events = long.events - short.events
    return Run((long.ns * long.events - short.ns * short.events) / events, events, 0, long.rss_mib)


def least_of(times: int, one: Callable[[], Run]) -> Run:
    """CPU time is only ever too long."""
    return min((one() for _ in range(times)), key=lambda r: r.ns)


def scenario(name: str, text: str) -> str:
    file = WORK / f"{name}.toml"
    file.write_text(f'platform = "server"\n[kernel]\nversion = "v6.12"\n[machine]\ncpus = 1\n{text}')
    return str(file)


def sleepers(n: int) -> str:
    """100,000 wakeups a second among all."""
    one = '[program.t{0}]\nkind = "per"\nrun = "1us"\nperiod = "{1}us"\n'
    return scenario(f"sleepers-{n}", "".join(one.format(i, 10 * n) for i in range(n)))


def hogs(n: int) -> str:
    return scenario(f"hogs-{n}", "".join(f'[program.t{i}]\nkind = "hog"\n' for i in range(n)))


def groups(n: int) -> str:
    one = '[cgroup.g{0}]\n[program.t{0}]\nkind = "per"\nrun = "1us"\nperiod = "{1}us"\ncgroup = "g{0}"\n'
    return scenario(f"groups-{n}", "".join(one.format(i, 10 * n) for i in range(n)))


def in_flight(n: int) -> list[str]:
    return [
        f"workload.fio.iodepth={min(n, 1000)}",
        f"workload.fio.numjobs={max(1, n // 1000)}",
        f"workload.fio.iodepth_batch_submit={min(n, 1000)}",
        "workload.fio.iodepth_batch_complete_max=128",
    ]


def hour(seconds: list[float]) -> Found:
    lines, missed = [], []
    first = 0.0
    for s in seconds:
        run = least_of(3 if s <= 60 else 1, lambda s=s: measure("io", "starved_completions", s))
        cost = run.ns * run.events / s / 1e9  # events: I/Os here
        first = first or cost
        speed = f"{1 / cost:.1f} simulated s per s"
        lines.append(f"| mystery 1, {s:g} s | {speed} | {cost / first:.3f} | {run.rss_mib:.0f} MiB |")
        if cost > 1.05 * first:
            missed.append(f"{s:g} simulated s: {cost / first:.3f} of what a second costs in the shortest run")
    return lines, missed


def growing(name: str, file: Callable[[int], str], sizes: tuple[int, ...], seconds: float) -> Found:
    lines, missed = [], []
    base = 0.0
    for n in sizes:
        run = least_of(2, lambda n=n: slope(file(n), seconds))
        base = base or run.ns / math.log2(n)
        share = run.ns / (base * math.log2(n))
        lines.append(f"| {n:,} {name} | {run.ns:.0f} ns an event | {share:.2f} | {run.rss_mib:.0f} MiB |")
        if run.ns > base * math.log2(n):
            missed.append(f"{n:,} {name}: {run.ns:.0f} ns an event, {base * math.log2(n):.0f} by the logarithm")
    return lines, missed


def flight() -> Found:
    lines = []
    for n in (128, 1000, 10000, 100000):
        run = least_of(3, lambda n=n: measure("io", "starved_completions", 2, *in_flight(n)))
        lines.append(f"| {n:,} in flight | {run.ns:.0f} ns an I/O, {run.iops:,.0f} IOPS | | {run.rss_mib:.0f} MiB |")
    return lines, []


def write(lines: list[str]) -> None:
    begin, end = "<!-- long:begin -->\n", "<!-- long:end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE} has no place for the table")
    PAGE.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", default="1,10,60")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--built", action="store_true", help="take the program as it is")
    parser.add_argument("word", nargs="*")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if not args.built:
        subprocess.run(["ninja", "-C", str(BUILD), "peers_run"], check=True, stdout=subprocess.DEVNULL)
    seconds = [float(s) for s in args.seconds.split(",")]
    parts: dict[str, Callable[[], Found]] = {
        "hour": lambda: hour(seconds),
        "sleepers": lambda: growing("sleepers", sleepers, SIZES, 0.5),
        "hogs": lambda: growing("hogs", hogs, SIZES, 100),
        "groups": lambda: growing("groups of a sleeper", groups, (10, 100, 1000), 0.5),
        "flight": flight,
    }
    lines = ["| run | cost | beside the shortest | memory |", "| --- | ---: | ---: | ---: |"]
    print("\n".join(lines))
    missed: list[str] = []
    for name, part in parts.items():
        if args.word and name not in args.word:
            continue
        more, wrong = part()
        lines += more
        missed += wrong
        print("\n".join(more), flush=True)
    if args.write:
        write([f"`.venv/bin/python -P bench/long_runs.py --seconds {args.seconds} --write`", "", *lines])
    for line in missed:
        print(f"MISSED {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
