# SPDX-License-Identifier: GPL-2.0-or-later
"""The setting of a recording, as `wakepath verify` needs it: groups, tunables, HZ, and what --set changes in it.

A setting is the `setting` object of a truth case; a whole case, a line of a case file and `CASES.jsonl#ID` do as well.
Beside a trace it is `TRACE.setting.json`. Nice values and policies are not read from it: the trace prints them.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.errors import InputError, closest
from wakepath.paths import read_text, scenario_dirs

TUNABLES = ("latency_ns", "min_granularity_ns", "wakeup_granularity_ns", "idle_min_granularity_ns", "base_slice_ns")
# fio's own threads that work for it in the kernel live in its group.
FIO_TASKS = ["fio", "iou-wrk-*", "iou-sqp-*"]
SERVER_TASKS = ["ublk*"]


def find_setting(trace: str, given: str | None) -> tuple[dict[str, Any], str]:
    """The setting object of a trace and where it was found; an empty one when there is none."""
    if given:
        return read_setting(given), given
    beside = Path(f"{trace}.setting.json")
    if beside.is_file():
        return read_setting(str(beside)), str(beside)
    return {}, ""


def read_setting(source: str) -> dict[str, Any]:
    """A bare setting object, a whole truth case, or one of a file of cases: FILE#ID."""
    name, _, wanted = source.partition("#")
    text = read_text(name)
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = _one_of_many(name, text, wanted)
    if not isinstance(found, dict):
        raise InputError("is no JSON object", name, suggestion="a truth case or its setting object")
    if wanted and found.get("id") != wanted:
        raise InputError(f"holds no case '{wanted}'", name)
    if "setting" in found:
        if not isinstance(found["setting"], dict):
            raise InputError("'setting' is no JSON object", name)
        return case_setting(found)
    return found


def case_setting(case: dict[str, Any]) -> dict[str, Any]:
    """The setting of a truth case, with what its platform file says of the kernel: switches, autogroups."""
    setting: dict[str, Any] = case["setting"]
    kernel = _platform_kernel(str(case.get("platform", "")))
    out = {"switches": {k: str(v) for k, v in kernel.get("switches", {}).items()}} | setting
    if kernel.get("sched_autogroup_enabled") and not setting.get("cgroup"):
        out = {"autogroups": {"autogroup-1": {"nice": 0, "tasks": FIO_TASKS}}} | out
    return out


def _platform_kernel(name: str) -> dict[str, Any]:
    for folder in scenario_dirs():
        file = Path(folder) / "platforms" / f"{name}.toml"
        if name and "/" not in name and file.is_file():
            kernel: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")).get("kernel", {})
            return kernel
    return {}


def _one_of_many(name: str, text: str, wanted: str) -> Any:
    ids = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            case = json.loads(line)
        except ValueError as error:
            raise InputError(f"no JSON: {error}", name, number) from None
        if not isinstance(case, dict):
            raise InputError("is no JSON object", name, number)
        if wanted and case.get("id") == wanted:
            return case
        ids.append(str(case.get("id", "")))
    if not wanted:
        raise InputError(f"holds {len(ids)} cases", name, suggestion=f"write {name}#ID, for one {name}#{ids[0]}")
    near = closest(wanted, ids)
    raise InputError(f"holds no case '{wanted}'", name, suggestion=f"did you mean {near}?" if near else "")


def core_setting(setting: dict[str, Any], kernel: str, where: str) -> dict[str, Any]:
    """What _core.verify takes."""
    out: dict[str, Any] = {"kernel": _core.kernel_resolve(kernel)}
    for key in ("cpus", "hz"):
        if key in setting:
            out[key] = _positive(setting[key], key, where)
    switches = setting.get("switches") or {}
    if not isinstance(switches, dict):
        raise InputError("'switches' is no object", where)
    out["switches"] = {name: str(value) for name, value in switches.items()}
    out["tunables"] = {}
    sched = setting.get("sched", {})
    if not isinstance(sched, dict):
        raise InputError("'sched' is no object", where)
    for key, value in sched.items():
        if key not in TUNABLES:
            near = closest(key, list(TUNABLES))
            raise InputError(f"no tunable '{key}'", where, suggestion=f"did you mean {near}?" if near else "")
        out["tunables"][key] = _number(value, key, where)
    out["groups"] = _groups(setting, where)
    cpu = (setting.get("workload") or {}).get("pinned_cpu")
    if cpu is not None and out.get("cpus", 1) > 1:
        out["pinned"] = [{"tasks": FIO_TASKS, "cpu": _number(cpu, "pinned_cpu", where)}]
    elif out.get("cpus", 1) > 1 and isinstance(setting.get("pinned"), list):
        out["pinned"] = [_pinned(entry, where) for entry in setting["pinned"]]
    return out


def _groups(setting: dict[str, Any], where: str) -> list[dict[str, Any]]:
    groups = []
    group = setting.get("cgroup")
    if isinstance(group, dict):
        for part, tasks in (("client", FIO_TASKS), ("server", SERVER_TASKS)):
            if isinstance(group.get(part), dict):
                groups.append(_group(part, group[part], tasks, where))
        if "weight" in group or "shares" in group:
            groups.append(_group("fio", group, FIO_TASKS, where))
    for name, knobs in (setting.get("cgroups") or {}).items():
        tasks = [t["name"] for t in setting.get("tasks", []) if t.get("cgroup") == name]
        groups.append(_group(name, knobs, tasks, where))
    for name, session in (setting.get("autogroups") or {}).items():
        nice = session.get("nice", 0) if isinstance(session, dict) else None
        if not isinstance(nice, int) or not -20 <= nice <= 19:
            raise InputError(f"autogroup '{name}' has no nice value", where, suggestion='{"nice": 0, "tasks": [...]}')
        weight = _core.weight_of_nice(nice)
        groups.append({"name": name, "shares": weight << 10, "tasks": _names(session.get("tasks", []), name, where)})
    return groups


def _names(tasks: Any, of: str, where: str) -> list[str]:
    if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
        raise InputError(f"'tasks' of {of} is no list of names", where, suggestion='["fio", "iou-wrk-*"]')
    return tasks


def _pinned(entry: Any, where: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError("an entry of 'pinned' is no object", where, suggestion='{"tasks": ["fio"], "cpu": 1}')
    return {"tasks": _names(entry.get("tasks", []), "pinned", where), "cpu": _number(entry.get("cpu"), "cpu", where)}


def _group(name: str, knobs: Any, tasks: list[str], where: str) -> dict[str, Any]:
    if not isinstance(knobs, dict) or not ("weight" in knobs or "shares" in knobs):
        raise InputError(f"group '{name}' has neither weight nor shares", where, suggestion='{"weight": 100}')
    return {"name": name, "shares": _shares(knobs, where), "tasks": tasks}


def _shares(knobs: dict[str, Any], where: str) -> int:
    """tg->shares: cpu.weight is rounded to cpu.shares, which are scaled by 1024 (kernel/sched/core.c)."""
    if "weight" in knobs:
        weight = _number(knobs["weight"], "weight", where)
        if not 1 <= weight <= 10000:
            raise InputError(f"weight {weight} is outside 1..10000", where)
        return ((weight * 1024 + 50) // 100) << 10
    return min(max(_number(knobs["shares"], "shares", where) << 10, 2 << 10), 1 << 28)


def change(core: dict[str, Any], sets: tuple[str, ...]) -> dict[str, Any]:
    """What --set KEY=VALUE lays over the setting: kernel.switches.X, kernel.sched.X, cgroup.NAME.weight."""
    switches: dict[str, str] = {}
    tunables: dict[str, int] = {}
    groups = [dict(group) for group in core["groups"]]
    for line in sets:
        key, found, value = line.partition("=")
        place = f"--set {line}"
        if not found:
            raise InputError("no '=' in it", place, suggestion="write KEY=VALUE")
        if key.startswith("kernel.switches."):
            name = key.removeprefix("kernel.switches.")
            known = [row["name"] for row in _core.kernel_switches(core["kernel"])]
            if name not in known:
                near = closest(name, known)
                raise InputError(f"no switch '{name}'", place, suggestion=f"did you mean {near}?" if near else "")
            switches[name] = value
        elif key.startswith("kernel.sched."):
            name = key.removeprefix("kernel.sched.")
            if name not in TUNABLES:
                near = closest(name, list(TUNABLES))
                raise InputError(f"no tunable '{name}'", place, suggestion=f"did you mean {near}?" if near else "")
            tunables[name] = _time(value, place)
        elif key.startswith("cgroup."):
            _change_group(groups, key, value, place)
        else:
            raise InputError(
                f"verify cannot change '{key}'",
                place,
                suggestion="kernel.switches.NAME, kernel.sched.NAME or cgroup.NAME.cpu.weight",
            )
    return {"switches": switches, "tunables": tunables, "groups": groups}


def _change_group(groups: list[dict[str, Any]], key: str, value: str, place: str) -> None:
    name, _, knob = key.removeprefix("cgroup.").partition(".")
    knob = knob.removeprefix("cpu.")
    if knob not in ("weight", "shares"):
        raise InputError(f"no knob '{knob}'", place, suggestion="weight or shares")
    for group in groups:
        if group["name"] == name:
            group["shares"] = _shares({knob: value}, place)
            return
    names = ", ".join(group["name"] for group in groups) or "none"
    raise InputError(f"the setting has no group '{name}'", place, suggestion=f"its groups: {names}")


def _time(value: str, place: str) -> int:
    for unit, factor in (("ns", 1), ("us", 1000), ("ms", 1_000_000), ("s", 1_000_000_000)):
        number = value.removesuffix(unit)
        if value.endswith(unit) and number.isdecimal():
            return int(number) * factor
    return _number(value, "value", place)


def _positive(value: Any, key: str, where: str) -> int:
    number = _number(value, key, where)
    if number < 1:
        raise InputError(f"{key} = {value} is not positive", where)
    return number


def _number(value: Any, key: str, where: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise InputError(f"{key} = {value!r} is no whole number", where) from None
    if isinstance(value, bool) or not 0 <= number < 1 << 62 or (number != value and not isinstance(value, str)):
        raise InputError(f"{key} = {value!r} is out of range", where)
    return number
