# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures for papers and notebooks, by matplotlib. Each function draws on `ax` (a new figure without it) and returns
the axes.

from wakepath import plot
plot.sweep(wakepath.sweep(...), "cgroup.kubepods.cpu.weight")
plot.waterfall(wakepath.run(..., control=True))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wakepath import figures
from wakepath.errors import InputError, closest
from wakepath.extras import need
from wakepath.quantities import long_name_of, units_of
from wakepath.report_figures import COLOURS, INTERRUPT
from wakepath.result import Result
from wakepath.sweeps import Sweep, metric_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def _axes(ax: Axes | None, height: float = 3.2) -> Axes:
    if ax is not None:
        return ax
    found: Axes = need("matplotlib.pyplot", "plot").subplots(figsize=(7.0, height), layout="constrained")[1]
    return found


def label(metric: str) -> str:
    unit = units_of(metric)
    return long_name_of(metric) + (f" ({unit})" if unit != "1" else "")


def sweep(
    whole: Sweep, x: str | None = None, y: str = "io.iops", hue: str | None = None, ax: Axes | None = None
) -> Axes:
    """A figure over a varied key; a line per value of `hue`, seeds as a band from least to greatest."""
    ax = _axes(ax)
    keys = list(whole.vary)
    x = _key(x, keys) if x else keys[0]
    hue = _key(hue, keys) if hue else next((key for key in keys if key != x), None)
    frame = whole.to_pandas()
    y = metric_of(y, [name for name in frame.columns if name not in keys])
    frame = frame[frame[y].notna()]
    for number, (name, part) in enumerate(frame.groupby(hue, sort=False) if hue else [("", frame)]):
        by = part.groupby(x, sort=False)[y]
        colour = COLOURS[number % len(COLOURS)]
        at = list(by.mean().index)
        ax.plot(at, by.mean().to_numpy(), "o-", color=colour, label=f"{hue} = {name!s}" if hue else None)
        if frame["seed"].nunique() > 1:
            ax.fill_between(at, by.min().to_numpy(), by.max().to_numpy(), color=colour, alpha=0.2, linewidth=0)
    values = frame[x]
    if values.dtype.kind in "if" and len(values) and values.min() > 0 and values.max() / values.min() >= 50:
        ax.set_xscale("log")
    ax.set(xlabel=x, ylabel=label(y), ylim=(0, None))
    if hue:
        ax.legend()
    return ax


def _key(name: str, keys: list[str]) -> str:
    found = [key for key in keys if key == name or key.endswith("." + name)]
    if len(found) == 1:
        return found[0]
    near = closest(name, keys)
    raise InputError(
        f"'{name}' is not varied", suggestion=f"did you mean {near}?" if near else "one of " + ", ".join(keys)
    )


def timeline(result: Result, microseconds: float = 100.0, ax: Axes | None = None) -> Axes:
    """Who holds each CPU at the start of the window (`run(..., trace=True)`); interrupts on top."""
    ax = _axes(ax, 2.2)
    shown = [s for s in figures.slices(result.trace) if s.start_us < microseconds]
    cpus = sorted({s.cpu for s in shown})
    names = list(dict.fromkeys(s.who for s in shown))
    for number, who in enumerate(names):
        is_irq = who.endswith(("interrupt", "softirq"))
        own = [s for s in shown if s.who == who]
        ax.barh(
            [cpus.index(s.cpu) for s in own],
            [s.length_us for s in own],
            left=[s.start_us for s in own],
            height=0.4 if is_irq else 0.8,
            color=INTERRUPT if is_irq else COLOURS[number % len(COLOURS)],
            label=who,
        )
    ax.set(xlabel="us from the start of the window", xlim=(0, microseconds))
    ax.set_yticks(range(len(cpus)), [f"CPU {cpu}" for cpu in cpus])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.25), ncols=max(1, len(names)), frameon=False)
    return ax


def latency(*results: Result, names: list[str] | None = None, ax: Axes | None = None) -> Axes:
    """fio's completion latency of each result: share of I/Os that are slower."""
    ax = _axes(ax)
    for number, result in enumerate(results):
        points = figures.latency_quantiles(result.data)
        name = names[number] if names else None
        ax.loglog([us for _, us in points], [1 - s for s, _ in points], "o-", color=COLOURS[number % 8], label=name)
    ax.set(xlabel="completion latency (us)", ylabel="share of I/Os slower")
    if names:
        ax.legend()
    return ax


def waterfall(result: Result, ax: Axes | None = None) -> Axes:
    """Time of the CPU per I/O, from outside the group to inside, part by part (`run(..., control=True)`)."""
    steps = figures.waterfall(result)
    if not steps:
        raise InputError("there is no run outside the group beside this one", suggestion="run(..., control=True)")
    ax = _axes(ax)
    level = 0.0
    for at, step in enumerate(steps):
        bottom = 0.0 if step.total else level
        colour = COLOURS[0] if step.total else INTERRUPT if step.ns > 0 else COLOURS[2]
        ax.bar(at, step.ns, bottom=bottom, color=colour)
        level = step.ns if step.total else level + step.ns
        text = f"{step.ns:,.0f}" if step.total else f"{step.ns:+,.0f}"
        ax.text(at, max(bottom, bottom + step.ns), text, ha="center", va="bottom", fontsize=8)
    ax.set_xticks(range(len(steps)), [step.name for step in steps], rotation=20, ha="right")
    ax.set_ylabel("ns per I/O")
    return ax


def truth(frame: pd.DataFrame, metric: str = "iops", role: str | None = "predict", ax: Axes | None = None) -> Axes:
    """Predicted over measured of `wakepath.truth()`, a colour per platform; the diagonal is a perfect prediction."""
    ax = _axes(ax, 4.5)
    shown = frame[(frame["metric"] == metric) & (frame["predicted"].notna())]
    if role is not None:
        shown = shown[shown["role"] == role]
    if shown.empty:
        raise InputError(f"no case of role {role} has '{metric}'", suggestion="see truth()['metric'].unique()")
    for number, (platform, part) in enumerate(shown.groupby("platform")):
        ax.scatter(part["measured"], part["predicted"], s=14, color=COLOURS[number % 8], label=str(platform), alpha=0.7)
    low, high = shown["measured"].min(), shown["measured"].max()
    ax.plot([low, high], [low, high], color="#888", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel=f"measured {metric}", ylabel=f"predicted {metric}")
    ax.legend()
    return ax


def tuning(found: Any, ax: Axes | None = None) -> Axes:
    """The search: each trial's first objective, and the best so far."""
    ax = _axes(ax)
    objective = found.objectives[0]
    values = [t.values[0] if t.feasible else float("nan") for t in found.trials]
    ax.plot(values, "o", color=COLOURS[0], markersize=4, label="trial")
    best: list[float] = []
    for value in values:
        last = best[-1] if best else float("nan")
        better = last != last or (value == value and objective.gain(value, last) > 0)
        best.append(value if better else last)
    ax.step(range(len(best)), best, where="post", color=COLOURS[1], label="best so far")
    ax.set(xlabel="trial", ylabel=label(objective.metric))
    ax.legend()
    return ax
