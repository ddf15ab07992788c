# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath verify"""

from __future__ import annotations

import json

import click

from wakepath.functions import verify
from wakepath.lockstep_text import text_of
from wakepath.paths import check_writable, write_text


@click.command("verify")
@click.argument("trace", metavar="TRACE")
@click.option(
    "--kernel",
    metavar="V",
    help="The recorded kernel: v6.1, 6.12 or a whole uname -r; a tarball of collect.sh tells it.",
)
@click.option("--setting", metavar="FILE", help="The recording's setting; default: TRACE.setting.json where it exists.")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="What if: kernel.switches.X, kernel.sched.X_ns, cgroup.G."
)
@click.option("--json", "json_file", metavar="FILE|-", help="Write everything as JSON; - is standard output.")
def command(trace: str, kernel: str | None, setting: str | None, sets: tuple[str, ...], json_file: str | None) -> int:
    """Hold the scheduler model beside the recorded kernel, decision by decision.

    From TRACE come the wakeups, the blocking, the charged times; the model says what it would have decided. Groups and
    tunables come from the setting. With --set: which of the decisions would have been others. Exit status 1 where a
    kind of decision agrees less often than docs/accuracy.md asks for, or where nothing could be judged.
    """
    check_writable(json_file)
    data = verify(trace, kernel=kernel, setting=setting, set=sets)
    if json_file:
        write_text(json_file, json.dumps(data, indent=1) + "\n")
    if json_file != "-":
        click.echo(text_of(data), nl=False)
    return 1 if data["below_bars"] or not data["judged"] or data["trace"]["ends_within_line"] else 0
