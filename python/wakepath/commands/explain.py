# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath explain"""

from __future__ import annotations

import click

from wakepath import _core
from wakepath.errors import InputError, closest
from wakepath.metrics import RESULT_METRICS, TRUTH_METRICS


@click.command("explain")
@click.argument("name", metavar="KEY|METRIC", required=False)
def command(name: str | None) -> int:
    """Say what a scenario key (workload.fio.iodepth, kernel.switches.eevdf, costs.tick) or a metric means.

    Without KEY: list all of them.
    """
    if name is None:
        for key in _core.list_keys():
            click.echo(f"{key['key']:44} {key['type']}")
        for metric in [*RESULT_METRICS, *TRUTH_METRICS]:
            click.echo(f"{metric:44} metric")
        return 0
    click.echo(meaning(name))
    return 0


def meaning(name: str) -> str:
    """Of a metric, a scenario key, or what is both (ublk.queues); InputError with the nearest one."""
    metric = _metric(name)
    try:
        key = _core.explain(name).rstrip("\n")
    except InputError as error:
        if metric:
            return metric
        near = closest(name, [*RESULT_METRICS, *TRUTH_METRICS])
        if near and "did you mean" not in error.suggestion:
            raise InputError(error.message, error.file, error.line, f"did you mean {near}?") from None
        raise
    return f"{metric}\n{key}" if name in RESULT_METRICS else key


def _metric(name: str) -> str:
    """A metric's meaning; `io.clat_ns.p99` finds io.clat_ns, `cpus[0].busy` finds cpus.busy."""
    import re

    plain = re.sub(r"\[[^\]]*\]", "", name)
    texts = {**RESULT_METRICS, **TRUTH_METRICS}
    while plain:
        if plain in texts:
            return f"{name}: {texts[plain]}"
        plain = plain.rpartition(".")[0]
    return ""
