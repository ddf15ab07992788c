# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath compare"""

from __future__ import annotations

import json

import click

from wakepath.errors import InputError
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar
from wakepath.scenario import Options, Scenario


@click.command("compare")
@click.argument("what", nargs=-1, required=True, metavar="A B | SCENARIO...")
@click.option("--a", "a", multiple=True, metavar="KEY=VALUE", help="Settings of the one side; may be given again.")
@click.option("--b", "b", multiple=True, metavar="KEY=VALUE", help="Settings of the other side.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Settings of both sides.")
@click.option("--seeds", type=click.IntRange(1, 1000), metavar="N", help="Runs of each side, same seeds. Default 5.")
@click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="Runs at once. Default: this machine's CPUs.")
@click.option("--machine", metavar="FILE", help="Platform, costs and device law (MACHINE.toml of calibrate).")
@click.option("--kernel", metavar="V", help="Kernel version of both sides.")
@click.option("--duration", metavar="T", help="Measured time, with its unit.")
@click.option("--warmup", metavar="T", help="Time before it that is not counted.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write everything as JSON; - is standard output.")
def command(
    what: tuple[str, ...],
    a: tuple[str, ...],
    b: tuple[str, ...],
    sets: tuple[str, ...],
    seeds: int | None,
    jobs: int | None,
    machine: str | None,
    kernel: str | None,
    duration: str | None,
    warmup: str | None,
    json_file: str | None,
) -> int:
    """Say what changed, ranked: between two traces, two results of `run --json`, or two settings of scenarios.

    With --a or --b each SCENARIO is run under both, with the same seeds. The text is at most 72 columns wide.
    """
    from wakepath.compare import compare, compare_settings
    from wakepath.compare_text import text_of

    check_writable(json_file)
    if a or b:
        _check_sets(a, b, sets)
        options = Options(sets=sets, machine=machine, kernel=kernel, duration=duration, warmup=warmup)
        scenarios = [(name, Scenario.load(name, options=options)) for name in what]
        bar = Bar("comparing")
        try:
            total = len(scenarios) * 2 * (seeds or 5)
            found = compare_settings(scenarios, a, b, seeds=seeds or 5, jobs=jobs, done=lambda n: bar(n / total))
        finally:
            bar.close()
    elif len(what) != 2:
        raise InputError("two files are compared", suggestion="compare A B, or SCENARIO... with --a KEY=V --b KEY=V")
    elif sets or seeds or machine or kernel or duration or warmup:
        raise InputError("two files are compared as they are", suggestion="settings go with --a KEY=V --b KEY=V")
    else:
        found = compare(what[0], what[1])
    if json_file:
        write_text(json_file, json.dumps(found.as_json(), indent=1) + "\n")
    if json_file != "-":
        click.echo(text_of(found), nl=False)
    return 0


def _check_sets(*groups: tuple[str, ...]) -> None:
    for line in [line for group in groups for line in group]:
        if "=" not in line:
            raise InputError("no '=' in it", line, suggestion="write KEY=VALUE")
