# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath check"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from wakepath.on_this_machine import check
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar


@click.command("check")
@click.argument("machine", metavar="MACHINE.toml")
@click.option("--target", metavar="FILE", default=".", help="A folder or new file on the disk that was recorded.")
@click.option(
    "--repeats", metavar="N", type=click.IntRange(1, 100), default=11, help="Runs of each setting. Default 11."
)
@click.option("--seconds", metavar="S", type=float, default=1.2, help="Measured time of a run. Default 1.2.")
@click.option(
    "--samples", metavar="N", type=click.IntRange(8, 64), default=24, help="Draws of an interval. Default 24."
)
@click.option("--size", metavar="SIZE", help="Of the test file. Default 512M.")
@click.option("--cases", metavar="FILE.jsonl", help="Write what was measured as truth cases with role predict.")
@click.option("--measured", metavar="FILE.jsonl", help="Compare with the runs of an earlier check, and run nothing.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write predicted and measured as JSON (wakepath.check/1).")
def command(**values: Any) -> int:
    """Predict settings of this machine that no fit has seen, then run them with fio: predicted beside measured.

    Some twelve minutes. Weights of cgroups are among the settings where they may be set. Exit status 1 where the
    distances or intervals are beyond what is asked for.
    """
    from wakepath.recorder.check import check_lines

    check_writable(values["json_file"])
    bar = Bar("checking")

    def report(what: str, share: float) -> None:
        bar.label = f"checking, {what}"
        bar(share)

    json_file = values.pop("json_file")
    try:
        outcome = check(values.pop("machine"), values.pop("target"), progress=report, **values)
    finally:
        bar.close()
    if json_file:
        write_text(json_file, json.dumps(outcome.to_dict(), indent=1) + "\n")
    print("\n".join(check_lines(outcome)), file=sys.stderr if json_file == "-" else sys.stdout)
    return 1 if outcome.failures() else 0
