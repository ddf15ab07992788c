# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath cluster"""

from __future__ import annotations

import sys
from typing import Any

import click

from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar


@click.command("cluster")
@click.argument("scenario", metavar="SCENARIO")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="Set a key of the cluster file: client.load.rate=1000."
)
@click.option("--machine", metavar="FILE", help="Platform, costs and device law of every node.")
@click.option("--kernel", metavar="V", help="Kernel version of every node.")
@click.option("--seed", metavar="N", help="Seed of the clients' random streams.")
@click.option("--duration", metavar="T", help="Measured time, with its unit.")
@click.option("--warmup", metavar="T", help="Time before it that is not counted.")
@click.option(
    "--threads", metavar="N", type=click.IntRange(min=1), help="That many advance the nodes; default: one a CPU."
)
@click.option("--json", "json_file", metavar="FILE|-", help="Write the result; - is standard output.")
@click.option("--deterministic", is_flag=True, help="Leave out what depends on this machine's speed.")
def command(scenario: str, json_file: str | None, deterministic: bool, **values: Any) -> int:
    """Simulate a fleet: nodes of wakepath on a SimGrid platform, with a replicated log and its clients.

    Exit status 1 when an acknowledged record is missing at the end.
    """
    from wakepath.cluster import cluster
    from wakepath.cluster_text import summary

    check_writable(json_file)
    bar = Bar("simulating")
    try:
        result = cluster(scenario, progress=bar, **values)
    finally:
        bar.close()
    if json_file:
        write_text(json_file, result.to_json(deterministic=deterministic))
    print(summary(result.data), file=sys.stderr if json_file == "-" else sys.stdout, end="")
    return 1 if result.missing else 0
