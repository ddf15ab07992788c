# SPDX-License-Identifier: GPL-2.0-or-later
"""What notebooks show of scenarios, results and sweeps: small tables, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from wakepath.errors import InputError

if TYPE_CHECKING:
    from wakepath.result import Result
    from wakepath.scenario import Scenario
    from wakepath.sweeps import Sweep

MOST_ROWS = 20


def cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return escape(str(value)) if value is not None else ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return escape(" → ".join(map(str, value)))
    return escape(str(value))


def table(rows: Sequence[dict[str, Any]], caption: str = "") -> str:
    if not rows:
        return f"<p>{escape(caption)}: none</p>" if caption else "<p>none</p>"
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{escape(key)}</th>" for key in keys)
    lines = ["<tr>" + "".join(f"<td>{cell(row.get(key))}</td>" for key in keys) + "</tr>" for row in rows[:MOST_ROWS]]
    more = f"<p>… {len(rows) - MOST_ROWS} more</p>" if len(rows) > MOST_ROWS else ""
    name = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{name}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"


def scenario_html(scenario: Scenario) -> str:
    d = scenario.describe()
    kernel, machine = d["kernel"], d["machine"]
    switches = f", changed: {', '.join(kernel['changed'])}" if kernel["changed"] else ""
    text = (
        f"kernel {kernel['version']}, preempt {kernel['preempt']}, HZ {kernel['hz']}{switches}; "
        f"machine {machine['platform'] or '-'}, {machine['cpus']} CPUs; costs {d['costs']['name']}"
    )
    jobs = ("name", "ioengine", "rw", "bs", "iodepth", "iodepth_batch_complete_min", "cpus_allowed", "cgroup")
    parts = [f"<b>{escape(d['title'] or d['name'])}</b><br>{escape(text)}"]
    if d["workloads"]:
        parts.append(table([{key: job[key] for key in jobs} for job in d["workloads"]]))
    if d["cgroups"]:
        parts.append(table([{k: v for k, v in group.items() if v is not None} for group in d["cgroups"]]))
    if d["programs"]:
        parts.append("<p>programs: " + escape(", ".join(d["programs"])) + "</p>")
    return "".join(parts)


def result_html(result: Result) -> str:
    from wakepath.summary import causes, compared, headline, trust

    data = result.data
    if "made_by" not in data:
        return table([{"figure": k, "value": v} for k, v in result.io.items() if not isinstance(v, dict)])
    parts = [f"<b>{escape(headline(data) or repr(result))}</b>", table(compared(data))]
    parts += [f"<p>why: {escape(line)}</p>" for line in causes(data)]
    parts += [f"<p>trust: {escape(line)}</p>" for line in trust(data)]
    return "".join(parts)


def sweep_html(sweep: Sweep) -> str:
    shown = ["io.iops", "totals.context_switches_per_s", "io.clat_ns.p99"]
    rows = []
    for row in sweep.flat(shown):
        rows.append({key: row.get(key) for key in [*sweep.vary, "seed", *shown, "status"]})
        if len(rows) == MOST_ROWS:
            break
    rest = f"<p>{len(sweep)} runs, {escape(sweep.status)}; to_pandas() has all</p>"
    try:
        return table(rows) + rest
    except InputError as error:
        return f"<p>{escape(str(error))}</p>"
