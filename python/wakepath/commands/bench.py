# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath bench"""

from __future__ import annotations

import json

import click

from wakepath import _core
from wakepath.paths import write_text
from wakepath.runner import run
from wakepath.scenario import Options, Scenario

PENDING = (16, 256, 4096)
SCENARIO = "starved_completions"
REPEATS = 3


@click.command("bench")
@click.option("--json", "json_file", metavar="FILE|-", help="Write the figures as JSON.")
@click.option("--scenario", "name", default=SCENARIO, metavar="SCENARIO", help="What the whole simulation runs.")
def command(json_file: str | None, name: str) -> int:
    """Measure the engine: ns per event (pop + push, and with cancels), and simulated seconds per second of a scenario.

    The scenario runs in the root group, where the published machine does 200k IOPS, and as it is.
    """
    from wakepath.runner import control_of

    queue = {str(n): dict(zip(("hold_ns", "hold_cancel_ns"), _core.bench_queue(n), strict=True)) for n in PENDING}
    scenario = Scenario.load(name, options=Options(duration="2s"))
    speeds = {"as it is": _speed(scenario)}
    outside = control_of(scenario)
    if outside is not None:
        speeds["in the root group"] = _speed(outside)
    if json_file != "-":
        for pending, figures in queue.items():
            click.echo(
                f"event queue, {pending:>5} pending: {figures['hold_ns']:5.1f} ns per pop + push, "
                f"{figures['hold_cancel_ns']:5.1f} ns with a cancel"
            )
        for label, speed in speeds.items():
            click.echo(
                f"{name}, {label}: {speed['iops']:,.0f} IOPS, {speed['simulated_per_wall']:.1f} simulated s per s, "
                f"{speed['ns_per_event']:.0f} ns per event"
            )
    if json_file:
        write_text(
            json_file, json.dumps({"event_queue": queue, "simulation": {"scenario": name, **speeds}}, indent=1) + "\n"
        )
    return 0


def _speed(scenario: Scenario) -> dict[str, float]:
    """The best of a few runs: what the machine's other load takes is not the engine's."""
    best: dict[str, float] = {}
    for _ in range(REPEATS):
        data = run(scenario).data
        engine = data["engine"]
        if not best or engine["simulated_per_wall"] > best["simulated_per_wall"]:
            best = {
                "simulated_per_wall": engine["simulated_per_wall"],
                "ns_per_event": 1e9 / engine["events_per_s"] if engine["events_per_s"] else 0.0,
                "iops": data["io"]["iops"],
            }
    return best
