# SPDX-License-Identifier: GPL-2.0-or-later
"""The third story: workers made and destroyed for ever, what each patch changes, and what the result says of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from wakepath import Scenario, run
from wakepath.scenario import Options
from wakepath.truth import Case, read_cases
from wakepath.validate import predict_cases

ROOT = Path(__file__).resolve().parents[2]
CASE = ROOT / "scenarios/worker_churn"
Call = Callable[..., Any]


@cache
def figures(name: str, *sets: str) -> dict[str, Any]:
    scenario = Scenario.load(str(CASE / f"{name}.toml"))
    return dict(run(scenario.with_sets(*sets) if sets else scenario).data)


def made(name: str, *sets: str) -> float:
    return float(figures(name, *sets)["io_wq"]["workers_created_per_s"])


def test_write_and_fsync_churn_until_9d83e1f05c98() -> None:
    before, after = figures("after-0b2b066f8a85"), figures("after-9d83e1f05c98")
    assert made("scenario") > 1
    assert made("after-0b2b066f8a85") > max(1.0, 10 * made("after-9d83e1f05c98"))
    assert before["io_wq"]["workers_exited_per_s"] > 1
    assert after["io"]["iops"] == pytest.approx(before["io"]["iops"], rel=0.02)


def test_one_file_churns_until_0b2b066f8a85() -> None:
    before, after = figures("one-file-before"), figures("one-file-after")
    assert before["io_wq"]["workers_peak"] == 256
    assert made("one-file-before") > max(10.0, 100 * made("one-file-after"))
    assert after["io"]["iops"] == pytest.approx(before["io"]["iops"], rel=0.02)


def test_the_result_names_the_two_paths_that_disagree() -> None:
    churn = figures("after-0b2b066f8a85")["io_wq"]["churn"]
    assert churn["cause"].startswith("free_worker")
    assert "io_wq_enqueue" in churn["paths"][0]
    assert "sched-out hook" in churn["paths"][1]
    assert figures("one-file-before")["io_wq"]["churn"]["cause"] == "bucket_busy"


def test_a_control_has_no_cause() -> None:
    result = figures("btrfs-8")["io_wq"]
    assert result["workers_peak"] == 8
    assert result["churn"] is None


def test_max_workers_holds_but_in_the_first_form() -> None:
    assert figures("first-form")["io_wq"]["workers_beyond_limit"] > 0
    mended = figures("after-9d83e1f05c98", "workload.fio.iowq_max_bounded=4")["io_wq"]
    assert mended["workers_beyond_limit"] == 0
    assert mended["workers_peak"] <= 4


def expiry_cases() -> list[Case]:
    return [c for c in read_cases(str(ROOT / "tests/truth/qemu-iouring.jsonl")) if c.io_wq_window_ns is not None]


@pytest.mark.parametrize("case", expiry_cases(), ids=lambda c: c.id)
def test_workers_that_expire_between_bursts(case: Case) -> None:
    (row,) = predict_cases([case], options=Options(), fits={})
    assert {name: m.predicted for name, m in row.metrics.items()} == case.measured


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_limit_that_is_none(wakepath: Call, value: str) -> None:
    said = wakepath("run", "worker_churn", "--set", f"workload.fio.iowq_max_bounded={value}")
    assert said.status == 2
    assert "iowq_max_bounded" in said.err
