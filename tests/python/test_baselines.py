# SPDX-License-Identifier: GPL-2.0-or-later
"""The two naive baselines: they look at calibrate cases in the root group, and do the arithmetic they document."""

from __future__ import annotations

import pytest

from fake_core import case as make_case
from wakepath.baselines import device_rate, formula, nearest, nothing_changes, share_of_kworker
from wakepath.truth import _case

FIGURES = {
    "iops": 9000.0,
    "context_switches_per_s": 18000.0,
    "fio_cpu_ns_per_s": 45e6,
    "kworker_cpu_ns_per_s": 18e6,
}
ONE = _case(make_case("cal-1", role="calibrate", depth=1, **FIGURES))
EIGHT = _case(make_case("cal-8", role="calibrate", depth=8, **{**FIGURES, "iops": 70000.0}))
INSIDE = _case(make_case("cal-in", role="calibrate", depth=8, weight=100, **FIGURES))
PREDICT = _case(make_case("held-out", depth=8, **FIGURES))


def test_nearest_is_a_calibrate_case_in_the_root_group() -> None:
    wanted = _case(make_case("x", depth=16, weight=1000, **FIGURES))
    assert nearest(wanted, [ONE, EIGHT, INSIDE, PREDICT]) is EIGHT
    assert nearest(wanted, [INSIDE, PREDICT]) is None


def test_nothing_changes_gives_the_nearest_figures() -> None:
    wanted = _case(make_case("x", depth=8, weight=1000, iops=1.0))
    assert nothing_changes(wanted, [ONE, EIGHT]) == {"iops": 70000.0}


def test_device_rate() -> None:
    assert device_rate(ONE, []) == pytest.approx(1e9 / 100_000)
    raw = make_case("serial", depth=128, **FIGURES)
    raw["setting"]["device"] = {
        "law": "serial",
        "latency_ns": 60_000,
        "service_ns": 14_000,
        "completion_grid_ns": 112_000,
    }
    assert device_rate(_case(raw), []) == pytest.approx(1e9 / 14_000)
    raw["setting"]["workload"]["iodepth"] = 1
    assert device_rate(_case(raw), []) == pytest.approx(1e9 / 112_000)


def test_formula_below_and_at_a_full_cpu() -> None:
    light = _case(make_case("x", depth=8, weight=1000, **FIGURES))
    # 5 us of fio and 2 us of kworker per I/O: 80k IOPS ask for 56 % of the CPU, the group does not matter.
    assert formula(light, [ONE])["iops"] == pytest.approx(80_000)
    assert formula(light, [ONE])["fio_cpu_ns_per_s"] == pytest.approx(80_000 * 5000)
    heavy = _case(make_case("y", depth=32, weight=1000, **FIGURES))
    assert formula(heavy, [ONE])["iops"] == pytest.approx((100 / 1100) / 2e-6)


def test_share_by_weights_and_nice() -> None:
    raw = make_case("x", weight=300, **FIGURES)
    assert share_of_kworker(_case(raw)) == pytest.approx(0.25)
    raw["setting"]["nice"]["kworker"] = -10
    assert share_of_kworker(_case(raw)) == pytest.approx(100 * 1.25**10 / (100 * 1.25**10 + 300))
