# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files of every state: real ones are read whole; cut, shuffled and mixed ones are said to be. No crash."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wakepath import _core

TESTS = Path(__file__).resolve().parents[1]
Call = Callable[..., Any]


def text_of(name: str) -> str:
    return lzma.open(TESTS / "data" / "traces" / name, "rt").read()


def test_every_real_trace_is_read_without_a_line_left() -> None:
    files = sorted(TESTS.glob("*/traces/*.xz"))
    assert len(files) > 90
    for file in files:
        report = json.loads(_core.analyze(str(file)))["trace"]
        assert report["bad_lines"]["n"] == 0, file
        assert report["unknown_events"] == {}, file
        assert report["stamps_back"] == 0, file
        assert report["records"] == sum(report["by_event"].values())


def test_a_trace_in_order_has_status_0(wakepath: Call, tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text(text_of("cfs-root.txt.xz"))
    said = wakepath("analyze", str(file))
    assert said.status == 0, said.err
    assert said.err == ""


def shuffled(text: str) -> str:
    lines = text.splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    return "".join(lines)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda t: t[: len(t) // 2].rstrip("\n")[:-7], "ends within a line"),
        (shuffled, "not in the order of time"),
        (lambda t: t + text_of("perf-root.txt.xz"), "ftrace and perf records in one file"),
        (lambda t: t + "not a record at all\n", "lines cannot be read; the first is line"),
    ],
)
def test_a_trace_that_is_not_in_order_says_so(
    wakepath: Call, tmp_path: Path, damage: Callable[[str], str], what: str
) -> None:
    file = tmp_path / "t.txt"
    file.write_text(damage(text_of("cfs-root.txt.xz")))
    said = wakepath("analyze", str(file))
    assert said.status == 1
    assert what in said.err
    assert all(line.startswith(f"wakepath: {file}: ") for line in said.err.splitlines())


def test_a_lost_stretch_is_counted_and_is_no_fault(wakepath: Call, tmp_path: Path) -> None:
    lines = text_of("cfs-root.txt.xz").splitlines(keepends=True)
    file = tmp_path / "t.txt"
    file.write_text("".join([*lines[:200], "CPU:0 [LOST 300 EVENTS]\n", *lines[500:]]))
    said = wakepath("analyze", str(file), "--json", "-")
    assert said.status == 0, said.err
    data = json.loads(said.out)
    assert data["trace"]["lost"] == {"places": 1, "events": 300}
    parts = data["attribution"]["parts"]
    assert sum(part["share"] for part in parts) == pytest.approx(1)
    assert "lost" not in {part["part"] for part in parts}
    assert data["attribution"]["iops"] == pytest.approx(data["io"]["iops"], rel=0.05)
    assert "note: the recorder lost 300 events in 1 places" in wakepath("analyze", str(file)).out


def test_what_a_trace_lacks_is_said(wakepath: Call, tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    file.write_text("".join(f" fio-1 [000] ..... {i}: sched_noise: x={i}\n" for i in range(9)))
    assert "note: none of its 9 records is of a tracepoint that is read here" in wakepath("analyze", str(file)).out
    lines = [line for line in text_of("cfs-root.txt.xz").splitlines(keepends=True) if "next_comm=kworker" not in line]
    file.write_text("".join(lines))
    assert "switches have no record" in wakepath("analyze", str(file)).out


@pytest.mark.parametrize("content", [b"", b"\0\1\2\3" * 100, b"PERFILE2" + b"x" * 100, b"\xfd7zXZ\0broken"])
def test_a_file_that_is_no_trace_is_wrong_input(wakepath: Call, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "t.txt"
    file.write_bytes(content)
    said = wakepath("analyze", str(file))
    assert said.status == 2
    assert len(said.err.splitlines()) <= 2
    assert str(file) in said.err
