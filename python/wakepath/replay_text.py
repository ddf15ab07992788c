# SPDX-License-Identifier: GPL-2.0-or-later
"""A replay for a terminal: the runs side by side, what they were made from, how far to trust them."""

from __future__ import annotations

from typing import Any

from wakepath.replay import Replay
from wakepath.validate_text import table

# Further than this from what was counted without a recorder, a replay is not trusted.
TRUSTED = 0.10
ROWS = (
    ("IOPS", ("io", "iops"), ",.0f", 1.0),
    ("switches/s", ("totals", "context_switches_per_s"), ",.0f", 1.0),
    ("interrupts/s", ("totals", "interrupts_per_s"), ",.0f", 1.0),
    ("migrations/s", ("totals", "migrations_per_s"), ",.0f", 1.0),
    ("latency p50, us", ("io", "clat_ns", "p50"), ",.0f", 1e-3),
    ("latency p99, us", ("io", "clat_ns", "p99"), ",.0f", 1e-3),
)


def text_of(found: Replay) -> str:
    runs: list[tuple[str, dict[str, Any]]] = [
        ("recorded", found.recorded),
        ("unchanged", found.unchanged.data),
        ("untraced", found.untraced.data),
    ]
    if found.changed is not None:
        runs.append(("changed", found.changed.data))
    cells = []
    for name, path, form, scale in ROWS:
        cells.append([name, *(_cell(data, path, form, scale) for _, data in runs)])
    cells.append(["busy, % of CPUs", *(_busy(data) for _, data in runs)])
    lines = [table(["", *(name for name, _ in runs)], cells)]
    lines += [f"changed: {' '.join(found.sets)}"] if found.sets else []
    trust = found.trust
    lines.append(
        f"unchanged beside recorded: IOPS {trust['iops']:+.1%}, switches {trust['context_switches_per_s']:+.1%}; "
        "untraced: without what recording cost"
    )
    lines += counted_before(found.how, "untraced", found.untraced.io["iops"])
    return "\n".join([*lines, *_made_from(found.how)]) + "\n"


def counted_before(how: dict[str, Any], name: str, iops: float) -> list[str]:
    """What was counted without a recorder, beside a run without what recording cost."""
    counted = how.get("unrecorded")
    if not counted:
        return []
    off = iops / counted["iops"] - 1
    lines = [
        f"counted before the recorder was turned on: {counted['iops']:,.0f} IOPS, "
        f"{counted['context_switches_per_s']:,.0f} switches/s; {name} is off by {off:+.1%}"
    ]
    if abs(off) > TRUSTED:
        lines.append("trust: the recorder may have brought the machine into another state; record again, or longer")
    return lines


def _cell(data: dict[str, Any], path: tuple[str, ...], form: str, scale: float) -> str:
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return "-" if value is None else format(value * scale, form)


def _busy(data: dict[str, Any]) -> str:
    cpus = data.get("cpus", [])
    return f"{100 * sum(c['busy'] for c in cpus) / len(cpus):.1f}" if cpus else "-"


def setting_line(how: dict[str, Any]) -> str:
    """What a recording cannot show, and where it is from."""
    unknown = "none found, so there are no groups with weights, and tunables are the kernel's (--setting FILE)"
    return f"setting: {how.get('setting') or unknown}"


def _made_from(how: dict[str, Any]) -> list[str]:
    w = how["workload"]
    lines = [
        f"programs: {w['engine']} {w['rw']} {w['bs']} bytes, depth {w['iodepth']}, "
        f"submits {w['iodepth_batch_submit']}, waits for {w['iodepth_batch_complete_min']}, "
        f"takes {w['iodepth_batch_complete_max']}",
    ]
    law = how["device"]
    if law:
        cap = f", at most {1e9 / law['service_ns']:,.0f} IOPS" if law["service_ns"] else ""
        lines.append(
            f"device: {law['law']}, service {law['service_ns']:,} ns{cap}, latency {law['latency_ns']:,} ns, "
            f"grid {law['grid_ns']:,} ns; explains {law['explained']:.0%} of {law['requests']:,} requests"
        )
        if law["service_ns"] and not law["cap_seen"]:
            lines.append("device: it was hardly ever busy: what it can do at most is not seen")
    costs = how["record_costs"]
    lines.append(
        f"a record cost {costs['trace_record']} ns, "
        f"of the scheduler and system calls {costs['trace_record_sched']} ns: {costs['from']}"
    )
    return lines + [setting_line(how)] + [f"note: {n}" for n in how["notes"]]
