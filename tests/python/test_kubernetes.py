# SPDX-License-Identifier: GPL-2.0-or-later
"""Weights by Kubernetes's three rules, and that only the top level competes with kworkers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wakepath as wp
from wakepath.kubernetes import RULES, kubepods_weight, linear, pod_weight, quadratic, shares_of

SHORT = ["run.duration=50ms", "run.warmup=20ms"]


@pytest.mark.parametrize(
    ("cpus", "reserved", "rule", "weight"),
    [
        (8, 0, "linear", 313),  # row K1
        (64, 0, "linear", 2500),  # row K1; kubernetes #139790
        (16, 8, "linear", 313),  # PR #139807
        (12, 0, "linear", 469),
        (64, 32, "linear", 1250),
        (1, 0, "quadratic", 100),
        (64, 0, "relative", 39),
        (64, 32, "relative", 20),
    ],
)
def test_weights(cpus: int, reserved: float, rule: str, weight: int) -> None:
    assert kubepods_weight(cpus, reserved, rule) == weight  # type: ignore[arg-type]


def test_ends_of_the_quadratic_rule() -> None:
    assert [quadratic(shares) for shares in (2, 1024, 262144)] == [1, 100, 10000]


@given(st.integers(2, 262143))
def test_more_shares_never_weigh_less(shares: int) -> None:
    for rule in (linear, quadratic):
        assert 1 <= rule(shares) <= rule(shares + 1) <= 10000


@given(st.integers(1, 512), st.floats(0, 0.9))
def test_the_relative_rule_does_not_know_the_size(cpus: int, part: float) -> None:
    assert kubepods_weight(cpus, 0, "relative") == kubepods_weight(1, 0, "relative") == 39
    assert kubepods_weight(cpus, part * cpus, "relative") <= 39


def test_wrong_nodes_are_input_errors() -> None:
    for call in (lambda: kubepods_weight(8, 8), lambda: kubepods_weight(0), lambda: shares_of(-1)):
        with pytest.raises(wp.InputError):
            call()
    assert pod_weight(1) == 39
    assert len(RULES) == 3


def test_only_the_top_level_competes() -> None:
    base = wp.Scenario.load("kubernetes_weights", set=SHORT)
    iops = wp.run(base).io["iops"]
    for weight in (1, 10000):
        changed = base.with_sets(f'cgroup."kubepods.slice/pod/container".cpu.weight={weight}')
        assert wp.run(changed).io["iops"] == pytest.approx(iops, rel=0.01)
    top = wp.run(base.with_sets(f'cgroup."kubepods.slice".cpu.weight={kubepods_weight(12, 0, "relative")}'))
    assert top.io["iops"] > 1.3 * iops
