# SPDX-License-Identifier: GPL-2.0-or-later
"""Counters of a window: what a CPU switched, idled and was interrupted, and what a task and the kworkers of a CPU used.

Context switches of one CPU come from perf's software counter; where perf is not permitted, from /proc/stat,
which counts
all CPUs together (`switches_of` says which it was).
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from wakepath.recorder.facts import read

PROC = Path("/proc")
_SYS_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_SOFTWARE, _CONTEXT_SWITCHES = 1, 3  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES
_ATTR_SIZE = 112
QUIET = 0.05  # of all CPUs: what a machine without work does anyway


class SwitchCounter:
    """perf_event_open(PERF_COUNT_SW_CONTEXT_SWITCHES) of one CPU; `why_not` where it is refused."""

    def __init__(self, cpu: int) -> None:
        self._fd = -1
        self.why_not = ""
        number = _SYS_PERF_EVENT_OPEN.get(os.uname().machine)
        if number is None:
            self.why_not = f"not known for {os.uname().machine}"
            return
        attr = struct.pack("IIQ", _SOFTWARE, _ATTR_SIZE, _CONTEXT_SWITCHES).ljust(_ATTR_SIZE, b"\0")
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.syscall(number, ctypes.c_char_p(attr), -1, cpu, -1, 0)
        if self._fd < 0:
            self.why_not = f"perf_event_open: {os.strerror(ctypes.get_errno())}"

    def count(self) -> int | None:
        return int(struct.unpack("q", os.read(self._fd, 8))[0]) if self._fd >= 0 else None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


@dataclass
class Snapshot:
    at_ns: int
    switches: int
    idle_ticks: int
    interrupts: int
    steal_ticks: int
    task_run_ns: int
    task_wait_ns: int
    task_voluntary: int
    task_involuntary: int
    kworker_run_ns: int


def _schedstat(pid: int | str) -> tuple[int, int]:
    text = read(PROC / str(pid) / "schedstat")
    parts = text.split() if text else ["0", "0"]
    return int(parts[0]), int(parts[1])


def kworkers_of(cpu: int) -> list[int]:
    """Bound workers of a CPU's pools."""
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit() and re.match(rf"kworker/{cpu}:", read(folder / "comm") or ""):
            found.append(int(folder.name))
    return found


def _stat(cpu: int) -> tuple[int, int, int]:
    """idle + iowait and steal ticks of a CPU, switches of all."""
    idle = steal = switches = 0
    for line in (read(PROC / "stat") or "").splitlines():
        words = line.split()
        if words[0] == f"cpu{cpu}":
            idle, steal = int(words[4]) + int(words[5]), int(words[8])
        elif words[0] == "ctxt":
            switches = int(words[1])
    return idle, steal, switches


def _interrupts(cpu: int, irqs: list[int]) -> int:
    lines = (read(PROC / "interrupts") or "").splitlines()
    column = lines[0].split().index(f"CPU{cpu}")
    total = 0
    for line in lines[1:]:
        name, _, rest = line.partition(":")
        if name.strip().isdigit() and int(name) in irqs:
            total += int(rest.split()[column])
    return total


def others_on_the_machine(seconds: float = 0.4) -> str:
    """What others use of the CPUs before anything is measured; "" where it is next to nothing."""

    def busy() -> tuple[int, int]:
        ticks = [int(t) for t in (read(PROC / "stat") or "cpu 0 0 0 0 0").splitlines()[0].split()[1:]]
        return sum(ticks) - ticks[3] - (ticks[4] if len(ticks) > 4 else 0), sum(ticks)

    a = busy()
    time.sleep(seconds)
    b = busy()
    share = (b[0] - a[0]) / max(1, b[1] - a[1])
    return f"other programs used {100 * share:.0f} % of the CPUs: it is in all figures" if share > QUIET else ""


class Window:
    """Counts of one CPU and one task between two snapshots."""

    def __init__(self, cpu: int, irqs: list[int]) -> None:
        self.cpu, self.irqs = cpu, irqs
        self._perf = SwitchCounter(cpu)
        self.switches_of = "all CPUs" if self._perf.why_not else f"CPU {cpu}"

    def why_no_perf(self) -> str:
        return self._perf.why_not

    def snapshot(self, pid: int) -> Snapshot:
        idle, steal, all_switches = _stat(self.cpu)
        status = read(PROC / str(pid) / "status") or ""

        def switches(kind: str) -> int:
            found = re.search(rf"^{kind}_ctxt_switches:\s+(\d+)", status, re.M)
            return int(found[1]) if found else 0

        run, wait = _schedstat(pid)
        counted = self._perf.count()
        return Snapshot(
            at_ns=time.monotonic_ns(),
            switches=all_switches if counted is None else counted,
            idle_ticks=idle,
            interrupts=_interrupts(self.cpu, self.irqs),
            steal_ticks=steal,
            task_run_ns=run,
            task_wait_ns=wait,
            task_voluntary=switches("voluntary"),
            task_involuntary=switches("nonvoluntary"),
            kworker_run_ns=sum(_schedstat(p)[0] for p in kworkers_of(self.cpu)),
        )

    def close(self) -> None:
        self._perf.close()


def rates(a: Snapshot, b: Snapshot) -> dict[str, float]:
    """Figures of a window under the names of truth cases."""
    span = b.at_ns - a.at_ns
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def per_s(n: int) -> float:
        return n * 1e9 / span

    return {
        "context_switches_per_s": round(per_s(b.switches - a.switches), 1),
        "interrupts_per_s": round(per_s(b.interrupts - a.interrupts), 1),
        "fio_cpu_ns_per_s": round(per_s(b.task_run_ns - a.task_run_ns)),
        "fio_run_delay_ns_per_s": round(per_s(b.task_wait_ns - a.task_wait_ns)),
        "fio_voluntary_per_s": round(per_s(b.task_voluntary - a.task_voluntary), 1),
        "fio_involuntary_per_s": round(per_s(b.task_involuntary - a.task_involuntary), 1),
        "kworker_cpu_ns_per_s": round(per_s(b.kworker_run_ns - a.kworker_run_ns)),
        "idle": round(min(1.0, (b.idle_ticks - a.idle_ticks) * tick_ns / span), 4),
        "steal": round((b.steal_ticks - a.steal_ticks) * tick_ns / span, 4),
    }
