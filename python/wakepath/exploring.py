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
    """The last records before the break, of the tasks concerned."""
    broken = found.violation
    assert broken is not None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.txt"
        replay(found.scenario, broken["seed"], only=broken["only"], ties=broken["ties"], trace=str(file))
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    # Of the tasks that were disturbed and the one in whose context it broke.
    pids = {act["pid"] for act in broken["acts"]} | {broken["pid"]}
    theirs = [line for line in lines if any(re.search(rf"-{pid} +\[|pid={pid} ", line) for pid in pids)]
    return theirs[-SHOWN_LINES:]


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
