# SPDX-License-Identifier: GPL-2.0-or-later
"""Formulas of result figures and the file of published rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakepath.errors import InputError
from wakepath.expected import read_expected
from wakepath.formula import evaluate

DATA = {
    "io": {"iops": 100.0},
    "control": {"io": {"iops": 200.0}},
    "cpus": [{"id": 11, "busy": 0.9}, {"id": 0, "busy": 0.1}],
    "tasks": [{"comm": "fio", "x": 1.0}, {"comm": "fio", "x": 2.0}],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("io.iops", 100.0),
        ("io.iops / control.io.iops", 0.5),
        ("1 - io.iops / 200", 0.5),
        ("cpus[11].busy", 0.9),
        ('tasks["fio"].x', 3.0),
        ("max(io.iops, 3) * -2", -200.0),
    ],
)
def test_values(text: str, value: float) -> None:
    assert evaluate(text, DATA) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("io.iop", "no 'io.iop'.*did you mean iops"),
        ("io", "is not a number"),
        ("__import__('os')", "is not allowed|not a number"),
        ("io.iops /", "is not a formula"),
        ("cpus[5].busy", r"no 'cpus\[5\]'"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(text, DATA)


def expected(tmp_path: Path, text: str) -> str:
    (tmp_path / "expected.toml").write_text('schema = "wakepath.expected/1"\n' + text, encoding="utf-8")
    return str(tmp_path)


def test_rows_and_bands(tmp_path: Path) -> None:
    text = """
[band.cost]
centre = "mid"
points.low = ["costs.tick=1"]
points.mid = ["costs.tick=2"]
[[row]]
id = "A"
metric = "io.iops"
low = 1
band = "cost"
set = ["kernel.version=v6.8"]
"""
    (row,) = read_expected(expected(tmp_path, text)).rows
    assert row.role == "predict"
    assert row.low == 1.0
    assert row.high is None
    assert row.band is not None
    assert row.band.centre == "mid"
    assert row.scenario == str(tmp_path / "scenario.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[row]]\nid = "A"\nmetrik = "x"', "expected.toml:4: unknown key 'metrik'.*did you mean metric"),
        ('[[row]]\nid = "A"', "a row needs id and metric"),
        ('[[row]]\nid = "A"\nmetric = "x"\nband = "b"', "unknown band 'b'"),
        ('[[row]]\nid = "A"\nmetric = "x"\n[[row]]\nid = "A"\nmetric = "x"', "two rows are called 'A'"),
        ("x = [", "is not TOML"),
    ],
)
def test_bad_expected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_expected(expected(tmp_path, text))


def test_a_folder_without_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no expected\.toml"):
        read_expected(str(tmp_path))
