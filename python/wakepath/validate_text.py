# SPDX-License-Identifier: GPL-2.0-or-later
"""A validation for people: one line per case and metric, then the summaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from wakepath.metrics import ABSOLUTE, HEADLINE
from wakepath.scores import Metric, Row, summarize, summary_name
from wakepath.validate import PublishedRow, Validation, checks, free_runs


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} %"


def figure(value: float) -> str:
    """Enough digits to compare by eye."""
    if math.isnan(value):
        return "nan"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, the others to the right."""
    every = [list(header), *[list(r) for r in rows]]
    widths = [max(len(r[i]) for r in every) for i in range(len(header))]
    lines = []
    for row in every:
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _error(name: str, m: Metric) -> str:
    if summary_name(name) in ABSOLUTE:
        return f"{100 * (m.predicted - m.measured):+.1f} pt"
    return percent(m.error)


def case_lines(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    lines = []
    for row in rows:
        label = f"{row.case.id} [{row.case.role}]"
        if row.failure:
            lines.append([label, "not run", "", "", "", "", "", row.failure])
            continue
        for name, m in row.metrics.items():
            if name not in metrics:
                continue
            spread = "" if m.low is None or m.high is None else f"{figure(m.low)}..{figure(m.high)}"
            verdict = "noise" if m.noise else "" if m.distance is None else f"{100 * m.distance:.1f} %"
            base = [percent(m.baseline_error("nothing_changes")), percent(m.baseline_error("formula"))]
            lines.append(
                [
                    label,
                    name,
                    figure(m.measured),
                    figure(m.predicted),
                    _error(name, m),
                    *base,
                    f"{spread} {verdict}".strip(),
                ]
            )
    header = ["case", "metric", "measured", "predicted", "error", "unchanged", "formula", "spread, distance"]
    return table(header, lines)


def published_lines(rows: Sequence[PublishedRow]) -> str:
    lines = []
    for p in rows:
        row = p.row
        if p.failure:
            lines.append([row.id, row.role, row.title or row.metric, "", "not run", "", "", p.failure])
            continue
        accept = "" if row.low is None and row.high is None else f"{_edge(row.low)}..{_edge(row.high)}"
        band = " / ".join(f"{k} {figure(v)}" for k, v in p.values.items()) if row.band else ""
        verdict = {True: "inside", False: "OUTSIDE", None: ""}[p.ok]
        value = "" if row.value is None else figure(row.value)
        centre = "" if p.centre is None else figure(p.centre)
        lines.append([row.id, row.role, row.title or row.metric, value, centre, accept, verdict, band])
    return table(["row", "role", "metric", "published", "predicted", "accept", "", "band"], lines)


def _edge(value: float | None) -> str:
    return "" if value is None else figure(value)


def summary_lines(validation: Validation) -> str:
    lines = []
    for role in ("calibrate", "predict"):
        rows = validation.of_role(role)
        for kernel in dict.fromkeys(r.case.kernel for r in rows):
            lines += _summary_rows(f"{role} {kernel}", summarize(validation.of_role(role, kernel)))
        if len({r.case.kernel for r in rows}) > 1:
            lines += _summary_rows(f"{role} all", summarize(rows))
    header = [
        "role, kernel",
        "metric",
        "n",
        "mean |error|",
        "worst",
        "bias",
        "unchanged",
        "formula",
        "distance",
        "worst case",
    ]
    return table(header, lines)


def _summary_rows(label: str, summary: dict[str, Any]) -> list[list[str]]:
    names = [n for n in HEADLINE if n in summary] + [n for n in summary if n not in HEADLINE]
    rows = []
    for name in names:
        s = summary[name]
        rows.append(
            [
                label,
                name,
                str(s["n"]),
                f"{s['mape']:.1f} {_unit(s)}",
                f"{s['max']:.1f} {_unit(s)}",
                f"{s['bias']:+.1f} {_unit(s)}",
                _optional(s, "nothing_changes_mape"),
                _optional(s, "formula_mape"),
                _optional(s, "distance"),
                s["worst"],
            ]
        )
    return rows


def _unit(summary: dict[str, Any]) -> str:
    return "pt" if summary.get("unit") else "%"


def _optional(summary: dict[str, Any], key: str) -> str:
    return f"{summary[key]:.1f} {_unit(summary)}" if key in summary else "-"


def check_lines(validation: Validation) -> str:
    found = checks(validation)
    lines = []
    for name, tau in found["kendall_tau"].items():
        lines.append(f"order within sweeps, {name}: Kendall tau {tau['tau']:.3f} over {tau['pairs']} pairs")
    flats = found["flat_sweeps"]
    if flats:
        good = sum(f["ok"] for f in flats)
        lines.append(f"flat sweeps (IOPS within 3 %) predicted flat: {good} of {len(flats)}")
        lines += [f"  not flat: {f['sweep']}: {100 * f['predicted_spread']:.1f} %" for f in flats if not f["ok"]]
    for o in found["causes_of_moves"]:
        verdict = "same order" if o["same_order"] else "DIFFERENT order"
        lines.append(
            f"what moves fio, {o['case']}: measured {_shares(o['measured'])}, predicted {_shares(o['predicted'])}: "
            f"{verdict}, shares within {100 * o['worst_share']:.0f} points"
        )
    for o in found["onset"]:
        verdict = "same" if o["ok"] else "DIFFERENT"
        lines.append(
            f"loss sets in, {o['sweep']}: measured {_pair(o['measured'])}, predicted {_pair(o['predicted'])}: {verdict}"
        )
    return "\n".join(lines)


def _shares(shares: dict[str, float]) -> str:
    order = sorted(shares, key=lambda mover: -shares[mover])
    return ", ".join(f"{mover} {100 * shares[mover]:.0f} %" for mover in order if shares[mover] > 0) or "none"


def free_run_lines(validation: Validation) -> str:
    """Scheduler experiments beside their recordings: a line a case, then a line a role and kernel."""
    lines = []
    for row in validation.rows:
        if (f := row.free_run) is None:
            continue
        lines.append(
            [
                f"{row.case.id} [{row.case.role}]",
                figure(f.real["switches"]),
                figure(f.simulated["switches"]),
                percent(f.switches_error),
                f"{100 * f.edit_share:.1f} %",
                "whole" if f.edits == 0 else str(f.same_until),
                f"{100 * f.share_error:.2f} pt",
                f"{max(f.wait_distance.values(), default=0.0):.2f}",
            ]
        )
    if not lines:
        return ""
    header = ["beside its trace", "switches", "predicted", "error", "edits", "same for", "CPU shares", "waits"]
    text = [table(header, lines), ""]
    for role, kernels in free_runs(validation).items():
        for kernel, s in kernels.items():
            edits, switches = s["edit_share"], s["switches_error"]
            text.append(
                f"{role} {kernel}, {edits['n']} traces: edits of the order median {100 * edits['median']:.1f} %,"
                f" max {100 * edits['max']:.1f} %, same throughout {s['same_order_throughout']};"
                f" switches median {100 * switches['median']:.1f} %,"
                f" beyond 10 % and 6: {', '.join(s['switches_beyond']) or 'none'};"
                f" CPU shares max {s['cpu_share_points']['max']:.2f} points ({s['cpu_share_points']['worst']})"
            )
    return "\n".join(text)


def _pair(pair: tuple[int, int] | None) -> str:
    return "nowhere" if pair is None else f"between {pair[0] or 'root'} and {pair[1]}"


def text(validation: Validation, *, all_metrics: bool) -> str:
    parts = []
    if validation.rows:
        every = list(dict.fromkeys(name for r in validation.rows for name in r.metrics))
        # Scheduler experiments have no I/O: their tasks' figures are the headline.
        all_metrics = all_metrics or all(r.case.tasks for r in validation.rows)
        parts.append(
            case_lines(validation.rows, every if all_metrics else [n for n in every if n in HEADLINE] or every)
        )
        parts.append(summary_lines(validation))
        parts.append(check_lines(validation))
        parts.append(free_run_lines(validation))
    if validation.published:
        parts.append(published_lines(validation.published))
    parts += validation.notes
    return "\n\n".join(p for p in parts if p) + "\n"
