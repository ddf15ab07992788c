# SPDX-License-Identifier: GPL-2.0-or-later
"""compare: settings over seeds, results, traces; what is printed fits a cover letter."""

from __future__ import annotations

from pathlib import Path

import pytest

import wakepath
from wakepath import run
from wakepath.cli import status_of
from wakepath.compare import compare, compare_results, compare_settings
from wakepath.compare_text import WIDTH, text_of
from wakepath.scenario import Options, Scenario

TRACES = Path(__file__).resolve().parents[1] / "truth" / "traces"
ROOT, WEIGHTED = (str(TRACES / f"A-6.1-d71k-q128-m1-w{w}.txt.xz") for w in ("root", "1000"))
SHORT = Options(duration="40ms", warmup="20ms")


def load(name: str) -> Scenario:
    return Scenario.load(name, options=SHORT)


def test_settings_are_compared_pair_by_pair() -> None:
    names = ("starved_completions/qemu-6.1", "starved_completions/qemu-6.12")
    scenarios = [(name, load(name)) for name in names]
    found = compare_settings(
        scenarios, ["cgroup.kubepods.cpu.weight=100"], ["cgroup.kubepods.cpu.weight=1000"], seeds=3
    )
    iops = {r.of: r for r in found.rows if r.metric == "IOPS"}
    assert set(iops) == set(names)
    for row in iops.values():
        assert row.clear
        assert row.difference is not None
        assert row.difference < -0.1
    text = text_of(found)
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "+-" in text


def test_the_same_on_both_sides_is_no_difference() -> None:
    found = compare_settings([("s", load("starved_completions/qemu-6.1"))], ["run.seed=3"], ["run.seed=3"], seeds=2)
    assert all(r.a == r.b and not r.clear for r in found.rows)


def test_traces_add_up_to_what_an_io_costs() -> None:
    found = compare(ROOT, WEIGHTED)
    parts = [r for r in found.rows if r.of == "CPU ns an I/O"]
    # One CPU that never idles: the parts of an I/O are the time between two.
    assert sum(r.a or 0 for r in parts) == pytest.approx(1e9 / 59784, rel=0.01)
    assert sum(r.b or 0 for r in parts) == pytest.approx(1e9 / 30915, rel=0.01)
    assert parts[0].metric in ("switch_out", "wakeup", "reap")
    assert max(len(line) for line in text_of(found).splitlines()) <= WIDTH


def test_results_are_ranked_by_what_moved_most(tmp_path: Path) -> None:
    files = []
    for name in ("starved_completions/qemu-6.1-root", "starved_completions/qemu-6.1"):
        files.append(str(tmp_path / f"{len(files)}.json"))
        run(load(name)).save(files[-1])
    found = compare(files[0], files[1])
    assert found.kind == "results"
    assert list(found.rows) == sorted(found.rows, key=lambda r: (-r.effect, r.metric))
    assert any(r.metric.startswith("pingpong.") and not r.a for r in found.rows)
    same = run(load("starved_completions/qemu-6.1"))
    assert compare_results(same, same).rows == ()


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = str(tmp_path / "r.json")
    run(load("starved_completions/qemu-6.1")).save(result)
    for arguments, said in (
        (["compare", ROOT], "two files"),
        (["compare", ROOT, result], "is a result"),
        (["compare", ROOT, str(tmp_path / "none")], "no such file"),
        (["compare", "starved_completions", "--a", "weight"], "no '='"),
        (["compare", ROOT, WEIGHTED, "--seeds", "3"], "as they are"),
    ):
        assert status_of(arguments) == 2
        assert said in capsys.readouterr().err


def test_from_python() -> None:
    found = wakepath.compare("starved_completions/qemu-6.1", b=["kernel.version='6.12'"], seeds=1, duration="30ms")
    table = found.to_pandas()
    assert {"of", "metric", "a", "b", "difference"} <= set(table.columns)
    assert list(wakepath.compare(ROOT, WEIGHTED).to_pandas()["of"][:1]) == ["CPU ns an I/O"]
    with pytest.raises(wakepath.InputError, match="two files"):
        wakepath.compare(ROOT)
