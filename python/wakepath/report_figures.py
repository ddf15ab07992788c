# SPDX-License-Identifier: GPL-2.0-or-later
"""The report's charts, by plotly: timeline of CPUs, latency, wake graph, waterfall. Data come from figures.py."""

from __future__ import annotations

import math
from typing import Any

from wakepath.extras import need
from wakepath.figures import (
    Slice,
    Step,
    Wake,
    cycles_of,
    device_times_us,
    latency_quantiles,
    nodes_of,
    slices,
    switches,
    wakes,
    waterfall,
)
from wakepath.result import Result

COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#eeca3b", "#72b7b2", "#9d755d", "#ff9da6")
INTERRUPT = "#e45756"
HEIGHT = 320


def charts(result: Result) -> list[tuple[str, str, Any]]:
    """(title, what it shows, figure); those that the result has no data for are left out."""
    found: list[tuple[str, str, Any]] = []
    steps = waterfall(result)
    if steps:
        text = "Time of the workload's CPU per I/O: what each part adds inside the group. The steps close exactly."
        found.append(("Where the loss comes from", text, waterfall_figure(steps)))
    if result.has_trace:
        stretches = slices(result.trace)
        if stretches:
            text = "Who holds each CPU at the start of the window, with interrupts on top. Drag to zoom."
            found.append(("Timeline of CPUs", text, timeline_figure(stretches)))
    found.append(("Latency", "fio's completion latency, and the device's part of it.", latency_figure(result)))
    if result.has_trace:
        cycles = cycles_of(result)
        edges = wakes(result.trace, cycles)
        if edges:
            text = "Who wakes whom, and to whom a CPU goes (dotted); a cycle that hands it to and fro is red."
            found.append(("Wake graph", text, wake_figure([*edges, *switches(result.trace, cycles)])))
    return found


def plain_figure(**layout: Any) -> Any:
    go = need("plotly.graph_objects", "plot")
    figure = go.Figure()
    figure.update_layout(
        template="plotly_white", height=HEIGHT, margin={"l": 60, "r": 20, "t": 20, "b": 50}, font={"size": 12}, **layout
    )
    return figure


def timeline_figure(stretches: list[Slice]) -> Any:
    go = need("plotly.graph_objects", "plot")
    figure = plain_figure(
        barmode="overlay", xaxis_title="us from the start of the window", legend={"orientation": "h", "y": 1.15}
    )
    tasks = list(dict.fromkeys(s.who for s in stretches))
    cpus = sorted({s.cpu for s in stretches})
    for number, who in enumerate(tasks):
        own = [s for s in stretches if s.who == who]
        is_irq = who.endswith(("interrupt", "softirq"))
        figure.add_trace(
            go.Bar(
                name=who,
                orientation="h",
                base=[round(s.start_us, 3) for s in own],
                x=[round(s.length_us, 3) for s in own],
                y=[f"CPU {s.cpu}" for s in own],
                width=0.35 if is_irq else 0.7,
                marker={"color": INTERRUPT if is_irq else COLOURS[number % len(COLOURS)], "line": {"width": 0}},
                hovertemplate=f"{who}<br>%{{base:.3f}} us, for %{{x:.3f}} us<extra></extra>",
            )
        )
    figure.update_layout(height=max(220, 60 + 45 * len(cpus)))
    first = min(s.start_us for s in stretches)
    figure.update_xaxes(range=[first, first + _readable_length(stretches)])
    figure.update_yaxes(categoryorder="array", categoryarray=[f"CPU {c}" for c in reversed(cpus)])
    return figure


def _readable_length(stretches: list[Slice]) -> float:
    """So long that about eighty stretches are seen at first."""
    starts = sorted(s.start_us for s in stretches)
    return max(1.0, starts[min(80, len(starts) - 1)] - starts[0])


def latency_figure(result: Result) -> Any:
    go = need("plotly.graph_objects", "plot")
    figure = plain_figure(xaxis_title="latency, us", yaxis_title="share of I/Os slower than this")
    control = result.control
    for name, data, colour in (
        ("inside the group" if control else "fio, completion latency", result.data, COLOURS[1]),
        ("outside", control.data if control else {}, COLOURS[0]),
    ):
        points = latency_quantiles(data)
        if points:
            figure.add_trace(
                go.Scatter(
                    name=name,
                    x=[us for _, us in points],
                    y=[1 - share for share, _ in points],
                    mode="lines+markers",
                    line={"color": colour},
                    hovertemplate="%{x:.1f} us<extra>" + name + "</extra>",
                )
            )
    times = sorted(device_times_us(result.trace)) if result.has_trace else []
    if times:
        step = max(1, len(times) // 500)
        figure.add_trace(
            go.Scatter(
                name="device, issue to completion",
                x=times[::step],
                y=[1 - i / len(times) for i in range(0, len(times), step)],
                mode="lines",
                line={"color": "#888", "dash": "dot"},
            )
        )
    figure.update_yaxes(type="log", range=[-3.2, 0.05])
    figure.update_xaxes(type="log")
    return figure


def wake_figure(edges: list[Wake]) -> Any:
    go = need("plotly.graph_objects", "plot")
    nodes = nodes_of(edges)
    at = {
        n: (math.cos(2 * math.pi * i / len(nodes)), math.sin(2 * math.pi * i / len(nodes))) for i, n in enumerate(nodes)
    }
    figure = plain_figure(showlegend=False)
    shown = [e for e in edges if e.waker in at and e.wakee in at]
    most = max(e.per_s for e in shown)
    for edge in shown:
        _arrow(figure, edge, at[edge.waker], at[edge.wakee], 1 + 3 * edge.per_s / most)
    inside = {name for e in shown if e.in_cycle for name in (e.waker, e.wakee)}
    figure.add_trace(
        go.Scatter(
            x=[at[n][0] for n in nodes], y=[at[n][1] for n in nodes], mode="markers+text", text=nodes,
            textposition="top center", hoverinfo="text",
            marker={"size": 18, "color": [INTERRUPT if n in inside else COLOURS[0] for n in nodes]},
        )
    )  # fmt: skip
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(visible=False, range=[-1.5, 1.5])
    figure.update_layout(height=380)
    return figure


def truth_figure(frame: Any, metric: str) -> Any:
    """Predicted over measured, a colour per role; the diagonal is a perfect prediction."""
    go = need("plotly.graph_objects", "plot")
    shown = frame[(frame["metric"] == metric) & frame["predicted"].notna() & (frame["measured"] > 0)]
    if shown.empty:
        return None
    figure = plain_figure(
        xaxis_title=f"measured {metric}", yaxis_title="predicted", legend={"orientation": "h", "y": 1.15}
    )
    ends = [float(shown["measured"].min()), float(shown["measured"].max())]
    figure.add_trace(
        go.Scatter(x=ends, y=ends, mode="lines", line={"color": "#bbb"}, showlegend=False, hoverinfo="skip")
    )
    for number, (role, part) in enumerate(shown.groupby("role")):
        figure.add_trace(
            go.Scatter(
                name=str(role),
                x=part["measured"].tolist(),
                y=part["predicted"].tolist(),
                text=part["id"].tolist(),
                mode="markers",
                marker={"color": COLOURS[number], "size": 7, "opacity": 0.7},
                hovertemplate="%{text}<br>measured %{x:,.0f}, predicted %{y:,.0f}<extra></extra>",
            )
        )
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    figure.update_layout(height=420)
    return figure


def _arrow(figure: Any, edge: Wake, start: tuple[float, float], end: tuple[float, float], width: float) -> None:
    """Beside the straight line between the two, so that both directions and both kinds are seen."""
    go = need("plotly.graph_objects", "plot")
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    aside = 0.1 if edge.kind == "wakes" else 0.3
    dx, dy = aside * (y1 - y0) / length, -aside * (x1 - x0) / length
    ax, ay, bx, by = x0 + dx, y0 + dy, x1 + dx - 0.1 * (x1 - x0), y1 + dy - 0.1 * (y1 - y0)
    colour = INTERRUPT if edge.in_cycle else "#999"
    figure.add_annotation(
        x=bx, y=by, ax=0.9 * bx + 0.1 * ax, ay=0.9 * by + 0.1 * ay, xref="x", yref="y", axref="x", ayref="y",
        showarrow=True, arrowhead=2, arrowwidth=width, arrowcolor=colour,
    )  # fmt: skip
    said = f"{edge.waker} {edge.kind} {edge.wakee}: {edge.per_s:,.0f}/s"
    dash = "solid" if edge.kind == "wakes" else "dot"
    line = {"width": width, "color": colour, "dash": dash}
    figure.add_trace(go.Scatter(x=[ax, bx], y=[ay, by], mode="lines", line=line, hoverinfo="skip"))
    figure.add_annotation(
        x=(ax + bx) / 2 + dx, y=(ay + by) / 2 + dy, text=said, showarrow=False, font={"size": 11, "color": "#444"}
    )


def waterfall_figure(steps: list[Step]) -> Any:
    go = need("plotly.graph_objects", "plot")
    figure = plain_figure(yaxis_title="ns per I/O", showlegend=False)
    figure.add_trace(
        go.Waterfall(
            x=[s.name for s in steps],
            y=[s.ns for s in steps],
            measure=["absolute", *["relative"] * (len(steps) - 2), "total"],
            text=[f"{s.ns:,.0f}" if s.total else f"{s.ns:+,.0f}" for s in steps],
            textposition="outside",
            increasing={"marker": {"color": INTERRUPT}},
            decreasing={"marker": {"color": COLOURS[2]}},
            totals={"marker": {"color": COLOURS[0]}},
            cliponaxis=False,
        )
    )
    return figure
