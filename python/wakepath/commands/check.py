# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath check"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from wakepath.errors import InputError
from wakepath.paths import check_writable, read_text, write_text
from wakepath.progress import Bar

if TYPE_CHECKING:
    from wakepath.recorder.check import Checked

Report = Callable[[str, float], object]


@click.command("check")
@click.argument("machine", metavar="MACHINE.toml")
@click.option("--target", metavar="FILE", default=".", help="A folder or new file on the disk that was recorded.")
@click.option("--repeats", metavar="N", type=click.IntRange(1, 100), default=3, help="Runs of each setting. Default 3.")
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

    Some five minutes. Weights of cgroups are among the settings where they may be set. Exit status 1 where the
    distances or intervals are beyond what is asked for.
    """
    from dataclasses import asdict

    from wakepath.recorder.check import SCHEMA, check_lines, write_cases

    read_text(values["machine"])
    for path in (values["json_file"], values["cases"]):
        check_writable(path)
    if not 0.1 <= values["seconds"] <= 600:
        raise InputError(f"{values['seconds']} s is no time for a run", "--seconds", suggestion="0.1 to 600")
    bar = Bar("checking")

    def report(what: str, share: float) -> None:
        bar.label = f"checking, {what}"
        bar(share)

    try:
        outcome, cases = _checked(values, report)
    finally:
        bar.close()
    if values["cases"]:
        write_cases(values["cases"], cases)
    if values["json_file"]:
        data = {
            "schema": SCHEMA,
            "rows": [asdict(r) | {"distance": r.distance, "covered": r.covered} for r in outcome.rows],
            "reference": outcome.reference,
            "device_factor": outcome.device_factor,
            "predicted_before": [asdict(r) | {"distance": r.distance, "covered": r.covered} for r in outcome.before],
            "coverage": outcome.coverage(),
            "half_width": outcome.half_width(),
            "failures": outcome.failures(),
            "lacks": outcome.lacks,
        }
        write_text(values["json_file"], json.dumps(data, indent=1) + "\n")
    print("\n".join(check_lines(outcome)), file=sys.stderr if values["json_file"] == "-" else sys.stdout)
    return 1 if outcome.failures() else 0


def _checked(values: dict[str, Any], report: Report) -> tuple[Checked, list[dict[str, Any]]]:
    from wakepath.commands.record import size_of
    from wakepath.recorder.check import check, compare

    if values["measured"]:
        return compare(values["machine"], values["measured"], samples=values["samples"], report=report), []
    return check(
        values["machine"],
        values["target"],
        repeats=values["repeats"],
        seconds=values["seconds"],
        samples=values["samples"],
        size=size_of(values["size"]) or 512 << 20,
        report=report,
    )
