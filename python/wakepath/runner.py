# SPDX-License-Identifier: GPL-2.0-or-later
"""run(): one simulation and the statement of how it was made. The control is the same workload in the root group."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from wakepath import _core
from wakepath.arguments import checked
from wakepath.formats import written
from wakepath.paths import write_text
from wakepath.records import Trace
from wakepath.result import SCHEMA, Result
from wakepath.scenario import Options, Scenario, toml_key

Progress = Callable[[float], bool | None]


@checked
def run(
    scenario: Scenario | str,
    *,
    set: Sequence[str] = (),
    duration: str | None = None,
    warmup: str | None = None,
    seed: int | None = None,
    samples: int | None = None,
    control: bool = False,
    trace: str | bool | None = None,
    fio_json: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Simulate. Ctrl-C ends the run early; its result then says status "stopped" and holds what was computed.

    duration, warmup: with their unit, "1s". control: also the same workload in the root group (`result.control`).
    trace: a file to write records to, in the format of its suffix, or True: `result.trace` keeps them in memory, some
    140 bytes each. fio_json: a file for the jobs in the schema of fio's json+.
    """
    table = _core.Records() if trace is True else None
    file = trace if isinstance(trace, str) else None
    if isinstance(scenario, str):
        scenario = Scenario.load(scenario)
    if set or any(given is not None for given in (duration, warmup, seed, samples)):
        scenario = scenario.with_sets(
            options=Options(
                sets=tuple(set),
                duration=duration,
                warmup=warmup,
                seed=None if seed is None else str(seed),
                samples=None if samples is None else str(samples),
            )
        )
    outside = control_of(scenario) if control else None
    kept = Trace(table) if table is not None else None
    if outside is None:
        return Result(_complete(scenario, *_simulate(scenario, progress, file, table, fio_json)), kept)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        # Both at once, without the GIL; signals reach the main thread only, so it tells the other to stop.
        second = pool.submit(_simulate, outside, lambda share: not stop.is_set(), None)
        try:
            first = _simulate(scenario, progress, file, table, fio_json)
            if first[0] == "stopped":
                stop.set()
            other = second.result()
        except BaseException:
            stop.set()
            raise
    data = _complete(scenario, *first)
    data["control"] = _control_part(scenario, *other)
    return Result(data, kept)


def weighted_groups(describe: dict[str, Any]) -> list[str]:
    """Paths of the groups, with a weight of their own, that hold a workload."""
    groups = {g["path"]: g for g in describe["cgroups"]}
    found = []
    for job in describe["workloads"]:
        path = job["cgroup"]
        while path:
            group = groups.get(path)
            if group is None:
                break
            if group["cpu_weight"] is not None or group["cpu_shares"] is not None or group["cpu_idle"]:
                found.append(job["cgroup"])
                break
            path = group["parent"]
    return list(dict.fromkeys(found))


def control_of(scenario: Scenario) -> Scenario | None:
    """The same scenario with its workloads in the root group; None when none of them is in a weighted group."""
    describe = scenario.describe()
    if not weighted_groups(describe):
        return None
    sets = [f'workload.{toml_key(job["name"])}.cgroup=""' for job in describe["workloads"] if job["cgroup"]]
    return scenario.with_sets(*sets)


def _simulate(
    scenario: Scenario,
    progress: Progress | None,
    trace: str | None,
    records: _core.Records | None = None,
    fio_json: str | None = None,
) -> tuple[str, dict[str, Any], str, float]:
    started = time.perf_counter()
    fio: list[str] = []
    with written(trace) as file:
        end, text, limit = _core.run(
            scenario.core, progress=progress, trace=file, records=records, fio_json=fio.append if fio_json else None
        )
    if fio_json:
        write_text(fio_json, fio[0] + "\n")
    return end, json.loads(text), limit, time.perf_counter() - started


def run_bare(scenario: Scenario, progress: Progress | None = None) -> Result:
    """run() for many runs of one scenario: without its text and without what is known of its trustworthiness, which are
    the same in all of them or dear to look up a thousand times."""
    return Result(_complete(scenario, *_simulate(scenario, progress, None), bare=True))


def simulate(scenario: Scenario, progress: Progress | None = None) -> dict[str, Any]:
    """The bare figures of one run, for validation and fits: no statement of origin, nothing of the wall clock."""
    return _simulate(scenario, progress, None)[1]


def _engine(data: dict[str, Any], describe: dict[str, Any], wall: float) -> dict[str, Any]:
    engine = dict(data.get("engine", {}))
    simulated = (describe["run"]["duration_ns"] + describe["run"]["warmup_ns"]) / 1e9
    engine.setdefault("wall_s", wall)
    if wall > 0:
        engine.setdefault("events_per_s", engine.get("events", 0) / wall)
        engine.setdefault("simulated_per_wall", simulated / wall)
    return engine


def _complete(
    scenario: Scenario, end: str, data: dict[str, Any], limit: str, wall: float, bare: bool = False
) -> dict[str, Any]:
    """Schema first, figures as the core ordered them, then who made them and how far to trust them."""
    describe = scenario.describe()
    whole: dict[str, Any] = {"schema": SCHEMA, "status": end}
    if limit:
        whole["limit"] = limit
    whole.update({k: v for k, v in data.items() if k not in ("schema", "status", "engine", "made_by")})
    whole["made_by"] = origin(scenario, describe) if bare else made_by(scenario, describe)
    whole["engine"] = _engine(data, describe, wall)
    return whole


def made_by(scenario: Scenario, describe: dict[str, Any]) -> dict[str, Any]:
    from wakepath.validity import validity_of

    text = scenario.to_toml()
    return {**origin(scenario, describe), "validity": validity_of(describe, text), "scenario": text}


def origin(scenario: Scenario, describe: dict[str, Any]) -> dict[str, Any]:
    kernel, machine, costs = describe["kernel"], describe["machine"], describe["costs"]
    return {
        "program": "wakepath",
        "version": _core.version,
        "seed": describe["run"]["seed"],
        "duration_ns": describe["run"]["duration_ns"],
        "warmup_ns": describe["run"]["warmup_ns"],
        "kernel": {
            "version": kernel["version"],
            "requested": kernel["requested"],
            "assumed": kernel["assumed"],
            "switches_changed": kernel["changed"],
        },
        "machine": {"platform": machine["platform"], "cpus": machine["cpus"], "source": machine["source"]},
        "costs": {"name": costs["name"], "source": costs["source"]},
        "notes": describe["notes"],
    }


def _control_part(scenario: Scenario, end: str, data: dict[str, Any], limit: str, wall: float) -> dict[str, Any]:
    part: dict[str, Any] = {
        "schema": SCHEMA,
        "what": "the same workload in the root group, outside " + ", ".join(weighted_groups(scenario.describe())),
        "status": end,
    }
    if limit:
        part["limit"] = limit
    part.update({k: v for k, v in data.items() if k not in ("schema", "status", "engine", "made_by", "samples")})
    part["engine"] = _engine(data, scenario.describe(), wall)
    return part
