# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath scenarios"""

from __future__ import annotations

import click

from wakepath import _core
from wakepath.errors import InputError
from wakepath.paths import scenario_dirs
from wakepath.scenario import Scenario


@click.command("scenarios")
@click.option("--names", is_flag=True, help="Names only.")
def command(names: bool) -> int:
    """List the scenarios, platforms and cost tables that come with wakepath."""
    for name in _core.list_scenarios(scenario_dirs()):
        click.echo(name if names else f"{name:44} {_title(name)}".rstrip())
    return 0


def _title(name: str) -> str:
    if name.startswith(("platforms/", "costs/")):
        return ""
    try:
        return str(Scenario.load(name).describe()["title"])
    except InputError as error:
        return f"DAMAGED: {error}"
