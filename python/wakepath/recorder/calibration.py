# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording's folder becomes a machine file: equations, device law, windows, draws. The report says what
each is from."""

from __future__ import annotations

import math
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wakepath.calibrate import PRIOR, Parameter, Problem, scaled
from wakepath.errors import InputError
from wakepath.recorder import fit
from wakepath.recorder.base import base_tables, model_has, starting_table, tables_toml
from wakepath.recorder.beside import program_tables
from wakepath.recorder.cases import OTHERS, share_of_others
from wakepath.recorder.device_law import DeviceLaw, estimate, from_trace_alone
from wakepath.recorder.drift import undrifted
from wakepath.recorder.recording import Recording
from wakepath.recorder.trace_costs import TraceCosts, finish, trace_costs
from wakepath.recorder.urtrace import Cost, mean_of_quantiles

# From the interrupt to a completion that a spinning task of another CPU sees.
WAY_TO_THE_EYE = (
    *("idle_wake_latency", "idle_exit", "irq_entry", "cqe", "rq_end", "queue_work", "wake_before_clock"),
    *("wake_after_clock", "irq_exit", "idle_leave", "schedule_entry", "schedule_pick", "switch_finish", "worker_wake"),
    *("work_begin", "dio_complete", "uring_rw_done", "task_work_add", "ipi_send", "ipi_latency", "uring_task_work"),
    *("uring_cqe", "uring_flush"),
)
RATIO_UNITS = 100_000  # of loop_cpu_ratio
CPU_WIDE = ("context_switches_per_s", "busy")  # counted for the CPU, whoever ran
Report = Callable[[str, float], object]


@dataclass
class Calibration:
    tables: dict[str, dict[str, Any]]
    sources: dict[str, str]
    linear: fit.Linear
    law: DeviceLaw | None
    windows: fit.WindowFit | None
    posterior: fit.Posterior
    parameters: dict[str, Parameter]
    lacks: list[str]
    stays: list[str] = field(default_factory=list)  # costs that are still estimates
    overhead: tuple[float, float] | None = None  # of recording, by its own measurement, and that one's scatter


def read_traces(recording: Recording) -> list[TraceCosts]:
    target = recording.facts.get("target", {})
    irqs, cpus = target.get("irqs") or [None], target.get("irq_cpus") or [None]
    cpu = cpus[0] if cpus[0] is not None else recording.facts["cpu"]["online"][-1]
    return [finish(trace_costs(str(path), cpu, irqs[0])) for path in sorted(recording.traces)]


def measured_costs(recording: Recording, traces: list[TraceCosts]) -> dict[str, Cost]:
    found = dict(recording.probes.costs) if recording.probes else {}
    # What several traces tell is taken from the one in which it comes most often: it is warm there, and matters.
    for cost in sorted((c for trace in traces for c in trace.costs()), key=lambda c: c.n):
        found[cost.kind] = cost
    null = recording.state.get("fio_null_ns", {}).get("32")
    if null:
        found["fio_null_32"] = Cost("fio_null_32", 1, float(null), (float(null),), ())
    return found


def overhead_of(costs: dict[str, Cost]) -> tuple[float, float] | None:
    """CPU time a request with stamps over that without, less one; its standard error over the rounds."""
    ratio = costs.get("loop_cpu_ratio")
    if ratio is None or ratio.median_ns <= 0:
        return None
    return ratio.median_ns / RATIO_UNITS - 1, fit.bootstrap_sigma(ratio.blocks, ratio.median_ns)


# Costs whose scatter within a run decides what happens next, and the intervals that show it: the host's part of a
# notification, and caches that are colder or warmer after idle. (The kworker's has less of it than a trace's whole us.)
SCATTER = {"doorbell": "trace_doorbell", "idle_cold_task": "turn_cold_task"}


# Costs that no table has, for they are each host's own: a fit starts from what was measured.
OWN = {"idle_cold_task": "turn_cold_task", "idle_cold_kworker": "turn_cold_kworker"}


def own_costs(table: dict[str, Any], costs: dict[str, Cost]) -> dict[str, Any]:
    """A starting table with OWN filled in, and those of SCATTER with the measured shape around their mean. The last
    quantile is what met an interrupt, and is left out."""
    found = dict(table)
    for name, kind in OWN.items():
        if kind in costs and table[name].get("ns") == 0:
            found[name] = {**table[name], "ns": max(0, round(costs[kind].median_ns))}
    for name, kind in SCATTER.items():
        values = [max(0, q) for q in costs[kind].quantiles[:-1]] if kind in costs else []
        if values and (mean := mean_of_quantiles(values)) > 0 and found[name].get("ns", 0) > 0:
            entry = {k: v for k, v in found[name].items() if k != "ns"}
            found[name] = entry | {"quantiles": [round(found[name]["ns"] * v / mean) for v in values]}
    return found


def _start_ns(table: dict[str, Any]) -> dict[str, float]:
    """Means of the starting table; the record's own cost is not the machine's and starts from an estimate."""
    found = {}
    for name, entry in table.items():
        if not isinstance(entry, dict):
            continue
        values = entry.get("quantiles") or [entry.get("low", 0), entry.get("high", 0)]
        found[name] = float(entry["ns"]) if "ns" in entry else mean_of_quantiles(values)
    found[fit.RECORD] = fit.RECORD_NS
    return found


def calibrate_recording(recording: Recording, *, kernel: str | None, report: Report) -> Calibration:
    if recording.probes is None and not recording.cases and not recording.traces:
        raise InputError("nothing in it was measured", str(recording.folder), suggestion="wakepath record again")
    report("reading traces", 0.02)
    traces = read_traces(recording)
    costs = measured_costs(recording, traces)
    start = _start_ns(own_costs(starting_table(recording.facts)[1], costs))
    rung = model_has("device.doorbell_when_idle")
    rows = fit.equations(costs, has=lambda need: need != "doorbell_when_idle" or rung)
    linear = fit.solve_equations(rows, start, {})
    first = dict(
        zip(linear.names, (s * math.exp(x) for s, x in zip(linear.start_ns, linear.x, strict=True)), strict=True)
    )
    now = start | first
    ring = model_has("block.ring_requests")
    law = (
        estimate(
            recording.probes,
            traces,
            recording.facts.get("target", {}),
            sum(now.get(name, 0.0) for name in WAY_TO_THE_EYE),
            now.get("idle_wake_latency", 0.0),
            ring,
        )
        if recording.probes
        else from_trace_alone(traces)
    )
    tables = base_tables(recording.facts, law, kernel, recording.probes)
    tables["costs"] = own_costs(tables["costs"], costs)
    if recording.cases:
        cpu = int(recording.cases[0].setting["workload"]["pinned_cpu"])
        tables |= program_tables(recording.state.get("beside", []), cpu)
    outcome = Calibration(tables, {}, linear, law, None, fit.Posterior(), {}, recording.lacks())
    outcome.overhead = overhead_of(costs)
    _apply(outcome, recording, report)
    return outcome


def _apply(outcome: Calibration, recording: Recording, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, whole_path = Path(folder) / "machine.toml", Path(folder) / "whole.toml"
        alone = {name: table for name, table in outcome.tables.items() if not name.startswith("program.")}
        path.write_text(tables_toml(alone, []), encoding="utf-8")
        whole_path.write_text(tables_toml(outcome.tables, []), encoding="utf-8")
        keys, x, covariance = _prior(outcome, str(path), recording)
        if recording.cases:
            cases = undrifted(recording.cases)
            problem = Problem(cases, fit.options_for(str(path)), fit_device=True)
            whole = Problem(cases, fit.options_for(str(whole_path), fit.WHOLE_S), fit_device=True)
            _drop_others(outcome, problem)
            whole.targets = problem.targets
            outcome.parameters = {p.key: p for p in problem.parameters}
            _windows(outcome, problem, whole, keys, x, covariance, report)
        else:
            outcome.parameters = _parameters(str(path))
            outcome.posterior = fit.posterior(keys, x, covariance)
    _write_back(outcome)


def _drop_others(outcome: Calibration, problem: Problem) -> None:
    """Where others ran beside fio, the CPU's switches and idle time say nothing of the load's costs."""
    shared = [i for i, case in enumerate(problem.cases) if share_of_others(case.measured) > OTHERS]
    for i in shared:
        problem.targets[i] = {k: v for k, v in problem.targets[i].items() if k not in CPU_WIDE}
    if shared:
        outcome.lacks.append(
            f"in {len(shared)} of {len(problem.cases)} windows others used more than {100 * OTHERS:.0f} % of the CPU: "
            "its switches and idle time are left out there"
        )


def _parameters(machine: str) -> dict[str, Parameter]:
    """Costs and device times of a machine file, without any window."""
    from wakepath.scenario import Options, Scenario

    text = '[workload.w]\nioengine = "libaio"\nrw = "randwrite"\nbs = "4k"\n'
    describe = Scenario.from_toml(text, options=Options(machine=machine)).describe()
    found = {f"costs.{k}": Parameter(f"costs.{k}", v["mean_ns"], v) for k, v in describe["costs"]["entries"].items()}
    for name in ("service_ns", "read_service_ns", "latency_ns"):
        quantity = describe["device"][name]
        found[f"device.{name}"] = Parameter(f"device.{name}", quantity["mean_ns"], quantity)
    return {k: p for k, p in found.items() if p.start > 0}


def _prior(outcome: Calibration, machine: str, recording: Recording) -> tuple[list[str], Any, Any]:
    """Means and covariance of every cost and device time before the windows."""
    import numpy as np

    linear = outcome.linear
    known = {f"costs.{name}": i for i, name in enumerate(linear.names) if fit.is_cost(name)}
    keys = sorted(_parameters(machine))
    x, covariance = np.zeros(len(keys)), np.eye(len(keys)) * PRIOR**2
    at = [(i, known[k]) for i, k in enumerate(keys) if k in known]
    for i, a in at:
        x[i] = linear.x[a]
        for j, b in at:
            covariance[i, j] = linear.covariance[a, b]
    sigma = outcome.law.sigma if outcome.law else {}
    for i, key in enumerate(keys):
        if key.startswith("device.") and outcome.law:
            covariance[i, i] = sigma.get(key.removeprefix("device.").removeprefix("read_"), 0.15) ** 2
    return keys, x, covariance


def _windows(
    outcome: Calibration, problem: Problem, whole: Problem, keys: list[str], x: Any, covariance: Any, report: Report
) -> None:
    import numpy as np

    report("which costs the windows feel", 0.1)
    felt = sorted(problem.parameters[i].key for i in fit.screen(problem))
    at = [keys.index(k) for k in felt if k in keys]
    names = [keys[i] for i in at]
    # What no window feels still differs from the start: it is set in every run.
    rest = [
        p.setting(math.exp(x[keys.index(p.key)])) for p in problem.parameters if p.key in keys and p.key not in names
    ]
    for of in (problem, whole):
        of.options = replace(of.options, sets=(*of.options.sets, *rest))
    report("fitting windows", 0.2)
    found = fit.fit_windows(
        problem,
        whole,
        names,
        x[at],
        covariance[np.ix_(at, at)],
        lambda share: report("fitting windows", 0.2 + 0.8 * share),
    )
    outcome.windows = found
    # Costs that are tied to the fitted ones by an equation follow them: the normal distribution, conditioned.
    others = [i for i in range(len(keys)) if i not in at]
    cross = covariance[np.ix_(others, at)] @ np.linalg.inv(covariance[np.ix_(at, at)])
    x, joint = x.copy(), covariance.copy()
    x[others] += cross @ (found.x - x[at])
    x[at] = found.x
    joint[np.ix_(others, others)] += cross @ (found.covariance - covariance[np.ix_(at, at)]) @ cross.T
    joint[np.ix_(others, at)] = cross @ found.covariance
    joint[np.ix_(at, others)] = joint[np.ix_(others, at)].T
    joint[np.ix_(at, at)] = found.covariance
    outcome.posterior = fit.posterior(keys, x, joint)


def _write_back(outcome: Calibration) -> None:
    """Fitted values and where each is from into the tables; draws into `uncertainty`."""
    in_equations = {f"costs.{n}" for row, _ in outcome.linear.rows for n in row.sums}
    in_windows = set(outcome.windows.keys if outcome.windows else ())
    for key, factor in outcome.posterior.factors.items():
        p = outcome.parameters.get(key)
        if p is None:
            continue
        table, _, name = key.partition(".")
        value = tomllib.loads("v = " + scaled(p.quantity, factor))["v"]
        sigma = outcome.posterior.sigma[key]
        if table == "device":
            outcome.tables["device"][name] = value
            continue
        origin = " and ".join(w for w, s in (("probes", in_equations), ("windows", in_windows)) if key in s)
        if sigma > 0.75 * PRIOR or not origin:
            outcome.stays.append(name)
            outcome.sources[name] = f"estimate: {p.quantity.get('source', 'the starting table')}"
            if origin and abs(factor - 1) > 0.01:
                outcome.sources[name] += f"; times {factor:.3f} by {origin}"
        else:
            outcome.sources[name] = f"measured on this machine: {origin}, +-{100 * (math.exp(sigma) - 1):.0f} %"
        entry = dict(value) if isinstance(value, dict) else {"ns": value}
        outcome.tables["costs"][name] = {**entry, "estimate": name in outcome.stays, "source": outcome.sources[name]}
    outcome.tables["uncertainty"] = {
        "draws": {k: v for k, v in outcome.posterior.draws.items() if k in outcome.parameters},
        "discrepancy": {k: round(v, 4) for k, v in (outcome.windows.discrepancy if outcome.windows else {}).items()},
    }


def machine_text(outcome: Calibration, recording: Recording) -> str:
    comments = [
        f"Machine file of a recording ({recording.facts['kernel']['release']}), made by `wakepath calibrate`.",
        f"{outcome.linear.determined} combinations of costs are determined by {len(outcome.linear.rows)} probes.",
        f"Still estimates: {', '.join(outcome.stays) or 'none'}.",
        *(f"Lacks: {line}" for line in outcome.lacks),
    ]
    return tables_toml(outcome.tables, comments)


def report_lines(outcome: Calibration) -> list[str]:
    lines = [f"{len(outcome.linear.rows)} probes, {outcome.linear.determined} combinations of costs determined by them"]
    for row, said in outcome.linear.rows:
        lines.append(f"  {row.kind:20} {row.measured_ns:>10.0f} ns measured, {said:>10.0f} ns by costs")
    if law := outcome.law:
        lines.append(
            f"device: law {law.law}, service {law.service_ns} ns, latency {law.latency_ns} ns"
            f"{f', {law.servers} servers' if law.servers > 1 else ''}"
            f"{', one interrupt a batch' if law.interrupt_on_drain else ''}"
        )
    for name, table in outcome.tables.items():
        if name.startswith("program."):
            lines.append(f"beside the load: {name.removeprefix('program.')}, {table['run']} every {table['period']}")
    if w := outcome.windows:
        lines.append(
            f"{len({c for c, _ in w.labels})} windows, {len(w.keys)} costs felt, "
            f"{w.determined} combinations told, {w.runs} runs"
        )
        rows: dict[str, list[str]] = {}
        for (case, name), left in zip(w.labels, w.after, strict=True):
            rows.setdefault(case, []).append(f"{name.removesuffix('_per_s')} {100 * (math.exp(left) - 1):+.1f} %")
        lines += [f"  {case}: {', '.join(values)}" for case, values in rows.items()]
        lines.append(
            "the model's own error: "
            + ", ".join(f"{k} {100 * (math.exp(v) - 1):.1f} %" for k, v in w.discrepancy.items())
        )
    if outcome.overhead is not None:
        cost, error = outcome.overhead
        lines.append(
            f"the recorder's own cost: {100 * cost:+.1f} +- {100 * error:.1f} % of the CPU time of the loop it recorded"
        )
    estimates = ", ".join(outcome.stays)
    lines.append(f"still estimates ({len(outcome.stays)}): {estimates}" if estimates else "no cost is an estimate")
    return [*lines, *(f"lacks: {line}" for line in outcome.lacks)]
