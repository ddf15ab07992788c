# SPDX-License-Identifier: GPL-2.0-or-later
"""A tuning as a page for a browser, one file, nothing fetched: which knob did it, what the search saw, the report, the
tables, a line to cite, the scenario."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from wakepath.extras import need
from wakepath.report import chart, citation, page, plotly_head, table
from wakepath.report_figures import COLOURS, INTERRUPT, plain_figure
from wakepath.tune_text import VERDICTS, report
from wakepath.tuning import Tuning


def knobs_figure(t: Tuning) -> Any:
    """Each key of the best setting: its gain alone, and what is missed when it alone is put back, on fresh seeds."""
    go = need("plotly.graph_objects", "plot")
    figure = plain_figure(yaxis_title=f"gain of {t.objectives[0].metric}", barmode="group")
    labels = [f"{knob.key}={knob.value}" for knob in t.knobs]
    sides = (
        ("alone on the default", [k.alone for k in t.knobs]),
        ("missed when put back", [k.missed for k in t.knobs]),
    )
    for number, (name, found) in enumerate(sides):
        noise = [d.interval if math.isfinite(d.interval) else 0.0 for d in found]
        figure.add_trace(
            go.Bar(
                name=name,
                x=labels,
                y=[d.gain for d in found],
                error_y={"type": "data", "array": noise},
                marker={"color": COLOURS[number]},
            )
        )
    figure.update_layout(height=380, legend={"orientation": "h", "y": 1.15})
    return figure


def search_figure(t: Tuning) -> Any:
    """Each trial's first objective in the order of the search, and the best so far; the scenario as it is as a line."""
    go = need("plotly.graph_objects", "plot")
    objective = t.objectives[0]
    figure = plain_figure(xaxis_title="trial", yaxis_title=objective.metric)
    values = [trial.values[0] if trial.feasible and trial.values else None for trial in t.trials]
    words = ["<br>".join(f"{k}={v}" for k, v in trial.setting.items()) for trial in t.trials]
    at = list(range(len(values)))
    figure.add_trace(go.Scatter(name="trial", x=at, y=values, text=words, mode="markers", marker={"color": COLOURS[0]}))
    best: list[float | None] = []
    for value in values:
        known = [v for v in (*best[-1:], value) if v is not None and math.isfinite(v)]
        best.append((max if objective.maximize else min)(known) if known else None)
    figure.add_trace(go.Scatter(name="best so far", x=at, y=best, mode="lines", line={"color": COLOURS[2]}))
    if t.best is not None:
        figure.add_hline(y=t.best.differences[0].before, line={"color": INTERRUPT, "dash": "dot"})
    figure.update_layout(height=380, legend={"orientation": "h", "y": 1.15})
    return figure


def did_it(t: Tuning) -> str:
    """The sentence that a reader looks for first."""
    if t.best is None or t.verdict not in ("better", "trade"):
        return VERDICTS[t.verdict]
    did = [f"{k.key}={k.value} ({k.part})" for k in t.knobs if k.part not in ("no effect", "costs something")]
    return "Which knob did it: " + (", ".join(did) or "none by itself")


def tuning_page(t: Tuning) -> str:
    title = f"wakepath tune: {t.scenario.describe()['name']}"
    body = f'<p class="headline">{escape(did_it(t))}</p>\n'
    if t.knobs:
        body += f"<h2>Which knob did it</h2>{chart(0, knobs_figure(t))}"
    if t.trials:
        body += f"<h2>The search</h2>{chart(1, search_figure(t))}"
        body += '<p class="note">Dotted: the scenario as it is, on fresh seeds.</p>\n'
    body += f"<h2>Report</h2><pre>{escape(report(t))}</pre>\n"
    body += table("Knobs", [_knob(k) for k in t.knobs])
    trials = t.to_pandas().to_dict("records")
    body += table("Trials", [{str(name): value for name, value in row.items()} for row in trials])
    body += f"<h2>To cite</h2><p>{escape(citation())}</p>\n"
    body += "<h2>Scenario</h2><pre>" + escape(t.scenario.to_toml()) + "</pre>\n"
    return page(title, "", body, plotly_head())


def _knob(knob: Any) -> dict[str, Any]:
    return {
        "key": knob.key,
        "value": knob.value,
        "gain alone": knob.alone.gain,
        "missed when put back": knob.missed.gain,
        "part": knob.part,
    }
