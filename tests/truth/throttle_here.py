# SPDX-License-Identifier: GPL-2.0-or-later
"""Records how this machine's kernel throttles: tasks in a group with cpu.max on the last CPU, switches by perf.

python3 tests/truth/throttle_here.py FOLDER          as root, cgroup v1 or v2, perf; about 10 s

Cases: `hogs` (three hogs in the group, quota 20 ms in 100 ms), `beside` (two hogs and a sleeper in the group, a hog
outside), `kernel` (one hog, one task that spends its time inside system calls). Writes
FOLDER/traces/throttle-KERNEL-CASE.txt.xz (perf script, these tasks' switches and charges) and
FOLDER/throttle-KERNEL.json (what the group was told, cpu.stat before and after).
"""

from __future__ import annotations

import ctypes
import json
import lzma
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

QUOTA_US, PERIOD_US = 20_000, 100_000
RECORD_S = 2.0
V1 = Path("/sys/fs/cgroup/cpu")
CASES: dict[str, list[tuple[str, str, bool]]] = {
    "hogs": [("hog-a", "hog", True), ("hog-b", "hog", True), ("hog-c", "hog", True)],
    "beside": [("hog-a", "hog", True), ("hog-b", "hog", True), ("sleeper", "per", True), ("out", "hog", False)],
    "kernel": [("hog-a", "hog", True), ("caller", "zero", True)],
}


def body(kind: str) -> None:
    if kind == "hog":
        while True:
            pass
    if kind == "per":  # every 7 ms, 0.1 ms
        due = time.monotonic_ns()
        while True:
            due += 7_000_000
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            end = time.monotonic_ns() + 100_000
            while time.monotonic_ns() < end:
                pass
    zeros, null = os.open("/dev/zero", os.O_RDONLY), bytearray(64 << 20)
    while True:  # some 5 to 10 ms within each system call
        os.readv(zeros, [null])


def start(comm: str, kind: str, tasks: Path | None, cpu: int) -> int:
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        ctypes.CDLL(None).prctl(15, comm.encode(), 0, 0, 0)
        os.sched_setaffinity(0, {cpu})
        if tasks is not None:
            tasks.write_text(str(os.getpid()))
        body(kind)
    finally:
        os._exit(1)


def limited_group() -> tuple[Path, Path]:
    """A new group and the file that takes its members."""
    if (V1 / "cpu.cfs_quota_us").exists() or (V1 / "cpu.shares").exists():
        group = V1 / "wakepath-throttle"
        group.mkdir(exist_ok=True)
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(QUOTA_US))
        return group, group / "tasks"
    group = Path("/sys/fs/cgroup/wakepath-throttle")
    group.mkdir(exist_ok=True)
    (group / "cpu.max").write_text(f"{QUOTA_US} {PERIOD_US}")
    return group, group / "cgroup.procs"


def record(case: str, folder: Path, cpu: int) -> dict[str, object]:
    group, tasks = limited_group()
    data = folder / "perf.data"
    pids = []
    try:
        pids = [start(comm, kind, tasks if inside else None, cpu) for comm, kind, inside in CASES[case]]
        time.sleep(0.5)
        before = (group / "cpu.stat").read_text()
        events = ["-e", "sched:sched_switch", "-e", "sched:sched_stat_runtime"]
        command = ["perf", "record", "-q", "-m", "2048", *events, "-C", str(cpu)]
        subprocess.run([*command, "-o", str(data), "--", "sleep", str(RECORD_S)], check=True)
        after = (group / "cpu.stat").read_text()
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        time.sleep(0.2)
        group.rmdir()
    fields = "comm,tid,cpu,flags,time,event,trace"
    script = ["perf", "script", "--ns", "-F", fields, "-i", str(data)]
    text = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    data.unlink()
    names = {row[0] for row in CASES[case]}
    ours = [line for line in text.splitlines() if names & set(re.findall(r"(?:prev_|next_| )comm=(\S+)", line))]
    (folder / "traces" / f"throttle-{kernel()}-{case}.txt.xz").write_bytes(
        lzma.compress(("\n".join(ours) + "\n").encode())
    )
    return {
        "case": case,
        "kernel": os.uname().release,
        "cpu": cpu,
        "quota_us": QUOTA_US,
        "period_us": PERIOD_US,
        "tasks": [dict(zip(("comm", "kind", "inside"), row, strict=True)) for row in CASES[case]],
        "cpu_stat": [{key: int(n) for key, n in (ln.split() for ln in text.splitlines())} for text in (before, after)],
    }


def kernel() -> str:
    return ".".join(os.uname().release.split(".")[:2])


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    (folder / "traces").mkdir(parents=True, exist_ok=True)
    cpu = max(os.sched_getaffinity(0))
    told = [record(case, folder, cpu) for case in CASES]
    (folder / f"throttle-{kernel()}.json").write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
