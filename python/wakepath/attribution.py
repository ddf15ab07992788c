# SPDX-License-Identifier: GPL-2.0-or-later
"""Where each I/O's time went, how many IOPS each part costs, and what would be without the switches of a ping-pong.

All from one trace (`_core.analyze`): the parts of CPU time add up to the window of the CPUs that serve the I/Os; what
others do or how long they idle costs no I/O. What writing the records took is a part of its own, taken off the parts it
lies in.

IOPS a part costs: were all time spent in the needed parts (the program, its submissions, the work items, the
interrupts that complete), there would be `potential` IOPS. The difference to the recorded rate is shared out over the
other parts by their time, so that rate and costs add up to the potential.

Without the switches: by a run where the recording can be replayed (what_if.py). Else by arithmetic: the time of the
cycle's switches, of its wakeups and of the calls that it ended early is taken off, and the recording's own; the rest of
an I/O's time gives the rate, up to the device's limit where one is known, and to what the I/Os in flight allow when
each takes as long as the device does. It knows nothing of batches, nor of what a device's grid makes of a depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NEEDED = ("user", "submit", "work", "worker", "completion_irq")
# A CPU serves the I/Os when it spends this much of what the busiest one spends in the needed parts: every CPU has a
# work item now and then.
SERVES = 0.02
# Cycles below this share of the switches are left alone.
SHARE = 0.05


@dataclass(frozen=True)
class Attribution:
    """`parts`: name, ns, ns an I/O, share of the window, IOPS it costs (None: needed)."""

    window_ns: int
    ios: int
    iops: float
    potential: float
    parts: tuple[dict[str, Any], ...]
    without_switches: float | None
    limit: float | None
    limited_by: str
    by_run: float | None = None  # the same by a replay; and what was taken away in it
    taken_away: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "window_ns": self.window_ns,
            "ios": self.ios,
            "iops": self.iops,
            "potential_iops": self.potential,
            "parts": list(self.parts),
            "without_switches": {
                "iops": self.by_run if self.by_run is not None else self.without_switches,
                "by": "run" if self.by_run is not None else "arithmetic",
                "taken_away": self.taken_away,
                "by_arithmetic": self.without_switches,
                "device_limit": self.limit,
                "limited_by": self.limited_by,
            },
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Attribution:
        what_if = data["without_switches"]
        return Attribution(
            data["window_ns"],
            data["ios"],
            data["iops"],
            data["potential_iops"],
            tuple(data["parts"]),
            what_if["by_arithmetic"],
            what_if["device_limit"],
            what_if["limited_by"],
            what_if["iops"] if what_if["by"] == "run" else None,
            what_if["taken_away"],
        )


def attribute(analysis: dict[str, Any], records: dict[str, int], limit: float | None = None) -> Attribution | None:
    """`records`: what writing one costs (replay_source.record_costs); `limit`: of the device, IOPS, where known."""
    time = analysis["cpu_time"]
    ios = int(time["units"]["completions"])
    window = int(time["window_ns"])
    if ios == 0 or window == 0 or analysis["trace"]["stamps_back"] > 0:
        return None
    serving = _serving(time)
    spent, writing = _spent(serving, records)
    lost = spent.pop("lost", 0.0)  # what no record tells of is no time of these I/Os
    used = len(serving)
    needed = sum(spent.get(part, 0.0) for part in NEEDED)
    whole = sum(spent.values()) + writing
    if whole <= 0:
        return None
    iops = ios * 1e9 / window * (whole + lost) / whole
    potential = max(iops, ios * 1e9 * used / needed) if needed else iops
    avoidable = whole - needed
    if avoidable <= 0:
        return None
    rate = (potential - iops) / avoidable
    parts = [_part(name, ns, ios, whole, rate) for name, ns in spent.items()]
    if writing:
        parts.append(_part("recording", writing, ios, whole, rate))
    parts.sort(key=lambda p: -p["ns"])
    without, by = _without_switches(analysis, spent, ios, used, limit)
    return Attribution(window, ios, iops, potential, tuple(parts), without, limit, by)


def _serving(time: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of each CPU that did something for the I/Os."""
    needed = [sum(cpu["parts"][p]["ns"] for p in NEEDED if p in cpu["parts"]) for cpu in time["cpus"]]
    least = SERVES * max(needed, default=0)
    return [cpu["parts"] for cpu, ns in zip(time["cpus"], needed, strict=True) if ns >= least]


def _spent(serving: list[dict[str, Any]], records: dict[str, int]) -> tuple[dict[str, float], float]:
    """Each part less what writing its records took, and the sum of that."""
    spent: dict[str, float] = {}
    writing = 0.0
    for name, part in ((name, part) for parts in serving for name, part in parts.items()):
        own = part["records"] * records["trace_record"] + part["sched_records"] * records["trace_record_sched"]
        # A record of the idle task is written in time that nobody else wanted.
        taken = 0.0 if name in ("idle", "lost") else min(float(own), float(part["ns"]))
        spent[name] = spent.get(name, 0.0) + part["ns"] - taken
        writing += taken
    return spent, writing


def _part(name: str, ns: float, ios: int, whole: float, iops_per_ns: float) -> dict[str, Any]:
    return {
        "part": name,
        "ns": round(ns),
        "ns_per_io": ns / ios,
        "share": ns / whole,
        "iops_cost": None if name in NEEDED else ns * iops_per_ns,
    }


def _without_switches(
    analysis: dict[str, Any], spent: dict[str, float], ios: int, used: int, limit: float | None
) -> tuple[float | None, str]:
    cycles = [c for c in analysis["pingpong"] if c["share"] >= SHARE]
    if not cycles:
        return None, "no ping-pong"
    share = min(1.0, sum(c["share"] for c in cycles))
    taken = {part: share * spent.get(part, 0.0) for part in ("switch_out", "switch_in", "wakeup", "reap")}
    busy = sum(ns for name, ns in spent.items() if name != "idle") - sum(taken.values())
    rate = ios * 1e9 * used / busy if busy > 0 else 0.0
    bounds = [(rate, "CPU")]
    if limit is not None:
        bounds.append((limit, "device"))
    held = _held_back(analysis)
    if held is not None:
        bounds.append((held, "depth"))
    return min(bounds)


def _held_back(analysis: dict[str, Any]) -> float | None:
    """As many I/Os in flight, each as long as it takes in the device, without waits for a CPU (Little's law)."""
    path = analysis["critical_path"]
    if not path["ios"]:
        return None
    stages = {row["stage"]: row["mean"] for row in path["stages"]}
    latency = path["latency_ns"]["mean"]
    in_flight = analysis["io"]["iops"] * latency / 1e9
    alone = sum(stages.get(stage, 0.0) for stage in ("submit", "device", "interrupt", "work"))
    return in_flight * 1e9 / alone if alone > 0 else None


def text_of(found: Attribution) -> str:
    """The parts as a table, the sum, and the what-if."""
    from wakepath.validate_text import table

    cells = [
        [
            p["part"],
            f"{p['ns_per_io']:,.0f}",
            f"{p['share']:.1%}",
            "needed" if p["iops_cost"] is None else f"{p['iops_cost']:,.0f}",
        ]
        for p in found.parts
    ]
    total = sum(p["ns"] for p in found.parts)
    cells.append(["all", f"{total / found.ios:,.0f}", f"{sum(p['share'] for p in found.parts):.1%}", ""])
    lines = [table(["time of an I/O went to", "ns", "share", "costs IOPS"], cells)]
    lines.append(f"{found.iops:,.0f} IOPS of {found.potential:,.0f}, were all time spent in what is needed")
    if found.by_run is not None:
        lines.append(
            f"without the switches of the ping-pong: {found.by_run:,.0f} IOPS, untraced "
            f"(by a replay, {found.taken_away})"
        )
    elif found.without_switches is not None:
        lines.append(
            f"without the switches of the ping-pong: {found.without_switches:,.0f} IOPS, untraced "
            f"(by arithmetic; limit: the {found.limited_by})"
        )
    return "\n".join(lines)
