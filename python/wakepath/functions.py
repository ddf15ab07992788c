# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands as functions: `wakepath.validate(...)` is `wakepath validate ...`, with the same errors as InputError.

They take what the command takes and give data; nothing is printed. A file, a folder or a name is text, as there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wakepath import _core, recording

# At the top, so that these modules are there before the package binds functions of their names (wakepath/__init__.py).
from wakepath.analyze import analyze_trace
from wakepath.arguments import checked
from wakepath.cluster import ClusterResult
from wakepath.cluster import cluster as simulate_cluster
from wakepath.compare import Comparison, compare_settings
from wakepath.compare import compare as compare_files
from wakepath.cure import Cure, cure_trace
from wakepath.cure import cure as cure_scenario
from wakepath.errors import InputError
from wakepath.exploring import Exploration
from wakepath.exploring import explore as explore_scenario
from wakepath.lockstep import change, core_setting
from wakepath.lockstep_text import TEXT_FORMATS, lines_of
from wakepath.paths import scenario_dirs
from wakepath.replay import Replay
from wakepath.replay import replay as replay_trace
from wakepath.result import Section
from wakepath.scenario import Options, Scenario
from wakepath.validate import Validation

if TYPE_CHECKING:
    import pandas as pd


@checked
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


@checked
def analyze(trace: str, *, beside: str | None = None, setting: str | None = None, quick: bool = False) -> Section:
    """Who switches to whom and why, and where time goes; with `beside` the event pattern of two traces.

    quick: what would be without a ping-pong's switches is calculated, not run.
    """
    if beside is None:
        return Section(analyze_trace(trace, setting, quick=quick))
    with recording.open(trace) as first, recording.open(beside) as second:
        return Section(json.loads(_core.compare_traces(first.trace, second.trace)))


@checked
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


@checked
def compare(
    *what: str | Scenario,
    a: Sequence[str] = (),
    b: Sequence[str] = (),
    set: Sequence[str] = (),
    seeds: int | None = None,
    jobs: int | None = None,
    machine: str | None = None,
    kernel: str | None = None,
    duration: str | None = None,
    warmup: str | None = None,
) -> Comparison:
    """Two results or two traces; or each scenario under `a` and under `b`, with the same seeds."""
    if not a and not b:
        if len(what) != 2 or not all(isinstance(w, str) for w in what):
            raise InputError("two files are compared", suggestion="compare(A, B), or compare(SCENARIO, a=…, b=…)")
        if set or seeds or machine or kernel or duration or warmup:
            raise InputError("two files are compared as they are", suggestion="settings go with --a KEY=V --b KEY=V")
        return compare_files(str(what[0]), str(what[1]))
    options = Options(sets=tuple(set), machine=machine, kernel=kernel, duration=duration, warmup=warmup)
    scenarios = [
        (str(w.describe()["name"]), w.with_sets(options=options))
        if isinstance(w, Scenario)
        else (w, Scenario.load(w, options=options))
        for w in what
    ]
    return compare_settings(scenarios, tuple(a), tuple(b), seeds=seeds or 5, jobs=jobs)


@checked
def cure(
    what: str | Scenario,
    *,
    set: Sequence[str] = (),
    seeds: int = 3,
    pairs: bool = True,
    setting: str | None = None,
    kernel: str | None = None,
    machine: str | None = None,
    duration: str | None = None,
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Cure:
    """The known levers on a scenario or a recording, ranked by what they restore."""
    from wakepath.commands.cure import is_trace

    if isinstance(what, str) and is_trace(what):
        return cure_trace(
            what,
            sets=tuple(set),
            setting=setting,
            kernel=kernel,
            machine=machine,
            seeds=seeds,
            jobs=jobs,
            pairs=pairs,
            progress=progress,
        )
    if isinstance(what, str):
        options = Options(sets=tuple(set), kernel=kernel, machine=machine, duration=duration or "400ms")
        what = Scenario.load(what, options=options)
    else:
        what = what.with_sets(options=Options(sets=tuple(set), kernel=kernel, machine=machine, duration=duration))
    return cure_scenario(what, seeds=seeds, jobs=jobs, pairs=pairs, progress=progress)


@checked
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


@checked
def explore(
    scenario: str | Scenario,
    *,
    seeds: int = 1000,
    first_seed: int = 1,
    set: Sequence[str] = (),
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Exploration:
    """The scenario under `seeds` schedules that the kernel allows as well; ends where an invariant breaks."""
    if seeds < 1 or first_seed < 0:
        raise InputError(f"{seeds} schedules from seed {first_seed}", suggestion="at least 1, from 0 on")
    loaded = Scenario.load(scenario, set=set) if isinstance(scenario, str) else scenario.with_sets(*set)
    return explore_scenario(loaded, seeds=seeds, first_seed=first_seed, jobs=jobs, progress=progress)


@checked
def cluster(
    scenario: str,
    *,
    set: Sequence[str] = (),
    machine: str | None = None,
    kernel: str | None = None,
    seed: int | None = None,
    duration: str | None = None,
    warmup: str | None = None,
    progress: Callable[[float], object] | None = None,
    threads: int | None = None,
) -> ClusterResult:
    """A fleet on a SimGrid platform with a replicated log; the file's folder or name will do."""
    return simulate_cluster(
        scenario,
        sets=set,
        machine=machine,
        kernel=kernel,
        seed=seed,
        duration=duration,
        warmup=warmup,
        progress=progress,
        threads=threads,
    )


@checked
def show(
    scenario: str,
    *,
    set: Sequence[str] = (),
    machine: str | None = None,
    kernel: str | None = None,
    seed: int | None = None,
    duration: str | None = None,
    warmup: str | None = None,
) -> str:
    """The scenario resolved, as TOML that runs by itself: every key with the value that would be used."""
    text = None if seed is None else str(seed)
    options = Options(sets=tuple(set), machine=machine, kernel=kernel, seed=text, duration=duration, warmup=warmup)
    return Scenario.load(scenario, options=options).to_toml()


@checked
def new(file: str, *, source: str | None = None, whole: bool = False, force: bool = False) -> Scenario:
    """Write a scenario file to start from, and load it; `source` is what the command calls --from."""
    from wakepath.commands.new import write_new

    write_new(file, source, whole, force)
    return Scenario.load(file)


@checked
def explain(name: str) -> str:
    """What a scenario key or a metric means."""
    from wakepath.commands.explain import meaning

    return meaning(name)


@checked
def kernels(version: str | None = None) -> pd.DataFrame:
    """Versions that have a table; with a version its switches: name, doc, value, grade, source."""
    import pandas as pd

    if version is None:
        return pd.DataFrame({"version": _core.kernel_versions()})
    return pd.DataFrame(_core.kernel_switches(_core.kernel_resolve(version)))


def scenarios() -> list[str]:
    """Names that `Scenario.load` takes: scenarios, platforms and cost tables."""
    return _core.list_scenarios(scenario_dirs())
