#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Count what the running kernel's io-wq does with each pattern of patterns.txt, from its own tracepoints.

Needs root, tracefs and liburing. Works in a trace instance of its own, which it removes at the end:

    calibration/iowq_probe/measure.py --runs 5 --out tests/truth/iowq-host.jsonl
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
EVENTS = ("task/task_rename", "sched/sched_process_exit", "io_uring/io_uring_queue_async_work")
RENAME = re.compile(r"(\d+\.\d+): task_rename: pid=(\d+) oldcomm=\S+ newcomm=(\S+)")
EXIT = re.compile(r"(\d+\.\d+): sched_process_exit: comm=(\S+) pid=(\d+)")
QUEUED = re.compile(r": io_uring_queue_async_work: ")


def tracefs() -> Path:
    for path in (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing")):
        if (path / "instances").is_dir():
            return path
    sys.exit("measure.py: no tracefs; as root: mount -t tracefs none /sys/kernel/tracing")


class Instance:
    """A trace instance, there for as long as the block runs."""

    def __init__(self) -> None:
        self.path = tracefs() / "instances" / f"iowq-{os.getpid()}"

    def __enter__(self) -> "Instance":
        self.path.mkdir()
        for event in EVENTS:
            (self.path / "events" / event / "enable").write_text("1")
        return self

    def __exit__(self, *_: object) -> None:
        (self.path / "tracing_on").write_text("0")
        self.path.rmdir()

    def record(self, command: list[str]) -> list[str]:
        (self.path / "trace").write_text("")
        subprocess.run(command, check=True)
        return (self.path / "trace").read_text().splitlines()


def count(lines: list[str]) -> dict[str, int]:
    """Workers created and gone between the probe's two renames, and the most at once."""
    created = exited = live = peak = queued = 0
    probe = ""
    for line in lines:
        if m := RENAME.search(line):
            if m[3] == "probe-begin":
                probe = m[2]
            elif m[3] == "probe-end":
                break
            elif probe and m[3] == f"iou-wrk-{probe}":
                created, live = created + 1, live + 1
                peak = max(peak, live)
        elif m := EXIT.search(line):
            if probe and m[2] == f"iou-wrk-{probe}":
                exited, live = exited + 1, live - 1
        elif probe and QUEUED.search(line):
            queued += 1
    return {"created": created, "exited": exited, "peak": peak, "queued": queued}


def patterns() -> dict[str, str]:
    found = {}
    for line in (HERE / "patterns.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, program = line.split(None, 1)
            found[name] = program.strip()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--probe", default="build/release/iowq_probe", help="the program (cmake target iowq_probe)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", help="where its files go; default: a new one below the current folder")
    parser.add_argument("--only", help="names that contain this")
    parser.add_argument("--out", type=Path, help="truth file; default: print")
    args = parser.parse_args()
    cases = []
    with Instance() as trace, tempfile.TemporaryDirectory(dir=args.folder or ".") as folder:
        for name, program in patterns().items():
            if args.only and args.only not in name:
                continue
            runs = [count(trace.record([args.probe, folder, *program.split()])) for _ in range(args.runs)]
            measured = {}
            spread = {}
            for key in runs[0]:
                values = sorted(r[key] for r in runs)
                measured[key] = Counter(values).most_common(1)[0][0]
                spread[key] = [values[0], values[-1]]
            case = {
                "schema": "wakepath.iowq/1",
                "id": f"iowq-host-{name}",
                "kernel": os.uname().release,
                "cpus": os.cpu_count(),
                "ring": 64,
                "program": program,
                "runs": args.runs,
                "measured": measured,
                "spread": spread,
                "deterministic": all(low == high for low, high in spread.values()),
            }
            print(f"{name:24} {measured}  {'' if case['deterministic'] else spread}", file=sys.stderr)
            cases.append(case)
    text = "".join(json.dumps(c) + "\n" for c in cases)
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
