# SPDX-License-Identifier: GPL-2.0-or-later
"""A page for a browser, one file, nothing fetched: charts (report_figures.py), the summary, the tables of the result,
how it was made and how far to trust it, how to cite it, and the scenario.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.extras import need
from wakepath.result import Result, flatten
from wakepath.runner import run
from wakepath.scenario import Scenario
from wakepath.summary import headline, summary, trust

if TYPE_CHECKING:
    from wakepath.validate import Validation

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
pre { background: #f5f5f2; padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; display: block; overflow-x: auto; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.headline { font-size: 1.3rem; } .chart { margin-bottom: 1.5rem; } .note { color: #555; }
"""
# Records for the charts: the beginning of the window, simulated once more where the result has none. It is the same
# beginning, since a run is its scenario and seed; a whole second of records would be hundreds of megabytes.
DRAWN_NS = 50_000_000


def page(title: str, text: str, body: str = "", head: str = "") -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>{head}</head>\n<body><h1>{escape(title)}</h1>\n"
        + (f"<pre>{escape(text)}</pre>\n" if text else "")
        + f"{body}</body></html>\n"
    )


def plotly_head() -> str:
    """plotly itself, once a page: 4 MB, so that the page needs no network."""
    return f"<script>{need('plotly.offline', 'plot').get_plotlyjs()}</script>"


def chart(number: int, figure: Any) -> str:
    """A figure as data and one call; "</" would end the script element."""
    data = json.loads(figure.to_json())
    parts = ", ".join(json.dumps(data[key]).replace("</", "<\\/") for key in ("data", "layout"))
    options = '{"responsive": true, "displaylogo": false}'
    return (
        f'<div class="chart" id="chart{number}"></div>'
        f'<script>Plotly.newPlot("chart{number}", {parts}, {options});</script>\n'
    )


def citation() -> str:
    """The line to cite, with the version that made the page (CITATION.cff)."""
    return (
        f"The wakepath developers: wakepath, a deterministic simulator of Linux kernel I/O completion scheduling,"
        f" version {_core.version}."
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return escape(str(value))


def table(title: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    flat = [flatten(row) for row in rows]
    keys = list(dict.fromkeys(k for row in flat for k in row))
    head = "".join(f"<th>{escape(k)}</th>" for k in keys)
    lines = ["<tr>" + "".join(f"<td>{_cell(row.get(k, ''))}</td>" for k in keys) + "</tr>" for row in flat]
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>\n" + "\n".join(lines) + "</table>\n"


def _made_by(result: Result) -> str:
    made = result.made_by
    rows = [
        {"what": "version", "value": made["version"]},
        {"what": "seed", "value": made["seed"]},
        {"what": "kernel", "value": made["kernel"]["version"] + (" (assumed)" if made["kernel"]["assumed"] else "")},
        {"what": "changed switches", "value": ", ".join(made["kernel"]["switches_changed"]) or "none"},
        {"what": "machine", "value": f"{made['machine']['platform']}: {made['machine']['source']}"},
        {"what": "costs", "value": f"{made['costs']['name']}: {made['costs']['source']}"},
    ]
    rows += [{"what": "trust", "value": line} for line in trust(result.data)]
    return table("How it was made, and how far to trust it", rows)


def validation_html(validation: Validation, said: str) -> str:
    """The page of a validation: predicted over measured where cases were run, then what was printed."""
    from wakepath.report_figures import truth_figure

    frame = validation.to_pandas()
    body = ""
    for number, metric in enumerate(("iops", "context_switches_per_s")):
        figure = truth_figure(frame, metric)
        if figure is not None:
            body += chart(number, figure)
    text = f"<pre>{escape(said)}</pre>\n<p>{escape(citation())}</p>\n"
    return page("wakepath validation", "", body + text, plotly_head() if body else "")


def with_records(result: Result) -> Result:
    """The result with the records of the beginning of its window."""
    if result.has_trace:
        return result
    length = min(DRAWN_NS, int(result.data.get("window_ns") or DRAWN_NS))
    scenario = Scenario.from_toml(result.made_by["scenario"])
    return Result(result.data, run(scenario, duration=f"{length}ns", trace=True).trace)


def html(result: Result) -> str:
    """The page of a run."""
    from wakepath.report_figures import charts

    result = with_records(result)
    data = result.data
    title = result.made_by.get("title") or "wakepath run"
    body = f'<p class="headline">{escape(headline(data))}</p>\n' if headline(data) else ""
    for number, (name, text, figure) in enumerate(charts(result)):
        body += f'<h2>{escape(name)}</h2><p class="note">{escape(text)}</p>{chart(number, figure)}'
    if len(result.trace):
        begin, end = result.trace.time_ns()
        body += f'<p class="note">Timeline and graph: the first {(end - begin) / 1e6:.1f} ms of the window.</p>\n'
    body += f"<h2>Summary</h2><pre>{escape(summary(result))}</pre>\n" + _made_by(result)
    busy = [cpu for cpu in data.get("cpus", []) if cpu.get("busy", 0) > 0]
    body += table("CPUs", busy) + table("Tasks", list(result.tasks)) + table("Ping-pong", list(result.pingpong))
    single = [{"figure": k, "value": v} for k, v in flatten({"io": data["io"], "totals": data["totals"]}).items()]
    body += table("Figures", single)
    body += f"<h2>To cite</h2><p>{escape(citation())}</p>\n"
    body += "<h2>Scenario</h2><pre>" + escape(data["made_by"]["scenario"]) + "</pre>\n"
    return page(title, "", body, plotly_head())
