# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of one setting as a truth case: medians with their spread, the setting as the scenario reader understands it."""

from __future__ import annotations

import statistics
from typing import Any

from wakepath.recorder.load import Setting
from wakepath.truth import SCHEMA

PLATFORM = "recorded"
# Figures that are kept; latencies are nested as truth cases have them.
LATENCIES = ("p50", "p99")


def setting_of(s: Setting, facts: dict[str, Any], cpu: int, group: dict[str, int] | None) -> dict[str, Any]:
    kernel = {key: facts["kernel"][key] for key in ("hz", "preempt", "irq_time_accounting")}
    return {
        "cpus": len(facts["cpu"]["online"]),
        **{
            key: value for key, value in kernel.items() if value is not None
        },  # a kernel without its config does not say
        "workload": {
            "engine": s.engine,
            "rw": s.rw,
            "bs": "4k",
            "direct": 1,
            "filesystem": facts["target"]["filesystem"] or "none",
            "overwrite": True,
            "numjobs": 1,
            "iodepth": s.depth,
            "iodepth_batch_submit": s.batch,
            "iodepth_batch_complete_min": s.complete_min,
            "iodepth_batch_complete_max": s.depth,
            "pinned_cpu": cpu,
        },
        "cgroup": group,
        "device": PLATFORM,
    }


def group_of(s: Setting, version: int | None) -> dict[str, int] | None:
    if s.shares is None:
        return None
    if version == 2:
        return {"weight": max(1, min(10000, round(s.shares * 100 / 1024))), "version": 2}
    return {"shares": s.shares, "version": 1}


def case_of(
    s: Setting, runs: list[dict[str, float]], facts: dict[str, Any], cpu: int, role: str, window_ns: int
) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    spread: dict[str, Any] = {}
    for key in runs[0]:
        values = sorted(run[key] for run in runs)
        name = key.removeprefix("latency_").removesuffix("_ns")
        into, key = (measured.setdefault("latency_ns", {}), name) if key.startswith("latency_") else (measured, key)
        into[key] = statistics.median(values)
        if into is measured:
            spread[key] = [values[0], values[-1]]
    return {
        "schema": SCHEMA,
        "id": f"{role}-{s.name}",
        "platform": PLATFORM,
        "kernel": facts["kernel"]["release"],
        "role": role,
        "runs": len(runs),
        "window_ns": window_ns,
        "setting": setting_of(s, facts, cpu, group_of(s, facts["cgroup"]["version"])),
        "measured": measured,
        "spread": spread,
        "each": runs,
    }


# What others use of the CPU beside the load, from which on its switches and its idle time are not the load's.
OTHERS = 0.10


def share_of_others(measured: dict[str, float]) -> float:
    """CPU time of the window that neither fio nor a kworker used."""
    used = measured.get("fio_cpu_ns_per_s", 0.0) + measured.get("kworker_cpu_ns_per_s", 0.0)
    return max(0.0, 1.0 - measured.get("idle", 1.0) - used / 1e9)
