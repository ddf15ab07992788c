# SPDX-License-Identifier: GPL-2.0-or-later
"""tune(): which setting is best, by Optuna's samplers over runs of the simulator; judged afterwards (tune_judge.py).

Trials are asked for in batches of BATCH whatever the machine, so that the same call gives the same answer everywhere.
With `storage` (an Optuna URL, sqlite:///FILE) trials are kept as they end; the same call goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.arguments import checked
from wakepath.errors import InputError
from wakepath.extras import need
from wakepath.scenario import Scenario
from wakepath.tune_judge import Difference, Knob, judge, knobs
from wakepath.tune_runs import Bench, Outcome, Setting, setting_of
from wakepath.tune_space import (
    Constraint,
    Objective,
    Parameter,
    given_params,
    needs_control,
    objectives_of,
    parse_constraint,
)

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "wakepath.tuning/1"
BATCH = 4
CANDIDATES = 3  # the best of the search that are judged on fresh seeds
FRONT = 10  # of several objectives: so many of the front
FRESH_FROM = 1_000_003  # fresh seeds begin so far above the search's


@dataclass(frozen=True)
class Trial:
    setting: dict[str, str]
    values: tuple[float, ...]
    feasible: bool
    failure: str = ""


@dataclass(frozen=True)
class Candidate:
    """A setting on fresh seeds, beside the default on the same seeds."""

    setting: dict[str, str]
    differences: list[Difference]
    feasible: bool

    @property
    def verdict(self) -> str:
        """better: no objective worse, one better; equal: within noise; trade: better in one, worse in another."""
        words = {d.verdict for d in self.differences}
        if {"better", "worse"} <= words:
            return "trade"
        return "better" if "better" in words else "worse" if "worse" in words else "equal"


@dataclass
class Tuning:
    """`best` first among `candidates`; `knobs` says which key did it; `trials` is the whole search."""

    scenario: Scenario
    parameters: list[Parameter]
    objectives: list[Objective]
    constraints: list[Constraint]
    trials: list[Trial] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    knobs: list[Knob] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)
    runs: int = 0
    status: str = "finished"

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def verdict(self) -> str:
        return self.best.verdict if self.best else "none"

    def best_scenario(self) -> Scenario:
        if self.best is None:
            raise InputError("the search found no setting that holds the constraints", suggestion="more trials")
        return self.scenario.with_sets(*(f"{key}={value}" for key, value in self.best.setting.items()))

    def to_pandas(self) -> pd.DataFrame:
        """One row per trial: the keys, the objectives, whether the constraints held."""
        import pandas as pd

        from wakepath.vary import typed

        rows = []
        for number, trial in enumerate(self.trials):
            row: dict[str, Any] = {"trial": number, **{k: typed(v) for k, v in trial.setting.items()}}
            row.update({o.metric: v for o, v in zip(self.objectives, trial.values, strict=True)})
            rows.append({**row, "feasible": trial.feasible, "failure": trial.failure})
        return pd.DataFrame(rows)

    def to_json(self) -> str:
        data = {
            "schema": SCHEMA,
            "version": _core.version,
            "status": self.status,
            "verdict": self.verdict,
            "parameters": [p.words() for p in self.parameters],
            "objectives": [o.name for o in self.objectives],
            "subject_to": [c.text for c in self.constraints],
            "candidates": [{**asdict(c), "verdict": c.verdict} for c in self.candidates],
            "knobs": [{**asdict(k), "part": k.part} for k in self.knobs],
            "trials": [asdict(t) for t in self.trials],
            "seeds": self.seeds,
            "fresh_seeds": self.fresh,
            "runs": self.runs,
            "scenario": self.scenario.to_toml(),
        }
        return json.dumps(_finite(data), indent=1, ensure_ascii=False) + "\n"

    def __repr__(self) -> str:
        return f"<wakepath tuning: {len(self.trials)} trials, {self.verdict}>"

    def _repr_html_(self) -> str:
        from wakepath.tune_text import tuning_html

        return tuning_html(self)


def _finite(value: Any) -> Any:
    """JSON has no infinity: such a figure is null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@checked
def tune(
    scenario: Scenario | str,
    params: Mapping[str, Any] | Sequence[Parameter],
    *,
    maximize: str | Sequence[str] = (),
    minimize: str | Sequence[str] = (),
    subject_to: str | Sequence[str] = (),
    trials: int = 100,
    seeds: int = 1,
    fresh: int = 8,
    set: Sequence[str] = (),
    storage: str | None = None,
    sampler_seed: int = 0,
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Tuning:
    """Search the setting that is best for the objectives and holds the constraints. Ctrl-C ends the search early.

    params: {"cgroup.kubepods.cpu.weight": "1..10000:log", "task.kworker.nice": "-20..19", KEY: [V1, V2]}.
    maximize, minimize: figures of a result or formulas ("io.iops", "io.iops / control.io.iops"); several of them give
    a front. subject_to: "io.clat_ns.p99 <= 2ms". seeds: runs of a trial; fresh: of the judgement, on other seeds.
    """
    base = Scenario.load(scenario, set=set) if isinstance(scenario, str) else scenario.with_sets(*set)
    parameters = given_params(params) if isinstance(params, Mapping) else list(params)
    objectives = objectives_of(_listed(maximize), _listed(minimize))
    constraints = [parse_constraint(text) for text in _listed(subject_to)]
    if trials < 1 or seeds < 1 or fresh < 2:
        raise InputError("too few runs", suggestion="at least one trial, one seed and two fresh seeds")
    first = int(base.describe()["run"]["seed"])
    found = Tuning(base, parameters, objectives, constraints)
    found.seeds = [first + i for i in range(seeds)]
    found.fresh = [first + FRESH_FROM + i for i in range(fresh)]
    bench = Bench(base, objectives, constraints, needs_control(objectives, constraints), jobs)
    _check(bench, parameters, found.seeds)
    try:
        _search(found, bench, trials, storage, sampler_seed, progress)
    except KeyboardInterrupt:
        found.status = "stopped"
    _judge(found, bench)
    found.runs = bench.runs
    return found


def _listed(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _check(bench: Bench, parameters: Sequence[Parameter], seeds: Sequence[int]) -> None:
    """A key, a metric or a constraint that cannot be is found before the first trial."""
    for p in parameters:
        failures = []
        for share in (0.0, 0.5, 0.999):
            try:
                bench.scenario.with_sets(f"{p.key}={p.at(share)}")
            except InputError as error:
                failures.append(error)
        if len(failures) == 3:
            raise failures[0]
    bench.measure([()], seeds)


def _search(
    found: Tuning,
    bench: Bench,
    trials: int,
    storage: str | None,
    sampler_seed: int,
    progress: Callable[[float], object] | None,
) -> None:
    study = _study(found, storage, sampler_seed)
    found.trials += [_trial_of(t) for t in study.trials if t.values is not None]
    while len(found.trials) < trials:
        batch = [study.ask() for _ in range(min(BATCH, trials - len(found.trials)))]
        settings = [setting_of({p.key: p.suggest(trial) for p in found.parameters}) for trial in batch]
        for trial, setting, outcome in zip(batch, settings, bench.measure(settings, found.seeds), strict=True):
            _tell(study, trial, setting, outcome)
            found.trials.append(Trial(dict(setting), outcome.means, outcome.feasible, outcome.failure))
        if progress:
            progress(len(found.trials) / trials)


def _study(found: Tuning, storage: str | None, sampler_seed: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm misses its widgets in a notebook; no bar of Optuna's is shown
        optuna = need("optuna", "tune")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    question = json.dumps(
        [
            found.scenario.to_toml(),
            [p.words() for p in found.parameters],
            [o.name for o in found.objectives],
            [c.text for c in found.constraints],
            found.seeds,
            _core.version,
        ]
    )
    name = "wakepath-" + hashlib.sha256(question.encode()).hexdigest()[:16]
    directions = ["maximize" if o.maximize else "minimize" for o in found.objectives]
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)
    except Exception as error:  # SQLAlchemy's and Optuna's have no common base
        if storage is None:
            raise
        said = str(error).splitlines()[0]
        raise InputError(
            f"cannot be used: {said}", f"--storage {storage}", suggestion="as in sqlite:///tune.db"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant_liar, multivariate and constraints are marked experimental
        study.sampler = optuna.samplers.TPESampler(
            seed=sampler_seed + len(study.trials),  # a search that goes on does not begin with the same draws
            constant_liar=True,
            multivariate=True,
            constraints_func=(lambda trial: trial.user_attrs["violations"]) if found.constraints else None,
        )
    return study


def _tell(study: Any, trial: Any, setting: Setting, outcome: Outcome) -> None:
    trial.set_user_attr("setting", dict(setting))
    trial.set_user_attr("violations", [min(v, 1e300) for v in outcome.violations])
    trial.set_user_attr("failure", outcome.failure)
    # Refused settings: as bad as can be, so that the search leaves them.
    study.tell(trial, [max(-1e300, min(1e300, v)) for v in outcome.means])


def _trial_of(frozen: Any) -> Trial:
    attributes = frozen.user_attrs
    failure = attributes.get("failure", "")
    feasible = not failure and all(v <= 0 for v in attributes.get("violations", []))
    return Trial(dict(attributes["setting"]), tuple(frozen.values), feasible, failure)


def _judge(found: Tuning, bench: Bench) -> None:
    for setting in _leaders(found):
        differences, outcome = judge(bench, (), setting_of(setting), found.fresh)
        found.candidates.append(Candidate(setting, differences, outcome.feasible))
    if not found.candidates:
        return
    if len(found.objectives) == 1:
        found.candidates.sort(key=lambda c: (not c.feasible, -c.differences[0].gain))
    else:
        order = {"better": 0, "trade": 1, "equal": 2, "worse": 3}
        found.candidates.sort(key=lambda c: (not c.feasible, order[c.verdict]))
    found.knobs = knobs(bench, setting_of(found.candidates[0].setting), found.fresh)


def _leaders(found: Tuning) -> list[dict[str, str]]:
    """The settings worth judging: the best few, or those of the front."""
    good = [t for t in found.trials if t.feasible]
    if len(found.objectives) == 1:
        objective = found.objectives[0]
        good.sort(key=lambda t: objective.gain(t.values[0], 0.0), reverse=True)
        return _distinct(good)[:CANDIDATES]
    return _distinct([t for t in good if not any(_dominates(found.objectives, other, t) for other in good)])[:FRONT]


def _dominates(objectives: Sequence[Objective], a: Trial, b: Trial) -> bool:
    gains = [o.gain(x, y) for o, x, y in zip(objectives, a.values, b.values, strict=True)]
    return all(g >= 0 for g in gains) and any(g > 0 for g in gains)


def _distinct(trials: Sequence[Trial]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for trial in trials:
        if trial.setting not in found:
            found.append(trial.setting)
    return found
