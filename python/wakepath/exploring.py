# SPDX-License-Identifier: GPL-2.0-or-later
"""Many schedules of one scenario: does an invariant break in one, and does the answer hold in all?

A schedule follows from a seed: which of simultaneous events comes first, and when something outside the scenario asks a
CPU to reschedule or has a task pushed to another CPU (models/run/perturber.h). The same seed gives the same schedule.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.parallel import cpu_count
from wakepath.scenario import Scenario

SCHEMA = "wakepath.exploration/1"
# Records before the break that are shown, and how far back they may lie.
SHOWN_LINES = 60
SYSCALL = re.compile(r": sys_\w+\(")  # its entry


@dataclass
class Exploration:
    """What the schedules of a scenario gave."""

    scenario: Scenario
    data: dict[str, Any]

    @property
    def violation(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.data["violation"]
        return found

    @property
    def held(self) -> bool:
        return self.violation is None


def explore(
    scenario: Scenario,
    *,
    seeds: int = 1000,
    first_seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Exploration:
    """Run `seeds` schedules; the first that breaks an invariant is cut down to the acts that it takes."""
    text = _core.explore(
        scenario.core, first_seed=first_seed, seeds=seeds, threads=jobs or cpu_count(), progress=progress
    )
    data = {"schema": SCHEMA, "made_by": {"program": "wakepath", "version": _core.version}, **json.loads(text)}
    data["made_by"]["scenario"] = scenario.to_toml()
    found = Exploration(scenario, data)
    if found.violation is not None:
        found.violation["trace"] = trace_lines(found)
    return found


def replay(
    scenario: Scenario, seed: int, *, only: list[int] | None = None, ties: bool = True, trace: str | None = None
) -> dict[str, Any]:
    """One schedule again, with its records in `trace`."""
    text = _core.replay_schedule(scenario.core, seed=seed, only=only, ties=ties, trace=trace)
    result: dict[str, Any] = json.loads(text)
    return result


def trace_lines(found: Exploration) -> list[str]:
    """Records up to the break, of the tasks concerned, with what is to be said of the requests concerned.

    Where the break names requests: from the call in which their task submitted them, of that task, and from their issue
    on also of the one in whose context it broke. Else the last ones, of the tasks that were disturbed.
    """
    broken = found.violation
    assert broken is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.txt"
        replay(found.scenario, broken["seed"], only=broken["only"], ties=broken["ties"], trace=str(file))
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    marks = _marks(lines, broken["marks"])
    if not marks:
        theirs = _lines_of(lines, {act["pid"] for act in broken["acts"]} | {broken["pid"]})
        return [lines[i] for i in theirs[-SHOWN_LINES:]]
    tasks, first = {_task_of(lines[i]) for i in marks}, min(marks)
    calls = [i for i in range(first) if SYSCALL.search(lines[i]) and _task_of(lines[i]) in tasks]
    before = [i for i in _lines_of(lines[:first], tasks) if i >= (calls[-1] if calls else 0)]
    theirs = before + [first + i for i in _lines_of(lines[first:], tasks | {broken["pid"]})]
    # The first says where it began; what was marked and who ran where stays, of the rest the last.
    kept = {i for i in theirs if i in marks or "sched_" in lines[i]} | set(theirs[:1])
    room = max(0, SHOWN_LINES - len(kept))
    kept |= set([i for i in theirs if i not in kept][-room:] if room else [])
    shown = [f"{lines[i]}   <- {marks[i]}" if i in marks else lines[i] for i in sorted(kept)]
    return [*shown, *broken["facts"][:1]]


def _marks(lines: list[str], wanted: list[dict[str, Any]]) -> dict[int, str]:
    """What is said of the last issue of each wanted request, by the number of its line."""
    texts = {mark["sector"]: mark["text"] for mark in wanted}
    marks: dict[int, str] = {}
    for i in reversed(range(len(lines))):
        found = re.search(r" block_rq_issue: .* (\d+) \+ \d+ ", lines[i])
        if found and (text := texts.pop(int(found.group(1)), None)) is not None:
            marks[i] = text
    return marks


def _task_of(line: str) -> int:
    found = re.search(r"-(\d+) +\[", line)
    return int(found.group(1)) if found else 0


def _lines_of(lines: list[str], pids: set[int]) -> list[int]:
    return [i for i, line in enumerate(lines) if any(re.search(rf"-{pid} +\[|pid={pid} ", line) for pid in pids)]


def text(found: Exploration) -> str:
    """For a person: how many schedules, the spread of the figures, and the break with its last records."""
    data = found.data
    lines = [f"{data['schedules']} schedules of {data['seeds']} (seeds from {data['first_seed']})"]
    for name, label in (("iops", "IOPS"), ("p99_ns", "p99 of clat, ns")):
        spread = data[name]
        if spread:
            most = f"{spread['p5']:,.0f} .. {spread['p95']:,.0f}"
            whole = f"{spread['least']:,.0f} .. {spread['greatest']:,.0f}"
            lines.append(f"{label:>16}: median {spread['median']:,.0f}, 90 % in {most}, all in {whole}")
    broken = found.violation
    if broken is None:
        lines.append("no invariant broke")
        return "\n".join(lines)
    lines += [
        "",
        f"seed {broken['seed']}: invariant {broken['rule']} broke at {broken['at_ns']:,} ns: {broken['text']}",
    ]
    lines += [f"  {fact}" for fact in broken["facts"]]
    lines.append(f"what it took ({broken['runs']} runs to cut it down):")
    lines += [f"  {act['at_ns']:>12,} ns  {act['text']}" for act in broken["acts"]] or ["  the scenario's own schedule"]
    lines += ["", "last records:"]
    lines += [f"  {line.strip()}" for line in broken["trace"]]
    return "\n".join(lines)
