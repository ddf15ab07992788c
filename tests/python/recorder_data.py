# SPDX-License-Identifier: GPL-2.0-or-later
"""Measurements as a recording has them, made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wakepath.recorder.urtrace import Cost


def cost(kind: str, ns: float) -> Cost:
    return Cost(kind, 100, ns, (ns,) * 16, tuple(round(ns * (0.9 + 0.0125 * i)) for i in range(17)))


def trace_of(folder: Path, steps: Sequence[tuple[int, str, str]]) -> str:
    """A trace of CPU 1: us, who, what."""
    path = folder / "t.txt"
    path.write_text("".join(f" {who}     [001] ..... {100 + us / 1e6:.6f}: {what}\n" for us, who, what in steps))
    return str(path)
