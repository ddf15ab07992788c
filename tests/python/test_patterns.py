# SPDX-License-Identifier: GPL-2.0-or-later
"""Event patterns of real traces are met by simulated ones, figure by figure, or named as exceptions with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wakepath.patterns import Pattern, Row, beside, compare, figure, judge, read_list, windows, write_twin
from wakepath.runner import simulate
from wakepath.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE, PATTERNS = read_list(ROOT / "docs" / "patterns.toml")


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: p.case)
def test_pattern_of_a_real_trace_is_met(pattern: Pattern) -> None:
    rows = compare(pattern)
    assert judge(rows, TOLERANCE, pattern.exceptions) == []
    # The page has these figures (the simulated ones move with every change of a model; docs/patterns.py renews them).
    page = (ROOT / "docs" / "patterns.md").read_text(encoding="utf-8").partition(f"## {pattern.case}\n")[2]
    for row in rows:
        if not row.minor:
            assert f"| {row.name.replace('>', '&gt;')} | {figure(row.real)} |" in page
    for name, reason in pattern.exceptions.items():
        assert f"`{name}`" in page
        assert reason in page


def test_a_trace_beside_itself_differs_nowhere() -> None:
    rows = beside(PATTERNS[0].trace, PATTERNS[0].trace)
    assert rows
    assert {row.difference for row in rows} <= {0.0}


def test_root_and_weighted_are_told_apart() -> None:
    rows = beside(PATTERNS[0].trace, PATTERNS[1].trace)
    assert len(judge(rows, TOLERANCE, {})) > 10


def test_an_exception_that_holds_or_is_unknown_is_wrong() -> None:
    rows = [Row("good", 1.0, 1.05, 0.05, False), Row("bad", 1.0, 2.0, 1.0, False), Row("small", 0.0, 0.1, None, True)]
    assert judge(rows, 0.1, {"bad": "known"}) == []
    assert len(judge(rows, 0.1, {})) == 1
    assert len(judge(rows, 0.1, {"bad": "known", "good": "stale"})) == 1
    assert len(judge(rows, 0.1, {"bad": "known", "small": "minor"})) == 1


def test_windows_cut_by_time_and_keep_the_header() -> None:
    stamps = [1000 + 10 * i for i in range(31)]
    line = "             fio-119     [000] d..2. {:>12}: local_timer_exit: vector=236\n"
    text = "# tracer: nop\n" + "".join(line.format(s) for s in stamps)
    parts = windows(text, 100, 100)
    assert [part.count("\n") for part in parts] == [11, 11]
    assert all(part.startswith("# tracer: nop\n") for part in parts)
    assert windows(text, 0, None) == [text]


def test_each_kind_of_record_costs() -> None:
    """One item an activation: 10 scheduler and syscall records an I/O, and at least 7 of the other kinds."""

    def ns_per_io(*sets: str) -> float:
        scenario = Scenario.load("starved_completions/qemu-6.1", set=(*sets, "run.duration=50ms", "run.warmup=50ms"))
        return 1e9 / float(simulate(scenario)["io"]["iops"])

    free = ns_per_io()
    assert 10_000 <= ns_per_io("costs.trace_record_sched=1000") - free <= 13_000
    assert 7_000 <= ns_per_io("costs.trace_record=1000") - free <= 9_000


def test_analyze_beside_says_both(wakepath: Callable[..., object], tmp_path: Path) -> None:
    twin = str(tmp_path / "twin.txt.xz")
    write_twin(PATTERNS[1], twin)
    said = wakepath("analyze", PATTERNS[1].trace, "--beside", twin)
    assert said.status == 0  # type: ignore[attr-defined]
    assert "transitions.kworker>fio.R+.share" in said.out  # type: ignore[attr-defined]
