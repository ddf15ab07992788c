# SPDX-License-Identifier: GPL-2.0-or-later
"""The device law that a recording shows: from when each request was issued and when the interrupt that ended it began.

Three laws are tried, each a special case of the scenario's (models/block/device.h), and the one that explains the times
best with the fewest figures is kept:

- delay: a request takes `latency`, however many there are;
- serial: one server takes `service` for each, `latency` is added;
- either with a grid: completion times are rounded up to its multiples;
- notified: where nearly every interrupt finds the device empty, a virtual disk's host that is woken, works off its ring
  and sleeps again: a batch of n takes latency + n * service until its one interrupt;
- woken: the same server, which says each end at once (the worker of a loop device, on a CPU of its own).

The grid is seen first: interrupts that complete something begin at its multiples (by the timer's own clock where a
timer completes, else by the trace's). Service and latency are those that reproduce the recorded completion times
best. A device that was never busy for long shows no service time: `cap_seen` is then False.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Times = NDArray[np.int64]

# Requests looked at together: enough for thousands of interrupts, few enough for the search. A later block that has
# less than its share of them says nothing.
MOST, LEAST_BLOCK, MOST_BLOCKS = 4000, 0.5, 6
# Completions that share this many of the trace's interrupts make a grid believable.
GRID_INSTANTS = 20
GRID_SHARE = 0.9
# A law explains a request when it says a time at most this far outside what was seen.
CLOSE_NS = 3000
CAPPED_NS = 50_000
# Errors that differ by less than this factor (and 1 ns) say the same.
SAME = 1.1
# So many requests in the device on the mean, and it is taken to be at its limit.
FULL = 16
# A constant delay that explains less than this is drawn between the extremes that were seen.
SCATTERED = 0.7
# A host that works off its ring: so many interrupts at least, this share of which leave nothing, for so many requests
# each on the mean; single requests that came so often say what the latency is.
DRAINS, DRAINED, BATCHED, SEEN_OFTEN = 40, 0.7, 1.5, 5
# Times that the service time is corrected, so that the sum of all times is kept.
STEPS = 3
# A law that explains less is none; how long the server of a loop device may take for a request.
EXPLAINED, WOKEN_NS = 0.5, (300, 30_000)
# A server is known to be one when at least this share of the requests waited for it.
WAITED = 0.05


@dataclass(frozen=True)
class Law:
    """`error_ns`: mean distance of what the law says from what was recorded; `explained`: share that is CLOSE."""

    law: str
    service_ns: int
    latency_ns: int
    latency_high_ns: int
    grid_ns: int
    requests: int
    error_ns: int
    explained: float
    cap_seen: bool
    late_ns: int = 0  # mean of how long after the law's time the request was ended
    latency_quantiles: tuple[int, ...] = ()

    @property
    def kind(self) -> tuple[str, bool]:
        return self.law, self.grid_ns > 0

    @property
    def wakes(self) -> bool:
        return self.law in ("notified", "woken")

    def later(self, ns: int) -> Law:
        """With a latency that is longer by `ns`, which may be negative."""
        quantiles = tuple(max(0, q + ns) for q in self.latency_quantiles)
        return replace(self, latency_ns=max(0, self.latency_ns + ns), latency_quantiles=quantiles)

    def sets(self) -> tuple[str, ...]:
        if self.wakes:
            return (
                'device.law="notified"',
                f"device.service_ns={self.service_ns}",
                f"device.latency_ns={{ quantiles = {list(self.latency_quantiles)} }}",
                "device.grid_ns=0",
                f"device.interrupt_on_drain={str(self.law == 'notified').lower()}",
                "device.doorbell_when_idle=true",
            )
        latency = str(self.latency_ns)
        if self.latency_high_ns > self.latency_ns:
            latency = f"{{ low = {self.latency_ns}, high = {self.latency_high_ns} }}"
        return (
            f"device.law={self.law}",
            f"device.service_ns={self.service_ns}",
            f"device.latency_ns={latency}",
            f"device.grid_ns={self.grid_ns}",
            "device.interrupt_on_drain=false",
            "device.doorbell_when_idle=false",
        )

    @property
    def cap(self) -> float | None:
        """Most I/Os per second that the device ends; None: the recording does not show a limit."""
        return 1e9 / self.service_ns if self.service_ns > 0 and self.cap_seen else None


@dataclass(frozen=True)
class Seen:
    """Requests in order of issue. What ended each says when it was due: after `before`, and not after `by`."""

    issue: Times
    by: Times
    before: Times
    grid: int
    phase: int
    begin: int = 0  # of the trace
    held: int = 0  # requests in the device then, issued before


def fit_blocks(requests: list[list[int]], block: int, begin: int = 0, held: int = 0) -> Law | None:
    """The law of a recording whose requests are kept in blocks that lie evenly over it: devices are not as fast at
    every moment. Of the kinds of laws the one that is least off over all blocks, with the mean service time, which
    sums need, and the median of the rest."""
    import numpy as np

    whole = [requests[at : at + block] for at in range(0, len(requests), block)]
    whole = [rows for rows in whole if len(rows) >= LEAST_BLOCK * block]
    if len(whole) < 2:
        return fit(requests[:block], begin, held)
    # A host that works off its ring is told at once; what else it may be takes longer to find: of some blocks.
    drained = [law for rows in whole if (law := _notified(_in_order(rows))) is not None]
    blocks = [[law] for law in drained]
    if 2 * len(drained) <= len(whole):
        some = whole[:: -(-len(whole) // MOST_BLOCKS)]
        blocks = [_laws(rows, min(r[0] for r in rows) if i else begin, 0 if i else held) for i, rows in enumerate(some)]
    kinds = list(dict.fromkeys(law.kind for laws in blocks for law in laws))
    if not kinds:
        return None

    def error(kind: tuple[str, bool]) -> float:
        return sum(min((law.error_ns for law in laws if law.kind == kind), default=CAPPED_NS) for laws in blocks)

    chosen = min(kinds, key=error)
    same = [law for laws in blocks for law in laws if law.kind == chosen]

    def mean(name: str, of: Callable[..., Any] = np.mean) -> int:
        return round(float(of([getattr(law, name) for law in same])))

    quantiles = np.median(np.array([law.latency_quantiles for law in same]), axis=0)
    latency, high = mean("latency_ns", np.median), mean("latency_high_ns", np.median)
    return Law(
        *(same[0].law, mean("service_ns"), latency, high, mean("grid_ns", np.median)),
        requests=sum(law.requests for law in same),
        error_ns=mean("error_ns"),
        explained=sum(law.explained for law in same) / (len(whole) if chosen[0] == "notified" else len(blocks)),
        cap_seen=sum(law.cap_seen for law in same) * 2 > len(same),
        late_ns=mean("late_ns"),
        latency_quantiles=tuple(round(float(q)) for q in quantiles),
    )


def fit(requests: list[list[int]], begin: int = 0, held: int = 0) -> Law | None:
    """The law that is least off.

    `requests`: issue, begin of the interrupt, completion, the timer's own clock (0: none), in ns;
    `held`: how many the device held at the `begin` of the trace.
    """
    return _best(_laws(requests, begin, held))


def _best(laws: list[Law]) -> Law | None:
    """A host that works off its ring is told by what interrupts leave, whatever else would explain; of the others a
    later one is taken where it is less off by more than SAME."""
    best: Law | None = None
    for law in laws:
        if best is None or (best.law != "notified" and law.error_ns * SAME + 1 < best.error_ns):
            best = law
    return best


def _in_order(requests: list[list[int]]) -> Times:
    import numpy as np

    rows = np.array(requests[:MOST], dtype=np.int64)
    return rows[np.argsort(rows[:, 0], kind="stable")]


def _laws(requests: list[list[int]], begin: int, held: int) -> list[Law]:
    import numpy as np

    if len(requests) < GRID_INSTANTS:
        return []
    rows = _in_order(requests)
    issue, entry, ended, timer = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]
    if (timer > 0).all():
        # The timer's clock is another than the trace's; the interrupt's record precedes the reading by the least.
        by = timer + int(np.max(entry - timer))
        looks = np.unique(by)
        before = np.concatenate(([looks[0] - (1 << 40)], looks))[np.searchsorted(looks, by)]
    else:
        by = ended
        last = np.sort(ended)
        at = np.searchsorted(last, entry) - 1
        before = np.where(at >= 0, last[np.maximum(at, 0)], last[0] - (1 << 40))
        entry = np.maximum(entry, issue)
    grid, phase = _grid(by if (timer > 0).all() else entry)
    if (drained := _notified(rows)) is not None:
        return [law for law in (drained, _woken(rows)) if law is not None]
    law = _chosen(Seen(issue, by, before, grid, phase, begin, held))
    if grid:
        # A server that is always busy ends requests at multiples of its service time, and has no grid.
        without = _chosen(Seen(issue, by, before, 0, 0, begin, held))
        if without.error_ns <= law.error_ns * SAME + 1 and without.late_ns <= law.late_ns + CLOSE_NS:
            law = without
    woken = None if (timer > 0).all() else _woken(rows)
    return [law] if woken is None else [law, woken]


def _notified(rows: Times) -> Law | None:
    """Batches by the interrupt that ended them; None where interrupts leave requests in the device, or end one each.

    The host wakes `latency` after the first request of a batch and serves one after another; one that comes when all
    before it are served would have been a batch of its own. So a batch ends at the later of first + latency + n *
    service and, for each further request, when it came + service for it and those behind it.
    """
    import numpy as np

    issue, entry = rows[:, 0], rows[:, 1]
    if (rows[:, 3] > 0).all():  # a timer is no host that works off a ring
        return None
    ends, batch = np.unique(entry, return_inverse=True)
    sizes = np.bincount(batch)
    # Issued before an interrupt, and not ended by it or by one before: left in the device.
    left = np.searchsorted(np.sort(issue), ends) - np.cumsum(sizes)
    if len(ends) < DRAINS or np.mean(left <= 0) < DRAINED or np.mean(sizes) < BATCHED:
        return None
    order = np.lexsort((issue, batch))
    came, begins = issue[order], np.concatenate(([0], np.cumsum(sizes)[:-1]))
    behind = np.repeat(begins + sizes, sizes) - np.arange(len(came))  # requests from this one to the last
    first, later = came[begins], np.where(np.arange(len(came)) == np.repeat(begins, sizes), 0, came)
    best: tuple[float, int, int] | None = None
    for service in _services_of_batches(ends - first, sizes):
        own = np.maximum.reduceat(np.where(later > 0, later + behind * service, 0), begins)
        rest = ends - first - sizes * service
        latency = max(0, int(np.median(rest[sizes == 1] if np.sum(sizes == 1) >= SEEN_OFTEN else rest)))
        error = np.abs(ends - np.maximum(first + latency + sizes * service, own))
        found = (float(np.mean(np.minimum(error, CAPPED_NS))), service, latency)
        best = found if best is None else min(best, found)
    if best is None:
        return None
    error_ns, service, latency = best
    own = np.maximum.reduceat(np.where(later > 0, later + behind * service, 0), begins)
    ruled = first + sizes * service >= own - latency  # by the first request, so that its latency is seen
    rest = np.maximum(0, (ends - first - sizes * service)[ruled])
    off = np.abs(ends - np.maximum(first + latency + sizes * service, own))
    close = float(np.mean(off <= np.maximum(CLOSE_NS, 0.25 * (ends - first))))
    # What no law has, a disk that stands still for a while, is spread over all requests: the sum of all times is kept.
    for _ in range(STEPS):
        own = np.maximum.reduceat(np.where(later > 0, later + behind * service, 0), begins)
        missing = np.sum(ends - np.maximum(first + latency + sizes * service, own))
        service = max(1, service + round(float(missing) / len(came)))
    return Law(
        *("notified", service, latency, 0, 0, len(rows), round(error_ns), close),
        cap_seen=int(np.max(sizes)) * service > latency,
        latency_quantiles=tuple(int(q) for q in np.percentile(rest, range(5, 100, 10))),
    )


def _woken(rows: Times) -> Law | None:
    """A server that sleeps when it has nothing to do: `latency` where it is found asleep, then one after another.

    An end is seen at the next interrupt, so what is said may lie before it, but not before the one that came before.
    """
    import numpy as np

    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    issue, by = rows[:, 0], rows[:, 1]
    looks, sizes = np.unique(by, return_counts=True)
    before = np.concatenate(([looks[0] - (1 << 40)], looks))[np.searchsorted(looks, by)]
    alone = (by - issue)[np.isin(by, looks[sizes == 1])]
    if len(alone) < SEEN_OFTEN:
        return None
    best: tuple[float, float, int, int] | None = None
    for service in sorted({round(WOKEN_NS[0] * (WOKEN_NS[1] / WOKEN_NS[0]) ** (k / 40)) for k in range(41)}):
        latency = max(0, int(np.median(alone)) - service)
        said = _served(issue, service, latency)
        outside = np.maximum(np.maximum(before - said, said - by), 0)
        close = float(np.mean(outside <= np.maximum(CLOSE_NS, 0.25 * (by - issue))))
        found = (float(np.mean(np.minimum(outside, CAPPED_NS))), -close, service, latency)
        best = found if best is None else min(best, found)
    assert best is not None
    error_ns, close, service, latency = best
    quantiles = np.maximum(0, np.percentile(alone, range(5, 100, 10)) - service)
    return Law(
        *("woken", service, latency, 0, 0, len(rows), round(error_ns), -close),
        cap_seen=int(np.max(sizes)) * service > latency,
        latency_quantiles=tuple(int(q) for q in quantiles),
    )


def _served(issue: Times, service: int, latency: int) -> Times:
    import numpy as np

    free, out = 0, np.empty(len(issue), dtype=np.int64)
    for i, at in enumerate(issue.tolist()):
        free = (at + latency if free <= at else free) + service
        out[i] = free
    return out


def _services_of_batches(took: Times, sizes: Times) -> list[int]:
    """Candidates: what a request more costs at most, in steps."""
    import numpy as np

    most = float(np.percentile(took / sizes, 75))
    return sorted({max(1, round(most * k / 60)) for k in range(1, 61)})


def _chosen(seen: Seen) -> Law:
    """The delay where a server explains nothing more, unless the device was full of requests all the time.

    A device that always holds many and ends them at a steady rate looks like a long delay. It is taken to be at its
    limit: the longest service time that explains as much.
    """
    import numpy as np

    delay, servers = _delay(seen), _servers(seen)
    least = min(s.error_ns for s in servers)
    equal = [s for s in servers if s.error_ns <= least * SAME + 1]
    if delay.error_ns > least * SAME + 1:
        # Interrupts come promptly: of laws that explain as much, the one after which they come soonest.
        return min(equal, key=lambda s: s.late_ns)
    held = float(np.sum(seen.by - seen.issue)) / max(1.0, float(np.max(seen.by) - np.min(seen.issue)))
    longest = max(equal, key=lambda s: s.service_ns)
    return longest if held >= FULL else delay


def _grid(entry: Times) -> tuple[int, int]:
    """The largest step, and its phase, that nearly all interrupts begin at; 0 when there is none."""
    import numpy as np

    instants = np.unique(entry)
    if len(instants) < GRID_INSTANTS:
        return 0, 0
    steps = np.diff(instants)
    least = int(np.percentile(steps, 5))
    if least < 2 * CLOSE_NS:
        return 0, 0
    near = steps[(steps >= least) & (steps < least * 1.15)]
    # The usual step first: a few interrupts that come between the grid's are no finer grid.
    finer = [(np.median(near), parts) for parts in (1, 2, 3)] if len(near) else []
    for base, parts in ((np.median(steps), 1), *finer):
        step = float(base) / parts
        for _ in range(4):  # whole multiples of an ever better step
            n = np.round((instants - instants[0]) / step)
            step, offset = np.polyfit(n, instants - instants[0], 1)
        late = (instants - instants[0]) - (np.round((instants - instants[0] - offset) / step) * step + offset)
        early = float(np.percentile(late, 2))
        if step > 2 * CLOSE_NS and np.mean(np.abs(late) < max(CLOSE_NS, 0.05 * step)) >= GRID_SHARE:
            return round(step), round(float(instants[0]) + offset + early)
    return 0, 0


def _judge(due: Times, seen: Seen) -> tuple[int, int, float]:
    """By how much what a law says lies outside what was seen, on the mean (far ones count CAPPED), how much before the
    end it lies, and how often it is CLOSE."""
    import numpy as np

    said = _rounded(due, seen.grid, seen.phase)
    outside = np.maximum(np.maximum(seen.before - said, said - seen.by), 0)
    late = np.clip(seen.by - said, 0, CAPPED_NS)
    return int(np.mean(np.minimum(outside, CAPPED_NS))), int(np.mean(late)), float(np.mean(outside <= CLOSE_NS))


def _rounded(due: Times, grid: int, phase: int) -> Times:
    return due if not grid else phase - (-(due - phase) // grid) * grid


def _freed(seen: Seen, service: int, held: int) -> Times:
    """When the server has finished each request: free = max(now, free) + service, after those it held at the begin."""
    import numpy as np

    k = np.arange(1, len(seen.issue) + 1, dtype=np.int64)
    begun = np.maximum.accumulate(seen.issue - (k - 1) * service)
    return np.maximum(begun, seen.begin + held * service) + k * service


def _servers(seen: Seen) -> list[Law]:
    """For each service time that comes into question the latency that explains most."""
    import numpy as np

    found = []
    # Of those it held at the begin some were past the server: as many as fit into the shortest time a request took.
    shortest = int(np.percentile(seen.by - seen.issue, 1))
    starts = [(s, h) for s in _services(seen) for h in sorted({seen.held, max(0, seen.held - shortest // s)})]
    for service, held in starts:
        freed = _freed(seen, service, held)
        error, late, explained, latency = min((*_judge(freed + x, seen), x) for x in _latencies(seen, freed))
        waited = float(np.mean(freed - seen.issue > 1.5 * service))
        found.append(
            Law("serial", service, latency, latency, seen.grid, len(freed), error, explained, waited > WAITED, late)
        )
    return found


def _latencies(seen: Seen, freed: Times) -> list[int]:
    """Candidates for what is added: the least that was ever seen; with a grid, that less what rounding may hide."""
    import numpy as np

    least = int(np.percentile(seen.by - freed, 1))
    found = [least + d for d in (0, -CLOSE_NS, CLOSE_NS)]
    if seen.grid:
        found = [least + round(seen.grid * k / 24) - seen.grid for k in range(-4, 29)]
    return [max(0, latency) for latency in found]


def _services(seen: Seen) -> list[int]:
    """Candidates: what the busiest stretches of completions allow."""
    import numpy as np

    ends = np.sort(seen.by)
    found: set[int] = {1000}
    for stretch in (8, 16, 32, 64, 128, 256):
        if len(ends) > stretch + 1:
            spans = ends[stretch:] - ends[:-stretch]
            for q in (0, 1, 5, 10, 25, 50):
                found.add(round(float(np.percentile(spans, q)) / stretch))
    if seen.grid:
        found |= {round(seen.grid / n) for n in range(1, 65)}
    top = max(found)
    found |= {round(top * k / 40) for k in range(1, 41)}
    return sorted(s for s in found if s > 0)


def _delay(seen: Seen) -> Law:
    import numpy as np

    taken = seen.by - seen.issue
    error, late, explained, low = min((*_judge(seen.issue + x, seen), x) for x in _latencies(seen, seen.issue))
    high = int(np.percentile(taken, 95))
    # What no constant explains, and scatters, is the device's own.
    own = high if explained < SCATTERED and high > low else low
    return Law("delay", 0, low, own, seen.grid, len(taken), error, explained, False, late)
