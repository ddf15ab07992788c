# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader has to say against a trace file, one line each: figures of a doubtful trace are not to be trusted."""

from __future__ import annotations

from typing import Any


def complaints(report: dict[str, Any]) -> list[str]:
    """From the report of a trace (`trace` of `wakepath analyze --json`); empty for a trace that is in order.

    Lost records are no complaint: they are counted, and nothing is judged across the gap.
    """
    lines = []
    bad = report["bad_lines"]
    if bad["n"]:
        first = bad["first"][0]
        lines.append(
            f"{bad['n']} of {report['lines']} lines cannot be read; the first is line {first['line']}:"
            f" {first['reason']}"
        )
    if report["ends_within_line"]:
        lines.append("ends within a line: the file was cut, its last record may be damaged")
    if report["stamps_back"]:
        lines.append(
            f"{report['stamps_back']} of {report['records']} records are older than the one before: the file is not in"
            " the order of time (sort it by its time stamps, or record again)"
        )
    if report["format"] == "mixed":
        lines.append("ftrace and perf records in one file: their clocks differ, split it")
    return lines
