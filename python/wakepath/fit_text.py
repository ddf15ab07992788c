# SPDX-License-Identifier: GPL-2.0-or-later
"""A fit in words: for the terminal, for the head of MACHINE.toml, and as source lines of its costs."""

from __future__ import annotations

import math

from wakepath.calibrate import PRIOR, Fit


def _errors(fit: Fit) -> str:
    return ", ".join(f"{k} {100 * fit.before[k]:.1f} -> {100 * fit.after[k]:.1f} %" for k in fit.after)


def is_determined(sigma: float) -> bool:
    """Told by the figures: its uncertainty is less than half of the prior's."""
    return sigma < PRIOR / 2


def fit_lines(fit: Fit) -> str:
    lines = [
        f"fit of {fit.name}: {len(fit.cases)} calibrate cases, {len(fit.parameters)} costs, {fit.evaluations} runs",
        f"  mean |error| on them, before -> after: {_errors(fit)}",
        f"  {fit.determined} combinations of costs are determined, the others stay near the starting table",
    ]
    for p, scale, sigma in sorted(zip(fit.parameters, fit.scales, fit.sigmas, strict=True), key=lambda t: t[2]):
        known = "determined" if is_determined(sigma) else "mostly the table's"
        lines.append(
            f"    {p.key:28} {p.start:>9} -> {round(p.start * scale):>9} ns"
            f"  x{scale:.3f} +-{100 * sigma:.0f} %  {known}"
        )
    lines += [f"  determined combination: {c}" for c in fit.combinations[:8]]
    lines += [f"  OUTSIDE PHYSICS {c}" for c in fit.complaints]
    return "\n".join(lines)


def machine_comments(fit: Fit) -> list[str]:
    comments = [
        f"Machine {fit.platform}, kernel {fit.kernel}: costs and device law fitted by `wakepath calibrate`.",
        "Cases used, all marked calibrate: " + ", ".join(fit.cases),
        f"Mean |error| on them, before -> after: {_errors(fit)}",
        f"{fit.determined} of {len(fit.parameters)} combinations of the fitted costs are determined by the cases.",
        "Residuals (predicted / measured - 1):",
    ]
    for case, figures in fit.residuals.items():
        comments.append(f"  {case}: " + ", ".join(f"{k} {100 * v:+.1f} %" for k, v in figures.items()))
    return comments + [f"OUTSIDE PHYSICS {c}" for c in fit.complaints]


def sources_of(fit: Fit) -> dict[str, str]:
    """Source line per fitted cost."""
    sources = {}
    for p, scale, sigma in zip(fit.parameters, fit.scales, fit.sigmas, strict=True):
        if p.key.startswith("costs."):
            known = "fitted" if is_determined(sigma) else "fitted, mostly the starting value"
            error = 100 * (math.exp(sigma) - 1)
            sources[p.key.removeprefix("costs.")] = (
                f"{known} to {len(fit.cases)} calibrate cases of {fit.name}: "
                f"x{scale:.3f} of {p.start} ns, +-{error:.0f} %"
            )
    return sources
