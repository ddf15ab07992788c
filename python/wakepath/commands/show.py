# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath show"""

from __future__ import annotations

from typing import Any

import click

from wakepath.commands._options import scenario_from, scenario_options


@click.command("show")
@scenario_options
def command(**values: Any) -> int:
    """Print SCENARIO resolved, as TOML that runs by itself: every key with the value that would be used."""
    scenario = scenario_from(values)
    for note in scenario.describe()["notes"]:
        click.echo(f"# note: {note}")
    click.echo(scenario.to_toml(), nl=False)
    return 0
