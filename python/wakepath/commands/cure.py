# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath cure"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar
from wakepath.scenario import Options, Scenario

SCENARIO_SUFFIXES = (".toml", ".fio", ".sh", ".json")


@click.command("cure")
@click.argument("what", metavar="SCENARIO|TRACE")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a scenario key first.")
@click.option("--machine", metavar="FILE", help="Platform, costs and device law (MACHINE.toml of calibrate).")
@click.option("--kernel", metavar="V", help="Kernel version of the scenario, or of the recording.")
@click.option("--setting", metavar="FILE|CASES#ID", help="A recording's setting; default: TRACE.setting.json.")
@click.option("--duration", metavar="T", help="Measured time of each run, with its unit. Default 400ms.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=3, metavar="N", help="Runs of each. Default 3.")
@click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="Runs at once. Default: this machine's CPUs.")
@click.option("--no-pairs", is_flag=True, help="Single levers only.")
@click.option("--top", type=click.IntRange(1, 1000), default=12, metavar="N", help="Rows that are shown. Default 12.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write all rows as JSON; - is standard output.")
def command(what: str, json_file: str | None, top: int, **values: Any) -> int:
    """Try the known levers, alone and in pairs, and rank what restores performance.

    Each row gives the line that sets it on a real machine and what undoes it. Of a recording (TRACE), the workload is
    replayed without what recording cost. Exit status 1: no lever gains anything.
    """
    from wakepath.cure import cure, cure_trace
    from wakepath.cure_text import text_of

    check_writable(json_file)
    bar = Bar("trying")
    common = {"seeds": values["seeds"], "jobs": values["jobs"], "pairs": not values["no_pairs"], "progress": bar}
    try:
        if is_trace(what):
            found = cure_trace(
                what, sets=values["sets"], **{k: values[k] for k in ("setting", "kernel", "machine")}, **common
            )
        else:
            options = Options(
                sets=values["sets"],
                machine=values["machine"],
                kernel=values["kernel"],
                duration=values["duration"] or "400ms",
            )
            found = cure(Scenario.load(what, options=options), **common)
    finally:
        bar.close()
    if json_file:
        write_text(json_file, json.dumps(found.as_json(), indent=1) + "\n")
    if json_file != "-":
        click.echo(text_of(found, top), nl=False)
    return 0 if found.rows and found.rows[0].gain > 0 else 1


def is_trace(what: str) -> bool:
    """A file that is no scenario: not a folder, not one of the suffixes a scenario has, not CASES.jsonl#ID."""
    path = Path(what)
    plain = what.removesuffix(".xz").removesuffix(".gz").removesuffix(".zst")
    return path.is_file() and not plain.endswith(SCENARIO_SUFFIXES)
