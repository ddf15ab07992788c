# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath explore"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from wakepath.commands._options import scenario_from, scenario_options
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar


@click.command("explore")
@scenario_options
@click.option("--seeds", type=click.IntRange(1, 10_000_000), default=1000, metavar="N", help="Schedules. Default 1000.")
@click.option("--first-seed", type=click.IntRange(0), default=1, metavar="N", help="Seed of the first. Default 1.")
@click.option(
    "--jobs", type=click.IntRange(1, 4096), metavar="N", help="Schedules at once. Default: the CPUs of this machine."
)
@click.option("--json", "json_file", metavar="FILE|-", help="Write what was found; - is standard output.")
@click.option("--trace", metavar="FILE", help="Write the records of the schedule that broke, as ftrace text.")
def command(**values: Any) -> int:
    """Run SCENARIO under many schedules that the kernel allows; stop where an invariant breaks.

    Simultaneous events come in either order, and at random times a CPU is asked to reschedule or a running task is
    pushed to another CPU of its affinity; each takes effect where kernel.preempt allows it. Exit status 1 where an
    invariant broke: its seed repeats it (`--first-seed SEED --seeds 1`).
    """
    from wakepath.exploring import explore, replay, text

    for output in (values["json_file"], values["trace"]):
        check_writable(output)
    scenario = scenario_from(values)
    bar = Bar("exploring")
    try:
        found = explore(
            scenario, seeds=values["seeds"], first_seed=values["first_seed"], jobs=values["jobs"], progress=bar
        )
    finally:
        bar.close()
    if values["json_file"]:
        write_text(values["json_file"], json.dumps(found.data, indent=1) + "\n")
    broken = found.violation
    if broken is not None and values["trace"]:
        replay(scenario, broken["seed"], only=broken["only"], ties=broken["ties"], trace=values["trace"])
    print(text(found), file=sys.stderr if values["json_file"] == "-" else sys.stdout)
    return 0 if found.held else 1
