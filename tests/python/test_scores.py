# SPDX-License-Identifier: GPL-2.0-or-later
"""Kendall tau, flat sweeps, onset, distances: the arithmetic of validation."""

from __future__ import annotations

import random

import pytest
from scipy.stats import kendalltau

from fake_core import case as make_case
from wakepath.scores import Metric, Row, flat_sweeps, kendall_tau, onsets, summarize, sweeps, tau_over
from wakepath.truth import _case


def row(
    name: str, measured: float, predicted: float, *, switches: tuple[float, float] = (1.0, 1.0), **setting: object
) -> Row:
    metrics = {"iops": Metric(measured, predicted), "context_switches_per_s": Metric(*switches)}
    return Row(_case(make_case(name, iops=measured, **setting)), metrics)


def test_tau_equals_scipys_without_ties() -> None:
    generator = random.Random(7)
    for _ in range(20):
        # Steps of 10 % and more: no pair is within the tie.
        measured = [100 * 1.1**i for i in range(12)]
        generator.shuffle(measured)
        predicted = [generator.random() for _ in measured]
        tau, n = kendall_tau(list(zip(measured, predicted, strict=True)))
        assert n == 66
        assert tau == pytest.approx(kendalltau(measured, predicted).statistic)


def test_pairs_within_three_percent_do_not_count() -> None:
    assert kendall_tau([(100, 1), (102, 0)]) == (None, 0)
    assert kendall_tau([(100, 1), (110, 0)]) == (-1.0, 1)
    # A prediction that cannot tell two points apart is not right about their order.
    assert kendall_tau([(100, 1), (110, 1), (130, 2)]) == (pytest.approx(2 / 3), 3)


def test_sweeps_vary_one_key() -> None:
    rows = [
        row("root", 100, 100),
        row("w100", 100, 100, weight=100),
        row("w500", 60, 60, weight=500),
        row("d8", 90, 90, depth=8),
    ]
    found = sweeps(rows)
    assert [(s.key, [r.case.id for r in s.rows]) for s in found] == [
        ("cgroup", ["root", "w100", "w500"]),
        ("workload.iodepth", ["root", "d8"]),
    ]
    assert tau_over(found, "iops") == (1.0, 3)


def test_flat_sweep_must_be_predicted_flat() -> None:
    found = sweeps([row("root", 100, 100), row("w100", 101, 110, weight=100)])
    flats = flat_sweeps(found)
    assert [f.ok for f in flats] == [False]
    assert flat_sweeps(sweeps([row("root", 100, 100), row("w100", 101, 102, weight=100)]))[0].ok


def test_onset_between_neighbours() -> None:
    rows = [
        row("root", 100, 100),
        row("w100", 99, 99, weight=100),
        row("w500", 95, 99, weight=500, switches=(1.6, 1.0)),
        row("w1000", 60, 60, weight=1000, switches=(3.0, 3.0)),
    ]
    (onset,) = onsets(sweeps(rows))
    assert onset.weights == [0, 100, 500, 1000]
    assert onset.measured == (100, 500)  # by switches
    assert onset.predicted == (500, 1000)
    assert not onset.ok


def test_distance_to_spread() -> None:
    assert Metric(100, 95, 90, 110).distance == 0
    assert Metric(100, 115, 90, 110).distance == pytest.approx(0.05)
    assert Metric(100, 80, 90, 110).ok is False
    assert Metric(100, 80).ok is None


def test_summary_has_worst_and_baselines() -> None:
    rows = [row("a", 100, 110), row("b", 100, 95)]
    rows[0].metrics["iops"].baselines = {"nothing_changes": 150.0, "formula": 100.0}
    iops = summarize(rows)["iops"]
    assert iops["mape"] == pytest.approx(7.5)
    assert iops["max"] == pytest.approx(10)
    assert iops["worst"] == "a"
    assert iops["n"] == 2
    assert iops["nothing_changes_mape"] == pytest.approx(50)


def test_noise_is_not_scored() -> None:
    noisy = Row(_case(make_case("a", iops=1.0)), {"iops": Metric(1.0, 5.0, 0.9, 1.1, noise=True)})
    assert summarize([noisy]) == {}
    assert noisy.ok is None
