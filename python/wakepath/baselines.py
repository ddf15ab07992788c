# SPDX-License-Identifier: GPL-2.0-or-later
"""What one would guess without a simulator: two baselines that every prediction is printed beside.

Both may look at calibrate cases only, as a fit does.

`nothing_changes`: the figures of the nearest calibrate case of the same platform and kernel in the root group ("the
cgroup will not matter"). Nearest: same direction first, then depth, min_nr and device law, each by the logarithm of its
ratio.

`formula`: the closed form. With c_f and c_k the CPU time per I/O of fio and the kworker in that nearest case, depth q,
service time S and latency L of the device (completion rounded up to its grid):

    device = min(q / latency, 1 / S)        S, L unknown: the fastest calibrate case, and the depth-1 case's time
    rate   = device                         if device * (c_f + c_k) < 1, the CPU is not full
           = min(device, 1 / (c_f + c_k), share_k / c_k)   else: the kworker gets its share by weights
    share_k = w_k / (w_k + w_fio)           w of cgroup.weight (100 for the root group's kworker) times the nice weight

and switches, CPU and interrupts per I/O stay those of the nearest case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wakepath.truth import Case

# kernel/sched/core.c:sched_prio_to_weight: each nice step is a factor of 1.25.
NICE_STEP = 1.25


def _device(case: Case) -> dict[str, Any]:
    device = case.setting.get("device")
    return device if isinstance(device, dict) else {}


def log_ratio(a: float, b: float) -> float:
    if a <= 0 or b <= 0:
        return 0.0 if a == b else 3.0
    return abs(math.log2(a / b))


def distance(a: Case, b: Case) -> float:
    """How unlike two settings are, groups and nice left aside."""
    wa, wb = a.setting.get("workload", {}), b.setting.get("workload", {})
    far: float = 100.0 * (wa.get("rw") != wb.get("rw")) + 100.0 * (wa.get("engine") != wb.get("engine"))
    da, db = _device(a), _device(b)
    far += 4.0 * (da.get("law") != db.get("law")) + 2.0 * (da.get("copies_data") != db.get("copies_data"))
    for key in ("service_ns", "latency_ns", "completion_grid_ns", "hw_queue_depth"):
        far += log_ratio(float(da.get(key, 0)), float(db.get(key, 0)))
    far += log_ratio(a.depth, b.depth) + 0.5 * log_ratio(a.min_nr, b.min_nr)
    return far + 0.25 * (a.setting.get("preempt") != b.setting.get("preempt"))


def nearest(case: Case, references: Sequence[Case]) -> Case | None:
    """The calibrate case in the root group most like it; ties by id, so that the answer is stable."""
    usable = [r for r in references if r.role == "calibrate" and r.in_root and r.set_key == case.set_key]
    return min(usable, key=lambda r: (distance(case, r), r.id), default=None)


def nothing_changes(case: Case, references: Sequence[Case]) -> dict[str, float]:
    near = nearest(case, references)
    return {} if near is None else {k: v for k, v in near.measured.items() if k in case.measured}


def share_of_kworker(case: Case) -> float:
    nice = case.setting.get("nice") or {}
    fio = (case.weight or 100) * (1.0 if case.weight else math.pow(NICE_STEP, -float(nice.get("fio", 0))))
    kworker = 100.0 * math.pow(NICE_STEP, -float(nice.get("kworker", 0)))
    return kworker / (kworker + fio)


def device_rate(case: Case, references: Sequence[Case]) -> float:
    device = _device(case)
    if device:
        service, latency = float(device.get("service_ns", 0)), float(device.get("latency_ns", 0))
        grid = float(device.get("completion_grid_ns", 0))
        tags = min(case.depth, int(device.get("hw_queue_depth", case.depth)))
        alone = service + latency
        if grid:
            alone = math.ceil(alone / grid) * grid
        rate = 1e9 * tags / alone if alone else math.inf
        return min(rate, 1e9 / service) if service else rate
    same = [r for r in references if r.role == "calibrate" and r.set_key == case.set_key and "iops" in r.measured]
    if not same:
        return math.inf
    fastest = max(r.measured["iops"] for r in same)
    single = [r.measured["iops"] for r in same if r.depth == 1]
    return min(fastest, single[0] * case.depth) if single else fastest


def formula(case: Case, references: Sequence[Case]) -> dict[str, float]:
    near = nearest(case, references)
    if near is None or not near.measured.get("iops"):
        return {}
    base = near.measured["iops"]
    per_io = {k: v / base for k, v in near.measured.items() if k.endswith("_per_s")}
    fio = per_io.get("fio_cpu_ns_per_s", 0.0) / 1e9
    kworker = per_io.get("kworker_cpu_ns_per_s", 0.0) / 1e9
    rate = device_rate(case, references)
    if math.isinf(rate):
        rate = base
    if rate * (fio + kworker) >= 1.0:
        rate = min(rate, 1.0 / (fio + kworker))
        if kworker > 0:
            rate = min(rate, share_of_kworker(case) / kworker)
    guess = {k: v * rate for k, v in per_io.items() if k in case.measured}
    guess["iops"] = rate
    if "idle" in case.measured:
        guess["idle"] = max(0.0, 1.0 - rate * (fio + kworker))
    return guess
