# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for the simulator where the subject of a test is the Python around it: a closed formula of a few costs.

Only `simulate` and the reading of truth cases are replaced; nothing here is compared with a real kernel.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any

COSTS = {"tick": 1000, "rq_end": 2000, "work_begin": 1000, "trace_record": 500, "unfelt": 700}
DEVICE = {"kind": "constant", "ns": 100_000, "mean_ns": 100_000, "low": 0, "high": 0, "quantiles": []}


def _cost(ns: int) -> dict[str, Any]:
    return {"kind": "constant", "ns": ns, "mean_ns": ns, "low": 0, "high": 0, "quantiles": [], "estimate": True}


class FakeScenario:
    """What Scenario.from_case gives: a setting and the --set lines on top."""

    def __init__(self, case: dict[str, Any], sets: tuple[str, ...]) -> None:
        self.case = case
        self.sets = dict(line.split("=", 1) for line in sets)

    def describe(self) -> dict[str, Any]:
        none = {**DEVICE, "mean_ns": 0}
        device = {"service_ns": none, "read_service_ns": none, "latency_ns": DEVICE, "coalesce_ns": 0}
        return {"costs": {"entries": {k: _cost(v) for k, v in COSTS.items()}}, "device": device}

    def cost(self, name: str) -> float:
        return float(self.sets.get(f"costs.{name}", COSTS[name]))

    def latency(self) -> float:
        return float(self.sets.get("device.latency_ns", DEVICE["ns"]))


def figures(scenario: FakeScenario) -> dict[str, Any]:
    depth = scenario.case["setting"]["workload"]["iodepth"]
    fio, worker = 3 * scenario.cost("tick") + scenario.cost("rq_end"), 2 * scenario.cost("work_begin")
    rate = min(1e9 * depth / (scenario.latency() + fio), 1e9 / (fio + worker))
    if scenario.case["setting"]["cgroup"]:
        rate *= 0.6
    return {
        "io": {"iops": rate, "clat_ns": {}},
        "totals": {"context_switches_per_s": 2 * rate / depth, "interrupts_per_s": rate},
        "cpus": [{"id": 0, "idle": 0.1, "context_switches_per_s": 2 * rate / depth}],
        "groups": {"fio": {"cpu_ns_per_s": rate * fio}, "kworker": {"cpu_ns_per_s": rate * worker}},
        "tasks": [],
    }


def install(monkeypatch: Any) -> None:
    """Let calibrate and validate run on the formula."""
    # The modules: the package's attributes of these names are functions.
    calibrate, validate = (importlib.import_module(f"wakepath.{name}") for name in ("calibrate", "validate"))
    from wakepath.scenario import Scenario

    def from_case(case: dict[str, Any], *, options: Any = None) -> FakeScenario:
        return FakeScenario(case, options.sets if options else ())

    def simulate(scenario: FakeScenario, keep: Callable[[float], bool] | None = None) -> dict[str, Any]:
        return figures(scenario)

    monkeypatch.setattr(Scenario, "from_case", staticmethod(from_case))
    monkeypatch.setattr(calibrate, "simulate", simulate)
    monkeypatch.setattr(validate, "simulate", simulate)


def case(
    name: str, *, role: str = "predict", depth: int = 1, weight: int | None = None, **measured: Any
) -> dict[str, Any]:
    """A truth case in a few words."""
    setting = {
        "workload": {"engine": "libaio", "rw": "randwrite", "iodepth": depth, "pinned_cpu": 0},
        "cgroup": None if weight is None else {"weight": weight},
        "nice": {"fio": 0, "kworker": 0},
        "device": {"law": "delay", "latency_ns": 100_000, "service_ns": 0},
    }
    return {
        "schema": "wakepath.truth/1",
        "id": name,
        "platform": "made-up",
        "kernel": "6.1",
        "role": role,
        "setting": setting,
        "measured": measured,
    }


def measured_by(sets: tuple[str, ...], template: dict[str, Any]) -> dict[str, Any]:
    """The template with what the formula gives under other costs as its measurement."""
    from wakepath.metrics import truth_metrics

    found = truth_metrics(figures(FakeScenario(template, sets)), cpu=0)
    return {**template, "measured": found}


def write(path: Any, cases: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(c) + "\n" for c in cases), encoding="utf-8")
    return str(path)
