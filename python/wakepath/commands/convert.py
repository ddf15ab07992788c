# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath convert"""

from __future__ import annotations

import sys

import click

from wakepath.formats import convert
from wakepath.paths import check_writable
from wakepath.trace_report import complaints


@click.command("convert")
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT")
def command(source: str, out: str) -> int:
    """Write the records of trace IN to OUT in another format.

    IN is read by its content: ftrace or perf script text, trace.dat, perf.data, a Perfetto trace, blkparse text,
    Parquet, a tarball of collect.sh, packed or not. The suffix of OUT decides: .txt ftrace text, .pftrace Perfetto
    (open it in ui.perfetto.dev), .dat trace-cmd, .parquet columns; .xz, .gz, .zst after it pack.

    Exit status 1: something of IN could not be read; OUT has the rest. A file that breaks off gives no OUT (status 2).
    """
    check_writable(out)
    report = convert(source, out)
    said = sys.stderr if out == "-" else sys.stdout
    print(f"{out}: {report['records']:,} records of {source} ({report['format']})", file=said)
    unknown = report["unknown_events"]
    if unknown:
        n = sum(unknown.values())
        names = ", ".join(sorted(unknown)[:5]) + (", ..." if len(unknown) > 5 else "")
        print(f"  {n:,} of them by name only, without their fields: {names}", file=said)
    doubts = complaints(report)
    for line in doubts:
        click.echo(f"wakepath: {source}: {line}", err=True)
    return 1 if doubts else 0
