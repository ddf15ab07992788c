# SPDX-License-Identifier: GPL-2.0-or-later
"""A calibration as a page: what was measured beside what the fitted costs say, in plots. matplotlib draws them."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Callable
from typing import Any

from wakepath.extras import need
from wakepath.recorder.calibration import Calibration, report_lines
from wakepath.recorder.recording import Recording

HEAD = """<!doctype html><meta charset="utf-8"><title>wakepath calibration</title>
<style>body{font:15px sans-serif;max-width:64em;margin:2em auto}pre{background:#f4f4f4;padding:1em;overflow:auto}
img{max-width:100%}</style>"""


def _figure(draw: Callable[[Any], None]) -> str:
    figure = need("matplotlib.figure", "plot").Figure(figsize=(9, 4.5), layout="constrained")
    draw(figure.add_subplot())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return f'<img src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _probes(outcome: Calibration) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        measured = [row.measured_ns for row, _ in outcome.linear.rows]
        said = [s for _, s in outcome.linear.rows]
        axes.loglog(measured, said, "o")
        both = [min(measured), max(measured)]
        axes.loglog(both, both, "-", color="grey")
        for row, s in outcome.linear.rows:
            if abs(math.log(s / row.measured_ns)) > 0.25:
                axes.annotate(row.kind, (row.measured_ns, s), fontsize=8)
        axes.set(xlabel="measured, ns", ylabel="by the fitted costs, ns", title="Probes")

    return draw


def _device(outcome: Calibration) -> Callable[[Any], None]:
    law = outcome.law
    assert law is not None

    def draw(axes: Any) -> None:
        for kind, points in law.points.items():
            if points:
                axes.plot(list(points), [t / 1000 for t in points.values()], "o", label=f"measured, {kind}")
        most = max((max(p) for p in law.points.values() if p), default=1)
        axes.plot(
            [1, most],
            [(law.latency_ns + n * law.service_ns / law.servers) / 1000 for n in (1, most)],
            "-",
            label="law, without the way to the eye",
        )
        axes.set(xlabel="requests in a batch", ylabel="until all are there, us", title=f"Device law: {law.law}")
        axes.legend()

    return draw


def _windows(outcome: Calibration) -> Callable[[Any], None]:
    w = outcome.windows
    assert w is not None

    def draw(axes: Any) -> None:
        names = sorted({name for _, name in w.labels})
        for name in names:
            errors = [100 * (math.exp(v) - 1) for (_, n), v in zip(w.labels, w.after, strict=True) if n == name]
            axes.plot(range(len(errors)), errors, "o-", label=name)
        axes.axhline(0, color="grey")
        axes.set(xlabel="window", ylabel="predicted - measured, %", title="Recorded windows after the fit")
        axes.legend(fontsize=8)

    return draw


def report_html(outcome: Calibration, recording: Recording) -> str:
    parts = [HEAD, f"<h1>Calibration of {html.escape(str(recording.facts['kernel']['release']))}</h1>"]
    if outcome.linear.rows:
        parts.append(_figure(_probes(outcome)))
    if outcome.law is not None:
        parts.append(_figure(_device(outcome)))
    if outcome.windows is not None:
        parts.append(_figure(_windows(outcome)))
    return "\n".join([*parts, f"<pre>{html.escape(chr(10).join(report_lines(outcome)))}</pre>", ""])
