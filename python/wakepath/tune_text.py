# SPDX-License-Identifier: GPL-2.0-or-later
"""A tuning for people: the best setting beside the default on fresh seeds, which knob did it, what the search saw."""

from __future__ import annotations

import math
from html import escape

from wakepath.tune_judge import Difference
from wakepath.tuning import Candidate, Tuning

VERDICTS = {
    "better": "better than the scenario as it is, beyond what seeds make",
    "equal": "equal to the scenario as it is, within noise: leave the knobs alone",
    "worse": "worse than the scenario as it is: keep the default",
    "trade": "better in one figure and worse in another: a trade",
    "none": "no setting holds the constraints",
}


def figure(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def difference_line(d: Difference) -> str:
    change = f" ({100 * (d.after / d.before - 1):+.1f} %)" if d.before else ""
    noise = f" +- {figure(d.interval)}" if math.isfinite(d.interval) else ""
    return f"{d.metric}: {figure(d.before)} -> {figure(d.after)}{change}; gain {figure(d.gain)}{noise}: {d.verdict}"


def _setting(candidate: Candidate) -> str:
    return " ".join(f"--set {key}={value}" for key, value in candidate.setting.items())


def report(t: Tuning) -> str:
    wanted = ", ".join(o.name for o in t.objectives)
    lines = [f"{wanted}; " + "; ".join(c.text for c in t.constraints) if t.constraints else wanted]
    lines.append(
        f"{len(t.trials)} trials of {len(t.seeds)} run(s), {sum(not x.feasible for x in t.trials)} of them not allowed;"
        f" judged on {len(t.fresh)} fresh seeds, {t.runs} runs in all" + (", STOPPED" if t.status == "stopped" else "")
    )
    if t.best is None:
        return "\n".join([*lines, "", VERDICTS["none"]]) + "\n"
    lines += ["", f"best: {_setting(t.best)}", *(f"  {difference_line(d)}" for d in t.best.differences)]
    lines.append(
        f"  {VERDICTS[t.verdict]}" + ("" if t.best.feasible else "; the constraints do NOT hold on fresh seeds")
    )
    if t.knobs:
        lines += ["", f"which knob did it ({t.objectives[0].metric}, fresh seeds):"]
        width = max(len(f"{k.key}={k.value}") for k in t.knobs)
        for k in t.knobs:
            gains = f"alone {k.alone.gain:+,.0f}, missed when put back {k.missed.gain:+,.0f}"
            lines.append(f"  {f'{k.key}={k.value}':{width}}  {gains}: {k.part}")
    others = t.candidates[1:]
    if others:
        lines += ["", "front:" if len(t.objectives) > 1 else "next best:"]
        for c in others:
            figures = ", ".join(f"{d.metric} {figure(d.after)}" for d in c.differences)
            lines.append(
                f"  {_setting(c)}: {figures}: {c.verdict}" + ("" if c.feasible else ", constraints do not hold")
            )
    return "\n".join(lines) + "\n"


def tuning_html(t: Tuning) -> str:
    return f"<pre>{escape(report(t))}</pre>"
