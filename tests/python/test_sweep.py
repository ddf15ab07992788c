# SPDX-License-Identifier: GPL-2.0-or-later
"""Sweeps: what is varied, the rows, the files that survive a stop, wrong input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import wakepath as wp
from wakepath import sweeps as module
from wakepath.errors import InputError
from wakepath.sweep_store import line_of
from wakepath.vary import given_vary, parse_vary, typed

Call = Callable[..., Any]
WEIGHT = "cgroup.kubepods.cpu.weight"
SHORT = ("run.duration=10ms", "run.warmup=5ms")
BASE = "starved_completions/qemu-6.1"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=1,2,3", ["1", "2", "3"]),
        ("k=100", ["100"]),
        ("k=1..5:5", ["1", "2", "3", "4", "5"]),
        ("k=1..10000:5:log", ["1", "10", "100", "1000", "10000"]),
        ("k=1..3:9", ["1", "2", "3"]),  # whole numbers stay whole
        ("k=30us..300us:4", ["30us", "120us", "210us", "300us"]),
        ("k=0.5..1.5:3", ["0.5", "1", "1.5"]),
        ("k=10..1:4", ["10", "7", "4", "1"]),
        ("k=-20..0:3", ["-20", "-10", "0"]),
        ('k="a,b",[1,2]', ['"a,b"', "[1,2]"]),
        ("k=v6.1,v6.12", ["v6.1", "v6.12"]),
    ],
)
def test_values(text: str, values: list[str]) -> None:
    assert parse_vary([text]) == {"k": values}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k", "no '='"),
        ("k=", "empty value"),
        ("k=1,,2", "empty value"),
        ("k=1..5", "not a range"),
        ("k=1..5:x", "not a range"),
        ("k=1us..5ms:3", "one unit"),
        ("k=0..5:3:log", "above 0"),
        ("k=1..5:3:exp", "not a range"),
        ("k=1..5:0", "0 values"),
        ("k=@/no/such/file", "/no/such/file"),
    ],
)
def test_wrong_values(text: str, message: str) -> None:
    with pytest.raises(InputError, match="(?s).*" + message.replace("'", ".")):
        parse_vary([text])


def test_file_of_values(tmp_path: Path) -> None:
    listed = tmp_path / "weights"
    listed.write_text("# node sizes\n100\n\n469\n2500\n")
    assert parse_vary([f"k=@{listed}"]) == {"k": ["100", "469", "2500"]}
    assert given_vary({"k": [True, 3, 0.5, "x"]}) == {"k": ["true", "3", "0.5", "x"]}
    assert [typed(t) for t in ("true", "3", "0.5", "v6.1")] == [True, 3, 0.5, "v6.1"]


def test_one_row_per_point_and_seed_whatever_the_jobs() -> None:
    vary = {WEIGHT: [100, 1000], "workload.fio.iodepth": [8, 32]}
    one = wp.sweep(BASE, vary, set=SHORT, seeds=2, jobs=1)
    two = wp.sweep(BASE, vary, set=SHORT, seeds=2, jobs=2)
    assert len(one.rows) == 8
    assert module.digest(one) == module.digest(two)
    frame = one.to_pandas()
    assert list(frame[WEIGHT]) == [100] * 4 + [1000] * 4
    assert frame["seed"].nunique() == 2
    alone = wp.run(wp.Scenario.load(BASE, set=(*SHORT, f"{WEIGHT}=1000", "workload.fio.iodepth=8")))
    assert frame["io.iops"][4] == alone.io["iops"]


def test_a_refused_point_is_a_row() -> None:
    whole = wp.sweep(BASE, {WEIGHT: [100, 0]}, set=SHORT)
    assert [row["status"] for row in whole.rows] == ["finished", "refused"]
    assert "weight" in whole.rows[1]["error"]
    assert list(whole.to_pandas()["status"]) == ["finished", "refused"]


def test_resume_runs_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vary = {WEIGHT: [100, 200, 500, 1000]}
    expected = wp.sweep(BASE, vary, set=SHORT)
    out = tmp_path / "sweep"
    ran: list[int] = []
    true_run = module.run_point

    def stopped(base: Any, point: Any, keep: Any) -> dict[str, Any]:
        if point.index == 2:
            raise KeyboardInterrupt
        ran.append(point.index)
        return true_run(base, point, keep)

    monkeypatch.setattr(module, "run_point", stopped)
    part = wp.sweep(BASE, vary, set=SHORT, out=str(out), jobs=1)
    assert part.status == "stopped"
    assert {0, 1} <= {row["point"] for row in part.rows} == set(ran)
    kept = [line_of(row) for row in part.rows if row["point"] != 3]
    for packed in (out / "rows").glob("*.parquet"):
        packed.unlink()
    (out / "rows.jsonl").write_text("".join(kept))  # as it stands before rows are packed
    with (out / "rows.jsonl").open("a") as rows:
        rows.write('{"point":3,"val')  # the process died while writing
    ran.clear()
    monkeypatch.setattr(module, "run_point", lambda b, p, k: ran.append(p.index) or true_run(b, p, k))
    with pytest.raises(InputError, match="--resume"):
        wp.sweep(BASE, vary, set=SHORT, out=str(out))
    with pytest.raises(InputError, match="another vary"):
        wp.sweep(BASE, {WEIGHT: [1]}, set=SHORT, out=str(out), resume=True)
    whole = wp.sweep(BASE, vary, set=SHORT, out=str(out), resume=True)
    assert sorted(ran) == [2, 3]
    assert module.digest(whole) == module.digest(expected)
    assert (out / "rows.jsonl").read_text() == ""
    frame = pd.read_parquet(out / "rows")
    assert sorted(frame["point"]) == [0, 1, 2, 3]
    assert list(frame.sort_values("point")["io.iops"]) == list(expected.to_pandas()["io.iops"])
    again = wp.Sweep.load(str(out))
    assert again.status == "finished"
    assert module.digest(again) == module.digest(expected)


def test_command(wakepath: Call, tmp_path: Path) -> None:
    table, rows = tmp_path / "t.csv", tmp_path / "t.json"
    sets = [word for line in SHORT for word in ("--set", line)]
    said = wakepath("sweep", BASE, *sets, "--vary", f"{WEIGHT}=100,1000", "--csv", str(table), "--json", str(rows))
    assert said.status == 0, said.err
    assert len(said.out.splitlines()) == 3
    assert "io.iops" in said.out
    assert len(table.read_text().splitlines()) == 3
    assert json.loads(rows.read_text())["schema"] == "wakepath.sweep/1"
    said = wakepath("sweep", BASE, *sets, "--vary", f"{WEIGHT}=100,0")
    assert said.status == 1
    assert "refused" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing is varied"),
        (("--vary", "workload.fio.iodepht=1,2"), "did you mean"),
        (("--vary", f"{WEIGHT}=0,-1"), "weight"),
        (("--vary", f"{WEIGHT}=1..2"), "not a range"),
        (("--vary", f"{WEIGHT}=1", "--vary", f"{WEIGHT}=2"), "twice"),
        (("--vary", f"{WEIGHT}=1", "--resume"), "--out DIR"),
        (("--vary", f"{WEIGHT}=1", "--seeds", "0"), "seeds"),
        (("--vary", f"{WEIGHT}=1", "--csv", "no/such/x.csv"), "mkdir -p"),
        (("--vary", f"{WEIGHT}=1", "--dask", "tcp://127.0.0.1:9"), "no Dask scheduler answers"),
    ],
)
def test_wrong_input(wakepath: Call, arguments: tuple[str, ...], message: str) -> None:
    said = wakepath("sweep", BASE, *arguments)
    assert said.status == 2
    assert message in said.err
    assert said.err.count("\n") == 1
