# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath tune"""

from __future__ import annotations

import sys
from typing import Any

import click

from wakepath.commands._options import scenario_from, scenario_options
from wakepath.errors import InputError
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar
from wakepath.tune_space import objectives_of, parse_params


@click.command("tune")
@scenario_options
@click.option(
    "--maximize", multiple=True, metavar="METRIC", help="A figure or a formula: io.iops, io.iops/control.io.iops."
)
@click.option("--minimize", multiple=True, metavar="METRIC", help="The same: io.clat_ns.p99. Several give a front.")
@click.option(
    "--param", "params", multiple=True, metavar="KEY=RANGE", help="A..B[:log|:int] or V1,V2. May be given again."
)
@click.option("--subject-to", multiple=True, metavar="EXPR", help='What must hold: "io.clat_ns.p99 <= 2ms".')
@click.option(
    "--trials", type=click.IntRange(1, 100_000), default=100, metavar="N", help="Settings tried. Default 100."
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=1, metavar="N", help="Runs per trial. Default 1.")
@click.option(
    "--fresh", type=click.IntRange(2, 1000), default=8, metavar="N", help="Seeds of the judgement. Default 8."
)
@click.option("--storage", metavar="URL", help="Keep trials (sqlite:///FILE); the same call goes on where it stopped.")
@click.option("--sampler-seed", type=int, default=0, metavar="N", help="Another search. Default 0.")
@click.option(
    "--sensitivity", type=click.Choice(["morris", "sobol"]), help="Instead: which key matters, over its range."
)
@click.option(
    "--samples", "walks", type=click.IntRange(2, 1 << 16), default=8, metavar="N", help="Of --sensitivity. Default 8."
)
@click.option(
    "--jobs", type=click.IntRange(1, 4096), metavar="N", help="Runs at once. Default: the CPUs of this machine."
)
@click.option(
    "--json", "json_file", metavar="FILE|-", help="Write everything (wakepath.tuning/1); - is standard output."
)
@click.option("--report", "report_file", metavar="FILE.html", help="Write a page for a browser: which knob did it.")
@click.option("--csv", "csv_file", metavar="FILE", help="One line per trial.")
def command(**values: Any) -> int:
    """Search the setting of --param keys that is best for SCENARIO, and say which key did it.

    The best are run again on seeds that the search did not see, beside the scenario as it is; a best within noise of it
    is called equal. Exit status 1: no setting holds what --subject-to asks.
    """
    for output in (values["json_file"], values["csv_file"], values["report_file"]):
        check_writable(output)
    parameters = parse_params(values["params"])
    scenario = scenario_from(values)
    out = sys.stderr if "-" in (values["json_file"], values["csv_file"]) else sys.stdout
    if values["sensitivity"]:
        return _sensitivity(values, scenario, parameters, out)
    from wakepath.tune_text import report
    from wakepath.tuning import tune

    bar = Bar("tuning", total=values["trials"])
    try:
        found = tune(
            scenario,
            parameters,
            maximize=values["maximize"],
            minimize=values["minimize"],
            subject_to=values["subject_to"],
            trials=values["trials"],
            seeds=values["seeds"],
            fresh=values["fresh"],
            storage=values["storage"],
            sampler_seed=values["sampler_seed"],
            jobs=values["jobs"],
            progress=bar,
        )
    finally:
        bar.close()
    if values["json_file"]:
        write_text(values["json_file"], found.to_json())
    if values["csv_file"]:
        write_text(values["csv_file"], found.to_pandas().to_csv(index=False))
    if values["report_file"]:
        from wakepath.tune_report import tuning_page

        write_text(values["report_file"], tuning_page(found))
    print(report(found), end="", file=out)
    if found.status == "stopped":
        return 130
    return 0 if found.best is not None and found.best.feasible else 1


def _sensitivity(values: dict[str, Any], scenario: Any, parameters: Any, out: Any) -> int:
    import json
    from dataclasses import asdict

    from wakepath.sensitivity import sensitivity

    wanted = objectives_of(values["maximize"], values["minimize"])
    if len(wanted) != 1:
        raise InputError("--sensitivity looks at one metric", suggestion="one --maximize or --minimize")
    bar = Bar("sampling")
    try:
        found = sensitivity(
            scenario,
            parameters,
            wanted[0].metric,
            method=values["sensitivity"],
            samples=values["walks"],
            jobs=values["jobs"],
            progress=bar,
        )
    finally:
        bar.close()
    if values["json_file"]:
        write_text(
            values["json_file"], json.dumps({"schema": "wakepath.sensitivity/1", **asdict(found)}, indent=1) + "\n"
        )
    if values["csv_file"]:
        write_text(values["csv_file"], found.to_pandas().to_csv(index=False))
    print(found.report(), end="", file=out)
    return 0
