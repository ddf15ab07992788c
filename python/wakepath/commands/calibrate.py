# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath calibrate"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wakepath.calibrate import Fit
from wakepath.commands._options import SET_HELP, options_from
from wakepath.errors import InputError
from wakepath.paths import check_writable, read_text, write_text
from wakepath.progress import Bar

if TYPE_CHECKING:
    from wakepath.recorder.calibration import Calibration as FromRecording
    from wakepath.recorder.recording import Recording


@click.command("calibrate")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--out", required=True, metavar="MACHINE.toml", help="Where platform, costs and device law go.")
@click.option("--kernel", "only_kernel", metavar="V", help="Which kernel's cases, when there are several.")
@click.option("--platform", "only_platform", metavar="NAME", help="Which platform's cases, when there are several.")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--machine", metavar="FILE", help="Start from this table instead of the platform's.")
@click.option("--device/--no-device", default=None, help="Fit the device law too. Default: where no case states it.")
@click.option(
    "--loss",
    type=click.Choice(["soft_l1", "linear"]),
    default="soft_l1",
    help="soft_l1: a case that the model misses bends no cost; linear: every case counts. Default soft_l1.",
)
@click.option("--only", metavar="GLOB,...", help="Fit these costs alone (ublk_*,uring_*); the others keep the table.")
@click.option(
    "--duration",
    metavar="T",
    help="Measured time of each run of the fit. Default 300ms; an emulated case: its own window.",
)
@click.option("--warmup", metavar="T", help="Time before it. Default 60ms; an emulated case: 200ms.")
@click.option("--report", metavar="FILE.html", help="Of a recording: a page with plots of fit against data.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write the fit's report as JSON.")
def command(**values: Any) -> int:
    """Fit costs and device law to INPUT: a folder of `wakepath record`, or truth cases (their calibrate cases, nothing
    else).

    MACHINE.toml then serves --machine of every command. Fitted values outside physics are reported.
    """
    return _calibrate_recording(values) if of_recording(values["inputs"]) else _calibrate_cases(values)


def of_recording(paths: Sequence[str]) -> bool:
    from wakepath.recorder.recording import is_recording

    return any(is_recording(path) for path in paths) or not _are_cases(paths)


def _are_cases(paths: Sequence[str]) -> bool:
    """Anything that is no recording's folder and no trace is read as cases, whose reader says what is wrong with it."""
    return any(".json" in path for path in paths) or not all(Path(path).exists() for path in paths)


def _open(path: str, kernel: str | None, stack: ExitStack) -> Recording:
    """A folder of `record`; else a trace or a tarball of collect.sh, alone."""
    from wakepath import recording
    from wakepath.formats import convert
    from wakepath.recorder.from_trace import trace_recording
    from wakepath.recorder.recording import is_recording, read_recording

    if is_recording(path):
        return read_recording(path)
    if not Path(path).exists():
        raise InputError("no such file", path, suggestion="a folder of wakepath record, CASES.jsonl, or a trace")
    if Path(path).is_dir():
        raise InputError("is no recording: it has no recording.json", path, suggestion="wakepath record --out DIR")
    found = stack.enter_context(recording.open(path))  # what it unpacks lives as long as the stack
    text = found.trace
    if not _is_text(text):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wakepath."))
        text = str(Path(folder) / "trace.txt")
        convert(found.trace, text)
    return trace_recording(text, found.setting, kernel or found.kernel, found.notes)


def _is_text(path: str) -> bool:
    try:
        read_text(path)
    except InputError:
        return False
    return True


def _calibrate_recording(values: dict[str, Any]) -> int:
    from wakepath.recorder.calibration import machine_text, report_lines

    check_writable(values["out"])
    check_writable(values["json_file"])
    with ExitStack() as stack:
        recording, outcome = fit_recording(values, stack)
        write_text(values["out"], machine_text(outcome, recording))
        if values["report"]:
            from wakepath.recorder.plots import report_html

            write_text(values["report"], report_html(outcome, recording))
    print("\n".join(report_lines(outcome)), file=sys.stderr if values["out"] == "-" else sys.stdout)
    return 0


def fit_recording(values: dict[str, Any], stack: ExitStack) -> tuple[Recording, FromRecording]:
    """Of `inputs` and `only_kernel`; wakepath.calibrate() does the same."""
    from wakepath.recorder.calibration import calibrate_recording

    if len(values["inputs"]) > 1:
        raise InputError("a recording is calibrated from by itself", ", ".join(values["inputs"]))
    recording = _open(values["inputs"][0], values["only_kernel"], stack)
    bar = Bar("calibrating")

    def report(what: str, share: float) -> None:
        bar.label = f"calibrating, {what}"
        bar(share)

    try:
        return recording, calibrate_recording(recording, kernel=values["only_kernel"], report=report)
    finally:
        bar.close()


def _calibrate_cases(values: dict[str, Any]) -> int:
    from dataclasses import asdict

    from wakepath.fit_text import fit_lines

    check_writable(values["out"])
    check_writable(values["json_file"])
    outcome, text = calibrate_inputs(values)
    write_text(values["out"], text)
    if values["json_file"]:
        write_text(values["json_file"], json.dumps(asdict(outcome), indent=1) + "\n")
    print(fit_lines(outcome), file=sys.stderr if "-" in (values["json_file"], values["out"]) else sys.stdout)
    return 0


def calibrate_inputs(values: dict[str, Any]) -> tuple[Fit, str]:
    """The fit and MACHINE.toml's text, of the options as they are named here; wakepath.calibrate() does the same."""
    from wakepath.calibrate import Problem, fit
    from wakepath.fit_text import machine_comments, sources_of
    from wakepath.machine_file import machine_toml, tables_of
    from wakepath.scenario import Options, Scenario

    options = options_from(values)
    problem = Problem(_one_set(values), options, fit_device=values["device"])
    if values["only"]:
        problem.choose(values["only"].split(","))
    bar = Bar("fitting")
    try:
        outcome = fit(problem, bar, values["loss"])
    finally:
        bar.close()
    fitted = Options(sets=(*options.sets, *outcome.sets), machine=options.machine)
    scenario = Scenario.from_case(problem.cases[0].raw, options=fitted)
    is_device_fitted = any(p.key.startswith("device.") for p in problem.parameters)
    stated = tables_of(values["machine"] or problem.cases[0].platform)
    kept = ("program",) if is_device_fitted or values["machine"] else ("program", "device")
    instead = {name: stated[name] for name in kept if isinstance(stated.get(name), dict)}
    return outcome, machine_toml(scenario, machine_comments(outcome), sources_of(outcome), instead)


def _one_set(values: dict[str, Any]) -> list[Any]:
    """Calibrate cases of one platform and kernel; which one must be said when there are several."""
    from wakepath.calibrate import calibration_cases
    from wakepath.truth import read_cases

    cases = [c for path in values["inputs"] for c in calibration_cases(read_cases(path)) if not c.tasks]
    if values["only_kernel"]:
        cases = [c for c in cases if c.kernel == values["only_kernel"].removeprefix("v")]
    if values["only_platform"]:
        cases = [c for c in cases if c.platform == values["only_platform"]]
    if not cases:
        raise InputError(
            "no case has the role calibrate", ", ".join(values["inputs"]), suggestion="check --kernel, --platform"
        )
    keys = sorted({c.set_key for c in cases})
    if len(keys) > 1:
        listed = ", ".join(f"--platform {p} --kernel {k}" for p, k in keys)
        raise InputError(
            "the calibrate cases are of several platforms or kernels", suggestion=f"choose one of: {listed}"
        )
    return cases
