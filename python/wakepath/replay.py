# SPDX-License-Identifier: GPL-2.0-or-later
"""replay(): the workload of a recording, run again: as recorded, and with changes.

1. What the trace shows of programs, device and other threads becomes a scenario (replay_source).
2. It is run with every record charged what it cost the recorded kernel, and the costs of each part of CPU time are
   scaled until a unit of it (an I/O submitted, an item, a switch) takes as long as recorded (replay_costs.toml).
3. `unchanged` is that run, with the recorder turned on when the window begins, as it was (windows.py): it is held
   beside the recording. `untraced` is the same without the recording's own cost; `changed` is `untraced` with the
   user's --set.

Nothing is fitted to rates: IOPS and switches of the replay follow, and how far they are off says how far to trust it.
"""

from __future__ import annotations

import json
import math
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.calibrate import scaled
from wakepath.paths import scenario_dirs
from wakepath.replay_source import (
    MACHINE,
    NO_PLATFORM,
    Recording,
    Seen,
    case_of,
    io_cpus,
    law_of,
    loop_ns,
    open_recording,
    record_costs,
    seen,
    unrecorded_rates,
)
from wakepath.result import Result, flatten
from wakepath.runner import run
from wakepath.scenario import Options, Scenario, toml_key
from wakepath.windows import over_windows

if TYPE_CHECKING:
    import pandas as pd

PARTS = Path(__file__).resolve().parent / "replay_costs.toml"
# What a lever does shows once the balancer and the averages have settled: a loop device under SCHED_BATCH goes from
# 123,000 to 140,000 IOPS in between.
WARMUP, SHORTEST_NS = "500ms", 400_000_000
# The trace of a fitting run is as long as the recording, within these.
FIT_NS = (100_000_000, 400_000_000)
# Rounds of the fit. A loop device's worker runs beside the programs, and what it takes decides what they meet: there
# the factors may go to and fro, and the mean of the later rounds is taken.
ROUNDS, ROUNDS_LOOP = 3, 8
# Parts of how requests end: by the device's own interrupt; those of a loop device.
BY_INTERRUPT, BY_SOFTIRQ = ("completion_irq", "end_call", "end_io"), ("completion_softirq",)
# Parts of a program's own time, between its calls; of one with a ring.
BY_CALLS, BY_RING = ("user", "user_call", "user_io"), ("user_ring",)
# Among the parts: what a request takes of a loop device's worker.
LOOP = "loop_worker"
# Costs are moved within these factors: beyond them the recording shows something that they are not.
FACTOR = (0.2, 5.0)
# Parts with less than so many units in the recording say nothing of a unit.
LEAST_UNITS = 50
# A line needs so many calls, with numbers of I/Os whose standard deviation is at least so many means: in a short
# recording a few great batches would decide it.
LEAST_CALLS, LEAST_SPREAD = 5000, 1.0
# Lines of a profile, and the group that is scaled as a whole where there is no line.
WHOLE_OF = {"submit": "submit", "user": "user", "end": "completion_irq"}


@dataclass
class Replay:
    """`recorded`: figures of the trace; the others are results of runs. `trust`: replay unchanged beside it."""

    recorded: dict[str, Any]
    unchanged: Result
    untraced: Result
    changed: Result | None
    scenario: Scenario
    sets: tuple[str, ...]
    how: dict[str, Any] = field(default_factory=dict)

    @property
    def trust(self) -> dict[str, float]:
        return {
            "iops": _error(self.unchanged.io["iops"], self.recorded["io"]["iops"]),
            "context_switches_per_s": _error(
                self.unchanged.totals["context_switches_per_s"], self.recorded["totals"]["context_switches_per_s"]
            ),
        }

    def as_json(self) -> dict[str, Any]:
        """The result asked for at the top, in schema wakepath.result/1; recording and all runs below it."""
        top = self.changed or self.untraced
        return {
            **top.data,
            "recorded": self.recorded,
            "unchanged": _part(self.unchanged),
            "untraced": _part(self.untraced),
            "changed": _part(self.changed) if self.changed else None,
            "replay": {
                "schema": "wakepath.replay/1",
                "sets": list(self.sets),
                "unchanged_error": self.trust,
                "how": self.how,
            },
        }

    def to_pandas(self) -> pd.DataFrame:
        """One row each: recorded, unchanged, untraced, changed."""
        import pandas as pd

        rows: list[dict[str, Any]] = [{"run": "recorded", **flatten(self.recorded)}]
        for name, result in (("unchanged", self.unchanged), ("untraced", self.untraced), ("changed", self.changed)):
            if result is not None:
                rows.append({"run": name, **flatten(_part(result))})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        top = self.changed or self.untraced
        return f"<wakepath replay: recorded {self.recorded['io']['iops']:,.0f} IOPS, {top.io['iops']:,.0f} IOPS>"


def _error(got: float, wanted: float) -> float:
    return got / wanted - 1 if wanted else 0.0


def _part(result: Result) -> dict[str, Any]:
    keys = ("status", "io", "totals", "cpus", "tasks", "groups", "workqueue", "pingpong")
    return {k: result.data[k] for k in keys if k in result.data}


def replay(
    trace: str,
    sets: Sequence[str] = (),
    *,
    setting: str | None = None,
    kernel: str | None = None,
    machine: str | None = None,
    duration: str | None = None,
    seed: str | None = None,
) -> Replay:
    """Run the workload of a recording. `sets` are --set of `run`; a new group takes the recorded tasks."""
    recording = open_recording(trace, setting, kernel)
    source = Source(recording, machine)
    source.fit()
    found = recorded_figures(recording)
    long = duration or f"{max(SHORTEST_NS, recording.profile['time']['window_ns'])}ns"
    unchanged = source.unchanged(duration, seed)
    untraced_scenario = source.scenario(traced=False, duration=long, seed=seed)
    untraced = run(untraced_scenario)
    changed = run(changed_scenario(untraced_scenario, sets)) if sets else None
    return Replay(found, unchanged, untraced, changed, untraced_scenario, tuple(sets), source.how())


def changed_scenario(scenario: Scenario, sets: Sequence[str]) -> Scenario:
    """The scenario under other settings. A group named here for the first time is where the recorded tasks go."""
    known = {g["path"] for g in scenario.describe()["cgroups"]}
    named = [s.removeprefix("cgroup.").split(".cpu")[0].split("=")[0] for s in sets if s.startswith("cgroup.")]
    fresh = [n.strip('"') for n in named if n.strip('"') not in known]
    moved = any(s.startswith("workload.") and ".cgroup=" in s for s in sets)
    extra = []
    if fresh and not moved:
        jobs = scenario.describe()["workloads"]
        extra = [f'workload.{toml_key(job["name"])}.cgroup="{fresh[0]}"' for job in jobs]
    return scenario.with_sets(*sets, *extra)


def recorded_figures(recording: Recording) -> dict[str, Any]:
    """The recording's own figures under the names of a result, as far as a trace tells them."""
    time = recording.profile["time"]
    seconds = recording.window_s
    units = time["units"]
    cpus = []
    for cpu in time["cpus"]:
        share = {name: part["share"] for name, part in cpu["parts"].items()}
        idle = share.get("idle", 0.0)
        cpus.append(
            {
                "id": cpu["id"],
                "idle": idle,
                "busy": 1.0 - idle - share.get("lost", 0.0),
                "irq": share.get("completion_irq", 0.0) + share.get("other_irq", 0.0),
                "softirq": share.get("softirq", 0.0),
                "context_switches_per_s": cpu["switches"] / seconds,
            }
        )
    return {
        "window_ns": time["window_ns"],
        "io": {"iops": recording.ios / seconds, "completed": recording.ios},
        "totals": {
            "context_switches_per_s": units["switches"] / seconds,
            "interrupts_per_s": units["interrupts"] / seconds,
        },
        "cpus": cpus,
    }


class Source:
    """The scenario of a recording while its costs are being read off."""

    def __init__(self, recording: Recording, machine: str | None = None) -> None:
        self.recording = recording
        self.case = case_of(recording)
        self.machine = machine
        if machine is None and self.case["platform"] == NO_PLATFORM:
            self.machine = str(Path(scenario_dirs()[0]) / "platforms" / f"{MACHINE}.toml")
        self.seen: Seen = seen(recording)
        self.records, self.records_from = record_costs(recording)
        self.parts: dict[str, dict[str, Any]] = tomllib.loads(PARTS.read_text(encoding="utf-8"))
        ends = BY_INTERRUPT if self.seen.loop_ns is not None else BY_SOFTIRQ
        calls = BY_CALLS if self.case["setting"]["workload"]["engine"] == "io_uring" else BY_RING
        for part in (*ends, *calls):
            del self.parts[part]
        self.factors = dict.fromkeys((*self.parts, LOOP), 1.0)
        self.units: dict[str, tuple[float, float]] = {}
        self.later_ns = 0
        self.entries = self._base(()).describe()["costs"]["entries"]

    def _base(self, sets: tuple[str, ...], duration: str | None = None, warmup: str | None = None) -> Scenario:
        options = Options(sets=(*self.seen.sets, *sets), machine=self.machine, duration=duration, warmup=warmup)
        return Scenario.from_case({**self.case, "role": "replay"}, options=options)

    def cost_sets(self) -> tuple[str, ...]:
        out = []
        for part, factor in self.factors.items():
            for name in self.parts.get(part, {"costs": ()})["costs"]:
                if factor != 1.0 and self.entries[name]["mean_ns"] > 0:
                    out.append(f"costs.{name}={scaled(self.entries[name], factor)}")
        if self.seen.law is not None and self.later_ns:
            out += self.seen.law.later(self.later_ns).sets()
        if self.seen.loop_ns is not None:
            out.append(f"device.service_ns={round(self.seen.loop_ns * self.factors[LOOP])}")
        return tuple(out)

    def scenario(self, *, traced: bool, duration: str, warmup: str = WARMUP, seed: str | None = None) -> Scenario:
        sets = self.cost_sets()
        if traced:
            sets += tuple(f"costs.{name}={ns}" for name, ns in self.records.items())
            types = sorted(set(self.recording.profile["trace"]["by_event"]) - {"unknown", "lost_events"})
            sets += (f"run.trace_events={json.dumps(types)}",)
            sets += (f"event.recorder.at={json.dumps(warmup)}", 'event.recorder.set="recorder=on"')
        if seed is not None:
            sets += (f"run.seed={seed}",)
        return self._base(sets, duration=duration, warmup=warmup)

    def unchanged(self, duration: str | None = None, seed: str | None = None) -> Result:
        """As recorded; windows of the recording's length where no other is asked for."""
        if duration:
            return run(self.scenario(traced=True, duration=duration, seed=seed))
        window = int(self.recording.profile["time"]["window_ns"])
        first = int(seed) if seed is not None else int(self._base(()).describe()["run"]["seed"])
        return over_windows(
            lambda long, warmup, n: self.scenario(traced=True, duration=long, warmup=warmup, seed=str(n)), window, first
        )

    def fit(self) -> None:
        """Scales each part's costs until a unit takes as long as recorded."""
        wanted = self._per_unit(self.recording.profile["time"], LEAST_CALLS)
        length = min(max(FIT_NS[0], self.recording.profile["time"]["window_ns"]), FIT_NS[1])
        tried: list[dict[str, float]] = []
        for _ in range(ROUNDS if self.seen.loop_ns is None else ROUNDS_LOOP):
            with tempfile.TemporaryDirectory() as folder:
                twin = str(Path(folder) / "twin.txt")
                run(self.scenario(traced=True, duration=f"{length}ns", warmup="30ms"), trace=twin)
                profile = json.loads(_core.profile(twin))
            got = self._per_unit(profile["time"])
            if not tried:
                self._choose(wanted, got)
            self._fit_latency(profile)
            if self.seen.loop_ns is not None and (loop := loop_ns(profile)):
                self.units[LOOP] = (self.seen.loop_ns, loop)
            self.units |= {part: (ns, got[part]) for part, ns in wanted.items() if got.get(part, 0.0) > 0}
            for part, (ns, replayed) in self.units.items():
                most = self.parts.get(part, {}).get("most", FACTOR[1])
                self.factors[part] = min(max(self.factors[part] * ns / replayed, FACTOR[0]), most)
            tried.append(dict(self.factors))
        late = tried[ROUNDS:] or tried[-1:]
        self.factors = {part: math.prod(f[part] for f in late) ** (1 / len(late)) for part in self.factors}

    def _choose(self, wanted: dict[str, float], got: dict[str, float]) -> None:
        """A line where recording and replay have one, else one number for both of its ends."""
        for name, whole in WHOLE_OF.items():
            ends = {group for group, rule in self.parts.items() if rule.get("line") == name}
            for group in {whole} if ends <= wanted.keys() & got.keys() else ends:
                wanted.pop(group, None)

    def _fit_latency(self, profile: dict[str, Any]) -> None:
        """The law was read between issue and interrupt, where the model has costs of its own: those are taken off."""
        wanted = self.seen.law
        if wanted is None or not wanted.wakes or not set(wanted.sets()) <= set(self.seen.sets):
            return
        if (twin := law_of(profile)) is not None and twin.kind == wanted.kind:
            self.later_ns += wanted.latency_ns - twin.latency_ns

    def _per_unit(self, time: dict[str, Any], least: int = LEAST_UNITS) -> dict[str, float]:
        """ns of a unit of each part, less the records written in it, on the CPUs of the I/Os: what others do elsewhere
        (a loop device's worker) is not the programs'."""
        found = {}
        own = io_cpus(self.recording)
        cpus = [cpu for cpu in time["cpus"] if cpu["id"] in own]
        lines = {name: self._line([cpu["lines"][name] for cpu in cpus], least) for name in WHOLE_OF}
        for group, rule in self.parts.items():
            if "line" in rule:
                if (line := lines[rule["line"]]) is not None:
                    found[group] = line[rule["of"]]
                continue
            units = sum(cpu["units"][rule["unit"]] for cpu in cpus)
            spent = [cpu["parts"][part] for cpu in cpus for part in rule["parts"] if part in cpu["parts"]]
            ns = sum(self._without_records(part) for part in spent)
            if "remote" in rule:
                remote = [cpu["remote_wakeups"] for cpu in cpus]
                theirs, their_ns = sum(r["wakeups"] for r in remote), sum(map(self._without_records, remote))
                units, ns = (theirs, their_ns) if rule["remote"] else (units - theirs, ns - their_ns)
            if spent and units >= LEAST_UNITS:
                found[group] = max(1.0, ns / units)
        return found

    def _without_records(self, time: Mapping[str, float]) -> float:
        """ns of a part, less what writing its records took."""
        plain, sched = self.records["trace_record"], self.records["trace_record_sched"]
        return time["ns"] - time["records"] * plain - time["sched_records"] * sched

    def _line(self, submits: list[dict[str, float]], least: int) -> dict[str, float] | None:
        """ns of a call and of each I/O in it, by least squares; None where calls are too much alike."""
        s = {key: sum(cpu[key] for cpu in submits) for key in submits[0]} if submits else {"calls": 0}
        if s["calls"] < least:
            return None
        plain, sched = self.records["trace_record"], self.records["trace_record_sched"]
        ns = self._without_records(s)
        ns_ios = s["ns_ios"] - plain * s["records_ios"] - sched * s["sched_records_ios"]
        spread = s["calls"] * s["ios_squared"] - s["ios"] ** 2
        if spread < (LEAST_SPREAD * s["ios"]) ** 2:
            return None
        io = (s["calls"] * ns_ios - s["ios"] * ns) / spread
        call = (ns - io * s["ios"]) / s["calls"]
        return {"call": max(1.0, call), "io": io} if io > 0 else None

    def how(self) -> dict[str, Any]:
        law = self.seen.law
        return {
            "trace": self.recording.trace,
            "setting": self.recording.where,
            "workload": self.case["setting"]["workload"],
            "nice": self.case["setting"]["nice"],
            "device": None if law is None else law.__dict__,
            "loop_worker_ns": None if self.seen.loop_ns is None else self.seen.loop_ns * self.factors[LOOP],
            "record_costs": {**self.records, "from": self.records_from},
            "unrecorded": unrecorded_rates(self.recording),
            "parts": {
                part: {"recorded_ns": ns, "replayed_ns": got, "factor": self.factors[part]}
                for part, (ns, got) in self.units.items()
            },
            "notes": list(self.seen.notes),
        }
