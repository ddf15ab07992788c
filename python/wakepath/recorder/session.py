# SPDX-License-Identifier: GPL-2.0-or-later
"""One recording: probes, windows of fio in and out of a group, windows with tracing, in bounded time.

What cannot be had is written down with its reason and what would cure it; the rest goes on. recording.json is written
after each part, by renaming: a killed recording leaves a folder that says `partial` and can be read as far as it goes.
Whatever is changed on the machine (trace instance, group, scratch file) is a context that undoes itself, and what a
killed recording left is removed by the next.
"""

from __future__ import annotations

import json
import lzma
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wakepath.errors import InputError
from wakepath.paths import write_text
from wakepath.recorder import drift, perf, tracefs
from wakepath.recorder.beside import Beside
from wakepath.recorder.cases import case_of, group_of, setting_of
from wakepath.recorder.cgroups import Group, NoCgroupError
from wakepath.recorder.counters import others_on_the_machine
from wakepath.recorder.facts import machine_facts
from wakepath.recorder.load import RAMP_S, TAIL_S, Runner, Setting, null_engine_ns
from wakepath.recorder.program import NO_IO_URING, ended_like_ctrl_c, program, run_probes
from wakepath.recorder.settings import DEEP, PINGPONG, RECORDED, RECORDED_IN_GROUP, REFERENCE, SINGLE, runnable
from wakepath.recorder.target import Target

SCHEMA = "wakepath.recording/1"
Report = Callable[[str, float], object]
TRACE_AFTER_S = 0.25 + RAMP_S  # fio is under way by then


@dataclass(frozen=True)
class Plan:
    """How long, how often, how large."""

    quick: bool = False
    budget_s: float = 165.0  # of the whole recording: three minutes with what comes before and after
    size: int = 512 << 20
    repeats: int = 3
    window_s: float = 1.2
    probe_s: int = 45
    trace_s: float = 0.2

    @staticmethod
    def of(quick: bool, size: int | None) -> Plan:
        plan = Plan(quick=True, budget_s=25, size=64 << 20, repeats=1, window_s=0.4, probe_s=8) if quick else Plan()
        return plan if size is None else Plan(**{**plan.__dict__, "size": size})


class Session:
    def __init__(self, out: Path, plan: Plan, report: Report) -> None:
        self.out, self.plan, self.report = out, plan, report
        self.begin = time.monotonic()
        self.state: dict[str, Any] = {
            "schema": SCHEMA,
            "status": "partial",
            "quick": plan.quick,
            "parts": [],
            "lacks": [],
            "notes": [],
        }
        self._clock0 = time.time() - time.monotonic()

    def lack(self, part: str, reason: str, remedy: str = "") -> None:
        self.state["lacks"].append({"part": part, "reason": reason, "remedy": remedy})
        self.save()

    def part(self, name: str) -> None:
        self.state["parts"].append(name)
        self.save()

    def save(self) -> None:
        write_text(str(self.out / "recording.json"), json.dumps(self.state, indent=1) + "\n")

    @property
    def left_s(self) -> float:
        return self.plan.budget_s - (time.monotonic() - self.begin)

    def check_clock(self) -> None:
        """The wall clock stepped: intervals are of the monotonic clock and hold; said all the same."""
        step = time.time() - time.monotonic() - self._clock0
        if abs(step) > 0.05:
            self.state["notes"].append(
                f"the wall clock was set by {step:+.2f} s meanwhile; all times here are of the monotonic clock"
            )


def record(target: str, out: str, *, plan: Plan, overwrite: bool, read_only: bool, report: Report) -> dict[str, Any]:
    folder = _folder(out)
    session = Session(folder, plan, report)
    if busy := others_on_the_machine():
        session.state["notes"].append(busy)
    session.save()
    with ended_like_ctrl_c(), ExitStack() as stack:
        binary = program(lambda text: report(text, 0.0))
        report("writing the test file", 0.0)
        goal = stack.enter_context(Target(target, plan.size, overwrite=overwrite, read_only=read_only))
        facts = machine_facts(goal.path)
        write_text(str(folder / "machine.json"), json.dumps(facts, indent=1) + "\n")
        session.part("machine")
        group = _group(session, stack)
        place = place_of(facts)
        ring = _probes(session, binary, goal, facts, place, group)
        _windows(session, stack, goal, facts, place, group, binary if ring else None, ring)
    session.check_clock()
    session.state["status"] = "complete"
    session.state["took_s"] = round(time.monotonic() - session.begin, 1)
    session.save()
    return session.state


def _folder(out: str) -> Path:
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", out)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "recording.json").is_file():
        raise InputError("holds other files: nothing is written there", out, suggestion="give a new or empty folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("recording.json", "machine.json", "probes.urtrace.xz", "cases.jsonl"):
            (folder / name).unlink(missing_ok=True)
        for old in folder.glob("trace-*"):
            old.unlink()
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", out) from None
    return folder


@dataclass(frozen=True)
class Place:
    """Where loops run: the CPU that the device interrupts, as a completion then meets its submitter."""

    cpu: int
    other: int
    irqs: list[int]


def place_of(facts: dict[str, Any]) -> Place:
    mine = sorted(os.sched_getaffinity(0))
    irq_cpus = [c for c in facts["target"].get("irq_cpus", []) if c in mine]
    cpu = irq_cpus[0] if irq_cpus else mine[-1]
    others = [c for c in mine if c != cpu]
    return Place(cpu, others[0] if others else -1, facts["target"].get("irqs", []))


def _group(session: Session, stack: ExitStack) -> Group | None:
    try:
        return stack.enter_context(Group())
    except NoCgroupError as error:
        session.lack("cgroup", str(error), "root, and a hierarchy with the cpu controller")
        return None


def _probes(
    session: Session, binary: Path, goal: Target, facts: dict[str, Any], place: Place, group: Group | None
) -> bool:
    """True where the kernel gives a ring."""
    raw = session.out / "probes.urtrace"
    command = [str(binary), "probe", "--out", str(raw), "--target", str(goal.path), "--cpu", str(place.cpu)]
    command += ["--other-cpu", str(place.other), "--budget", str(session.plan.probe_s)]
    if place.irqs:
        command += ["--irq", str(place.irqs[0])]
    if session.plan.quick:
        command.append("--quick")
    if goal.read_only:
        command.append("--read-only")
    if group is not None:
        group.set_weight(1024)
        command += ["--cgroup-procs", str(group.procs)]
    share = session.plan.probe_s / session.plan.budget_s
    status, said = run_probes(command, lambda what, x: session.report(what, share * x))
    _compress(raw)
    if status == NO_IO_URING:
        knob = facts["kernel"]["io_uring_disabled"]
        why = f"kernel.io_uring_disabled is {knob}" if knob else "refused (seccomp or an old kernel)"
        session.lack("io_uring", f"{said}: {why}", "sysctl kernel.io_uring_disabled=0, or no seccomp filter")
    elif status != 0:
        session.lack("probes", said or f"the recorder ended with status {status}")
    session.part("probes")
    return status == 0


def _compress(raw: Path) -> None:
    if not raw.is_file():
        return
    packed = raw.with_name(raw.name + ".xz")
    try:
        with lzma.open(packed, "wb", preset=1) as f:
            f.write(raw.read_bytes())
    except OSError as error:
        packed.unlink(missing_ok=True)
        raise InputError(f"cannot be written: {error.strerror}", str(packed)) from None
    raw.unlink()


def _windows(
    session: Session,
    stack: ExitStack,
    goal: Target,
    facts: dict[str, Any],
    place: Place,
    group: Group | None,
    binary: Path | None,
    ring: bool,
) -> None:
    plan = session.plan
    try:
        runner = Runner(
            goal.path,
            plan.size,
            cpu=place.cpu,
            irqs=place.irqs,
            seconds=plan.window_s,
            program=binary,
            group=group,
        )
    except InputError as error:
        return session.lack("windows", error.message, error.suggestion)
    stack.callback(runner.close)
    if why := runner.window.why_no_perf():
        session.lack("switches of one CPU", why, "root, or kernel.perf_event_paranoid of at most 0")
    if not runner.fio:
        session.lack("fio", "not installed: io_uring windows are the recorder's own loop", "apt-get install fio")
    else:
        session.state["fio_null_ns"] = {d: round(null_engine_ns(runner.fio, place.cpu, d), 1) for d in (1, 32)}
    wanted = RECORDED if group is None else RECORDED + RECORDED_IN_GROUP
    settings = runnable(wanted, fio=bool(runner.fio), io_uring=ring, writes=not goal.read_only)
    if plan.quick:
        settings = settings[:3]
    session.state["load"] = runner.load_program
    runs = _interleaved(session, runner, settings)
    window_ns = round(plan.window_s * 1e9)
    cases = [case_of(s, runs[s], facts, place.cpu, "calibrate", window_ns) for s in settings if runs[s]]
    if cases:
        write_text(str(session.out / "cases.jsonl"), "".join(json.dumps(c) + "\n" for c in cases))
        session.part("windows")
    _traces(session, runner, settings, facts, place)
    return None


def _interleaved(session: Session, runner: Runner, settings: list[Setting]) -> dict[Setting, list[dict[str, float]]]:
    """Round by round, so that a drift of the machine meets all settings alike; the reference every few runs."""
    plan = session.plan
    one_s = plan.window_s + RAMP_S + TAIL_S + 0.5
    keep_s = 2 * len(_to_trace(session, settings)) * (plan.trace_s + one_s)
    runs: dict[Setting, list[dict[str, float]]] = {s: [] for s in settings}
    order: list[tuple[float, dict[str, float]]] = []
    planned = _order(settings, plan.repeats)
    beside, begin_ns = Beside(runner.cpu), time.monotonic_ns()
    for n, s in enumerate(planned):
        if session.left_s < one_s + keep_s:
            session.lack("windows", f"no time left after {n} of {len(planned)} runs")
            break
        session.report(s.name, (plan.budget_s - session.left_s) / plan.budget_s)
        try:
            runs[s].append(runner.run(s))
        except InputError as error:
            session.lack(s.name, error.message, error.suggestion)
            continue
        order.append((float(n), runs[s][-1]))
        beside.look()
    session.state["beside"] = beside.programs(time.monotonic_ns() - begin_ns)
    if REFERENCE in runs:
        mine = {id(run) for run in runs[REFERENCE]}
        drift.mark(order, {place: run["iops"] for place, run in order if id(run) in mine})
    return runs


def _order(settings: list[Setting], repeats: int) -> list[Setting]:
    others = [s for s in settings if s != REFERENCE] * repeats
    if REFERENCE not in settings:
        return others
    if not others:
        return [REFERENCE] * repeats
    parts = [others[i : i + drift.EVERY] for i in range(0, len(others), drift.EVERY)]
    return [s for part in parts for s in (REFERENCE, *part)]


def _to_trace(session: Session, settings: list[Setting]) -> list[Setting]:
    chosen = [s for s in settings if s in (REFERENCE, PINGPONG, settings[-1])]
    return chosen[:1] if session.plan.quick else chosen


def _in_parts(chosen: list[Setting]) -> Iterator[tuple[str, Setting, tuple[str, ...], int]]:
    """What is traced where an instance is allowed: the name's beginning, events, how many windows long."""
    for s in chosen:
        yield "", s, tracefs.EVENTS, 1
    whole = PINGPONG in chosen
    for s in (*chosen, DEEP) if whole else chosen:
        if s.engine == "libaio":
            yield "turns-", s, tracefs.EVENTS_OF_TURNS, 2
    if whole:
        yield "device-", SINGLE, tracefs.EVENTS_OF_DEVICE, 2


def _traces(session: Session, runner: Runner, settings: list[Setting], facts: dict[str, Any], place: Place) -> None:
    """The kernel's side: short windows in a trace instance, else by perf, each with its setting beside it."""
    chosen = _to_trace(session, settings)

    def keep(s: Setting, text: str, what: str = "") -> None:
        name = f"trace-{what}{s.name}.txt.xz"
        with lzma.open(session.out / name, "wt", preset=1) as f:
            f.write(text)
        setting = setting_of(s, facts, place.cpu, group_of(s, facts["cgroup"]["version"]))
        write_text(str(session.out / f"{name}.setting.json"), json.dumps(setting, indent=1) + "\n")

    try:
        with tracefs.Instance() as instance:
            for what, s, events, windows in _in_parts(chosen):
                session.report(f"tracing {what}{s.name}", 0.97)
                keep(s, _traced(runner, s, instance, windows * session.plan.trace_s, events), what)
        session.part("trace")
    except tracefs.NoTraceError as no_instance:
        try:
            for s in chosen:
                session.report(f"perf, {s.name}", 0.97)
                keep(s, perf.traced(partial(runner.run, s), TRACE_AFTER_S, session.plan.trace_s))
            session.part("trace")
            session.state["notes"].append(f"traced by perf, without what is recorded in idle: {no_instance}")
        except tracefs.NoTraceError as no_perf:
            session.lack("trace", f"{no_instance}; {no_perf}", "root with tracefs, or leave for perf")


def _traced(runner: Runner, s: Setting, instance: tracefs.Instance, seconds: float, events: tuple[str, ...]) -> str:
    import threading

    def window() -> None:
        time.sleep(TRACE_AFTER_S)
        instance.start(events)
        time.sleep(seconds)
        instance.stop()

    thread = threading.Thread(target=window)
    thread.start()
    try:
        runner.run(s)
    finally:
        thread.join()
    return instance.text()
