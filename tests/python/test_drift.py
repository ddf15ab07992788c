# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs on a machine that moves, told by the reference's runs between them."""

from __future__ import annotations

import math
import random
import statistics
from typing import Any

import pytest

from wakepath.recorder import drift
from wakepath.recorder.fit import discrepancy_of, median_sigma
from wakepath.truth import Case, case_from


def case(name: str, runs: list[dict[str, float]]) -> Case:
    measured = {k: statistics.median(run[k] for run in runs) for k in runs[0]}
    spread = {k: [min(run[k] for run in runs), max(run[k] for run in runs)] for k in runs[0]}
    raw: dict[str, Any] = {
        "schema": "wakepath.truth/1", "id": name, "platform": "recorded", "kernel": "6.18", "role": "calibrate",
        "runs": len(runs), "window_ns": 10**9, "setting": {"workload": {"engine": "libaio"}},
        "measured": measured, "spread": spread, "each": runs,
    }  # fmt: skip
    return case_from(raw)


def test_the_nearest_runs_count_most_and_its_own_not_at_all() -> None:
    reference = {0.0: 100.0, 4.0: 200.0, 8.0: 400.0}
    assert drift.local(4.0, reference, 3.0) == pytest.approx(200.0)  # between 100 and 400, its own left out
    near_first = drift.local(1.0, reference, 3.0)
    assert near_first is not None
    assert 100 < near_first < drift.local(3.0, reference, 3.0)  # type: ignore[operator]
    assert drift.local(0.0, {0.0: 100.0}, 3.0) is None


def test_a_disk_that_stood_still_is_no_drift() -> None:
    reference = {0.0: 100.0, 4.0: 2.0, 8.0: 110.0, 12.0: 105.0}
    near = drift.local(5.0, reference, 3.0)
    assert near is not None
    assert 100 < near < 110
    runs = [{"iops": 1000.0 + 10 * (i % 3)} for i in range(40)]
    quiet = drift.noise(runs, "iops")
    assert drift.noise([*runs[:20], {"iops": 3.0}, *runs[20:]], "iops") == pytest.approx(quiet, abs=0.005)


def test_a_drift_that_the_reference_shows_is_taken_out() -> None:
    """A disk that slows down by half: three runs of 500 at its middle speed come out as 500, whenever they ran."""
    speed = [1.4, 1.0, 0.7]
    runs = [{"iops": 500 * s, "idle": 1 - 0.4 * s, drift.KEY: 1000 * s} for s in speed]
    (found,) = drift.undrifted([case("a", runs)])
    assert found.measured["iops"] == pytest.approx(500)
    assert found.spread["iops"] == pytest.approx((500, 500))
    assert found.measured["idle"] == pytest.approx(0.6)


def test_runs_that_do_not_say_stay_as_they_were() -> None:
    plain = case("a", [{"iops": 500.0}, {"iops": 400.0}])
    assert drift.undrifted([plain])[0].measured == plain.measured


def test_the_models_own_error_is_what_medians_do_not_scatter_by_themselves() -> None:
    """Windows of a model that is right: what is left is noise of their medians, and no error of the model's."""
    rng = random.Random(1)
    sigma, n, windows = 0.1, 5, 200
    labels, left, measured = [], [], []
    for w in range(windows):
        runs = [{"iops": 1000 * math.exp(rng.gauss(0, sigma))} for _ in range(n)]
        c = case(str(w), runs)
        labels.append((c.id, "iops"))
        left.append(math.log(1000 / c.measured["iops"]))
        measured.append(median_sigma(c, "iops"))
    noise = statistics.fmean(measured)
    assert noise == pytest.approx(sigma * math.sqrt(math.pi / 2 / n), rel=0.15)
    assert discrepancy_of(labels, left, measured)["iops"] < 0.4 * noise
    wrong = [v + rng.gauss(0, 0.2) for v in left]
    assert discrepancy_of(labels, wrong, measured)["iops"] == pytest.approx(0.2, rel=0.15)
    # One window in ten between two modes of the machine, where any factor is possible, is not the model's error.
    odd = [v + 2.0 * (i % 10 == 0) for i, v in enumerate(wrong)]
    assert discrepancy_of(labels, odd, measured)["iops"] == pytest.approx(0.2, rel=0.3)


def test_noise_is_what_neighbours_do_not_tell() -> None:
    slow = [{"iops": 1000 * math.exp(0.3 * math.sin(i / 8))} for i in range(60)]
    rng = random.Random(2)
    rough = [{"iops": 1000 * math.exp(rng.gauss(0, 0.1))} for _ in range(60)]
    assert drift.noise(slow, "iops") < 0.03
    assert drift.scatter({float(4 * i): v["iops"] for i, v in enumerate(slow)}, 1e9) > 0.15
    assert 0.08 < drift.noise(rough, "iops") < 0.16
