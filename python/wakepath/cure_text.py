# SPDX-License-Identifier: GPL-2.0-or-later
"""A cure for a terminal: a ranked table, then for each row the line that sets it and what undoes it."""

from __future__ import annotations

from wakepath.cure import Cure, Row
from wakepath.replay_text import counted_before, setting_line
from wakepath.validate_text import table

EFFORT = {
    "live": "on the running machine",
    "restart": "restart of the application",
    "boot": "another kernel",
    "patch": "patched kernel",
}


def text_of(found: Cure, most: int | None) -> str:
    rows = [r for r in found.rows if r.gain > 0.01][:most]
    cells = [_cells("", found.now)] + [_cells(str(i), r) for i, r in enumerate(rows, 1)]
    head = ["", "lever", "IOPS", "+-", "gain", "p99 us", "switches/s", "neighbours lose", "needs"]
    lines = [table(head, cells), ""]
    for i, r in enumerate(rows, 1):
        for shell, undone in zip(r.shell, r.undone_by, strict=True):
            lines += [f"{i:3} {shell}", f"    undone by: {undone}"]
    worse = [r.name for r in found.rows if r.gain <= 0.01]
    if worse:
        lines += ["", f"of no use here: {', '.join(worse)}"]
    lines += [f"not possible here: {name}: {why}" for name, why in found.refused]
    if found.how:
        recorded = found.how["recorded"]["io"]["iops"]
        lines.append(f"recorded {recorded:,.0f} IOPS; 'as it is' is its replay without what recording cost")
        lines += counted_before(found.how, "'as it is'", found.now.iops)
        lines.append(setting_line(found.how))
    return "\n".join(lines) + "\n"


def _cells(rank: str, r: Row) -> list[str]:
    return [
        rank,
        r.name,
        f"{r.iops:,.0f}",
        f"{r.iops_spread:,.0f}",
        f"{r.gain:+.1%}" if rank else "",
        f"{r.p99_ns / 1000:,.0f}",
        f"{r.switches:,.0f}",
        f"{r.neighbours_loss:.1%}" if rank else "",
        EFFORT[r.effort] if rank else "",
    ]
