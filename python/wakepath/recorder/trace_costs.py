# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs from a kernel trace: intervals between neighbouring records of one CPU, named as in equations.toml,
and what the
device did: when it interrupted, after how many requests.

An interval counts only where nothing else was recorded in between on that CPU, so that an interrupt or a switch is in
none of them. Text is parsed here and not by the trace reader because only neighbours and six fields are wanted of
a file that may be of any kernel.
"""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from wakepath.paths import read_text
from wakepath.recorder.urtrace import Cost

_FTRACE = re.compile(
    r"^\s*(\S.*)-(\d+)\s+(?:\(.*?\)\s+)?\[(\d+)\]\s+\S+\s+(\d+)(?:\.(\d{6,9}))?: (\w+)(?::|\()? ?(.*)$"
)
_PERF = re.compile(r"^\s*(\S.*?)\s+(\d+)(?:/\d+)?\s+\[(\d+)\]\s+(\d+)\.(\d{6,9}):\s+\w+:(\w+): ?(.*)$")
_WOKEN = re.compile(r"comm=(\S+)")
_SWITCH = re.compile(r"prev_comm=(\S+) .*prev_state=(\S+) ==> next_comm=(\S+)")
_WORKER = "kworker/"
_BLOCKS = 16
# Idle time in which half of what goes cold has gone cold: first turns at depths 4 to 32 of one virtual machine.
IDLE_COLD_HALF_NS = 200_000
# What a turn takes beyond another one, and whether that is told as it were after an endless idle. (Of one that rings, a
# part does not go cold.)
_BEYOND = (
    ("turn_cold_kworker", "turn_preempted_first", "turn_preempted", True),
    ("turn_cold_task", "turn_single_first", "turn_single", True),
    ("turn_cold_task_rung", "turn_single_rung", "turn_single", False),
)
_PLUG = 32  # requests at which a plug is issued: the doorbell of a longer batch is in its middle


@dataclass(frozen=True)
class Record:
    comm: str
    cpu: int
    ns: int
    name: str
    text: str


@dataclass
class Drain:
    """A device that was idle, was given requests, and interrupted when they were done."""

    requests: int
    ns: int  # from the last issue to the interrupt
    write: bool


@dataclass
class TraceCosts:
    path: str = ""
    samples: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    idle_ns: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))  # of samples after idle: how long
    drains: list[Drain] = field(default_factory=list)

    def costs(self) -> list[Cost]:
        return [
            replace(cost_of(kind, values), seconds=self.path)
            for kind, values in self.samples.items()
            if len(values) >= 50
        ]


def middle(values: Sequence[int]) -> float:
    """Mean of the middle four fifths: ftrace text has whole us, which a mean sees through and a median not."""
    ordered = sorted(values)
    cut = len(ordered) // 10
    return statistics.fmean(ordered[cut : len(ordered) - cut] or ordered)


def cost_of(kind: str, values: Sequence[int]) -> Cost:
    ordered = sorted(values)
    n = len(values)
    blocks = [values[n * b // _BLOCKS : n * (b + 1) // _BLOCKS] for b in range(_BLOCKS)] if n >= _BLOCKS else [values]
    quantiles = tuple(ordered[(n - 1) * i // 16] for i in range(17))
    return Cost(kind, n, middle(values), tuple(middle(b) for b in blocks), quantiles)


def records(path: str) -> Iterator[Record]:
    for line in read_text(path).splitlines():
        if m := _FTRACE.match(line) or _PERF.match(line):
            # Without a point the stamp is in ns: a clock that ftrace does not divide.
            ns = int(m[4]) * 1_000_000_000 + int(m[5].ljust(9, "0")) if m[5] else int(m[4])
            name, text = m[6], m[7]
            if name.startswith(("sys_enter_", "sys_exit_")):  # as perf names them
                name = name.removeprefix("sys_")
            elif name.startswith("sys_"):  # sys_NAME(args) begins, sys_NAME -> value ends
                name = ("exit_" if "->" in line[m.start(6) :] else "enter_") + name.removeprefix("sys_")
            yield Record(m[1].strip(), int(m[3]), ns, name, text)


def number_in(text: str, pattern: str) -> int | None:
    m = re.search(pattern, text)
    return int(m[1], 0) if m else None


def trace_costs(path: str, cpu: int, disk_irq: int | None) -> TraceCosts:
    found = TraceCosts(path)
    last: dict[int, Record] = {}
    state, turns = _Submit(), _Turns()
    device = _Device(found, disk_irq)
    ring = items = False
    for r in records(path):
        device.see(r)
        ring = ring or r.name.endswith("_io_uring_enter")
        items = items or r.name == "workqueue_execute_start"
        before = last.get(r.cpu)
        last[r.cpu] = r
        if r.cpu != cpu:
            continue
        turns.see(found, r)
        if before is not None:
            _neighbours(found, before, r)
            _within_item(found, before, r, "trace_uring" if ring else "trace")
            if (before.name, r.name) == ("block_rq_issue", "exit_io_submit") and device.has_woken(state.requests):
                found.samples["trace_doorbell"].append(r.ns - before.ns)
        state.see(found, r)
    if items:  # a full trace: its turns are mostly records
        found.samples = defaultdict(list, {k: v for k, v in found.samples.items() if not k.startswith("turn_")})
    return found


def _neighbours(found: TraceCosts, a: Record, b: Record) -> None:
    took = b.ns - a.ns
    pair = (a.name, b.name)
    if pair == ("workqueue_execute_end", "workqueue_execute_start") and "dio_complete" in b.text:
        found.samples["trace_next_item"].append(took)
    elif pair == ("block_rq_issue", "block_rq_issue"):
        found.samples["trace_issue"].append(took)
    elif pair == ("sched_waking", "sched_wakeup"):
        found.samples["trace_wakeup"].append(took)
    elif pair == ("sched_waking", "sched_stat_runtime") and _is_of_worker(b.text) and not _is_of_worker(a.text):
        found.samples["trace_wake_to_clock"].append(took)
    elif pair == ("sched_stat_runtime", "sched_wakeup") and not _is_of_worker(b.text):
        found.samples["trace_clock_to_wakeup"].append(took)
    elif "sched_switch" in pair:
        _beside_switch(found, a, b)
    elif pair == ("workqueue_queue_work", "block_rq_complete"):
        found.samples["trace_queue_to_next"].append(took)
    elif pair == ("block_rq_complete", "workqueue_queue_work"):
        found.samples["trace_complete_to_queue"].append(took)


def _within_item(found: TraceCosts, a: Record, b: Record, engine: str) -> None:
    """A work item that ends a write, and the two parts of one that wakes the submitter."""
    pair = (a.name, b.name)
    if pair == ("workqueue_execute_start", "workqueue_execute_end") and "dio_complete" in a.text:
        kind = "work_item"
    elif pair == ("workqueue_execute_start", "sched_waking") and "dio_complete" in a.text and not _is_of_worker(b.text):
        kind = "item_to_waking"
    elif pair == ("sched_wakeup", "workqueue_execute_end") and "dio_complete" in b.text and not _is_of_worker(a.text):
        kind = "wakeup_to_end"
    else:
        return
    found.samples[f"{engine}_{kind}"].append(b.ns - a.ns)


def _is_of_worker(text: str) -> bool:
    m = _WOKEN.search(text)
    return m is not None and m[1].startswith(_WORKER)


def _beside_switch(found: TraceCosts, a: Record, b: Record) -> None:
    """From the end of an item to the switch away from a preempted kworker, and from the switch back to the next one."""
    switch, other = (a, b) if a.name == "sched_switch" else (b, a)
    m = _SWITCH.search(switch.text)
    if m is None or "dio_complete" not in other.text:
        return
    before, state, after = m[1].startswith(_WORKER), m[2], m[3].startswith(_WORKER)
    if switch is b and other.name == "workqueue_execute_end" and before and state == "R+" and not after:
        found.samples["trace_preempted"].append(b.ns - a.ns)
    elif switch is a and other.name == "workqueue_execute_start" and after and not before:
        if m[1].startswith("swapper"):
            return  # woken from idle: it begins, and does not go on with a pass that was broken off
        found.samples["trace_back_to_items"].append(b.ns - a.ns)


class _Turns:
    """Whole turns of the submitter and of the kworker, where hardly anything is recorded within one (EVENTS_OF_TURNS):
    what a record takes is felt in none of these, and a hundred records are in those of a full trace."""

    def __init__(self) -> None:
        self._turn = 0  # begin of the one under way
        self._from_submitter = self._from_kblockd = self._drained = False
        self._since_idle = ""  # how the submitter's next turn is unlike the others
        self._idle_since: int | None = None
        self._idle_ns = 0  # the last stay
        self._woken_ns = 0
        self._comm = ""  # of the submitter: whom a kworker wakes
        self._submitted = self._calls = self._batch = 0

    def see(self, found: TraceCosts, r: Record) -> None:
        if self._idle_since is not None:
            self._idle_ns, self._idle_since = r.ns - self._idle_since, None
        if r.name == "sched_waking":
            m = _WOKEN.search(r.text)
            if r.comm.startswith(_WORKER) and m is not None and not m[1].startswith(_WORKER) and self._woken_ns == 0:
                self._comm, self._woken_ns = m[1], r.ns
        elif r.name == "exit_io_submit":
            self._submitted += max(0, number_in(r.text, r"-> (0x[0-9a-f]+|\d+)") or 0)
            self._calls += 1
        elif r.name == "sched_switch" and (m := _SWITCH.search(r.text)) is not None:
            self._ended(found, r.ns, m[1], m[2], m[3])

    def _ended(self, found: TraceCosts, ns: int, before: str, state: str, after: str) -> None:
        slept = not state.startswith("R")
        took = ns - self._turn
        if before.startswith(_WORKER) and after == self._comm:
            if slept and self._woken_ns > 0 and self._batch > 0:
                found.samples[f"turn_drain/{self._batch}"].append(ns - self._woken_ns)
            elif not slept and self._from_submitter:
                found.samples["turn_preempted"].append(took)
            elif not slept and self._from_kblockd:
                self._first(found, "turn_preempted_first", took)
            self._drained, self._submitted, self._calls = slept, 0, 0
        elif before == self._comm and after.startswith("swapper"):
            # All that was in flight had ended, and is submitted again.
            self._batch = self._submitted if self._drained else 0
            if self._batch > 0:
                found.samples[f"turn_batch{self._calls}/{self._batch}"].append(took)
        elif before == self._comm and slept and not self._drained and (self._submitted, self._calls) == (1, 1):
            self._first(found, "turn_single" + self._since_idle, took)
        self._note(ns, before, after)
        self._from_submitter, self._turn, self._woken_ns = before == self._comm, ns, 0

    def _first(self, found: TraceCosts, kind: str, took: int) -> None:
        found.samples[kind].append(took)
        found.idle_ns[kind].append(self._idle_ns)

    def _note(self, ns: int, before: str, after: str) -> None:
        """Who has run since the CPU was idle. Kblockd has issued what the device had no room for, and rung."""
        if after.startswith("swapper"):
            self._since_idle, self._idle_since = "_rung", ns
        elif before == self._comm:
            self._since_idle = ""
        elif before.startswith(_WORKER) and before.endswith("H") and self._since_idle:
            self._since_idle = "_first"
        self._from_kblockd = before.endswith("H") and self._since_idle == "_first"


class _Submit:
    """fio's turns on the traced CPU: user time an I/O, and io_submit's time an I/O up to the first issue."""

    def __init__(self) -> None:
        self._left: Record | None = None  # the last return of io_getevents
        self._entered: Record | None = None
        self._others = 0
        self.requests = 0  # of the io_submit under way

    def see(self, found: TraceCosts, r: Record) -> None:
        if r.name == "exit_io_getevents":
            self._left, self._others = r, 0
        elif r.name == "enter_io_submit":
            n = self.requests = number_in(r.text, r"nr: (0x[0-9a-f]+|\d+)") or 0
            if self._left is not None and self._others == 0 and n > 1:
                found.samples["trace_user_io"].append((r.ns - self._left.ns) // n)
            self._entered, self._others = r, 0
        elif r.name == "block_rq_issue" and self._entered is not None:
            n = self.requests
            if self._others == 0 and n > 1:
                found.samples["trace_submit_io"].append((r.ns - self._entered.ns) // n)
            self._entered = None
        else:
            self._others += 1


class _Device:
    def __init__(self, found: TraceCosts, irq: int | None) -> None:
        self._found, self._irq = found, irq
        self._in_flight = self._given = 0
        self._last_issue = 0
        self._write = True
        self._clean = False

    def see(self, r: Record) -> None:
        if r.name == "block_rq_issue":
            if self._in_flight == 0:
                self._given, self._clean = 0, True
            self._in_flight += 1
            self._given += 1
            self._last_issue = r.ns
            self._write = " W" in r.text
        elif r.name == "irq_handler_entry" and number_in(r.text, r"irq=(\d+)") == self._irq:
            if self._clean and self._in_flight == self._given > 0:
                self._found.drains.append(Drain(self._given, r.ns - self._last_issue, self._write))
            self._clean = False
        elif r.name == "block_rq_complete":
            self._in_flight = max(0, self._in_flight - 1)

    def has_woken(self, requests: int) -> bool:
        """The last so many requests are what an idle device was given, in one go."""
        return 0 < requests == self._given == self._in_flight and requests <= _PLUG


def finish(found: TraceCosts) -> TraceCosts:
    """Sums of neighbouring intervals, and what the first turns after idle take beyond the others."""
    a, b = found.samples.pop("trace_complete_to_queue", []), found.samples.pop("trace_queue_to_next", [])
    n = min(len(a), len(b))
    if n >= 50:
        found.samples["trace_end_request"] = [x + y for x, y in zip(a[:n], b[:n], strict=True)]
    for kind, first, later, endless in _BEYOND:
        values, others = found.samples.pop(first, []), found.samples.get(later, [])
        if values and len(others) >= 50:
            # After a short idle there is little to see, and a record's resolution would be multiplied.
            ages = zip(values, found.idle_ns[first], strict=True)
            seen = [(v, t) for v, t in ages if t >= IDLE_COLD_HALF_NS or not endless]
            whole = [1 + (IDLE_COLD_HALF_NS / t) ** 2 if endless else 1.0 for _, t in seen]
            found.samples[kind] = [round((v - middle(others)) * w) for (v, _), w in zip(seen, whole, strict=True)]
    found.samples.pop("turn_single", None)
    return found
