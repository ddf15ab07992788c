# SPDX-License-Identifier: GPL-2.0-or-later
"""`wakepath check`: predict settings that no fit has seen, then run them on this machine, and lay the two side by side.

Predictions are made, with their intervals, before anything is measured. Then all settings run in rounds, with the
reference setting between them, which the fit has seen: how far it moves is how far this machine drifts by itself.
A shared machine is not the same an hour later, nor its disk from one run to the next: so a second set of predictions
has all costs multiplied by the number that gives the reference the CPU time an I/O that its runs had, and the device's
service times, run by run, by the one that makes it come out as its runs just before and after did (drift.py); the
median over the runs is held beside the measured one. Both are printed; nothing of a held-out setting goes into either.
Intervals of the second have, beside the draws and the model's own error, how far a median of so many runs scatters
here: as far as the reference's runs do around their neighbours.

distance: how far outside the least and greatest of the runs a prediction lies, in percent of their median.
covered: the measured median lies within the predicted interval.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath.calibrate import DEVICE_TIMES, scaled
from wakepath.errors import InputError
from wakepath.intervals import interval, of_estimates, read_uncertainty, settings_of
from wakepath.metrics import truth_metrics
from wakepath.parallel import map_runs
from wakepath.recorder import drift
from wakepath.recorder.cases import OTHERS, case_of, share_of_others
from wakepath.recorder.cgroups import Group, NoCgroupError
from wakepath.recorder.counters import others_on_the_machine
from wakepath.recorder.facts import machine_facts
from wakepath.recorder.load import Runner, Setting
from wakepath.recorder.program import ended_like_ctrl_c, find_program
from wakepath.recorder.session import place_of
from wakepath.recorder.settings import HELD_OUT_GROUP, HELD_OUT_ROOT, REFERENCE, runnable
from wakepath.recorder.target import Target
from wakepath.runner import simulate
from wakepath.scenario import Options, Scenario
from wakepath.truth import Case, case_from, read_cases

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "wakepath.check/1"
OF_TASKS = ("fio_cpu_ns_per_s", "kworker_cpu_ns_per_s")
METRICS = ("iops", "context_switches_per_s", "fio_cpu_ns_per_s", "kworker_cpu_ns_per_s", "idle")
# What is asked for: mean distance, in percent of the median.
BARS = {"iops": 5.0, "context_switches_per_s": 10.0, "fio_cpu_ns_per_s": 8.0}
COVERAGE, HALF_WIDTH = (0.80, 0.98), 10.0
DURATION, WARMUP = "1200ms", "60ms"  # as long as a run: what else runs on the CPU comes a few times a second
GRID = 25  # factors on device times, from a tenth to ten
Report = Callable[[str, float], object]


@dataclass
class Row:
    setting: str
    metric: str
    measured: float
    least: float
    greatest: float
    predicted: float
    low: float
    high: float

    @property
    def distance(self) -> float:
        """Percent of the measured median; of the CPU for shares of it."""
        return 100 * max(0.0, self.least - self.predicted, self.predicted - self.greatest) / self.scale

    @property
    def scale(self) -> float:
        return 1.0 if self.metric == "idle" else max(self.measured, 1e-9)

    @property
    def covered(self) -> bool:
        return self.low <= self.measured <= self.high

    @property
    def half_width(self) -> float:
        return 100 * (self.high - self.low) / 2 / self.scale

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"distance": self.distance, "covered": self.covered}


@dataclass
class Checked:
    rows: list[Row]
    reference: list[float]
    settings: int
    device_factor: float = 1.0  # the median of all runs'
    cost_factor: float = 1.0
    before: list[Row] = field(default_factory=list)  # rows with the machine as it was recorded
    lacks: list[str] = field(default_factory=list)

    def mean_distance(self, metric: str) -> float:
        found = [r.distance for r in self.rows if r.metric == metric]
        return statistics.fmean(found) if found else 0.0

    def coverage(self, metric: str | None = None) -> float:
        found = [r.covered for r in self.rows if r.metric in BARS and metric in (None, r.metric)]
        return sum(found) / len(found) if found else 0.0

    def half_width(self, metric: str | None = None) -> float:
        found = [r.half_width for r in self.rows if r.metric in BARS and metric in (None, r.metric)]
        return statistics.median(found) if found else 0.0

    def failures(self) -> list[str]:
        found = [
            f"{metric}: mean distance {self.mean_distance(metric):.1f} %, at most {bar:.0f} % is asked for"
            for metric, bar in BARS.items()
            if self.mean_distance(metric) > bar
        ]
        if not COVERAGE[0] <= self.coverage() <= COVERAGE[1]:
            found.append(f"the intervals cover {100 * self.coverage():.0f} % of the measured medians, not 80 to 98 %")
        if self.half_width() > HALF_WIDTH:
            found.append(f"median half-width {self.half_width():.1f} %, at most {HALF_WIDTH:.0f} % is asked for")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As `check --json` writes it."""
        return {
            "schema": SCHEMA,
            "rows": [r.to_dict() for r in self.rows],
            "reference": self.reference,
            "device_factor": self.device_factor,
            "cost_factor": self.cost_factor,
            "predicted_before": [r.to_dict() for r in self.before],
            "coverage": self.coverage(),
            "half_width": self.half_width(),
            "failures": self.failures(),
            "lacks": self.lacks,
        }

    def to_pandas(self) -> pd.DataFrame:
        """A row per setting and metric: measured, least, greatest, predicted, its interval, distance, covered."""
        import pandas as pd

        return pd.DataFrame([r.to_dict() for r in self.rows])


def empty_case(s: Setting, facts: dict[str, Any], cpu: int) -> dict[str, Any]:
    return case_of(s, [{"iops": 0.0}], facts, cpu, "predict", 0)


def device_drift(describe: dict[str, Any], factor: float) -> dict[str, float]:
    """The factor by key: of the service times, which say how fast a shared disk's host works. What a single request
    takes besides hardly moves. Of a device without service times: of its latency."""
    device = describe["device"]
    moving = [k for k in DEVICE_TIMES if device[k]["mean_ns"] > 0]
    service = [k for k in moving if k != "latency_ns"]
    return {f"device.{k}": factor for k in service or moving}


def device_sets(describe: dict[str, Any], factor: float) -> tuple[str, ...]:
    """The same as --set lines."""
    device, drift = describe["device"], device_drift(describe, factor)
    return tuple(f"{key}={scaled(device[key.removeprefix('device.')], f)}" for key, f in drift.items() if f != 1.0)


def cpu_ns_per_io(figures: Mapping[str, float]) -> float:
    """Of the load and the kernel's workers."""
    rate = figures.get("iops", 0.0)
    return sum(figures.get(name, 0.0) for name in OF_TASKS) / rate if rate > 0 else 0.0


def drift_of_costs(reference: dict[str, Any], options: Options) -> float:
    """The factor on all costs with which the reference takes the CPU time an I/O that the median of its runs had."""
    data = simulate(Scenario.from_case(reference, options=options))
    cpu = reference["setting"]["workload"]["pinned_cpu"]
    predicted = cpu_ns_per_io(truth_metrics(data, cpu=cpu, all_cpus=False))
    measured = statistics.median(cpu_ns_per_io(run) for run in reference["each"])
    return measured / predicted if measured > 0 and predicted > 0 else 1.0


def recorded(machine: str) -> Options:
    return Options(machine=machine, duration=DURATION, warmup=WARMUP)


def at_speed(options: Options, reference: dict[str, Any], factor: float) -> Options:
    """The same machine with all costs multiplied."""
    entries = Scenario.from_case(reference, options=options).describe()["costs"]["entries"]
    sets = tuple(f"costs.{name}={scaled(cost, factor)}" for name, cost in entries.items() if cost["mean_ns"] > 0)
    return replace(options, sets=sets)


def drift_of_device(reference: dict[str, Any], options: Options, iops: Sequence[float]) -> list[float]:
    """For each rate of the reference the factor on device times with which it comes out so: by simulations over a grid,
    and the line between its neighbours. 1 where no factor does: then it is not the device that limits the reference."""
    scenario = Scenario.from_case(reference, options=options)
    describe = scenario.describe()
    grid = [math.log(0.1) + math.log(100) * i / (GRID - 1) for i in range(GRID)]

    def rate(factor: float, keep: Any) -> float:
        return float(simulate(scenario.with_sets(*device_sets(describe, math.exp(factor))), keep)["io"]["iops"])

    rates = map_runs(rate, grid)
    # From the largest factor down, so that rates rise; what is beyond both ends is no matter of the device.
    points = [(math.log(r), f) for f, r in zip(reversed(grid), reversed(rates), strict=True) if r > 0]

    def factor_of(wanted: float) -> float:
        if wanted <= 0:
            return 1.0
        at = math.log(wanted)
        for (low, a), (high, b) in pairwise(points):
            if low <= at <= high and high > low:
                return math.exp(a + (b - a) * (at - low) / (high - low))
        return 1.0

    return [factor_of(v) for v in iops]


def predict(
    cases: list[dict[str, Any]],
    options: Options,
    samples: int,
    report: Report,
    factors: Sequence[Sequence[float]] | None = None,
) -> list[list[dict[str, float]]]:
    """Of each case: the best prediction first, then one per draw. `factors` on device times, of each run of each case:
    the best is the median over them; draws, which say what is not known of the machine, take the middle one."""
    scenarios = [Scenario.from_case(c, options=options) for c in cases]
    describes = [s.describe() for s in scenarios]
    known = read_uncertainty(str(options.machine))
    turns = [list(f) for f in factors] if factors is not None else [[1.0]] * len(cases)
    cpus = [c["setting"]["workload"]["pinned_cpu"] for c in cases]
    work = [(at, factor, -1) for at in range(len(cases)) for factor in turns[at]]
    work += [(at, statistics.median(turns[at]), i) for at in range(len(cases)) for i in range(samples)]
    draws = [known or of_estimates(d, samples) for d in describes]

    def one(item: tuple[int, float, int], keep: Any) -> dict[str, float]:
        at, factor, draw = item
        sets = device_sets(describes[at], factor)
        if draw < 0:
            return truth_metrics(simulate(scenarios[at].with_sets(*sets), keep), cpu=cpus[at], all_cpus=False)
        sets = (*sets, *settings_of(describes[at], draws[at], draw, device_drift(describes[at], factor)))
        seed = str(describes[at]["run"]["seed"] + draw)
        data = simulate(scenarios[at].with_sets(options=Options(sets=sets, seed=seed)), keep)
        return truth_metrics(data, cpu=cpus[at], all_cpus=False)

    share = 0.8 * (factors is not None)
    outcome = map_runs(one, work, done=lambda n: report("predicting", 0.2 * n / len(work) + share))
    found, first, drawn = [], 0, sum(len(t) for t in turns)
    for turn in turns:
        best = outcome[first : first + len(turn)]
        first += len(turn)
        found.append([_medians(best), *outcome[drawn : drawn + samples]])
        drawn += samples
    return found


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {
        k: statistics.median(run[k] for run in runs) for k in runs[0] if all(run.get(k) is not None for run in runs)
    }


def check(
    machine: str, target: str, *, repeats: int, seconds: float, samples: int, size: int, report: Report
) -> tuple[Checked, list[dict[str, Any]]]:
    with ended_like_ctrl_c(), ExitStack() as stack:
        report("writing the test file", 0.0)
        goal = stack.enter_context(Target(target, size))
        facts = machine_facts(goal.path)
        place = place_of(facts)
        lacks: list[str] = [*filter(None, [others_on_the_machine()])]
        group = _group(stack, lacks)
        runner = Runner(
            goal.path, size, cpu=place.cpu, irqs=place.irqs, seconds=seconds, program=find_program(), group=group
        )
        stack.callback(runner.close)
        settings = held_out(runner, facts, group, lacks)
        if not settings:
            raise InputError("nothing can be run here", suggestion="; ".join(lacks))
        unseen = [empty_case(s, facts, place.cpu) for s in settings]
        predicted = predict(unseen, recorded(machine), samples, report)
        runs, reference = _measure(runner, settings, repeats, lacks, report)
        if why := runner.window.why_no_perf():
            lacks.append(f"switches are of all CPUs: {why}")
        ours = reference_of(runner)
    if not reference or not any(runs.values()):
        raise InputError("no run came to an end", str(goal.path), suggestion="; ".join(lacks))
    ran = [i for i, s in enumerate(settings) if runs[s]]
    settings, predicted = [settings[i] for i in ran], [predicted[i] for i in ran]
    window_ns = round(seconds * 1e9)
    cases = [case_of(s, runs[s], facts, place.cpu, "predict", window_ns) for s in settings]
    cases.append(case_of(ours, reference, facts, place.cpu, "calibrate", window_ns))
    return _compare(machine, cases, samples, lacks, report, predicted), cases


def compare(machine: str, path: str, *, samples: int, report: Report) -> Checked:
    """The same with runs that were measured before (--cases of an earlier check)."""
    cases = [case.raw for case in read_cases(path)]
    if not any(c["role"] == "predict" for c in cases) or not any(c["role"] == "calibrate" for c in cases):
        raise InputError("holds no runs of a check", path, suggestion="check --cases FILE.jsonl writes them")
    return _compare(machine, cases, samples, [], report, None)


def _compare(
    machine: str,
    cases: list[dict[str, Any]],
    samples: int,
    lacks: list[str],
    report: Report,
    before: list[list[dict[str, float]]] | None,
) -> Checked:
    known = read_uncertainty(machine)
    error = known.discrepancy if known else {}
    held_out = [c for c in cases if c["role"] == "predict"]
    reference = next(c for c in cases if c["role"] == "calibrate")

    def rows(found: list[list[dict[str, float]]], noise: dict[str, float]) -> list[Row]:
        return [
            row
            for raw, p in zip(held_out, found, strict=True)
            for row in _rows(case_from(raw), p, {m: math.hypot(error.get(m, 0.0), noise.get(m, 0.0)) for m in METRICS})
        ]

    others = statistics.median(share_of_others(c["measured"]) for c in held_out)
    if others > OTHERS:
        lacks = [
            *lacks,
            f"other programs used {100 * others:.0f} % of the CPU meanwhile: switches and idle are theirs too",
        ]
    then = recorded(machine)
    before = before or predict(held_out, then, samples, report)
    cost_factor = drift_of_costs(reference, then)
    now = at_speed(then, reference, cost_factor)
    each = [run["iops"] for run in reference["each"]]
    usual = reference["measured"]["iops"]
    wanted = [[run.get(drift.KEY, usual) for run in c["each"]] for c in held_out]
    found = iter(drift_of_device(reference, now, [v for of_case in wanted for v in of_case]))
    factors = [[next(found) for _ in of_case] for of_case in wanted]
    predicted = predict(held_out, now, samples, report, factors)
    repeats = statistics.median(len(c["each"]) for c in held_out)
    one_run = {m: drift.noise(reference["each"], m) for m in METRICS}
    noise = {m: v * math.sqrt(math.pi / 2 / repeats) for m, v in one_run.items()}  # of a median
    middle = statistics.median(f for of_case in factors for f in of_case)
    return Checked(rows(predicted, noise), each, len(held_out), middle, cost_factor, rows(before, {}), lacks)


def reference_of(runner: Runner) -> Setting:
    return REFERENCE if runner.fio else replace(REFERENCE, engine="io_uring")


def held_out(runner: Runner, facts: dict[str, Any], group: Group | None, lacks: list[str]) -> list[Setting]:
    wanted = HELD_OUT_ROOT + (HELD_OUT_GROUP if group is not None else ())
    ring = facts["kernel"]["io_uring_disabled"] in (0, None)
    if not runner.fio:
        lacks.append("fio is not installed: only io_uring, by the recorder's own loop (apt-get install fio)")
    if not ring:
        lacks.append("io_uring is off (kernel.io_uring_disabled)")
    return runnable(wanted, fio=bool(runner.fio), io_uring=ring, writes=True)


def _group(stack: ExitStack, lacks: list[str]) -> Group | None:
    try:
        return stack.enter_context(Group())
    except NoCgroupError as error:
        lacks.append(f"no weights: {error}")
        return None


def _run(runner: Runner, s: Setting, lacks: list[str]) -> list[dict[str, float]]:
    """One run, or none: a disk that stands still for a second ends fio without a figure, and not the whole check."""
    try:
        return [runner.run(s)]
    except InputError as error:
        lacks.append(f"a run of {s.name} is left out: {error.message}")
        return []


def _measure(
    runner: Runner, settings: list[Setting], repeats: int, lacks: list[str], report: Report
) -> tuple[dict[Setting, list[dict[str, float]]], list[dict[str, float]]]:
    """Rounds over all settings, the reference between them."""
    runs: dict[Setting, list[dict[str, float]]] = {s: [] for s in settings}
    reference: list[dict[str, float]] = []
    ours = reference_of(runner)
    begin, total = time.monotonic(), repeats * len(settings)
    place, rates, order = 0.0, {}, []
    for n in range(total):
        if n % drift.EVERY == 0:
            for run in _run(runner, ours, lacks):
                reference.append(run)
                rates[place] = run["iops"]
            place += 1
        s = settings[n % len(settings)]
        left = (time.monotonic() - begin) / max(n, 1) * (total - n)
        report(f"{s.name}, {left:.0f} s left" if n else s.name, 0.2 + 0.6 * n / total)
        for run in _run(runner, s, lacks):
            runs[s].append(run)
            order.append((place, run))
        place += 1
    drift.mark(order, rates)
    return runs, reference


def _rows(case: Case, predicted: list[dict[str, float]], error: dict[str, float]) -> list[Row]:
    rows = []
    for at, metric in enumerate(METRICS):
        if metric not in case.measured or case.is_noise(metric):
            continue
        best, drawn = predicted[0].get(metric), [p[metric] for p in predicted[1:] if metric in p]
        if best is None or not drawn:
            continue
        found = interval(drawn, error.get(metric, 0.0), at)
        least, greatest = case.spread[metric]
        rows.append(
            Row(
                case.id.removeprefix("predict-"),
                metric,
                case.measured[metric],
                least,
                greatest,
                best,
                found["low"],
                found["high"],
            )
        )
    return rows


def check_lines(outcome: Checked) -> list[str]:
    lines = [
        f"{'setting':42} {'metric':24} {'measured':>11} {'least':>11} {'most':>11} {'predicted':>11}  90 % interval"
    ]
    for r in outcome.rows:
        form = ".3f" if r.metric == "idle" else ",.0f"
        mark = "" if r.covered else "  outside"
        lines.append(
            f"{r.setting:42} {r.metric:24} {r.measured:>11{form}} {r.least:>11{form}} {r.greatest:>11{form}} "
            f"{r.predicted:>11{form}}  {r.low:{form}} .. {r.high:{form}}{mark}"
        )
    lines.append("")
    for metric in METRICS:
        if not any(r.metric == metric for r in outcome.rows):
            continue
        bar = f" (at most {BARS[metric]:.0f} % asked for)" if metric in BARS else ""
        covered = f", {100 * outcome.coverage(metric):.0f} % covered" if metric in BARS else ""
        lines.append(
            f"{metric:24} mean distance to the measured spread {outcome.mean_distance(metric):5.1f} %{bar}{covered}"
        )
    lines.append(
        f"intervals: {100 * outcome.coverage():.0f} % of the measured medians covered (80 to 98 % asked for), median "
        f"half-width {outcome.half_width():.1f} % (at most {HALF_WIDTH:.0f} %)"
    )
    if outcome.reference:
        low, high, mid = min(outcome.reference), max(outcome.reference), statistics.median(outcome.reference)
        lines.append(
            f"reference setting, {len(outcome.reference)} runs between them: {low:,.0f} to {high:,.0f} IOPS, "
            f"median {mid:,.0f}: this machine moves by {50 * (high - low) / mid:.0f} % by itself"
        )
    lines.append(
        f"as of the reference in these minutes: device times {outcome.device_factor:.3f} of the recorded ones, "
        f"costs {outcome.cost_factor:.3f}"
    )
    plain = Checked(outcome.before, outcome.reference, outcome.settings)
    lines.append(
        "with the recorded ones, predicted before: mean distance "
        + ", ".join(f"{m} {plain.mean_distance(m):.1f} %" for m in BARS)
        + f"; {100 * plain.coverage():.0f} % covered, median half-width {plain.half_width():.1f} %"
    )
    lines += [f"lacks: {line}" for line in outcome.lacks]
    return [*lines, *(f"NOT REACHED {line}" for line in outcome.failures())]


def write_cases(path: str, cases: list[dict[str, Any]]) -> None:
    import json

    from wakepath.paths import write_text

    write_text(str(Path(path)), "".join(json.dumps(c) + "\n" for c in cases))
