# SPDX-License-Identifier: GPL-2.0-or-later
"""A page for a browser, one file, nothing fetched: the summary, the tables of the result, and the scenario."""

from __future__ import annotations

from html import escape
from typing import Any

from wakepath.result import Result, flatten
from wakepath.summary import summary

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
pre { background: #f5f5f2; padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
"""


def page(title: str, text: str, body: str = "") -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n<pre>{escape(text)}</pre>\n{body}</body></html>\n"
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return escape(str(value))


def _table(title: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    flat = [flatten(row) for row in rows]
    keys = list(dict.fromkeys(k for row in flat for k in row))
    head = "".join(f"<th>{escape(k)}</th>" for k in keys)
    lines = ["<tr>" + "".join(f"<td>{_cell(row.get(k, ''))}</td>" for k in keys) + "</tr>" for row in flat]
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>\n" + "\n".join(lines) + "</table>\n"


def html(result: Result) -> str:
    data = result.data
    busy = [cpu for cpu in data.get("cpus", []) if cpu.get("busy", 0) > 0]
    body = _table("CPUs", busy) + _table("Tasks", list(result.tasks)) + _table("Ping-pong", list(result.pingpong))
    single = [{"figure": k, "value": v} for k, v in flatten({"io": data["io"], "totals": data["totals"]}).items()]
    body += _table("Figures", single)
    body += "<h2>Scenario</h2><pre>" + escape(data["made_by"]["scenario"]) + "</pre>\n"
    return page("wakepath run", summary(result), body)
