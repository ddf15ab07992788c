# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath beside its peers: the same work by both, turn and turn about, in CPU time.

    .venv/bin/python -P bench/peers.py [--rounds N] [--built] [--write] [WORD...]

After ./test unit; the machine must be idle. Each row runs ours and theirs --rounds times, one after the other (a pair),
and gives the medians, the median of the pairs' ratios and the least and greatest ratio. WORD: only rows that have it in
their work or peer. --write puts the tables into docs/performance.md. The programs are bench/peers/ (each says what it
does); SimPy is installed into build/peers when it is not there. Exit status 1: a bar of the table is missed.
"""

from __future__ import annotations

import argparse
import lzma
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "release"
WORK = ROOT / "build" / "peers"
PAGE = ROOT / "docs" / "performance.md"
BIN = BUILD / "peers"
PERF_TEXT = ROOT / "tests" / "data" / "traces" / "perf-w10240.txt.xz"

Check = Callable[[float], bool]


@dataclass
class Side:
    """A program and the operations that it does, by its own count unless `outside` says how many."""

    name: str
    command: list[str]
    check: Check = lambda _: True
    outside: float = 0  # then CPU time is the whole process's, children included
    per_ms: bool = False  # for each simulated millisecond; the check is operations per second
    times: list[float] = field(default_factory=list)

    def run(self) -> float:
        environment = os.environ | {"PYTHONPATH": str(WORK / "python")}
        before = cpu_of_children()
        done = subprocess.run(self.command, capture_output=True, text=True, check=False, env=environment)
        spent = cpu_of_children() - before
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(self.command)}: {done.stderr[-2000:]}")
        if self.outside:
            return 1e9 * spent / self.outside
        ns, _, check = (float(word) for word in done.stdout.splitlines()[-1].split())
        if not self.check(check):
            raise SystemExit(f"{' '.join(self.command)}: {check} cannot be right")
        return ns * check / 1000 if self.per_ms else ns


@dataclass
class Row:
    name: str
    unit: str
    ours: Side
    theirs: Side
    most_ns: float = 0  # bars; 0: none
    least_ratio: float = 0

    def measure(self, rounds: int) -> None:
        for _ in range(rounds):
            self.ours.times.append(self.ours.run())
            self.theirs.times.append(self.theirs.run())

    @property
    def ratios(self) -> list[float]:
        return [t / o for o, t in zip(self.ours.times, self.theirs.times, strict=True)]

    def missed(self) -> str:
        ours, ratio = statistics.median(self.ours.times), statistics.median(self.ratios)
        if self.most_ns and ours > self.most_ns:
            return f"{self.name}: {ours:.1f} ns, at most {self.most_ns:g}"
        if self.least_ratio and ratio < self.least_ratio:
            return f"{self.name}: {ratio:.1f} times, at least {self.least_ratio:g}"
        return ""

    def line(self) -> str:
        ours, theirs = statistics.median(self.ours.times), statistics.median(self.theirs.times)
        bar = f"{self.most_ns:g} ns at most" if self.most_ns else ""
        if self.least_ratio:
            bar += (", " if bar else "") + f"{self.least_ratio:g} times at least"
        spread = f"{min(self.ratios):.1f} to {max(self.ratios):.1f}"
        return (
            f"| {self.name} | {self.unit} | {ours:,.1f} | {self.theirs.name} | {theirs:,.1f} "
            f"| **{statistics.median(self.ratios):.1f}** | {spread} | {bar} |"
        )


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def prepare(build: bool) -> None:
    if build:
        subprocess.run(["ninja", "-C", str(BUILD), "wakepath_peers"], check=True, stdout=subprocess.DEVNULL)
    if not (WORK / "python" / "simpy").is_dir():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--target"]
        subprocess.run([*pip, str(WORK / "python"), "-r", str(ROOT / "requirements" / "bench.txt")], check=True)
    WORK.mkdir(parents=True, exist_ok=True)
    if not (WORK / "perf.txt").is_file():
        once = lzma.decompress(PERF_TEXT.read_bytes())
        (WORK / "perf.txt").write_bytes(once * (8 * 2**20 // len(once)))
    if not (WORK / "run.dat").is_file():
        run = [sys.executable, "-P", "-m", "wakepath", "run", "starved_completions", "--no-control"]
        subprocess.run([*run, "--duration", "200ms", "--trace", str(WORK / "run.dat")], check=True, capture_output=True)


def near(wanted: float, share: float) -> Check:
    return lambda value: abs(value - wanted) <= share * wanted


def records_of(file: Path) -> float:
    done = subprocess.run([str(BIN / "peers_read_trace"), str(file)], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[1])


def mm1() -> list[Row]:
    def ours() -> Side:
        return Side("wakepath", [str(BIN / "peers_mm1"), "1000000"], near(10, 0.2))

    simpy = Side("SimPy 4.1.1", [sys.executable, str(ROOT / "bench/peers/mm1_simpy.py"), "100000"], near(10, 0.5))
    simgrid = Side("SimGrid 3.32 actors", [str(BIN / "peers_mm1_simgrid"), "200000"], near(10, 0.4))
    return [
        Row("M/M/1", "customer", ours(), simpy, most_ns=100, least_ratio=20),
        Row("M/M/1", "customer", ours(), simgrid),
    ]


PEERS = {
    "std::priority_queue": "std",
    "Boost 4-ary heap": "d_ary",
    "Boost Fibonacci heap": "fibonacci",
    "Boost pairing heap": "pairing",
}


def holds() -> list[Row]:
    rows = []
    for cancels, name, bar in (([], "hold", 25.0), (["cancels"], "hold and cancel", 40.0)):
        for pending in ("256", "4096"):
            n = "1000000"
            most = bar if pending == "256" else 0.0
            for peer, queue in PEERS.items():
                ours = Side("wakepath", [str(BIN / "peers_hold"), "wakepath", pending, n, *cancels])
                theirs = Side(peer, [str(BIN / "peers_hold"), queue, pending, n, *cancels])
                rows.append(Row(f"{name}, {pending} pending", "hold", ours, theirs, most_ns=most))
            for what in ("timers", "actors"):
                ours = Side("wakepath", [str(BIN / "peers_hold"), "wakepath", pending, n, *cancels])
                command = [str(BIN / "peers_hold_simgrid"), what, pending, "200000", *cancels]
                theirs = Side(f"SimGrid {what}", command)
                rows.append(Row(f"{name}, {pending} pending", "hold", ours, theirs, most_ns=most))
    return rows


def mystery() -> list[Row]:
    """In the root group's weight both do 200k IOPS. As published ours does fewer, for the twin has no ping-pong."""
    rows = []
    for name, sets in (("200k IOPS", ["cgroup.kubepods.cpu.weight=100"]), ("as published", [])):
        command = [str(BIN / "peers_run"), "io", "starved_completions", "1", *sets]
        ours = Side("wakepath", command, lambda iops: iops > 100_000, per_ms=True)
        twin = [str(BIN / "peers_mystery1_simgrid"), "0.5"]
        theirs = Side("SimGrid actors", twin, lambda iops: iops > 100_000, per_ms=True)
        rows.append(Row(f"mystery 1, {name}", "simulated ms", ours, theirs, least_ratio=10))
    return rows


def reading() -> list[Row]:
    perf, dat, text = WORK / "perf.txt", WORK / "run.dat", WORK / "run.txt"
    pandas = Side("pandas", [sys.executable, str(ROOT / "bench/peers/read_pandas.py"), str(perf)])
    rows = [Row("perf script text", "record", Side("wakepath", [str(BIN / "peers_read_trace"), str(perf)]), pandas)]
    records = records_of(dat)
    report = Side("trace-cmd report", ["sh", "-c", f"trace-cmd report -t {dat} > {text}.theirs"], outside=records)
    ours = Side("wakepath", [str(BIN / "peers_read_trace"), str(dat), str(text)], outside=records)
    rows.append(Row("trace.dat to text", "record", ours, report))
    return rows


def whole_model() -> list[str]:
    """The engine's own figures of the first mystery, which have no peer."""
    lines = ["| mystery 1 | IOPS | ns of CPU per event | simulated s per s of CPU |", "| --- | ---: | ---: | ---: |"]
    for name, sets in (("in the root group's weight", ["cgroup.kubepods.cpu.weight=100"]), ("as published", [])):
        per_event, per_io, iops = [], [], 0.0
        for _ in range(5):
            for what, found in (("events", per_event), ("io", per_io)):
                command = [str(BIN / "peers_run"), what, "starved_completions", "2", *sets]
                done = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
                found.append(float(done[0]))
                iops = float(done[2])
        speed = 1e9 / (statistics.median(per_io) * iops)
        lines.append(f"| {name} | {iops:,.0f} | {statistics.median(per_event):.1f} | {speed:.1f} |")
    return lines


def machine() -> str:
    cpu = next(
        (ln.split(":")[1].strip() for ln in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in ln), ""
    )
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return f"{cpu}, {os.cpu_count()} CPUs, Linux {platform.release()}, {compiler}, Python {platform.python_version()}"


def write(lines: list[str]) -> None:
    begin, end = "<!-- peers:begin -->\n", "<!-- peers:end -->"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE} has no place for the tables")
    PAGE.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--built", action="store_true", help="take the programs as they are")
    parser.add_argument("word", nargs="*")
    args = parser.parse_args()
    prepare(not args.built)
    rows = [
        r
        for r in (*mm1(), *mystery(), *holds(), *reading())
        if all(w in f"{r.name} {r.theirs.name}" for w in args.word)
    ]
    lines = [
        f"`.venv/bin/python -P bench/peers.py --rounds {args.rounds} --write`: {machine()}.",
        "",
        "| work | ns per | wakepath | peer | its ns | times | pairs | asked for |",
        "| --- | --- | ---: | --- | ---: | ---: | --- | --- |",
    ]
    print("\n".join(lines[2:]))
    for row in rows:
        row.measure(args.rounds)
        lines.append(row.line())
        print(lines[-1], flush=True)
    if not args.word:
        lines += ["", *whole_model()]
        print("\n".join(lines[-5:]))
    if args.write:
        write(lines)
    missed = [row.missed() for row in rows if row.missed()]
    for line in missed:
        print(f"MISSED {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
