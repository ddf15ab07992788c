# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath validate"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from wakepath.commands._options import SET_HELP, options_from
from wakepath.errors import InputError
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar
from wakepath.scenario import Options, Scenario
from wakepath.validate import Fits, Validation

TIMES_OF = "starved_completions"


@click.command("validate")
@click.argument("inputs", nargs=-1, required=True, metavar="CASES.jsonl|FOLDER...")
@click.option(
    "--calibrate-from",
    "calibrate_from",
    multiple=True,
    metavar="CASES.jsonl",
    help="First fit costs to the calibrate cases of this file, per platform and kernel.",
)
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--machine", metavar="FILE", help="Platform, costs and device law for every case.")
@click.option("--kernel", "only_kernel", metavar="V", help="Cases of this kernel only.")
@click.option("--only", metavar="TEXT", help="Cases whose id contains TEXT (baselines still see all).")
@click.option("--role", type=click.Choice(["calibrate", "predict", "repeat"]), help="Cases of this role only.")
@click.option("--duration", metavar="T", help="Measured time of each run. Default 1s, or the window of the case.")
@click.option("--warmup", metavar="T", help="Time before it. Default 200ms.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write everything as JSON; - is standard output.")
@click.option("--report", metavar="FILE.html", help="Write a page for a browser.")
@click.option(
    "--since",
    metavar="FILE|shipped",
    help="Predictions that moved since an earlier --json FILE, or since the table that ships, as Markdown.",
)
@click.option("--all-metrics", is_flag=True, help="Print every metric, not only the headline ones.")
def command(**values: Any) -> int:
    """Predict truth cases and published rows, and print every one beside its measurement and two naive baselines.

    A CASES.jsonl file holds truth cases (wakepath.truth/1), a FOLDER an expected.toml. Exit status 1: a row with a
    range is outside it.
    """
    from wakepath import _core
    from wakepath.moved import predictions
    from wakepath.moved import text as moved_text
    from wakepath.validate import as_json
    from wakepath.validate_text import text

    for output in (values["json_file"], values["report"]):
        check_writable(output)
    since = values.pop("since")
    before = None if since is None else predictions(since)
    validation, fits = validate_inputs(values)
    if values["json_file"]:
        data = as_json(validation, version=_core.version, fits=fits)
        write_text(values["json_file"], json.dumps(data, indent=1) + "\n")
    said = text(validation, all_metrics=values["all_metrics"])
    if before is not None:
        said += f"\nPredictions that moved since {since}:\n\n" + moved_text(before, validation.to_pandas())
    if values["report"]:
        from wakepath.report import validation_html

        write_text(values["report"], validation_html(validation, said))
    print(said, file=sys.stderr if values["json_file"] == "-" else sys.stdout, end="")
    return 0 if validation.held else 1


def validate_inputs(values: dict[str, Any]) -> tuple[Validation, Fits]:
    """Of the options as they are named here; wakepath.validate() gives the same."""
    from wakepath.truth import read_cases
    from wakepath.validate import predict_cases, predict_published

    options = options_from(values)
    if options.duration is not None or options.warmup is not None:
        # A time that cannot be read is one error, and not one of every case.
        Scenario.load(TIMES_OF, options=Options(duration=options.duration, warmup=options.warmup))
    validation = Validation()
    cases = []
    folders = []
    for path in values["inputs"]:
        if Path(path).is_dir():
            folders.append(path)
        else:
            cases += read_cases(path)
    fits = _fits(values, options, validation) if values["calibrate_from"] else {}
    bar = Bar("predicting")
    try:
        if cases:
            # Two baselines look at the calibrate cases, also at those a filter leaves out of the table.
            chosen = [c for c in cases if _is_chosen(c, values)]
            if not chosen:
                raise InputError("no case is left by --kernel, --role and --only", suggestion="drop one of them")
            validation.rows = predict_cases(chosen, references=cases, options=options, fits=fits, done=bar)
        for folder in folders:
            validation.published += predict_published(folder, options=options, done=bar)
    finally:
        bar.close()
    return validation, fits


def _is_chosen(case: Any, values: dict[str, Any]) -> bool:
    kernel = (values["only_kernel"] or case.kernel).removeprefix("v")
    return case.kernel == kernel and (values["role"] or case.role) == case.role and (values["only"] or "") in case.id


def _fits(values: dict[str, Any], options: Any, validation: Any) -> dict[tuple[str, str], tuple[str, ...]]:
    """Settings by platform and kernel; the fit reads roles itself and refuses all but calibrate."""
    from dataclasses import replace

    from wakepath.calibrate import calibration_cases, fits_for
    from wakepath.fit_text import fit_lines
    from wakepath.truth import read_cases

    seen = [case for path in values["calibrate_from"] for case in calibration_cases(read_cases(path))]
    if not seen:
        raise InputError("no case has the role calibrate", values["calibrate_from"][0])
    if values["only_kernel"]:
        seen = [case for case in seen if case.kernel == values["only_kernel"].removeprefix("v")]
    bars: dict[str, Bar] = {}

    def report(label: str, share: float) -> None:
        bars.setdefault(label, Bar(f"fitting {label}"))(share)

    found = fits_for(seen, replace(options, duration=None, warmup=None), report)
    for bar in bars.values():
        bar.close()
    validation.notes += [fit_lines(outcome) for outcome in found.values()]
    return {key: outcome.sets for key, outcome in found.items()}
