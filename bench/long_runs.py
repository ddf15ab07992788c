# SPDX-License-Identifier: GPL-2.0-or-later
"""Long runs and large ones: what a simulated second costs after an hour, what an event costs among 10,000 tasks.

    .venv/bin/python -P bench/long_runs.py [--seconds 3600] [--pairs N] [--built] [--write] [WORD...]

After ./test unit. Parts: `hour` (the first mystery), `sleepers` (tasks that wake in turn, as many wakeups a second
whatever their number), `hogs` (tasks that never sleep), `groups` (a sleeper each), `flight` (I/Os under way at once).

The machine's own speed moves by more than the 5 % in question while an hour is simulated. So nothing is compared with
what was measured at another time: bench/peers/turns.cc simulates, in one process and in turns, a second of the long run
and the first second of a fresh one, or a slice of many tasks and one of ten; the figures are medians of the pairs'
ratios, with their quartiles. CPU time; `flight` and memory: a process of its own for each run (bench/peers/run.cc).
--write puts the table into docs/performance.md. Exit status 1: a simulated second late in the run costs over 5 % more
than one of a fresh run, or an event costs more than in proportion to the logarithm of the tasks.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
WORK = ROOT / "build" / "peers"
PAGE = ROOT / "docs" / "performance.md"
SIZES = (10, 100, 1000, 10000)
MYSTERY = "starved_completions"
Found = tuple[list[str], list[str]]  # rows, bars that were missed


@dataclass
class Run:
    ns: float  # of CPU for each event
    events: float
    iops: float
    rss_mib: float


def output_of(command: list[str]) -> tuple[str, float]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return said, used.ru_maxrss / 1024


def measure(what: str, scenario: str, seconds: float, *sets: str) -> Run:
    said, rss_mib = output_of([str(BUILD / "peers" / "peers_run"), what, scenario, str(seconds), *sets])
    ns, n, iops = (float(word) for word in said.split())
    return Run(ns, n, iops, rss_mib)


@dataclass
class Pair:
    ns: float  # of CPU, of the slice
    events: float
    other_ns: float
    other_events: float


def turns(kind: str, one: str, other: str, slice_s: float, gap_s: float, pairs: int) -> tuple[list[Pair], float]:
    """And the most memory of both, MiB."""
    command = [str(BUILD / "peers" / "peers_turns"), kind, one, other, str(slice_s), str(gap_s), str(pairs)]
    said, rss_mib = output_of(command)
    return [Pair(*(float(word) for word in line.split())) for line in said.splitlines()], rss_mib


def spread(ratios: list[float]) -> tuple[float, str]:
    """The median, and it with the quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, f"{middle:.3f} ({low:.3f} to {high:.3f})"


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


def hour(seconds: float, pairs: int) -> Found:
    """The run in six parts, each second that is measured beside a fresh run's."""
    found, rss_mib = turns("fresh", MYSTERY, MYSTERY, 1, seconds / pairs - 1, pairs)
    fresh = statistics.median(p.other_ns for p in found) / 1e9
    lines = [f"| mystery 1, a fresh run's 1 s | {1 / fresh:.1f} simulated s per s | 1 | |"]
    missed = []
    for part in range(6):
        some = found[part * pairs // 6 : (part + 1) * pairs // 6]
        cost = statistics.median(p.ns for p in some) / 1e9
        ratio, text = spread([p.ns / p.other_ns for p in some])
        first, last = part * seconds / 6, (part + 1) * seconds / 6
        lines.append(f"| of {first:,.0f} to {last:,.0f} s | {1 / cost:.1f} simulated s per s | {text} | |")
        if ratio > 1.05:
            missed.append(f"{first:,.0f} to {last:,.0f} simulated s: {ratio:.3f} of what a second costs in a fresh run")
    _, text = spread([p.ns / p.other_ns for p in found])
    lines.append(f"| all of {seconds:,.0f} s | {len(found)} pairs | {text} | {rss_mib:.0f} MiB |")
    return lines, missed


def growing(name: str, file: Callable[[int], str], sizes: tuple[int, ...], slice_s: float, pairs: int) -> Found:
    """An event of each size beside one of the first, in units of what the logarithm allows."""
    lines, missed = [], []
    base = sizes[0]
    for n in sizes:
        found, rss_mib = turns("kept", file(n), file(base), slice_s, 0, pairs)
        ns = statistics.median(p.ns / p.events for p in found)
        allowed = math.log2(n) / math.log2(base)
        ratio, text = spread([p.ns / p.events * p.other_events / p.other_ns / allowed for p in found])
        lines.append(f"| {n:,} {name} | {ns:.0f} ns an event | {text} | {rss_mib:.0f} MiB |")
        if n != base and ratio > 1:
            missed.append(f"{n:,} {name}: an event costs {ratio:.2f} times what the logarithm allows")
    return lines, missed


def flight() -> Found:
    lines = []
    for n in (128, 1000, 10000, 100000):
        run = least_of(3, partial(measure, "io", MYSTERY, 2, *in_flight(n)))
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
    parser.add_argument("--seconds", type=float, default=120, help="of the long run")
    parser.add_argument("--pairs", type=int, default=360, help="of the long run, at most one a second")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--built", action="store_true", help="take the program as it is")
    parser.add_argument("word", nargs="*")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    if not args.built:
        subprocess.run(["ninja", "-C", str(BUILD), "peers_run", "peers_turns"], check=True, stdout=subprocess.DEVNULL)
    pairs = int(min(args.pairs, args.seconds))
    parts: dict[str, Callable[[], Found]] = {
        "hour": lambda: hour(args.seconds, pairs),
        "sleepers": lambda: growing("sleepers", sleepers, SIZES, 0.5, 15),
        "hogs": lambda: growing("hogs", hogs, SIZES, 100, 15),
        "groups": lambda: growing("groups of a sleeper", groups, (10, 100, 1000), 0.5, 15),
        "flight": flight,
    }
    lines = ["| run | cost | beside | memory |", "| --- | ---: | ---: | ---: |"]
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
        write([f"`.venv/bin/python -P bench/long_runs.py --seconds {args.seconds:g} --write`", "", *lines])
    for line in missed:
        print(f"MISSED {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
