# SPDX-License-Identifier: GPL-2.0-or-later
"""rt-app files (github.com/scheduler-tools/rt-app) as scenarios: each task as a free program, its run, sleep and timer.

What maps onto a program of the model is a task that does the same for ever: run (hog), run and sleep (duty), run and a
periodic timer (per). Anything else in a file is refused with its name; nothing is left out silently. A key may stand
twice in one object, and keys differ by what follows the event's name ("run1", "run2"), so objects are kept as pairs.
"""

from __future__ import annotations

import json
import re
from typing import Any

from wakepath.errors import InputError, closest

Pairs = list[tuple[str, Any]]
POLICIES = {"SCHED_OTHER": "other", "SCHED_BATCH": "batch", "SCHED_IDLE": "idle", "SCHED_FIFO": "fifo"}
SETTINGS = ("instance", "loop", "policy", "priority", "cpus", "taskgroup", "delay")
MODELLED = ("run", "sleep", "timer")
EVENTS = (
    *MODELLED, "runtime", "suspend", "resume", "lock", "unlock", "wait", "signal", "broad", "sync", "barrier", "mem",
    "iorun", "yield", "fork", "loadchk",
)  # fmt: skip
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
    phases = [value for key, value in pairs if key == "phases"]
    body = [(key, value) for key, value in pairs if key not in SETTINGS and key != "phases"]
    if phases:
        if body:
            raise file.wrong(task, f"task '{task}' has events beside its phases", "put them into a phase")
        if len(phases[0]) != 1:
            raise file.wrong(
                task,
                f"task '{task}' has {len(phases[0])} phases: only tasks with one are modelled",
                "one task for each",
            )
        body = [(key, value) for key, value in phases[0][0][1] if key not in SETTINGS]
        settings |= {key: value for key, value in phases[0][0][1] if key in SETTINGS and key != "loop"}
    if settings.get("loop", -1) != -1:  # of a phase it may be any number: the task begins it again for ever
        raise file.wrong(
            task, f"task '{task}' ends after {settings['loop']} loops, which is not modelled", '"loop": -1'
        )
    if settings.get("delay"):
        raise file.wrong(task, f"task '{task}' has a delay, which is not modelled", "leave it out")
    lines, chosen = _program(file, task, body), str(settings.get("policy", policy))
    if chosen not in POLICIES:
        near = closest(chosen, list(POLICIES))
        raise file.wrong(chosen, f"no policy '{chosen}' in the model", f"did you mean {near}?" if near else "")
    priority = int(settings.get("priority", 10 if POLICIES[chosen] == "fifo" else 0))
    if POLICIES[chosen] != "other":
        lines.append(f'policy = "{POLICIES[chosen]}"')
    lines.append(f"rt_priority = {priority}" if POLICIES[chosen] == "fifo" else f"nice = {priority}")
    allowed = settings.get("cpus", [])
    if isinstance(allowed, list) and len(allowed) > 1:
        raise file.wrong(task, f"task '{task}' may use several CPUs, a program one or all", "one CPU, or no cpus")
    lines.append(f"cpu = {allowed[0] if allowed else -1}")
    if group := str(settings.get("taskgroup", "")).strip("/"):
        lines.append(f"cgroup = {json.dumps(group)}")
    out: list[str] = []
    instances = int(settings.get("instance", 1))
    for i in range(instances):
        label = task if instances == 1 else f"{task}-{i}"
        out += ["", f"[program.{json.dumps(label)}]", *lines]
    return out, max([int(cpu) for cpu in allowed], default=0)


def _program(file: _File, task: str, body: Pairs) -> list[str]:
    run = sleep = period = 0
    for key, value in body:
        event = _event(key)
        if event not in MODELLED:
            near = closest(key, list(EVENTS)) if not event else ""
            raise file.wrong(
                key,
                f"task '{task}': '{event or key}' is {'not modelled' if event else 'no event of rt-app'}",
                f"did you mean {near}?" if near else f"modelled are {', '.join(MODELLED)}",
            )
        if event == "timer":
            found = dict(value).get("period") if isinstance(value, list) else None
            period = _us(file, task, key, found)
        elif event == "run":
            run += _us(file, task, key, value) if value != -1 else 0
        else:
            sleep += _us(file, task, key, value)
    if period and sleep:
        raise file.wrong(task, f"task '{task}' has a timer and a sleep: only one of them is modelled", "leave one out")
    if not run or not (period or sleep):
        if any(_event(key) == "run" for key, _ in body) and not period and not sleep:
            return ['kind = "hog"']
        raise file.wrong(task, f"task '{task}' never runs", 'give it a "run"')
    kind, key, value = ("per", "period", period) if period else ("duty", "sleep", sleep)
    return [f'kind = "{kind}"', f'run = "{run}us"', f'{key} = "{value}us"']


def _us(file: _File, task: str, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise file.wrong(key, f"task '{task}': {key} = {value!r} is no positive number of microseconds")
    return value
