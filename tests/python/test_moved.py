# SPDX-License-Identifier: GPL-2.0-or-later
"""Predictions that moved: what counts as a move, what `validate --since` prints, and that the changelog has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wakepath import InputError, moved

ROOT = Path(__file__).resolve().parents[2]
CASES = str(ROOT / "tests" / "truth" / "qemu.jsonl")
FEW = ("--only", "6.1-d50k-q1-", "--duration", "20ms", "--warmup", "5ms")


def frame(*rows: tuple[str, str, float, float | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["id", "metric", "measured", "predicted"])


def test_a_move_is_beyond_a_hundredth_of_the_measured_value_or_a_point_of_a_share() -> None:
    before = frame(("a", "iops", 100, 110), ("b", "iops", 100, 100), ("c", "idle", 0.02, 0.020), ("d", "iops", 0, 5))
    after = frame(("a", "iops", 100, 104), ("b", "iops", 100, 100.9), ("c", "idle", 0.02, 0.025), ("d", "iops", 0, 9))
    found = moved.moved(before, after)
    assert list(found["id"]) == ["a"]
    assert found["move"][0] == pytest.approx(-0.06)
    assert bool(found["better"][0])
    wider = moved.moved(before, frame(("c", "idle", 0.02, 0.041)))
    assert list(wider["id"]) == ["c"]
    assert not bool(wider["better"][0])


def test_the_text_says_how_many_which_way_and_names_the_largest() -> None:
    before = frame(("a", "iops", 100, 110), ("b", "iops", 1000, 1000), ("c", "iops", 100, None))
    after = frame(("a", "iops", 100, 104), ("b", "iops", 1000, 900), ("c", "iops", 100, 100), ("d", "iops", 1, 1))
    said = moved.text(before, after, largest=1)
    assert said.startswith("2 of 2 predictions moved by more than 1 % of the measured value, 1 of them nearer")
    assert "2 have no earlier one" in said
    assert "| iops | 2 of 2 | 1 | 5.0 % | 7.0 % |" in said
    assert "| `b` | iops | 1,000 | 1,000 | 900 | farther |" in said
    assert "`a`" not in said


def test_validate_says_what_moved_since_an_earlier_one(wakepath: Callable[..., Any], tmp_path: Path) -> None:
    before = str(tmp_path / "before.json")
    assert wakepath("validate", CASES, *FEW, "--json", before).status == 0
    same = wakepath("validate", CASES, *FEW, "--since", before)
    assert re.search(r"\n0 of \d+ predictions moved", same.out), same.out + same.err
    other = wakepath("validate", CASES, *FEW, "--set", "device.latency_ns=200us", "--since", before)
    count = re.search(r"\n(\d+) of (\d+) predictions moved", other.out)
    assert count
    assert 0 < int(count[1]) <= int(count[2])
    assert "| `qemu-A-6.1-d50k-q1-" in other.out
    shipped = wakepath("validate", CASES, *FEW, "--since", "shipped")
    assert "Predictions that moved since shipped:" in shipped.out


def test_a_file_that_is_no_validation_is_wrong_input(wakepath: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text, message in (("{", "is not JSON"), ("{}", "is no validation")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            moved.predictions(str(path))
        said = wakepath("validate", CASES, *FEW, "--since", str(path))
        assert said.status == 2
        assert said.err.count("\n") == 1


def test_the_changelog_has_what_validate_said() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = text.split("### Predictions that moved")[1].split("\n### ")[0]
    block = section.split("<!-- moved:begin -->\n")[1].split("<!-- moved:end -->")[0]
    assert re.match(r"\d+ of \d+ predictions moved by more than 1 % of the measured value, \d+ of them nearer", block)
