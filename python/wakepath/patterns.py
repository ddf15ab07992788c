# SPDX-License-Identifier: GPL-2.0-or-later
"""Event patterns, simulated beside real: who switches to whom for which reason, work items per activation of a kworker,
events per io_getevents.

A list (docs/patterns.toml) names the real traces, the truth case each was recorded under, the machine file with the
fitted costs, and what a record costs the recording kernel. The case is run with those costs and its records charged
(design 3.10), and both traces go through the same analysis. The simulated window is longer than the real one: what is
rare then is met at its mean, and only the real side has the noise of a short window. Figures that are known to lie
outside the tolerance are named in the list with the reason; an exception that has come to hold is an error like a
figure that has ceased to.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.errors import InputError
from wakepath.metrics import truth_metrics
from wakepath.paths import read_text
from wakepath.runner import run, simulate
from wakepath.scenario import Options, Scenario
from wakepath.truth import Case, read_cases


@dataclass(frozen=True)
class Pattern:
    """One real trace and how its simulated twin is made. Paths are relative to the list's own folder."""

    case: str
    cases_file: str
    trace: str
    machine: str
    sets: tuple[str, ...]
    warmup: str
    duration: str
    window_ns: int  # length of the real trace
    skip_ns: int = 0  # of the real trace's begin, where the pattern builds up
    remark: str = ""
    exceptions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One figure of both sides. `difference` is (simulated - real) / real; None where one side cannot tell.

    `low` and `high` are the extremes over windows of the simulated trace as long as the real one: how far chance alone
    carries a window of that length.
    """

    name: str
    real: float | None
    simulated: float | None
    difference: float | None
    minor: bool
    low: float | None = None
    high: float | None = None

    def within(self, tolerance: float) -> bool:
        return self.difference is not None and abs(self.difference) <= tolerance


def read_list(path: str | Path) -> tuple[float, list[Pattern]]:
    """The tolerance and the patterns of a list file."""
    data = tomllib.loads(read_text(str(path)))
    base = Path(path).parent

    def at(name: str) -> str:
        return os.path.normpath(base / name)

    found = [
        Pattern(
            case=item["case"],
            cases_file=at(item["cases"]),
            trace=at(item["trace"]),
            machine=at(item["machine"]),
            sets=tuple(item["sets"]),
            warmup=item["warmup"],
            duration=item["duration"],
            window_ns=int(item["window_ns"]),
            skip_ns=int(item.get("skip_ns", 0)),
            remark=item.get("remark", ""),
            exceptions=item.get("exceptions", {}),
        )
        for item in data["pattern"]
    ]
    return float(data["tolerance"]), found


def rows_of(comparison: dict[str, Any]) -> list[Row]:
    return [Row(r["name"], r["a"], r["b"], r["difference"], r["minor"]) for r in comparison["rows"]]


def beside(real: str, simulated: str) -> list[Row]:
    """The figures of two traces of one setting."""
    return rows_of(json.loads(_core.compare_traces(real, simulated)))


def cost_sets(machine: str) -> tuple[str, ...]:
    """The constant costs of a machine file, as --set takes them.

    The costs alone: a case states its own device law, which --machine would replace.
    """
    costs = tomllib.loads(read_text(machine))["costs"]
    return tuple(f"costs.{name}={_quantity(entry)}" for name, entry in costs.items() if isinstance(entry, dict))


def _quantity(entry: dict[str, Any]) -> str:
    if "ns" in entry:
        return str(entry["ns"])
    return "{" + ", ".join(f"{key} = {entry[key]}" for key in ("low", "high")) + "}"


def case_of(pattern: Pattern) -> Case:
    cases = {case.id: case for case in read_cases(pattern.cases_file)}
    if pattern.case not in cases:
        raise InputError(f"has no case '{pattern.case}'", pattern.cases_file)
    return cases[pattern.case]


def write_twin(pattern: Pattern, trace: str) -> None:
    """Simulate the pattern's case with its records charged; their text goes to `trace`."""
    sets = (*cost_sets(pattern.machine), *pattern.sets)
    options = Options(sets=sets, warmup=pattern.warmup, duration=pattern.duration)
    run(Scenario.from_case(case_of(pattern).raw, options=options), trace=trace)


def untraced(pattern: Pattern) -> list[Row]:
    """The rates without tracing, as the case has them: errors of path and record costs may cancel in a traced run."""
    case = case_of(pattern)
    options = Options(sets=cost_sets(pattern.machine), warmup=pattern.warmup, duration=pattern.duration)
    got = truth_metrics(simulate(Scenario.from_case(case.raw, options=options)), cpu=case.cpu, all_cpus=False)
    found = []
    for name in ("iops", "context_switches_per_s"):
        real = case.measured[name]
        found.append(Row(f"untraced.{name}", real, got[name], got[name] / real - 1, False))
    return found


_STAMP = re.compile(r"^.{16,}?\[\d+\] +\S+ +(\d+): ")  # "COMM-PID [CPU] FLAGS NANOSECONDS: "


def windows(text: str, begin_ns: int, length_ns: int | None) -> list[str]:
    """ftrace text with ns stamps, from `begin_ns` after its first record on, cut into whole windows (None: one).

    Header lines go into every window; a rest shorter than a window is dropped.
    """
    header: list[str] = []
    parts: list[list[str]] = []
    first = last = None
    for line in text.splitlines(keepends=True):
        stamp = _STAMP.match(line)
        if stamp is None:
            header.append(line)
            continue
        last = int(stamp[1])
        first = last if first is None else first
        since = last - first - begin_ns
        if since < 0:
            continue
        index = 0 if length_ns is None else since // length_ns
        while len(parts) <= index:
            parts.append([])
        parts[index].append(line)
    if first is not None and last is not None and length_ns is not None:
        # The last record of a full window lies a little before its end.
        parts = parts[: round((last - first - begin_ns) / length_ns)]
    return ["".join(header + part) for part in parts]


def compare(pattern: Pattern) -> list[Row]:
    """Real beside simulated, for one pattern, with the spread of short simulated windows."""
    with tempfile.TemporaryDirectory() as folder:
        twin, real, short = (str(Path(folder) / name) for name in ("simulated.txt", "real.txt", "window.txt"))
        write_twin(pattern, twin)
        Path(real).write_text(windows(read_text(pattern.trace), pattern.skip_ns, None)[0], encoding="utf-8")
        rows = beside(real, twin)
        seen: dict[str, list[float]] = {}
        for text in windows(read_text(twin), 0, pattern.window_ns):
            Path(short).write_text(text, encoding="utf-8")
            for row in beside(real, short):
                if row.simulated is not None:
                    seen.setdefault(row.name, []).append(row.simulated)
    rows = [replace(r, low=min(seen[r.name]), high=max(seen[r.name])) if r.name in seen else r for r in rows]
    return untraced(pattern) + rows


def judge(rows: list[Row], tolerance: float, exceptions: dict[str, str]) -> list[str]:
    """What is not as the list says, in lines: figures outside the tolerance, and exceptions that are none."""
    wrong = []
    for row in rows:
        if row.minor:
            continue
        if row.within(tolerance) == (row.name in exceptions):
            what = "within tolerance, listed as an exception" if row.name in exceptions else "outside the tolerance"
            wrong.append(f"{row.name}: {what}: {figure(row.real)} real, {figure(row.simulated)} simulated")
    known = {row.name for row in rows if not row.minor}
    return wrong + [
        f"{name}: listed as an exception, no figure of this trace" for name in exceptions if name not in known
    ]


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:+.1f} %"


def text_table(rows: list[Row]) -> str:
    """For a terminal; figures of less than a hundredth of the switches are left out."""
    from wakepath.validate_text import table

    cells = [[r.name, figure(r.real), figure(r.simulated), percent(r.difference)] for r in rows if not r.minor]
    return table(["figure", "first", "second", "difference"], cells)


def markdown(pattern: Pattern, rows: list[Row], tolerance: float) -> str:
    """One section of docs/patterns.md."""
    lines = [
        f"## {pattern.case}",
        "",
        "| figure | real | simulated | difference | simulated windows | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        if row.minor:
            continue
        mark = "" if row.within(tolerance) else "exception" if row.name in pattern.exceptions else "outside"
        cells = [
            row.name.replace(">", "&gt;"),
            figure(row.real),
            figure(row.simulated),
            percent(row.difference),
            f"{figure(row.low)} .. {figure(row.high)}",
            mark,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if pattern.remark:
        lines += ["", pattern.remark]
    if pattern.exceptions:
        lines += ["", "Exceptions:", ""]
        differences = {row.name: percent(row.difference) for row in rows}
        lines += [f"- `{k}` ({differences.get(k, '-')}): {v}" for k, v in pattern.exceptions.items()]
    return "\n".join(lines) + "\n"
