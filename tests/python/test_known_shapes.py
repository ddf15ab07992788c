# SPDX-License-Identifier: GPL-2.0-or-later
"""perf bench sched pipe as a scenario: what must hold of it."""

from __future__ import annotations

import pytest

import wakepath as wp

SHORT = ["run.duration=100ms", "run.warmup=20ms"]


def test_pipe_is_one_wakeup_and_one_switch_a_message() -> None:
    pinned = wp.run(wp.Scenario.load("perf_bench_sched/pinned", set=SHORT))
    wakeups = pinned.totals["wakeups_per_s"]
    assert pinned.totals["context_switches_per_s"] == pytest.approx(wakeups, rel=0.02)
    # Public measurements of one hop with its system calls, x86: 2.7 to 4.0 us; the costs are estimates of a server.
    assert 1.0 < 1e6 / wakeups < 6.0
    assert pinned.totals["migrations_per_s"] == 0
