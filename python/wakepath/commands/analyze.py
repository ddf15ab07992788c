# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath analyze"""

from __future__ import annotations

import json
from typing import Any

import click

from wakepath import analyze_text
from wakepath.paths import check_writable, write_text
from wakepath.trace_report import complaints


@click.command("analyze")
@click.argument("trace", metavar="TRACE")
@click.option("--beside", metavar="TRACE", help="A second trace of the same setting: the figures of both.")
@click.option("--setting", metavar="FILE|CASES#ID", help="The recording's setting; default: TRACE.setting.json.")
@click.option("--quick", is_flag=True, help="Calculate what would be without a ping-pong's switches; do not run it.")
@click.option("--pattern", is_flag=True, help="Print every figure of the event pattern as well.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write everything as JSON; - is standard output.")
@click.option("--report", metavar="FILE.html", help="Write a page for a browser.")
def command(
    trace: str,
    beside: str | None,
    setting: str | None,
    quick: bool,
    pattern: bool,
    json_file: str | None,
    report: str | None,
) -> int:
    """Say what happens in TRACE, simulated or real: who ping-pongs and why, where time went and what it costs.

    Ping-pong with its cause, the parts of CPU time with the IOPS they cost, the critical path of the I/Os, who keeps
    whom from the CPU, and the cycles of the wake graph. TRACE: any format that `wakepath convert` reads, or a tarball
    of collect.sh.

    Exit status 1: the trace is not in order (lines that cannot be read, cut, shuffled, two formats in one file); the
    figures are those of what could be read.
    """
    check_writable(json_file)
    check_writable(report)
    from wakepath.functions import analyze

    data = analyze(trace, beside=beside, setting=setting, quick=quick)
    if json_file:
        write_text(json_file, json.dumps(data, indent=1) + "\n")
    if beside:
        from wakepath.patterns import rows_of, text_table

        said = text_table(rows_of(data)) + "\n"
    else:
        said = analyze_text.text_of(data)
        if pattern:
            said += "\n" + "\n".join(_lines(data["pattern"])) + "\n"
    if report:
        from wakepath.report import page

        write_text(report, page(f"wakepath analyze {trace}", said))
    if json_file != "-":
        click.echo(said, nl=False)
    doubts = [] if beside else complaints(data["trace"])
    for line in doubts:
        click.echo(f"wakepath: {trace}: {line}", err=True)
    return 1 if doubts else 0


def _lines(data: Any, indent: str = "") -> list[str]:
    """Nested figures as indented lines; a list of flat rows as a table."""
    lines = []
    for key, value in data.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}", *_lines(value, indent + "  ")] if value else []
        elif isinstance(value, list):
            lines.append(f"{indent}{key}")
            lines += _table(value, indent + "  ")
        else:
            lines.append(f"{indent}{key:34} {_figure(value)}")
    return lines


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(rows: list[Any], indent: str) -> list[str]:
    if not rows:
        return [f"{indent}none"]
    if not all(isinstance(row, dict) for row in rows):
        return [indent + ", ".join(_figure(v) for v in rows)]
    from wakepath.validate_text import table

    keys = [k for k in rows[0] if not isinstance(rows[0][k], dict)]
    cells = [[_cell(row.get(k, "")) for k in keys] for row in rows]
    return [indent + line for line in table(keys, cells).splitlines()]


def _cell(value: Any) -> str:
    return " -> ".join(map(str, value)) if isinstance(value, list) else _figure(value)
