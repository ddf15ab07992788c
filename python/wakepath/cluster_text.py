# SPDX-License-Identifier: GPL-2.0-or-later
"""A fleet's result as text: what the clients see, where the time goes, and which node's scheduler is to blame."""

from __future__ import annotations

from typing import Any

# A node is named when its scheduling takes this many times what the median node's takes of the slowest records ...
_TIMES_THE_MEDIAN = 2.0
# ... and at least this share of their time.
_SHARE_OF_TAIL = 0.1


def _us(ns: float) -> str:
    return f"{ns / 1000:,.0f} us" if ns < 1e7 else f"{ns / 1e6:,.1f} ms"


def suspect(data: dict[str, Any]) -> tuple[str, float] | None:
    """The node whose scheduler makes the slowest records slow, and its share of their time; None: none stands out."""
    tail = data["where_time_went"]["slowest_1_percent"]
    shares = sorted((node["scheduler_share"], node["name"]) for node in tail["nodes"])
    worst, name = shares[-1]
    median = shares[(len(shares) - 1) // 2][0]
    if worst < _SHARE_OF_TAIL or (len(shares) > 1 and worst < _TIMES_THE_MEDIAN * median):
        return None
    return str(name), float(worst)


def cause(node: dict[str, Any]) -> str:
    """What the node's own decision records say: its strongest ping-pong cycle, or who waits for whom, and why."""
    cycles = node.get("pingpong") or []
    if cycles:
        first = cycles[0]
        pair = " <-> ".join(first["cycle"])
        return f"{pair}, {first['switches_per_s']:,.0f} switches/s ({first['cause']}): {first['text']}"
    waits = node.get("waits") or []
    if not waits:
        return "nobody on it waits for long"
    first = next((w for w in waits if w["cause"] != "sharing"), waits[0])
    return f"{first['text']} ({first['cause']}; {first['ns_per_s'] / 1e6:,.0f} ms of each second)"


def summary(data: dict[str, Any]) -> str:
    lines = [data.get("title") or "a fleet"]
    produce = data.get("produce")
    if produce:
        lat = produce["latency_ns"]
        lines.append(
            f"  {produce['per_s']:,.0f} records/s acknowledged; "
            f"latency {_us(lat['p50'])} median, {_us(lat['p99'])} p99, {_us(lat['p999'])} p99.9"
        )
        if produce["missing"]:
            lines.append(f"  MISSING: {produce['missing']} acknowledged records are not in the log")
        for key, what in (("all", "mean"), ("slowest_1_percent", "slowest 1 %")):
            part = data["where_time_went"][key]
            causes = ("network", "scheduler", "device", "work", "retry")
            shares = ", ".join(f"{c} {_us(part[f'{c}_ns'])}" for c in causes if part[f"{c}_ns"] > 0)
            lines.append(f"  {what}: {_us(part['mean_ns'])}: {shares}")
            lines.append(f"    {'node':<12}{'wait':>12}{'work':>12}{'device':>12}{'completion':>12}{'decides':>10}")
            for n in part["nodes"]:
                lines.append(
                    f"    {n['name']:<12}{_us(n['wait_ns']):>12}{_us(n['submit_ns']):>12}{_us(n['device_ns']):>12}"
                    f"{_us(n['completion_ns']):>12}{n['decided_quorum']:>9.0%}"
                )
        found = suspect(data)
        if found:
            node = next(n for n in data["nodes"] if n["name"] == found[0])
            lines.append(
                f"  the tail comes from {found[0]}: its scheduler takes {found[1]:.0%} of the slowest records' time"
            )
            if node["up"]:
                lines.append(f"    {cause(node)}")
    for change in data["host_changes"]:
        lines.append(f"  {change['host']} {'up' if change['up'] else 'down'} at {change['t_ns'] / 1e9:.3f} s")
    if data["elections"]:
        lines.append(f"  {data['elections']} elections; {produce['sent_again'] if produce else 0} records sent again")
    net = data["network"]
    if net["transfers"]:
        lines.append(
            f"  network: {net['transfers']:,} transfers, {net['bytes'] / 1e6:,.0f} MB, {net['cut_off']:,} cut off"
        )
    for n in data["nodes"]:
        if n["up"]:
            lines.append(
                f"  {n['name']}: {n['totals']['context_switches_per_s']:,.0f} switches/s, "
                f"{n['io']['iops']:,.0f} fio IOPS, {n['appended_per_s']:,.0f} appends/s"
            )
    return "\n".join(lines) + "\n"
