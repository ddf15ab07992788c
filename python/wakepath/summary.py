# SPDX-License-Identifier: GPL-2.0-or-later
"""A run for people: what it was, figures beside the control, the cause in words, and how far to trust it."""

from __future__ import annotations

import errno
from typing import Any

from wakepath.result import Result
from wakepath.runner import weighted_groups


def _time(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def _change(inside: float, outside: float, *, factor: bool = False) -> str:
    if not outside:
        return ""
    return f"{inside / outside:.2f} x" if factor else f"{100 * (inside / outside - 1):+.1f} %"


def _busiest(data: dict[str, Any]) -> dict[str, Any]:
    return max(data.get("cpus", []), key=lambda c: c.get("busy", 0.0), default={})


def _group(data: dict[str, Any], name: str) -> float:
    return float(data.get("groups", {}).get(name, {}).get("cpu_ns_per_s", 0.0))


def _rows(data: dict[str, Any], other: dict[str, Any] | None) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []

    def add(label: str, inside: float, outside: float | None, form: str, factor: bool = False) -> None:
        rest = "" if outside is None else form.format(outside)
        change = "" if outside is None else _change(inside, outside, factor=factor)
        rows.append((label, form.format(inside), rest, change))

    def both(path: tuple[str, ...]) -> tuple[float, float | None]:
        def get(d: Any) -> float:
            for key in path:
                d = d.get(key, {})
            return float(d) if isinstance(d, int | float) else 0.0

        return get(data), None if other is None else get(other)

    if data.get("io", {}).get("jobs") or data.get("io", {}).get("iops"):
        add("IOPS", *both(("io", "iops")), "{:,.0f}")
    add("context switches/s", *both(("totals", "context_switches_per_s")), "{:,.0f}", factor=True)
    add("interrupts/s", *both(("totals", "interrupts_per_s")), "{:,.0f}", factor=True)
    for name in data.get("groups", {}):
        inside, outside = _group(data, name) / 1e7, None if other is None else _group(other, name) / 1e7
        if inside or outside:
            add(f"CPU of {name}, %", inside, outside, "{:.1f}", factor=True)
    cpu = _busiest(data)
    if cpu:
        outside = None if other is None else 100 * _busiest(other).get("busy", 0.0)
        add(f"CPU {cpu['id']} busy, %", 100 * cpu["busy"], outside, "{:.1f}", factor=True)
    for name in ("p50", "p99"):
        inside, out = both(("io", "clat_ns", name))
        if inside:
            rest = "" if out is None else _time(out)
            rows.append((f"latency {name}", _time(inside), rest, "" if not out else _change(inside, out, factor=True)))
    return rows


def _setting(data: dict[str, Any], describe: dict[str, Any]) -> list[str]:
    kernel, made = describe["kernel"], data["made_by"]
    fair = "EEVDF" if _is_eevdf(kernel["version"], kernel["changed"]) else "CFS"
    assumed = f", ASSUMED for {kernel['requested']}" if kernel["assumed"] else ""
    lines = [
        f"kernel {kernel['version']} ({fair}){assumed}, preempt {kernel['preempt']}, HZ {kernel['hz']}; "
        f"machine {describe['machine']['platform'] or '-'}, {describe['machine']['cpus']} CPU"
        + ("s" if describe["machine"]["cpus"] != 1 else "")
    ]
    if kernel["changed"]:
        lines.append("changed switches: " + ", ".join(kernel["changed"]))
    for job in describe["workloads"]:
        where = f"in cgroup {job['cgroup']}{_weight(describe, job['cgroup'])}" if job["cgroup"] else "in the root group"
        cpus = "on CPU " + ",".join(map(str, job["cpus_allowed"])) if job["cpus_allowed"] else "not pinned"
        lines.append(
            f"{job['name']}: {job['ioengine']} {job['rw']} bs {job['bs']} depth {job['iodepth']}, "
            f"min_nr {job['iodepth_batch_complete_min']}, {cpus}, {where}"
        )
    lines.append(
        f"{_time(made['duration_ns'])} after {_time(made['warmup_ns'])} of warm-up, seed {made['seed']}; "
        f"{data['engine']['events']:,} events"
        + (
            f", {data['engine']['simulated_per_wall']:.1f} simulated s per s"
            if "simulated_per_wall" in data["engine"]
            else ""
        )
    )
    return lines


def _is_eevdf(version: str, changed: list[str]) -> bool:
    for line in changed:
        if line.startswith("eevdf="):
            return line.endswith("true")
    from wakepath import _core

    return any(row["name"] == "eevdf" and row["value"] for row in _core.kernel_switches(version))


def _weight(describe: dict[str, Any], path: str) -> str:
    for group in describe["cgroups"]:
        if group["path"] == path:
            if group["cpu_weight"] is not None:
                return f" (weight {group['cpu_weight']})"
            if group["cpu_shares"] is not None:
                return f" (shares {group['cpu_shares']})"
    return ""


def headline(data: dict[str, Any]) -> str:
    """The loss inside the group first; an absolute rate only where costs were measured (design 3.8)."""
    other = data.get("control")
    iops = data["io"].get("iops", 0.0)
    if not isinstance(other, dict) or not other["io"].get("iops"):
        return ""
    ratio = iops / other["io"]["iops"]
    switches = _change(
        data["totals"]["context_switches_per_s"], other["totals"]["context_switches_per_s"], factor=True
    ).replace(" x", " times")
    lost = 100 * (1 - ratio)
    if lost >= 1:
        text = (
            f"{lost:.0f} % of the IOPS are lost inside the cgroup ({other['io']['iops'] - iops:,.0f} of them a second)"
        )
    else:
        text = "no IOPS are lost inside the cgroup"
    return f"{text}, with {switches} the context switches." if switches else f"{text}."


def compared(data: dict[str, Any]) -> list[dict[str, str]]:
    """The summary's figures as rows, beside the control where there is one."""
    other = data.get("control")
    rows = _rows(data, other if isinstance(other, dict) else None)
    if not isinstance(other, dict):
        return [{"figure": row[0], "value": row[1]} for row in rows]
    return [{"figure": row[0], "in the group": row[1], "in root": row[2], "change": row[3]} for row in rows]


def causes(data: dict[str, Any]) -> list[str]:
    lines = [
        f"{row['path']} had used up its cpu.max in {row['nr_throttled']} of {row['nr_periods']} periods; "
        f"its run queues were held for {_time(row['throttled_ns'])} in all, in {_time(data['window_ns'])}"
        for row in data.get("cgroups", [])
        if row["nr_throttled"] > 0
    ]
    for row in data.get("pingpong", []):
        cycle = row["cycle"] if isinstance(row["cycle"], str) else " -> ".join(row["cycle"])
        words = row.get("text") or row["cause"]
        lines.append(f"{cycle}: {row['switches_per_s']:,.0f} switches/s, {100 * row['share']:.0f} % of all: {words}")
    return lines


SHOWN_MOVERS = 3


def moves(data: dict[str, Any]) -> list[str]:
    """Why programs move between CPUs, or stay: of those that have a choice, or that the balancer would have moved."""

    def tells(row: dict[str, Any]) -> bool:
        refused = [reason["cause"] for reason in row.get("stayed", [])][:1] == ["affinity"]
        return not row.get("kthread", True) and (row["cpus_allowed"] > 1 or refused)

    rows = data.get("migrations", {}).get("tasks", [])
    return [row["text"] for row in rows if tells(row)][:SHOWN_MOVERS]


def trust(data: dict[str, Any]) -> list[str]:
    validity = data["made_by"]["validity"]
    words = {
        "estimated": "costs are estimates, so trust the ratio and not the absolute rate",
        "elsewhere": "costs were measured on another machine",
        "here": "costs were measured on the machine of this file; --samples N gives intervals",
    }
    lines = [f"{words[validity['costs']]} ({data['made_by']['costs']['name']})"]
    if validity["inside_validated_envelope"]:
        lines.append("the setting lies among those checked against real kernels")
    else:
        lines.append("beyond the settings checked against real kernels: " + ", ".join(validity["outside_by"]))
    for near in validity["nearest_truth"][:1]:
        errors = ", ".join(
            f"{k} {100 * v:+.1f} %" for k, v in near["error"].items() if k in ("iops", "context_switches_per_s")
        )
        lines.append(f"nearest checked case {near['id']}: {errors}")
    return lines


SHOWN_THREADS = 8


def served(data: dict[str, Any]) -> list[str]:
    """Who served a ublk device, what keeps it from more, and what its driver refused."""
    ublk = data.get("ublk")
    if not ublk:
        return []
    threads = [
        f"{t['comm']} {t['ios_per_s']:,.0f} I/Os/s with {t['cpu_ns_per_s'] / 1e7:.0f} % of a CPU"
        for t in ublk["threads"]
    ]
    more = [f"{len(threads) - SHOWN_THREADS} more threads"] if len(threads) > SHOWN_THREADS else []
    refused = [
        f"{e['command']} of queue {e['queue']}, tag {e['tag']} by {e['task']} was refused: "
        f"-{errno.errorcode.get(-e['result'], e['result'])}"
        for e in ublk["errors"]
    ]
    return [*threads[:SHOWN_THREADS], *more, f"limit: {ublk['limit']}", *refused]


def _aligned(rows: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(r[i]) for r in rows) for i in range(4)]
    return [
        ("  " + r[0].ljust(widths[0]) + "".join("  " + r[i].rjust(widths[i]) for i in (1, 2, 3))).rstrip() for r in rows
    ]


def summary(result: Result) -> str:
    from wakepath.scenario import Scenario

    data = result.data
    describe = Scenario.from_toml(data["made_by"]["scenario"]).describe()
    other = data.get("control")
    title = describe["title"] or describe["name"]
    lines = [title] if title else []
    lines += _setting(data, describe)
    lines += [f"note: {note}" for note in describe["notes"]]
    if result.status != "finished":
        covered = data.get("window_ns", 0)
        what = f"the figures cover {_time(covered)}" if covered > 1 else "it ended in the warm-up: there are no figures"
        lines.append(f"NOT FINISHED ({result.status}): {what}")
    head = headline(data)
    lines += ["", head] if head else []
    groups = ", ".join(weighted_groups(describe))
    rows = [("", f"in {groups}", "in root", "change")] if other else []
    lines += ["", *_aligned(rows + _rows(data, other if isinstance(other, dict) else None)), ""]
    lines += [f"ublk: {line}" for line in served(data)]
    found = causes(data) + moves(data)
    lines += (
        [f"why: {line}" for line in found] if found else ["why: no tasks that hand the CPU to each other in a cycle"]
    )
    lines += [f"trust: {line}" for line in trust(data)]
    return "\n".join(lines) + "\n"
