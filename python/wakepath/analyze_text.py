# SPDX-License-Identifier: GPL-2.0-or-later
"""An analysis for a terminal: what happens, what it costs, where each I/O waits, who keeps whom from the CPU."""

from __future__ import annotations

from typing import Any

from wakepath.validate_text import table

MOST = 8
LEAST_BUSY = 0.0005


def headline(data: dict[str, Any]) -> list[str]:
    window = data["cpu_time"]["window_ns"] / 1e6
    trace = data["trace"]
    lines = [f"{trace['records']:,} records, {window:,.1f} ms, {len(data['cpus'])} CPUs ({trace['format']})"]
    io, totals = data["io"], data["totals"]
    busiest = sorted(data["cpus"], key=lambda cpu: -cpu["busy"])[:MOST]
    busy = [f"CPU {cpu['id']} {cpu['busy']:.1%}" for cpu in busiest if cpu["busy"] >= LEAST_BUSY]
    lines.append(
        f"{io['iops']:,.0f} I/Os, {totals['context_switches_per_s']:,.0f} switches, "
        f"{totals['interrupts_per_s']:,.0f} interrupts a second; busy: {', '.join(busy)}"
    )
    return lines + [f"note: {text}" for text in notes(data)]


def notes(data: dict[str, Any]) -> list[str]:
    """What the trace lacks."""
    trace, lines = data["trace"], []
    if lost := trace["lost"]["places"]:
        lines.append(
            f"the recorder lost {trace['lost']['events']:,} events in {lost:,} places: rates are of the time between"
        )
    if overwritten := trace.get("overwritten_at_start"):
        lines.append(f"{overwritten:,} records at the start were overwritten: the trace begins after them")
    if missing := data["pattern"]["switches"]["missing"]:
        lines.append(f"{missing:,} switches have no record: a CPU's task is another than the last one put there")
    unread = sum(trace["unknown_events"].values())
    if unread == trace["records"]:
        lines.append(f"none of its {unread:,} records is of a tracepoint that is read here")
    return lines


def pingpong(data: dict[str, Any]) -> list[str]:
    if not data["pingpong"]:
        return ["no ping-pong"]
    lines = []
    for cycle in data["pingpong"]:
        lines.append(
            f"ping-pong: {cycle['cycle']}: {cycle['switches_per_s']:,.0f} switches a second, "
            f"{cycle['share']:.1%} of all; {cycle['cpu_share']:.1%} of a CPU goes into them"
        )
        lines.append(f"  cause: {cycle['cause']}")
    return lines


def moves(data: dict[str, Any]) -> list[str]:
    """Tasks that a decision moves between CPUs again and again, and completions that end elsewhere."""
    lines = []
    for row in [row for row in data["migrations"]["tasks"] if row["cause"]][:MOST]:
        back = f", {row['returned'] / row['n']:.0%} back to where it came from" if row["returned"] else ""
        lines.append(f"moves: {row['comm']}: {row['per_s']:,.1f} a second between CPUs{back}")
        lines.append(f"  cause: {row['cause']}")
    if data["steering"]["cause"]:
        lines.append(f"completions: {data['steering']['elsewhere_share']:.0%} end on another CPU than issued them")
        lines.append(f"  cause: {data['steering']['cause']}")
    return lines


def cycles(data: dict[str, Any]) -> list[str]:
    rows = data["wake_graph"]["cycles"][:MOST]
    if not rows:
        return []
    cells = [
        [
            " > ".join(row["tasks"]),
            f"{row['rounds_per_s']:,.0f}",
            f"{row['ns_per_round']:,.0f}",
            f"{row['cpu_share']:.1%}",
        ]
        for row in rows
    ]
    return ["", table(["tasks that take turns", "rounds/s", "ns a round", "of a CPU"], cells)]


def critical_path(data: dict[str, Any]) -> list[str]:
    path = data["critical_path"]
    if not path["ios"]:
        return []
    cells = [
        [
            row["stage"],
            *(f"{row[k] / 1000:,.1f}" for k in ("mean", "p50", "p99")),
            f"{row['share']:.1%}",
            f"{row['longest_of']:.0%}",
        ]
        for row in path["stages"]
    ]
    whole = path["latency_ns"]
    cells.append(["all", *(f"{whole[k] / 1000:,.1f}" for k in ("mean", "p50", "p99")), "100.0%", ""])
    head = ["where an I/O is", "mean us", "p50", "p99", "share", "longest of"]
    lines = ["", table(head, cells)]
    if path["unlinked"]:
        lines.append(f"{path['ios']:,} I/Os; {path['unlinked']:,} began before the trace or lack a record")
    return lines


def run_delay(data: dict[str, Any]) -> list[str]:
    rows = [row for row in data["run_delay"] if row["wait_ns"] > 0][:MOST]
    if not rows:
        return []
    cells = [
        [
            row["task"],
            f"{row['waits']:,}",
            f"{row['mean_ns'] / 1000:,.1f}",
            ", ".join(f"{by['task']} {by['share']:.0%}" for by in row["by"][:3]),
        ]
        for row in rows
    ]
    return ["", table(["waits for its CPU", "times", "mean us", "while these ran"], cells)]


def text_of(data: dict[str, Any]) -> str:
    """Everything but the event pattern, which --json and --pattern have."""
    from wakepath.attribution import Attribution
    from wakepath.attribution import text_of as attribution_text

    lines = [*headline(data), *pingpong(data), *moves(data)]
    if data.get("attribution"):
        a = data["attribution"]
        lines += ["", attribution_text(Attribution.from_json(a))]
    lines += [*critical_path(data), *run_delay(data), *cycles(data)]
    return "\n".join(lines) + "\n"
