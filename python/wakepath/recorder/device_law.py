# SPDX-License-Identifier: GPL-2.0-or-later
"""The device law from what was seen: a batch of n requests to a device that sleeps takes T(n) until all are there.

    one server   T(n) = latency + n * service       serial; `notified` where interrupts come once a batch: a virtual
                                                    disk's host that is woken, works off its ring and sleeps again
    m servers    T(n) = T(1) up to m, then in steps  parallel

Latency is the intercept, service the slope (Theil-Sen: the median of pairwise slopes, so that a burst of noise in one
batch does not tilt it). The spread of T(1) is given to the latency: at depth 1 nothing else varies. Where a trace of
depth 1 is there the latency is its: a host that has just answered is quicker than one that has been idle for 100 us.
Where a kernel trace is there, T runs from the last issue to the interrupt, and no CPU time is in it; seen from user
space the way to the eye (interrupt, softirq, work item, its wakeups) is in it and is taken off by its costs.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wakepath.recorder.facts import RING_EVENT_IDX, RING_INDIRECT_DESC, virtio_feature
from wakepath.recorder.trace_costs import TraceCosts
from wakepath.recorder.urtrace import Probes, mean_of_quantiles

# Up to m requests take less than this share of what so many more take where all servers are busy: m servers.
PARALLEL = 0.3
SINGLES = 200  # single requests in traces that tell a latency and how it varies


@dataclass
class DeviceLaw:
    law: str
    service_ns: int
    read_service_ns: int | None
    latency_ns: int
    latency_quantiles: list[int]
    servers: int = 1
    interrupt_on_drain: bool = False
    doorbell_when_idle: bool = False
    ring_requests: int | None = None
    sigma: dict[str, float] = field(default_factory=dict)
    points: dict[str, dict[int, float]] = field(default_factory=dict)
    source: str = ""


def theil_sen(points: Mapping[int, float]) -> tuple[float, float]:
    """Intercept and slope."""
    xs = sorted(points)
    slopes = [(points[b] - points[a]) / (b - a) for i, a in enumerate(xs) for b in xs[i + 1 :]]
    slope = statistics.median(slopes) if slopes else 0.0
    return statistics.median([points[x] - slope * x for x in xs]), slope


def from_trace(traces: list[TraceCosts], write: bool) -> dict[int, float]:
    by_n: dict[int, list[int]] = defaultdict(list)
    for trace in traces:
        for d in trace.drains:
            if d.write == write:
                by_n[d.requests].append(d.ns)
    return {n: statistics.median(v) for n, v in by_n.items() if len(v) >= 20}


def from_probes(probes: Probes, kind: str, ring: int | None) -> dict[int, float]:
    """Until the last is seen; batches beyond the ring do not reach the device at once."""
    return {n: c.median_ns for n, c in probes.family(f"{kind}_last").items() if ring is None or n <= ring}


def per_batch_interrupts(probes: Probes, kind: str) -> float | None:
    counts = [probes.counts[k] for k in (f"{kind}_interrupts/16", f"{kind}_interrupts/32") if k in probes.counts]
    return statistics.mean(h / n for n, h in counts) if counts and any(h for _, h in counts) else None


def servers_of(points: Mapping[int, float]) -> int:
    most = max(points)
    busy = {n: t for n, t in points.items() if n >= most / 8}
    slope = theil_sen(busy)[1]  # a request more, where every server has one
    servers = 1
    while 2 * servers in points and points[2 * servers] - points[1] < PARALLEL * slope * (2 * servers - 1):
        servers *= 2
    return servers


def ring_requests(target: dict[str, Any]) -> int | None:
    """virtio-blk without indirect descriptors: three of them a request, twice the driver's tags in all."""
    tags = target.get("tags")
    if target.get("driver") != "virtio_blk" or not tags:
        return None
    if virtio_feature(target.get("virtio_features"), RING_INDIRECT_DESC):
        return None
    return int(2 * tags // 3)


def estimate(
    probes: Probes,
    traces: list[TraceCosts],
    target: dict[str, Any],
    way_to_the_eye_ns: float,
    wake_ns: float,
    virtual_disk: bool,
) -> DeviceLaw | None:
    """None where no batch was measured. `virtual_disk`: this version's model has the law `notified`."""
    ring = ring_requests(target)
    kind = "write" if probes.family("write_last") else "read"
    seen = from_probes(probes, kind, ring)
    if len(seen) < 3:
        return None
    traced = from_trace(traces, kind == "write")
    interrupts = per_batch_interrupts(probes, kind)
    drain = interrupts is not None and interrupts < 1.5
    # One interrupt for a whole batch: one server that works until nothing is left.
    servers = 1 if drain else servers_of(seen)
    intercept, slope = theil_sen({n: t for n, t in seen.items() if n >= servers})
    source = f"batches of {min(seen)} to {max(seen)} {kind}s seen by the recorder"
    latency = max(0.0, intercept - way_to_the_eye_ns)
    one = probes.costs[f"{kind}_last/1"].quantiles
    quantiles = [latency + q - one[8] for q in one] if one else []
    singles = sorted(d.ns for t in traces for d in t.drains if d.requests == 1 and d.write == (kind == "write"))
    if len(singles) >= SINGLES:
        # From the doorbell on it is latency, service, and then what a CPU that sleeps takes to come back. What is
        # beyond the last sixteenth met something else.
        quantiles = [singles[len(singles) * i // 17] - slope - wake_ns for i in range(17)]
        latency = max(0.0, mean_of_quantiles(quantiles))
        source += "; latency from single requests of a kernel trace"
    reads = from_probes(probes, "read", ring)
    read_slope = theil_sen(reads)[1] if kind == "write" and len(reads) >= 3 else None
    serial = "notified" if drain and virtual_disk else "serial"
    return DeviceLaw(
        law=serial if servers == 1 else "parallel",
        service_ns=max(1, round(slope if servers == 1 else intercept / servers)),
        read_service_ns=max(1, round(read_slope)) if read_slope else None,
        latency_ns=round(latency),
        latency_quantiles=[max(0, round(q)) for q in quantiles],
        servers=servers,
        interrupt_on_drain=drain,
        doorbell_when_idle=_is_rung_only_when_idle(probes, kind, target),
        ring_requests=ring,
        sigma={"service_ns": 0.10, "latency_ns": 0.15},
        points={kind: dict(sorted(seen.items())), "trace": dict(sorted(traced.items()))},
        source=source,
    )


def from_trace_alone(traces: list[TraceCosts]) -> DeviceLaw | None:
    """Without probes: batches as the recorded load made them."""
    points = from_trace(traces, True) or from_trace(traces, False)
    if not points:
        return None
    intercept, slope = theil_sen(points)
    if len(points) < 3 or slope <= 0:  # one size of batch: its time cannot be divided
        intercept, slope = 0.0, statistics.median([t / n for n, t in points.items()])
    latencies = [d.ns for t in traces for d in t.drains if d.requests == 1]
    return DeviceLaw(
        law="serial",
        service_ns=max(1, round(slope)),
        read_service_ns=None,
        latency_ns=max(0, round(intercept)),
        latency_quantiles=[],
        interrupt_on_drain=bool(points),
        sigma={"service_ns": 0.2, "latency_ns": 0.3},
        points={"trace": dict(sorted(points.items()))},
        source=f"a kernel trace: {len(points)} sizes of batches, {len(latencies)} single requests",
    )


def _is_rung_only_when_idle(probes: Probes, kind: str, target: dict[str, Any]) -> bool:
    """Submitting to a device at work takes much less than to one that sleeps."""
    busy, idle = probes.costs.get(f"{kind}_submit_busy"), probes.costs.get(f"{kind}_submit/1")
    if busy is None or idle is None:
        return bool(virtio_feature(target.get("virtio_features"), RING_EVENT_IDX))
    return busy.median_ns < 0.6 * idle.median_ns
