# SPDX-License-Identifier: GPL-2.0-or-later
"""What plots and reports show, as plain data: who ran when, who woke whom, where a CPU's time per I/O goes. Both
drawers (report.py with plotly, plot.py with matplotlib) draw these and compute nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wakepath.records import Trace
from wakepath.result import Result

HARDIRQ, SOFTIRQ = 4, 8  # latency columns of a record (sim/trace/event.h)
RUNNING, PREEMPTED = 0, 256  # prev_state
MOST_SLICES = 1500
MOST_NODES = 12
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True)
class Slice:
    """A stretch of one CPU: who held it, from when, how long; times in us from the first record."""

    cpu: int
    who: str
    start_us: float
    length_us: float


def slices(trace: Trace, most: int = MOST_SLICES) -> list[Slice]:
    """From switch to switch on each CPU, and interrupts on top; the first `most` stretches in time. Idle is left
    out."""
    if "sched_switch" not in trace:
        return []
    begin, _ = trace.time_ns()
    columns, names = trace["sched_switch"], trace.names
    found: list[Slice] = []
    running: dict[int, tuple[str, int]] = {}
    fields = (columns[f].tolist() for f in ("ts_ns", "cpu", "next_comm", "next_pid", "prev_comm", "prev_pid"))
    for ts, cpu, next_comm, next_pid, prev_comm, prev_pid in zip(*fields, strict=True):
        who, since = running.get(cpu, (f"{names[prev_comm]}" if prev_pid else "", begin))
        if who:
            found.append(Slice(cpu, who, (since - begin) / 1e3, (ts - since) / 1e3))
        running[cpu] = (names[next_comm] if next_pid else "", ts)
        if len(found) >= most:
            break
    found += _interrupts(trace, begin, max((s.start_us + s.length_us for s in found), default=0.0))
    return found


def _interrupts(trace: Trace, begin: int, end_us: float) -> list[Slice]:
    found = []
    for entry, leave, what in (
        ("irq_handler_entry", "irq_handler_exit", "interrupt"),
        ("softirq_entry", "softirq_exit", "softirq"),
        ("local_timer_entry", "local_timer_exit", "timer interrupt"),
    ):
        if entry not in trace or leave not in trace:
            continue
        ends: dict[int, list[int]] = {}
        for cpu, ts in zip(trace[leave]["cpu"].tolist(), trace[leave]["ts_ns"].tolist(), strict=True):
            ends.setdefault(cpu, []).append(ts)
        at = dict.fromkeys(ends, 0)
        for cpu, ts in zip(trace[entry]["cpu"].tolist(), trace[entry]["ts_ns"].tolist(), strict=True):
            while cpu in ends and at[cpu] < len(ends[cpu]) and ends[cpu][at[cpu]] < ts:
                at[cpu] += 1
            if (ts - begin) / 1e3 > end_us or cpu not in ends or at[cpu] >= len(ends[cpu]):
                continue
            found.append(Slice(cpu, what, (ts - begin) / 1e3, (ends[cpu][at[cpu]] - ts) / 1e3))
    return found


@dataclass(frozen=True)
class Wake:
    """So many wakeups a second; `waker` is a task, or the interrupts of a CPU."""

    waker: str
    wakee: str
    per_s: float
    in_cycle: bool = False
    kind: str = "wakes"


def wakes(trace: Trace, cycles: list[list[str]] | None = None) -> list[Wake]:
    """Who wakes whom, most often first. Edges between neighbours of a ping-pong cycle are marked."""
    if "sched_waking" not in trace:
        return []
    begin, end = trace.time_ns()
    seconds = max(1e-9, (end - begin) / 1e9)
    columns, names = trace["sched_waking"], trace.names
    counts: dict[tuple[str, str], int] = {}
    fields = (columns[f].tolist() for f in ("flags", "cpu", "pid", "comm", "task_comm"))
    for flags, cpu, pid, comm, wakee in zip(*fields, strict=True):
        inside = flags & (HARDIRQ | SOFTIRQ)
        waker = f"interrupts of CPU {cpu}" if inside or not pid else names[comm]
        counts[waker, names[wakee]] = counts.get((waker, names[wakee]), 0) + 1
    pairs = {(a, b) for cycle in cycles or [] for a in cycle for b in cycle if a != b}
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Wake(a, b, n / seconds, (a, b) in pairs) for (a, b), n in ranked]


def switches(trace: Trace, cycles: list[list[str]] | None = None) -> list[Wake]:
    """Who the CPU goes to from whom, most often first; idle left out. `kind` says whether most were preempted there."""
    if "sched_switch" not in trace:
        return []
    begin, end = trace.time_ns()
    seconds = max(1e-9, (end - begin) / 1e9)
    columns, names = trace["sched_switch"], trace.names
    counts: dict[tuple[str, str], list[int]] = {}
    fields = (columns[f].tolist() for f in ("prev_pid", "prev_comm", "prev_state", "next_pid", "next_comm"))
    for prev_pid, prev, state, next_pid, following in zip(*fields, strict=True):
        if prev_pid and next_pid:
            pair = counts.setdefault((names[prev], names[following]), [0, 0])
            pair[0 if state in (RUNNING, PREEMPTED) else 1] += 1
    pairs = {(a, b) for cycle in cycles or [] for a in cycle for b in cycle if a != b}
    found = []
    for (a, b), (preempted, slept) in sorted(counts.items(), key=lambda item: (-sum(item[1]), item[0])):
        word = "preempted by" if preempted > slept else "sleeps, then"
        found.append(Wake(a, b, (preempted + slept) / seconds, (a, b) in pairs, word))
    return found


def cycles_of(result: Result) -> list[list[str]]:
    return [row["cycle"] if isinstance(row["cycle"], list) else row["cycle"].split(" -> ") for row in result.pingpong]


def nodes_of(edges: list[Wake]) -> list[str]:
    return list(dict.fromkeys(name for edge in edges for name in (edge.waker, edge.wakee)))[:MOST_NODES]


def device_times_us(trace: Trace) -> list[float]:
    """Issue to completion of each request, by its sector, first in first out where several write the same."""
    if "block_rq_issue" not in trace or "block_rq_complete" not in trace:
        return []
    issue, done = trace["block_rq_issue"], trace["block_rq_complete"]
    open_at: dict[int, list[int]] = {}
    events = [
        (i, t, s, True) for i, t, s in zip(*(issue[f].tolist() for f in ("index", "ts_ns", "sector")), strict=True)
    ]
    events += [
        (i, t, s, False) for i, t, s in zip(*(done[f].tolist() for f in ("index", "ts_ns", "sector")), strict=True)
    ]
    found = []
    for _, ts, sector, is_issue in sorted(events):
        if is_issue:
            open_at.setdefault(sector, []).append(ts)
        elif open_at.get(sector):
            found.append((ts - open_at[sector].pop(0)) / 1e3)
    return found


def latency_quantiles(data: dict[str, Any], kind: str = "clat_ns") -> list[tuple[float, float]]:
    """(share of I/Os, latency in us), of the quantiles a result has."""
    figures = data.get("io", {}).get(kind, {})
    return [(share, figures[name] / 1e3) for name, share in QUANTILES.items() if figures.get(name)]


@dataclass(frozen=True)
class Step:
    """One step of the waterfall: what a part adds to a CPU's time per I/O, in ns."""

    name: str
    ns: float
    total: bool = False


PARTS = {"user": "user mode", "sys": "kernel", "irq": "interrupts", "softirq": "softirqs", "idle": "idle"}


def waterfall(result: Result) -> list[Step]:
    """From the time of the busiest CPU per I/O outside the group to that inside, part by part. Idle is a part: the
    whole is one second over the IOPS, so the steps close exactly. Empty without a control or without I/O."""
    control = result.control
    if control is None or not result.io.get("iops") or not control.io.get("iops"):
        return []
    inside = max(result.cpus, key=lambda cpu: float(cpu["busy"]))
    outside = next((cpu for cpu in control.cpus if cpu["id"] == inside["id"]), None)
    if outside is None:
        return []
    a, b = control.io["iops"], result.io["iops"]
    steps = [Step("outside the group", 1e9 / a, total=True)]
    steps += [Step(text, 1e9 * (inside[part] / b - outside[part] / a)) for part, text in PARTS.items()]
    return [*steps, Step("inside the group", 1e9 / b, total=True)]
