# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath kernels"""

from __future__ import annotations

import click

from wakepath import _core


@click.command("kernels")
@click.argument("version", required=False, metavar="[VERSION]")
def command(version: str | None) -> int:
    """List kernel versions; with VERSION its switches, marked where they differ from the previous version.

    Each can be set: --set kernel.switches.NAME=VALUE.
    """
    if version is None:
        for v in _core.kernel_versions():
            before = _core.kernel_previous(v)
            fair = "EEVDF" if _values(v)["eevdf"] else "CFS"
            changed = _core.kernel_differences(before, v) if before else []
            what = f"{len(changed)} switches differ from {before}: {', '.join(changed)}" if before else "the oldest"
            click.echo(f"{v:5} {fair:6} {what}")
        return 0
    table = _core.kernel_resolve(version)
    before = _core.kernel_previous(table)
    old = _values(before) if before else {}
    click.echo(f"kernel {table}; * differs from {before}" if before else f"kernel {table}")
    for row in _core.kernel_switches(table):
        name, value = row["name"], row["value"]
        mark = "*" if before and old[name] != value else " "
        was = f"  (was {_text(old[name])})" if mark == "*" else ""
        click.echo(f"{mark} {name:38} {_text(value):>10}  {row['doc']}{was}  [{row['grade']}: {row['source']}]")
    return 0


def _values(version: str) -> dict[str, bool | int]:
    return {row["name"]: row["value"] for row in _core.kernel_switches(version)}


def _text(value: bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
