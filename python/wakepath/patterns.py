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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.errors import InputError
from wakepath.paths import read_text
from wakepath.runner import run
from wakepath.scenario import Options, Scenario
from wakepath.truth import read_cases


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
    skip_ns: int = 0  # of the real trace's begin, where the pattern builds up
    exceptions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One figure of both sides. `difference` is (simulated - real) / real; None where one side cannot tell."""

    name: str
    real: float | None
    simulated: float | None
    difference: float | None
    minor: bool

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
            skip_ns=int(item.get("skip_ns", 0)),
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
    return tuple(f"costs.{name}={entry['ns']}" for name, entry in costs.items() if isinstance(entry, dict))


def write_twin(pattern: Pattern, trace: str) -> None:
    """Simulate the pattern's case with its records charged; their text goes to `trace`."""
    cases = {case.id: case for case in read_cases(pattern.cases_file)}
    if pattern.case not in cases:
        raise InputError(f"has no case '{pattern.case}'", pattern.cases_file)
    sets = (*cost_sets(pattern.machine), *pattern.sets)
    options = Options(sets=sets, warmup=pattern.warmup, duration=pattern.duration)
    run(Scenario.from_case(cases[pattern.case].raw, options=options), trace=trace)


_STAMP = re.compile(r"^.{16,}?\[\d+\] +\S+ +(\d+): ")  # "COMM-PID [CPU] FLAGS NANOSECONDS: "


def without_begin(text: str, skip_ns: int) -> str:
    """ftrace text with ns stamps, less the records of its first `skip_ns`."""
    if skip_ns == 0:
        return text
    kept, end = [], None
    for line in text.splitlines(keepends=True):
        stamp = _STAMP.match(line)
        if stamp is not None:
            now = int(stamp[1])
            end = now + skip_ns if end is None else end
            if now < end:
                continue
        kept.append(line)
    return "".join(kept)


def compare(pattern: Pattern) -> list[Row]:
    """Real beside simulated, for one pattern."""
    with tempfile.TemporaryDirectory() as folder:
        twin, real = str(Path(folder) / "simulated.txt"), str(Path(folder) / "real.txt")
        write_twin(pattern, twin)
        Path(real).write_text(without_begin(read_text(pattern.trace), pattern.skip_ns), encoding="utf-8")
        return beside(real, twin)


def judge(rows: list[Row], tolerance: float, exceptions: dict[str, str]) -> list[str]:
    """What is not as the list says, in lines: figures outside the tolerance, and exceptions that are none (any more)."""
    wrong = []
    for row in rows:
        if row.minor:
            continue
        if row.within(tolerance) == (row.name in exceptions):
            what = "within tolerance, listed as an exception" if row.name in exceptions else "outside the tolerance"
            wrong.append(f"{row.name}: {what}: {figure(row.real)} real, {figure(row.simulated)} simulated")
    known = {row.name for row in rows if not row.minor}
    return wrong + [f"{name}: listed as an exception, no figure of this trace" for name in exceptions if name not in known]


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
        "| figure | real | simulated | difference | |",
        "|---|---:|---:|---:|---|",
    ]
    for row in rows:
        if row.minor:
            continue
        mark = "" if row.within(tolerance) else "exception" if row.name in pattern.exceptions else "outside"
        name = row.name.replace(">", "&gt;")
        lines.append(f"| {name} | {figure(row.real)} | {figure(row.simulated)} | {percent(row.difference)} | {mark} |")
    if pattern.exceptions:
        lines += ["", "Exceptions:", ""]
        differences = {row.name: percent(row.difference) for row in rows}
        lines += [f"- `{k}` ({differences.get(k, '-')}): {v}" for k, v in pattern.exceptions.items()]
    return "\n".join(lines) + "\n"
