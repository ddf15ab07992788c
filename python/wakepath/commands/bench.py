# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath bench"""

from __future__ import annotations

import json

import click

from wakepath.on_this_machine import BENCH_SCENARIO, bench
from wakepath.paths import check_writable, write_text


@click.command("bench")
@click.option("--json", "json_file", metavar="FILE|-", help="Write the figures as JSON.")
@click.option("--scenario", default=BENCH_SCENARIO, metavar="SCENARIO", help="What the whole simulation runs.")
def command(json_file: str | None, scenario: str) -> int:
    """Measure the engine: ns per event (pop + push, and with cancels), and simulated seconds per second of a scenario.

    The scenario runs in the root group, where the published machine does 200k IOPS, and as it is.
    """
    check_writable(json_file)
    found = bench(scenario)
    if json_file != "-":
        for pending, figures in found["event_queue"].items():
            click.echo(
                f"event queue, {pending:>5} pending: {figures['hold_ns']:5.1f} ns per pop + push, "
                f"{figures['hold_cancel_ns']:5.1f} ns with a cancel"
            )
        for label, speed in found["simulation"].items():
            if isinstance(speed, dict):
                click.echo(
                    f"{scenario}, {label}: {speed['iops']:,.0f} IOPS, {speed['simulated_per_wall']:.1f} simulated s "
                    f"per s, {speed['ns_per_event']:.0f} ns per event"
                )
    if json_file:
        write_text(json_file, json.dumps(found, indent=1) + "\n")
    return 0
