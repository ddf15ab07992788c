# SPDX-License-Identifier: GPL-2.0-or-later
"""Scheduler experiments beside their recordings: the same tasks, released the same way, left to run.

A case of tasks (truth.Case.tasks) may come with a trace of the real run. Some of what decides the order of its switches
is no behaviour of the scheduler and cannot be known from the setting; it is read from the recording and given to the
simulation as an input (start_of): the phase of the tick when the tasks were released, their vruntimes then (6.1 prints
them; on EEVDF all start with lag 0), when the machine's own threads were woken and how long they ran (they are
replayed, and left out of the comparison), and which tracepoints were recorded. Nothing else of the trace is read: after
the release every decision is the model's.

The simulation writes the same records and pays for them (recordings.toml), so that both sides are
traces, and one reader judges both.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.runner import run
from wakepath.scenario import Options, Scenario
from wakepath.truth import Case

# sched_prio_to_weight (kernel/sched/core.c): what a vruntime is counted in.
NICE_0_WEIGHT = 1024
# A first run this long shows when the simulation's first task gets the CPU; the recording's release is laid there.
LEAD_RUN = "2ms"
RECORDINGS = Path(__file__).resolve().parent / "recordings.toml"
# A sequence that differs by more than this is another order.
ORDER_BAR = 0.05


@dataclass(frozen=True)
class FreeRun:
    """What the comparison says; see sim/analysis/free_run.h for the figures."""

    real: dict[str, Any]
    simulated: dict[str, Any]
    edits: int
    edit_share: float
    same_until: int
    wait_distance: dict[str, float]

    @property
    def switches_error(self) -> float:
        """Relative to the real number; a handful more or less of a few is judged by switches_hold."""
        real, simulated = int(self.real["switches"]), int(self.simulated["switches"])
        return (simulated - real) / max(1, real)

    @property
    def switches_hold(self) -> bool:
        return abs(self.switches_error) <= 0.10 or abs(self.simulated["switches"] - self.real["switches"]) <= 6

    @property
    def share_error(self) -> float:
        """Worst task, as a part of the CPU."""
        both = [(t, self.simulated["tasks"][name]) for name, t in self.real["tasks"].items()]
        errors = [abs(float(a["cpu_share"]) - float(b["cpu_share"])) for a, b in both]
        return max(errors)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def trace_of(case: Case) -> str | None:
    """The case's recording, when it is there; its path is relative to the file of the case."""
    name = case.raw.get("trace")
    if not case.tasks or not isinstance(name, str):
        return None
    path = Path(case.file).parent / name
    return str(path) if path.is_file() else None


def recording_costs(case: Case) -> tuple[str, ...]:
    """Settings that charge the records; none when nothing is known of this platform and kernel."""
    table = tomllib.loads(RECORDINGS.read_text(encoding="utf-8")).get(case.platform, {}).get(case.kernel, {})
    return tuple(f"costs.{name}={ns}" for name, ns in table.items())


def begun(case: Case, start: dict[str, Any]) -> dict[str, Any]:
    """The case's JSON with a start."""
    return {**case.raw, "setting": {**case.setting, "start": start}}


def start_of(case: Case, found: dict[str, Any], lead_ns: int, costs: dict[str, int]) -> dict[str, Any]:
    """The input that the recording gives. `lead_ns`: when the first task gets the CPU, in the simulation."""
    zero = found["begin_ns"] - lead_ns
    start: dict[str, Any] = {"trace_events": sorted(set(found["records"]) - {"unknown", "lost_events"})}
    tick_ns = 1_000_000_000 // int(case.setting["hz"])
    entered = costs["irq_entry"]  # from the edge to the record of the entry
    offset = (found["tick_ns"] - entered - zero) % tick_ns if found["tick_ns"] >= 0 else None
    if offset is not None:
        start["tick_offset_ns"] = offset
    start["vruntime_ns"] = _vruntimes(case, found["vruntime"])
    start["replay"] = {}
    for comm, other in found["others"].items():
        turns = [_turn(t, zero, offset, tick_ns, costs) for t in other["turns"] if t["run_ns"] > 0]
        if turns:
            start["replay"][comm] = {"turns": turns, **_priority(other["prio"])}
    return start


def _priority(prio: int) -> dict[str, Any]:
    """As traces print it: 100 to 139 are nice values, below are real-time priorities (and the stopper, 0)."""
    if prio >= 100:
        return {"nice": prio - 120}
    return {"policy": "fifo", "rt_priority": 99 - prio}


def _turn(turn: dict[str, Any], zero: int, offset: int | None, tick_ns: int, costs: dict[str, int]) -> str:
    at = turn["at_ns"] - zero
    if turn["irq_ns"] >= 0 and offset is not None:
        # After a tick: exactly then, so that it is found expired by the same interrupt.
        edge = turn["irq_ns"] - costs["irq_entry"] - zero
        at = offset + round((edge - offset) / tick_ns) * tick_ns
    around = sum(costs[k] for k in ("switch_finish", "schedule_entry", "schedule_pick", "schedule_block"))
    spent = max(100, turn["run_ns"] - around - 2 * costs["trace_record_sched"])
    return f"{max(at, 0)} {spent} {'softirq' if turn['softirq'] else 'hardirq'}"


def _vruntimes(case: Case, found: dict[str, Any]) -> dict[str, int]:
    """Vruntimes at the release, from the least of each group on; of tasks whose queue is the same alone comparable."""
    at_release: dict[str, int] = {}
    groups: dict[str | None, list[str]] = {}
    for task in case.setting["tasks"]:
        if task["name"] in found:
            seen = found[task["name"]]
            weight = _core.weight_of_nice(int(task.get("nice") or 0))
            at_release[task["name"]] = seen["vruntime"] - seen["ran_ns"] * NICE_0_WEIGHT // weight
            groups.setdefault(task.get("cgroup"), []).append(task["name"])
    for names in groups.values():
        least = min(at_release[n] for n in names)
        at_release.update({n: at_release[n] - least for n in names})
    return at_release


def _constants(describe: dict[str, Any]) -> dict[str, int]:
    return {name: int(entry["mean_ns"]) for name, entry in describe["costs"]["entries"].items()}


def begin_of(case: Case, trace: str, options: Options) -> tuple[dict[str, Any], dict[str, Any], int]:
    """What the recording says, the start that follows from it, and when its first task runs in the simulation."""
    found = json.loads(_core.free_run_start(trace, case.tasks))
    costs = _constants(Scenario.from_case(case.raw, options=options).describe())
    start = start_of(case, found, 0, costs)
    with tempfile.TemporaryDirectory() as folder:
        first = str(Path(folder) / "first.txt")
        run(Scenario.from_case(begun(case, start), options=replace(options, duration=LEAD_RUN)), trace=first)
        lead = int(json.loads(_core.free_run_start(first, case.tasks))["begin_ns"])
    return found, start_of(case, found, lead, costs), lead


def compare(case: Case, trace: str, options: Options) -> tuple[FreeRun, dict[str, Any]]:
    """Simulate the case from where its recording began, for as long as it lasts, and lay both side by side.

    Also the start without what belongs to the recording alone: for a run beside figures that were measured untraced.
    """
    o = replace(options, sets=(*recording_costs(case), *options.sets), warmup="0ns", duration=None)
    found, start, lead = begin_of(case, trace, o)
    span = found["end_ns"] - found["begin_ns"] + lead
    with tempfile.TemporaryDirectory() as folder:
        twin = str(Path(folder) / "simulated.txt")
        run(Scenario.from_case(begun(case, start), options=replace(o, duration=f"{span}ns")), trace=twin)
        outcome = FreeRun(**json.loads(_core.compare_free_runs(trace, twin, case.tasks)))
    return outcome, {k: v for k, v in start.items() if k in ("tick_offset_ns", "vruntime_ns")}


def summarize_free_runs(outcomes: Sequence[tuple[str, FreeRun]]) -> dict[str, Any]:
    """Over cases (id, outcome): order of the switches, their number, shares of the CPU, waits."""
    if not outcomes:
        return {}

    def worst(figure: Callable[[FreeRun], float]) -> dict[str, Any]:
        values = [(figure(outcome), case) for case, outcome in outcomes]
        most, where = max(values)
        return {"median": statistics.median(v for v, _ in values), "max": most, "worst": where, "n": len(values)}

    return {
        "edit_share": worst(lambda f: f.edit_share),
        "switches_error": worst(lambda f: abs(f.switches_error)),
        "cpu_share_points": worst(lambda f: 100.0 * f.share_error),
        "wait_distance": worst(lambda f: max(f.wait_distance.values(), default=0.0)),
        "same_order_throughout": sum(f.edits == 0 for _, f in outcomes),
        "switches_beyond": [case for case, f in outcomes if not f.switches_hold],
        "order_differs": [case for case, f in outcomes if f.edit_share > ORDER_BAR],
    }
