# SPDX-License-Identifier: GPL-2.0-or-later
"""Options that several commands share, and the scenario they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from wakepath.errors import InputError
from wakepath.scenario import Options, Scenario

F = TypeVar("F", bound=Callable[..., Any])

SET_HELP = "Set a scenario key: cgroup.kubepods.cpu.weight=1000, kernel.switches.eevdf=false, ..."


def scenario_options(function: F) -> F:
    """SCENARIO and everything that changes it."""
    for decorate in reversed(
        (
            click.argument("scenario", required=False, metavar="[SCENARIO]"),
            click.option("--fio", metavar="'fio --name=...'", help="A fio command line instead of SCENARIO."),
            click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help=SET_HELP),
            click.option(
                "--machine", metavar="FILE", help="Platform, costs and device law (MACHINE.toml of calibrate)."
            ),
            click.option("--kernel", metavar="V", help="Kernel version: v6.12, 6.12 or a whole uname -r."),
            click.option("--seed", metavar="N", help="Seed of all random streams."),
            click.option("--duration", metavar="T", help="Measured time, with its unit: 1s, 500ms. Default 1s."),
            click.option("--warmup", metavar="T", help="Time before it that is not counted. Default 200ms."),
        )
    ):
        function = decorate(function)
    return function


def options_from(values: dict[str, Any]) -> Options:
    sets = values["sets"]
    for line in sets:
        if "=" not in line:
            raise InputError("no '=' in it", f"--set {line}", suggestion="write KEY=VALUE")
    return Options(
        sets=tuple(sets),
        machine=values.get("machine"),
        kernel=values.get("kernel"),
        seed=values.get("seed"),
        samples=values.get("samples"),
        duration=values.get("duration"),
        warmup=values.get("warmup"),
    )


def scenario_from(values: dict[str, Any]) -> Scenario:
    name, fio = values.get("scenario"), values.get("fio")
    if (name is None) == (fio is None):
        raise InputError(
            "both SCENARIO and --fio are given" if name else "no SCENARIO is given",
            suggestion="wakepath scenarios lists names; a file, a folder, JOB.fio or --fio 'fio --name=...' do as well",
        )
    options = options_from(values)
    return Scenario.from_fio(fio, options=options) if fio is not None else Scenario.load(str(name), options=options)
