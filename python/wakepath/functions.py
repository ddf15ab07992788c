# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands as functions: `wakepath.validate(...)` is `wakepath validate ...`, with the same errors as InputError.

They take what the command takes and give data; nothing is printed. A file, a folder or a name is text, as there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wakepath import _core, recording

# At the top, so that these modules are there before the package binds functions of their names (wakepath/__init__.py).
from wakepath.analyze import analyze_trace
from wakepath.calibrate import Fit
from wakepath.compare import Comparison, compare_settings
from wakepath.compare import compare as compare_files
from wakepath.cure import Cure, cure_trace
from wakepath.cure import cure as cure_scenario
from wakepath.errors import InputError
from wakepath.lockstep import change, core_setting
from wakepath.lockstep_text import TEXT_FORMATS, lines_of
from wakepath.paths import scenario_dirs, write_text
from wakepath.replay import Replay
from wakepath.replay import replay as replay_trace
from wakepath.result import Section
from wakepath.scenario import Options, Scenario
from wakepath.validate import Validation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Calibration:
    """A fit and what it made: `machine` is the text of a MACHINE.toml."""

    fit: Fit
    machine: str

    def save(self, path: str) -> None:
        write_text(path, self.machine)

    def report(self) -> str:
        from wakepath.fit_text import fit_lines

        return fit_lines(self.fit)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self.fit)


def validate(
    *inputs: str,
    calibrate_from: Sequence[str] = (),
    set: Sequence[str] = (),
    machine: str | None = None,
    kernel: str | None = None,
    role: str | None = None,
    only: str = "",
    duration: str | None = None,
    warmup: str | None = None,
) -> Validation:
    """Predictions of truth cases (CASES.jsonl) and published rows (folders) beside what was measured, and baselines."""
    from wakepath.commands.validate import validate_inputs

    if not inputs:
        raise InputError("nothing to validate", suggestion="a CASES.jsonl file or a folder with expected.toml")
    values = {
        "inputs": [str(path) for path in inputs],
        "calibrate_from": list(calibrate_from),
        "sets": tuple(set),
        "machine": machine,
        "only_kernel": kernel,
        "role": role,
        "only": only,
        "duration": duration,
        "warmup": warmup,
    }
    validation, _ = validate_inputs(values)
    return validation


def calibrate(
    *inputs: str,
    out: str | None = None,
    kernel: str | None = None,
    platform: str | None = None,
    set: Sequence[str] = (),
    machine: str | None = None,
    device: bool | None = None,
    duration: str | None = None,
    warmup: str | None = None,
) -> Calibration:
    """Costs, and the device law where no case states it, fitted to the inputs' calibrate cases and nothing else."""
    from wakepath.commands.calibrate import calibrate_inputs

    if not inputs:
        raise InputError("nothing to calibrate from", suggestion="a CASES.jsonl file")
    values = {
        "inputs": [str(path) for path in inputs],
        "only_kernel": kernel,
        "only_platform": platform,
        "sets": tuple(set),
        "machine": machine,
        "device": device,
        "duration": duration,
        "warmup": warmup,
        "only": None,
        "loss": "soft_l1",
    }
    outcome, text = calibrate_inputs(values)
    found = Calibration(outcome, text)
    if out is not None:
        found.save(out)
    return found


def analyze(trace: str, *, beside: str | None = None, setting: str | None = None) -> Section:
    """Who switches to whom and why, and where time goes; with `beside` the event pattern of two traces."""
    if beside is None:
        return Section(analyze_trace(trace, setting))
    with recording.open(trace) as first, recording.open(beside) as second:
        return Section(json.loads(_core.compare_traces(first.trace, second.trace)))


def replay(
    trace: str,
    *,
    set: Sequence[str] = (),
    setting: str | None = None,
    kernel: str | None = None,
    machine: str | None = None,
    duration: str | None = None,
    seed: str | None = None,
) -> Replay:
    """The workload of a recording: recorded, replayed unchanged, replayed with `set`."""
    return replay_trace(
        trace, tuple(set), setting=setting, kernel=kernel, machine=machine, duration=duration, seed=seed
    )


def compare(
    *what: str | Scenario,
    a: Sequence[str] = (),
    b: Sequence[str] = (),
    set: Sequence[str] = (),
    seeds: int = 5,
    duration: str | None = None,
    warmup: str | None = None,
) -> Comparison:
    """Two results or two traces; or each scenario under `a` and under `b`, with the same seeds."""
    if not a and not b:
        if len(what) != 2 or not all(isinstance(w, str) for w in what):
            raise InputError("two files are compared", suggestion="compare(A, B), or compare(SCENARIO, a=…, b=…)")
        return compare_files(str(what[0]), str(what[1]))
    options = Options(sets=tuple(set), duration=duration, warmup=warmup)
    scenarios = [
        (str(w.describe()["name"]), w.with_sets(options=options))
        if isinstance(w, Scenario)
        else (w, Scenario.load(w, options=options))
        for w in what
    ]
    return compare_settings(scenarios, tuple(a), tuple(b), seeds=seeds)


def cure(
    what: str | Scenario,
    *,
    seeds: int = 3,
    pairs: bool = True,
    setting: str | None = None,
    kernel: str | None = None,
    machine: str | None = None,
) -> Cure:
    """The known levers on a scenario or a recording, ranked by what they restore."""
    from wakepath.commands.cure import is_trace

    if isinstance(what, str) and is_trace(what):
        return cure_trace(what, setting=setting, kernel=kernel, machine=machine, seeds=seeds, pairs=pairs)
    if isinstance(what, str):
        what = Scenario.load(what, options=Options(kernel=kernel, machine=machine, duration="400ms"))
    return cure_scenario(what, seeds=seeds, pairs=pairs)


def verify(trace: str, *, kernel: str | None = None, setting: str | None = None, set: Sequence[str] = ()) -> Section:
    """The scheduler model in lockstep with a recorded trace; with `set` which decisions would have been others.

    kernel may be left out where the recording tells it (a tarball of collect.sh, a setting with `kernel`).
    """
    with recording.open(trace, setting) as recorded:
        version = kernel or recorded.kernel
        if not version:
            raise InputError("does not tell its kernel", trace, suggestion="--kernel 6.1")
        core = core_setting(recorded.setting, version, recorded.setting_from)
        if set:
            core["changed"] = change(core, tuple(set))
        data: dict[str, Any] = json.loads(_core.verify(recorded.trace, json.dumps(core)))
        data["setting"] = {"file": recorded.setting_from, "resolved": core, "notes": recorded.notes}
        wanted = {d["line"] for d in data["divergences"]}
        # In a binary trace `line` counts records; there is no text to show.
        texts = lines_of(recorded.trace, wanted) if wanted and data["trace"]["format"] in TEXT_FORMATS else {}
    for divergence in data["divergences"]:
        divergence["text"] = texts.get(divergence["line"], "")
    return Section(data)


def explain(name: str) -> str:
    """What a scenario key or a metric means."""
    from wakepath.commands.explain import meaning

    return meaning(name)


def kernels(version: str | None = None) -> pd.DataFrame:
    """Versions that have a table; with a version its switches: name, doc, value, grade, source."""
    import pandas as pd

    if version is None:
        return pd.DataFrame({"version": _core.kernel_versions()})
    return pd.DataFrame(_core.kernel_switches(_core.kernel_resolve(version)))


def scenarios() -> list[str]:
    """Names that `Scenario.load` takes: scenarios, platforms and cost tables."""
    return _core.list_scenarios(scenario_dirs())
