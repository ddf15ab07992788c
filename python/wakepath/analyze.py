# SPDX-License-Identifier: GPL-2.0-or-later
"""analyze(): what the core says of one trace, and where its time went (attribution).

What a record costs and what the device can do at most come from the trace, or from its setting where there is one
(replay_source): without either the attribution holds the recording's own cost in the parts it lies in.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from wakepath import _core, recording
from wakepath.attribution import attribute

NO_SETTING = "no setting says that the trace is a recording"


def analyze_trace(trace: str, setting: str | None = None, *, quick: bool = False) -> dict[str, Any]:
    """The analysis of a trace (sim/analysis/analyze.h) with `attribution`, and with each cycle what it costs.

    quick: what would be without the switches of a ping-pong is calculated, not run.
    """
    with recording.open(trace) as opened:
        data: dict[str, Any] = json.loads(_core.analyze(opened.trace))
        costs, limit, source = _beside(opened, setting, data)
    found = attribute(data, costs, limit)
    if found and found.without_switches is not None and source != NO_SETTING and not quick:
        from wakepath.what_if import without_switches

        if ran := without_switches(trace, setting):
            found = replace(found, by_run=ran[0], taken_away=ran[1])
    data["attribution"] = found.as_json() if found else None
    if found:
        data["attribution"]["record_costs"] = {**costs, "from": source}
    _price(data)
    return data


def _price(data: dict[str, Any]) -> None:
    """The CPU time of each ping-pong's switches and wakeups, from the cycle of the wake graph that has its tasks."""
    by_tasks = {frozenset(c["tasks"]): c for c in data["wake_graph"]["cycles"]}
    for row in data["pingpong"]:
        cycle = by_tasks.get(frozenset(row["cycle"].split(" > ")))
        row["ns_per_round"] = cycle["ns_per_round"] if cycle else None
        rounds = row["switches_per_s"] / max(1, row["length"])
        row["cpu_share"] = rounds * cycle["ns_per_round"] / 1e9 if cycle else 0.0


def _beside(
    opened: recording.Recording, setting: str | None, data: dict[str, Any]
) -> tuple[dict[str, int], float | None, str]:
    """What a record costs, the device's limit, and where the former is from."""
    from wakepath.replay_source import Recording, case_beside, record_costs

    nothing = {"trace_record": 0, "trace_record_sched": 0}
    if data["cpu_time"]["units"]["completions"] == 0:
        return nothing, None, "no I/O"
    if setting is None and opened.trace != opened.path and opened.setting:  # a tarball brings its own
        case: dict[str, Any] = {"setting": opened.setting, "kernel": opened.kernel}
        where = opened.setting_from or opened.path
    else:
        case, where = case_beside(opened.path, setting)
    limit = _limit(opened.trace, case.get("setting", {}), data)
    if not where:
        return nothing, limit, NO_SETTING
    source = Recording(opened.path, {"shortest": data["shortest"]}, {"kernel": "", **case}, where)
    costs, said = record_costs(source)
    return costs, limit, said


def _limit(trace: str, setting: dict[str, Any], data: dict[str, Any]) -> float | None:
    """The device's limit; only the what-if of a ping-pong asks for it."""
    from wakepath.replay_source import limit_of

    return limit_of(json.loads(_core.profile(trace)), setting) if data["pingpong"] else None
