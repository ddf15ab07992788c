# SPDX-License-Identifier: GPL-2.0-or-later
"""Why tasks move between CPUs, or stay: the words of a run, and the counts of decisions behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wakepath.metrics import mover_shares
from wakepath.runner import run
from wakepath.scenario import Options, Scenario
from wakepath.scores import Metric, Row, cause_orders
from wakepath.summary import moves, summary
from wakepath.truth import read_cases
from wakepath.validate import Validation, checks
from wakepath.validate_text import check_lines

TRUTH = Path(__file__).resolve().parents[1] / "truth"
QEMU = f"{TRUTH}/qemu-smp.jsonl#qemu-C"
# fio's job without what else a fio has, and RCU's thread: their turns move it.
OTHERS = ("fio_main", "fio_helper", "rcu_preempt", "kcompactd0", "daemon", "perf_stat", "perf_sleep")
ALONE = tuple(f"program.{thread}.min_cpus=3" for thread in OTHERS)
HOST = f"{TRUTH}/host-smp.jsonl#host-smp-enginelibaio-bs4k-iodepth1-batch1-shares0"
INLINE = "kernel.switches.dio_write_complete_inline=true"


def data_of(name: str, *sets: str, duration: str = "500ms") -> dict[str, Any]:
    options = Options(duration=duration, warmup="200ms", sets=sets)
    return run(Scenario.load(name, options=options)).data


def fio_of(name: str, *sets: str, duration: str = "500ms") -> dict[str, Any]:
    rows = data_of(name, *sets, duration=duration)["migrations"]["tasks"]
    return next(dict(row) for row in rows if row["comm"] in ("fio", "dbench"))


@pytest.mark.parametrize(
    ("name", "cause", "beside", "words"),
    [
        (
            "migrating_submitter",
            "active_balance",
            "bound_kthread",
            "the stopper pushed it while it was the running task",
        ),
        ("migrating_submitter/default-512", "wakeup", "waking_bound_kthread", "[idle_cpu]"),
        ("migrating_submitter/fsperf", "nohz", "bound_kthread", "behind the stopper that was to push it"),
        ("migrating_submitter/reactor-free", "nohz", "bound_kthread", "behind the stopper that was to push it"),
        ("stacked_wakeup", "wakeup", "waking_bound_kthread", "[recent_idle]"),
        (f"{QEMU}-6.1-lat20-bs4k-smp4-min10wak15", "active_balance", "bound_kthread", "the stopper pushed it"),
        (f"{QEMU}-6.12-d71k-bs4k-smp4", "active_balance", "sleeping_bound_kthread", "asleep with its dequeue delayed"),
    ],
)
def test_a_move_has_its_mechanism_and_its_counts(name: str, cause: str, beside: str, words: str) -> None:
    row = fio_of(name)
    top = row["causes"][0]
    assert (row["cause"], top["cause"]) == (cause, cause)
    assert top["count"] == row["by_cause"][cause] > 0.5 * row["count"]
    assert [c["count"] for c in row["causes"]] == sorted(row["by_cause"].values(), reverse=True)
    assert sum(c["share"] for c in row["causes"]) == pytest.approx(1)
    assert sum(row["left_beside"][cause].values()) == top["count"]
    assert row["left_beside"][cause][beside] > 0.5 * top["count"]
    assert words in top["text"]
    assert f"({row['left_beside'][cause][beside]})" in top["text"]
    assert f"{row['comm']} moved {row['count']} times" in row["text"]
    assert f"{cause} ({top['count']})" in row["text"]
    assert ("I/Os end on the CPU that issued them" in row["text"]) == (row["comm"] == "fio")


def test_active_balance_tells_what_was_refused_first() -> None:
    data = data_of("migrating_submitter")["migrations"]
    row, balance = data["tasks"][0], data["balance"]
    assert balance["active_pushed"] == row["by_cause"]["active_balance"]
    assert balance["refused_running"] == row["refused"]["running"] > 3 * balance["active_asked"]
    assert f"bound threads {balance['refused_bound']} times" in row["text"]
    assert f"it as running {row['refused']['running']} times" in row["text"]
    assert data["ended_where_submitted"]["count"] > 0.9 * data["ended_where_submitted"]["of"] > 0


@pytest.mark.parametrize(
    ("name", "sets", "why", "words"),
    [
        ("migrating_submitter/stacked", (), "kthread_stack", "left with the kthread bound to its CPU, which woke it"),
        ("stacked_wakeup/stacked", (), "kthread_stack", "left with the kthread bound to its CPU, which woke it"),
        ("migrating_submitter/no-shared-cache", (), "running", "a pass that found balance began their count anew"),
        (
            "migrating_submitter/fsperf",
            ("kernel.hz=250",),
            "running",
            "a pass that found balance began their count anew",
        ),
        ("migrating_submitter/reactor-15ms", (), "affinity", "it may not leave it (cpus_allowed)"),
        (f"{QEMU}-6.1-lat20-bs4k-smp4", (), "running", "a pass that found balance began their count anew"),
        (
            HOST,
            ("costs.file_update_time=0ns", *ALONE),
            "pack_awake",
            "its CPU was awake and had room (sched_vcpu_pack)",
        ),
        (HOST, ("kernel.switches.sched_vcpu_pack=0", *ALONE), "target_idle", "its CPU was idle"),
    ],
)
def test_what_stays_has_its_reason_and_its_counts(name: str, sets: tuple[str, ...], why: str, words: str) -> None:
    row = fio_of(name, *sets)
    assert (row["count"], row["cause"], row["causes"]) == (0, "", [])
    top = row["stayed"][0]
    assert top["cause"] == why
    assert top["count"] == (row["refused"] | row["wakeups_by_step"])[why]
    assert words in top["text"]
    assert f"{row['comm']} never moved" in row["text"]
    assert f"{why} ({top['count']})" in row["text"]


def test_who_waits_for_a_worker_that_preempts_it_is_cache_hot() -> None:
    row = fio_of("migrating_submitter/fsperf-v3", duration="4s")
    hot = next(c for c in row["stayed"] if c["cause"] == "hot")
    assert hot["count"] == row["refused"]["hot"] > 0
    assert "cache-hot: it had run less than migration_cost_ns before" in hot["text"]


@pytest.mark.parametrize(
    "name", ["migrating_submitter", "migrating_submitter/default-512", "migrating_submitter/fsperf"]
)
def test_without_the_bound_worker_the_cause_is_gone(name: str) -> None:
    """Writes that end in the interrupt need no kworker, and nothing is left that moves fio."""
    row = fio_of(name, INLINE)
    assert row["count"] < 5
    assert "kthread bound to that CPU" not in row["text"]


def test_a_run_prints_why_fio_moves_and_nothing_of_a_job_that_has_one_cpu() -> None:
    result = run(Scenario.load("migrating_submitter", options=Options(duration="200ms")))
    row = result.data["migrations"]["tasks"][0]
    assert f"why: {row['text']}" in summary(result).splitlines()
    assert {line.split()[0] for line in moves(result.data)} <= {"fio", "fio_main", "fio_helper", "rcu_sched"}
    assert moves(data_of("migrating_submitter/reactor-inline")) == []
    assert moves(data_of("starved_completions", duration="50ms")) == []
    assert "it may not leave it (cpus_allowed)" in moves(data_of("migrating_submitter/reactor-15ms"))[0]


def rows(measured: dict[str, float], predicted: dict[str, float]) -> list[Row]:
    case = read_cases(str(TRUTH / "qemu-smp.jsonl"))[0]
    return [Row(case, {f"fio_{k}_share": Metric(measured[k], predicted[k]) for k in measured})]


@pytest.mark.parametrize(
    ("predicted", "same_order", "ok"),
    [
        ((0.6, 0.3, 0.1), True, True),
        ((0.5, 0.5, 0.0), True, False),
        ((0.3, 0.6, 0.1), False, False),
        ((0.8, 0.0, 0.2), False, False),
    ],
)
def test_causes_of_moves_are_judged_by_order_and_share(
    predicted: tuple[float, float, float], same_order: bool, ok: bool
) -> None:
    names = ("active_balance", "periodic", "wakeup")
    found = rows(dict(zip(names, (0.75, 0.25, 0.0), strict=True)), dict(zip(names, predicted, strict=True)))
    assert [o.same_order for o in cause_orders(found)] == [same_order]
    validation = Validation(found)
    assert [o["ok"] for o in checks(validation)["causes_of_moves"]] == [ok]
    assert "measured active_balance 75 %, periodic 25 %" in check_lines(validation)


def test_moves_on_behalf_of_sleeping_cpus_are_periodic_ones_to_a_stack() -> None:
    shares = mover_shares({"active_balance": 6, "periodic": 1, "nohz": 1})
    assert (shares["fio_active_balance_share"], shares["fio_periodic_share"], shares["fio_nohz_share"]) == (
        0.75,
        0.25,
        0,
    )


def test_a_case_that_states_causes_has_their_shares_as_figures() -> None:
    cases = {case.id: case for case in read_cases(str(TRUTH / "qemu-smp.jsonl"))}
    stated = cases["qemu-C-6.1-lat20-bs4k-smp2-min10wak15-mig2s"]
    assert stated.measured["fio_active_balance_share"] == 0.75
    assert stated.spread["fio_periodic_share"] == pytest.approx((0.05, 0.45))
    assert stated.measured["fio_newidle_share"] == 0
    assert "fio_active_balance_share" not in cases["qemu-C-6.1-lat20-bs4k-smp4"].measured
