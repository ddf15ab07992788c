# SPDX-License-Identifier: GPL-2.0-or-later
"""rt-app files (github.com/scheduler-tools/rt-app) as scenarios: each task as a free program.

A task that does the same for ever becomes one of the simple programs: run (hog), run and sleep (duty), run and a
periodic timer (per). Everything else becomes a list of steps (models/scenario/steps.h): phases one after another with
their loops and CPUs, several runs and sleeps, mutexes and condition variables, suspend and resume. What has no step is
refused with its name and line; nothing is left out silently. A key may stand twice in one object, and keys differ by
what follows the event's name ("run1", "run2"), so objects are kept as pairs.
"""

from __future__ import annotations

import json
import re
from typing import Any

from wakepath.errors import InputError, closest

Pairs = list[tuple[str, Any]]
POLICIES = {"SCHED_OTHER": "other", "SCHED_BATCH": "batch", "SCHED_IDLE": "idle", "SCHED_FIFO": "fifo"}
SETTINGS = ("instance", "loop", "policy", "priority", "cpus", "taskgroup", "delay")
SIMPLE = ("run", "sleep", "timer")
MODELLED = (*SIMPLE, "lock", "unlock", "wait", "signal", "broad", "suspend", "resume", "yield")
EVENTS = (*MODELLED, "runtime", "sync", "barrier", "mem", "iorun", "fork", "loadchk")
FOR_EVER = 2**62
LONGEST = "300000000s"  # that a run may take
GLOBAL = {"duration", "default_policy"}  # the rest of "global" is about logs, locking and calibration of the real tool


def is_rt_app(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("tasks"), dict) and "schema" not in data


def parse(text: str, name: str) -> Pairs:
    """Objects as lists of pairs; comments as json-c takes them."""
    bare = re.sub(
        r'"(?:\\.|[^"\\])*"|/\*.*?\*/|//[^\n]*',
        lambda m: m[0] if m[0].startswith('"') else re.sub(r"[^\n]", " ", m[0]),
        text,
        flags=re.S,
    )
    try:
        data = json.loads(bare, object_pairs_hook=lambda pairs: pairs)
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", name, error.lineno) from None
    if not isinstance(data, list) or not all(isinstance(pair, tuple) for pair in data):
        raise InputError('is no rt-app file: an object with "tasks" and "global" is needed', name)
    return data


def scenario_text(text: str, name: str) -> str:
    """The scenario, as TOML, that an rt-app file means."""
    file = _File(text, name)
    data = dict(parse(text, name))
    settings = dict(data.get("global", []))
    policy = str(settings.get("default_policy", "SCHED_OTHER"))
    lines = [f"title = {json.dumps('rt-app: ' + name)}"]
    duration = settings.get("duration", -1)
    if isinstance(duration, int) and duration > 0:
        lines += ["", "[run]", f'duration = "{duration}s"']
    cpus = 1
    for task, pairs in data.get("tasks", []):
        section, highest = _task(file, task, pairs, policy)
        cpus = max(cpus, highest + 1)
        lines += section
    groups = {match[1] for line in lines if (match := re.fullmatch(r'cgroup = "(.*)"', line))}
    for group in sorted(groups):
        lines += ["", f"[cgroup.{json.dumps(group)}]"]
    return "\n".join([*lines, "", "[machine]", f"cpus = {cpus}", ""])


class _File:
    """For messages: where a task stands."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name

    def wrong(self, word: str, message: str, suggestion: str = "") -> InputError:
        at = self.text.find(f'"{word}"')
        return InputError(message, self.name, self.text.count("\n", 0, at) + 1 if at >= 0 else 0, suggestion)


def _event(key: str) -> str:
    """The event that a key names: rt-app compares the beginning only."""
    return next((event for event in sorted(EVENTS, key=len, reverse=True) if key.startswith(event)), "")


def _task(file: _File, task: str, pairs: Pairs, policy: str) -> tuple[list[str], int]:
    settings = {key: value for key, value in pairs if key in SETTINGS}
    phases = _phases(file, task, pairs)
    if len(phases) == 1:  # its settings are the task's
        settings |= {key: value for key, value in phases[0][1] if key in SETTINGS and key != "loop"}
    allowed = _cpus(file, task, settings)
    moves = [_cpus(file, task, dict(body)) for _, body in phases]
    lines, chosen = _program(file, task, phases, settings), str(settings.get("policy", policy))
    if chosen not in POLICIES:
        near = closest(chosen, list(POLICIES))
        raise file.wrong(chosen, f"no policy '{chosen}' in the model", f"did you mean {near}?" if near else "")
    priority = int(settings.get("priority", 10 if POLICIES[chosen] == "fifo" else 0))
    if POLICIES[chosen] != "other":
        lines.append(f'policy = "{POLICIES[chosen]}"')
    lines.append(f"rt_priority = {priority}" if POLICIES[chosen] == "fifo" else f"nice = {priority}")
    lines.append(f"cpu = {allowed[0] if len(allowed) == 1 and not _changes_cpus(phases) else -1}")
    if group := str(settings.get("taskgroup", "")).strip("/"):
        lines.append(f"cgroup = {json.dumps(group)}")
    out: list[str] = []
    instances = int(settings.get("instance", 1))
    for i in range(instances):
        label = task if instances == 1 else f"{task}-{i}"
        out += ["", f"[program.{json.dumps(label)}]", *lines]
    return out, max([*allowed, *(cpu for cpus in moves for cpu in cpus)], default=0)


def _cpus(file: _File, task: str, settings: dict[str, Any]) -> list[int]:
    """What `settings` lets it use; []: every CPU."""
    cpus = settings.get("cpus", [])
    if isinstance(cpus, list) and all(isinstance(cpu, int) and not isinstance(cpu, bool) and cpu >= 0 for cpu in cpus):
        return cpus
    raise file.wrong(task, f"task '{task}': cpus = {cpus!r} are no CPUs", '"cpus": [0, 1]')


def _changes_cpus(phases: list[tuple[int, Pairs]]) -> bool:
    return len(phases) > 1 and any("cpus" in dict(body) for _, body in phases)


def _affinity(cpus: list[int]) -> str:
    return f"cpus {','.join(map(str, cpus)) or 'all'}"


def _phases(file: _File, task: str, pairs: Pairs) -> list[tuple[int, Pairs]]:
    """Each phase: how often, and its events and settings. Events beside no phases are one phase."""
    phases = [value for key, value in pairs if key == "phases"]
    body = [(key, value) for key, value in pairs if key not in SETTINGS and key != "phases"]
    if not phases:
        return [(1, body)]
    if body:
        raise file.wrong(task, f"task '{task}' has events beside its phases", "put them into a phase")
    if not phases[0]:
        raise file.wrong(task, f"task '{task}' has no phase", 'give it a "run"')
    found = []
    for name, content in phases[0]:
        own = [key for key, _ in content if key in SETTINGS and key not in ("loop", "cpus")]
        if own and len(phases[0]) > 1:
            raise file.wrong(
                name, f"task '{task}': phase '{name}' sets {own[0]}, which a task has once", "move it to the task"
            )
        found.append((_loops(file, name, dict(content).get("loop", 1)), content))
    return found


def _loops(file: _File, where: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1:
        raise file.wrong(where, f"'{where}': loop = {value!r} is no number of loops", "1 or more, or -1: for ever")
    return value if value > 0 else FOR_EVER


def _program(file: _File, task: str, phases: list[tuple[int, Pairs]], settings: dict[str, Any]) -> list[str]:
    events = [
        (loops, [_checked(file, task, key, value) for key, value in body if key not in SETTINGS])
        for loops, body in phases
    ]
    every = [event for _, body in events for event in body]
    if not any(kind == "run" for kind, _, _ in every):
        raise file.wrong(task, f"task '{task}' never runs", 'give it a "run"')
    loops = _loops(file, task, settings.get("loop", -1))
    delay = _us(file, task, "delay", settings["delay"]) if settings.get("delay") else 0
    allowed, changes = _cpus(file, task, settings), _changes_cpus(phases)
    begin = [_affinity(allowed)] if len(allowed) > 1 and not changes else []
    begin += [f"sleep {delay}us"] if delay else []
    if len(events) == 1 and loops == FOR_EVER and not begin and (simple := _simple(file, task, every)):
        return simple
    inner: list[str] = []
    for (turns, body), (_, own) in zip(events, phases, strict=True):
        steps = [_step(file, task, event) for event in body]
        inner += [_affinity(_cpus(file, task, {"cpus": allowed, **dict(own)}))] if changes else []
        inner += [f"loop {turns}", *steps, "end"] if turns > 1 else steps
    whole = begin
    if begin or loops != FOR_EVER:
        whole += [f"loop {loops}", *inner, "end", "stop"]
    return ['kind = "steps"', f"turns = {json.dumps(whole or inner)}"]


def _checked(file: _File, task: str, key: str, value: Any) -> tuple[str, str, Any]:
    """(event, key, value) of an event that has a step."""
    event = _event(key)
    if event in MODELLED:
        return event, key, value
    near = closest(key, list(EVENTS)) if not event else ""
    raise file.wrong(
        key,
        f"task '{task}': '{event or key}' is {'not modelled' if event else 'no event of rt-app'}",
        f"did you mean {near}?" if near else f"modelled are {', '.join(MODELLED)}",
    )


def _simple(file: _File, task: str, events: list[tuple[str, str, Any]]) -> list[str]:
    """Runs, then at most one sleep or timer: one of the simple programs. [] for anything else."""
    kinds = [kind for kind, _, _ in events]
    *runs, last = kinds
    if any(kind != "run" for kind in runs) or last not in SIMPLE:
        return []
    run = sum(_us(file, task, key, value) for kind, key, value in events if kind == "run" and value != -1)
    if last == "run" or not run:
        return ['kind = "hog"'] if last == "run" else []
    _, key, value = events[-1]
    if last == "timer":
        return ['kind = "per"', f'run = "{run}us"', f'period = "{_us(file, task, key, _of(value, "period"))}us"']
    return ['kind = "duty"', f'run = "{run}us"', f'sleep = "{_us(file, task, key, value)}us"']


def _of(value: Any, name: str) -> Any:
    return dict(value).get(name) if isinstance(value, list) else None


def _step(file: _File, task: str, event: tuple[str, str, Any]) -> str:
    kind, key, value = event
    if kind in ("run", "sleep"):
        for_ever = kind == "run" and value == -1
        return f"run {LONGEST}" if for_ever else f"{kind} {_us(file, task, key, value)}us"
    if kind == "timer":
        mode = _of(value, "mode") or "relative"
        if mode != "relative":
            raise file.wrong(key, f"task '{task}': a timer of mode '{mode}' is not modelled", '"mode": "relative"')
        period = _us(file, task, key, _of(value, "period"))
        return f"timer {_name(file, task, key, _of(value, 'ref') or key)} {period}us"
    if kind == "wait":
        return f"wait {_name(file, task, key, _of(value, 'ref'))} {_name(file, task, key, _of(value, 'mutex'))}"
    if kind in ("suspend", "yield"):
        return kind
    return f"{'broadcast' if kind == 'broad' else kind} {_name(file, task, key, value)}"


def _name(file: _File, task: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value or re.search(r"\s", value):
        hint = 'a name in quotes; of "wait": ref and mutex'
        raise file.wrong(key, f"task '{task}': {key} names nothing: {value!r}", hint)
    return value


def _us(file: _File, task: str, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise file.wrong(key, f"task '{task}': {key} = {value!r} is no positive number of microseconds")
    return value
