# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath replay"""

from __future__ import annotations

import json
from typing import Any

import click

from wakepath.paths import check_writable, write_text


@click.command("replay")
@click.argument("trace", metavar="TRACE")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="What to change: cgroup.g.cpu.weight=1000, ...")
@click.option("--setting", metavar="FILE|CASES#ID", help="The recording's setting; default: TRACE.setting.json.")
@click.option("--kernel", metavar="V", help="The recorded kernel, where the setting does not say it.")
@click.option("--machine", metavar="FILE", help="Platform and costs to start from (MACHINE.toml of calibrate).")
@click.option("--duration", metavar="T", help="Simulated time, with its unit. Default: as recorded, at least 400ms.")
@click.option("--seed", metavar="N", help="Seed of all random streams.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write everything as JSON; - is standard output.")
def command(trace: str, json_file: str | None, **values: Any) -> int:
    """Run the workload of a recording: recorded, replayed unchanged, replayed with changes, side by side.

    Programs, device times and CPU costs are read off TRACE, less what recording cost; kernel, tunables and groups come
    from its setting. Exit status 1: the unchanged replay is further from the recording than 3 % of the I/Os or 5 % of
    the switches, so that changes are to be taken with as much doubt.
    """
    from wakepath.replay import replay
    from wakepath.replay_text import text_of

    check_writable(json_file)
    found = replay(trace, values.pop("sets"), **values)
    if json_file:
        write_text(json_file, json.dumps(found.as_json(), indent=1) + "\n")
    if json_file != "-":
        click.echo(text_of(found), nl=False)
    return 0 if abs(found.trust["iops"]) <= 0.03 and abs(found.trust["context_switches_per_s"]) <= 0.05 else 1
