# SPDX-License-Identifier: GPL-2.0-or-later
"""A comparison as plain text of at most 72 columns, fit for a patch's cover letter."""

from __future__ import annotations

from itertools import groupby

from wakepath.compare import Comparison, Row

WIDTH = 72
# Rows of these add up.
ADD_UP = ("CPU ns an I/O", "path of an I/O, mean ns")
# Further figures of two files are few in number or nobody reads them.
MOST = 24


def text_of(found: Comparison) -> str:
    lines = [*_wrapped("a", found.a), *_wrapped("b", found.b)]
    if found.kind == "settings":
        what = "one seed" if found.seeds == 1 else f"means of {found.seeds} seeds +- standard deviation"
        lines.append(f"({what}; * more than chance)" if found.seeds > 1 else f"({what})")
    for of, rows in groupby(found.rows, key=lambda r: r.of):
        listed = list(rows)
        lines += ["", of[:WIDTH]] if of else [""]
        if of in ADD_UP:
            listed.append(_sum(listed))
        lines.append(f"{'':23} {'a':>18} {'b':>18} {'change':>10}")
        lines += [_line(r) for r in listed[:MOST]]
        if len(listed) > MOST:
            lines.append(f"  ({len(listed) - MOST} figures that changed less: --json)")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _wrapped(side: str, text: str) -> list[str]:
    lines, line = [], f"{side}:"
    for word in text.split():
        while len(word) > WIDTH - 4:
            lines.append(line)
            line, word = f"   {word[: WIDTH - 4]}", word[WIDTH - 4 :]
        if len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = "  "
        line += f" {word}"
    return [*lines, line]


def _sum(rows: list[Row]) -> Row:
    a, b = sum(r.a or 0.0 for r in rows), sum(r.b or 0.0 for r in rows)
    return Row("", "all of it", a, b, 0.0, 0.0, False, 0.0)


def _line(r: Row) -> str:
    name = r.metric if len(r.metric) <= 23 else "..." + r.metric[-20:]
    mark = "*" if r.clear else " "
    change = _change(r)
    return f"{name:23} {_figure(r.a, r.a_spread):>18} {_figure(r.b, r.b_spread):>18} {change:>9}{mark}"


def _figure(value: float | None, spread: float) -> str:
    if value is None:
        return "-"
    size = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if spread > 0:
        size += f" +- {spread:,.0f}" if spread >= 10 else f" +- {spread:.2g}"
    return size


def _change(r: Row) -> str:
    if r.a is None or r.b is None or (r.a == 0 and r.b == 0):
        return "-"
    if r.a == 0:
        return "new"
    share = 100 * (r.b / r.a - 1)
    return f"{share:+.1f} %" if abs(share) < 10000 else f"x {r.b / r.a:,.0f}"
