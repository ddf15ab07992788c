# SPDX-License-Identifier: GPL-2.0-or-later
"""What else runs on the load's CPU: threads of the machine that were there before and go on meanwhile.

One that runs for milliseconds goes to sleep far ahead of its queue's average and, its dequeue delayed, pulls the
average after it. A load that blocks just then has lag when it comes back, and the kworker that wakes it is preempted
after every item of that batch: four turns a second bring hundreds of switches. So such threads belong to the machine.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from wakepath.recorder.counters import PROC
from wakepath.recorder.facts import read

# The load's own side: kworkers and ksoftirqd are the model's, stoppers move tasks.
MODELLED = re.compile(r"kworker/|ksoftirqd/|migration/|idle_inject/")
LEAST_SHARE = 0.001  # of the load's CPU
LEAST_RUN_NS = 100_000  # a turn: shorter ones do not get ahead of anything


@dataclass(frozen=True)
class _Thread:
    comm: str
    run_ns: int
    turns: int
    cpu: int


def _threads() -> dict[tuple[str, str], _Thread]:
    """All but those of this process, by pid and tid."""
    found = {}
    for folder in PROC.glob("[0-9]*/task/[0-9]*"):
        pid = folder.parts[-3]
        stat, times = read(folder / "stat"), read(folder / "schedstat")
        if int(pid) == os.getpid() or not stat or not times:
            continue
        comm, fields = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :].split()
        run_ns, _, turns = (int(n) for n in times.split())
        if not MODELLED.match(comm):
            found[pid, folder.name] = _Thread(comm, run_ns, turns, int(fields[36]))
    return found


class Beside:
    """Counts between look() and look(), on the CPU where a thread is found at the second."""

    def __init__(self, cpu: int) -> None:
        self._cpu = cpu
        self._before = _threads()
        self._sums: dict[tuple[str, str], tuple[str, int, int]] = {}

    def look(self) -> None:
        now = _threads()
        for key, thread in now.items():
            before = self._before.get(key)
            if before is not None and thread.cpu == self._cpu and before.comm == thread.comm:
                _, run_ns, turns = self._sums.get(key, ("", 0, 0))
                self._sums[key] = (
                    thread.comm,
                    run_ns + thread.run_ns - before.run_ns,
                    turns + thread.turns - before.turns,
                )
        self._before = now

    def programs(self, window_ns: int) -> list[dict[str, Any]]:
        """Those worth a place in a machine file, of `window_ns` in all: name, period_ns, run_ns."""
        return [
            {"name": comm, "period_ns": window_ns // turns, "run_ns": run_ns // turns}
            for comm, run_ns, turns in sorted(self._sums.values())
            if turns > 0 and run_ns // turns >= LEAST_RUN_NS and run_ns >= LEAST_SHARE * window_ns
        ]


def program_tables(programs: list[dict[str, Any]], cpu: int) -> dict[str, dict[str, Any]]:
    """The same as tables of a machine file."""
    tables: dict[str, dict[str, Any]] = {}
    for p in programs:
        name = re.sub(r"[^A-Za-z0-9_]+", "_", p["name"])
        same = sum(key.partition(".")[2].startswith(name) for key in tables)
        tables[f"program.{name}{f'_{same + 1}' if same else ''}"] = {
            "kind": "per",
            "cpu": cpu,
            "period": f"{p['period_ns']}ns",
            "run": f"{p['run_ns']}ns",
        }
    return tables
