# SPDX-License-Identifier: GPL-2.0-or-later
"""Who moves a task between CPUs, and where I/Os end: told from records, for real and simulated traces alike."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from wakepath import _core
from wakepath.analyze import analyze_trace
from wakepath.analyze_text import text_of
from wakepath.runner import run
from wakepath.scenario import Options, Scenario

TRACES = Path(__file__).resolve().parents[1] / "truth" / "traces"
PUSHED = "balance: the stopper pushes it away"
# What a run's own count calls them: here one name for what the rule cannot tell apart.
SAME = {"active_balance": "stopper", "affinity": "stopper"}


def analyzed(file: Path) -> dict[str, Any]:
    return dict(json.loads(_core.analyze(str(file))))


def test_the_rule_says_what_the_call_chains_of_real_kernels_say() -> None:
    n = same = 0
    for file in sorted(TRACES.glob("C-*.txt.xz")):
        chains = analyzed(file)["migrations"].get("by_chain", {"n": 0, "records_say_the_same": 0})
        n, same = n + chains["n"], same + chains["records_say_the_same"]
    assert n >= 40
    assert same >= 0.95 * n


@pytest.mark.parametrize("name", ["C-6.1-lat20-bs4k-smp4-min10wak15", "C-6.1-lat20-bs512-smp4-min10wak15"])
def test_coarse_granularity_moves_the_submitter_by_active_balance(tmp_path: Path, name: str) -> None:
    data = analyze_trace(str(TRACES / f"{name}.txt.xz"), quick=True)
    caused = [t for t in data["migrations"]["tasks"] if t["cause"]]
    assert [t["comm"] for t in caused] == ["fio"]
    assert caused[0]["cause"].startswith(PUSHED)
    assert f"moves: fio: {caused[0]['per_s']:,.1f} a second" in text_of(data)
    # The same by records alone, and under other names.
    text = lzma.decompress((TRACES / f"{name}.txt.xz").read_bytes()).decode()
    bare = "\n".join(line for line in text.splitlines() if not line.startswith(" => ") and "<stack trace>" not in line)
    renamed = tmp_path / "renamed.txt"
    renamed.write_text(bare.replace("fio", "app").replace("migration/", "m/") + "\n")
    other = analyzed(renamed)["migrations"]
    assert "by_chain" not in other
    assert [(t["comm"], t["cause"]) for t in other["tasks"] if t["cause"]] == [("app", caused[0]["cause"])]


@pytest.mark.parametrize("name", ["C-6.1-lat20-bs4k-smp4", "C-6.12-lat20-bs4k-smp4", "C-6.1-d71k-bs4k-smp2"])
def test_default_granularity_has_no_cause(name: str) -> None:
    data = analyzed(TRACES / f"{name}.txt.xz")
    assert not any(t["cause"] for t in data["migrations"]["tasks"])
    assert data["steering"]["cause"] == ""


@pytest.mark.parametrize(
    ("name", "sets", "cause"),
    [
        ("migrating_submitter", (), PUSHED),
        (
            "migrating_submitter/fsperf",
            ("machine.deep_idle_after_ns=0",),
            "balance: pulled on behalf of a CPU that sleeps",
        ),
        ("migrating_submitter/stacked", (), ""),
    ],
)
def test_a_simulated_trace_tells_what_the_run_counted(
    tmp_path: Path, name: str, sets: tuple[str, ...], cause: str
) -> None:
    file = tmp_path / "t.txt"
    options = Options(sets=sets, duration="500ms", warmup="100ms")
    counted = run(Scenario.load(name, options=options), trace=str(file)).data["migrations"]["by_cause"]
    found = analyzed(file)["migrations"]
    assert found["n"] == sum(counted.values())
    told = {SAME.get(k, k): v for k, v in counted.items()}
    wrong = sum(max(0, n - told.get(k.split("_")[0], 0)) for k, n in found["by_cause"].items())
    assert wrong <= 0.1 * found["n"]
    said = [t["cause"].partition("; on the CPU it left was another task") for t in found["tasks"] if t["cause"]]
    assert [words.partition(" (")[0] for words, _, _ in said] == ([cause] if cause else [])
    assert all("kworker/" in others for _, _, others in said)


def test_steering_is_named_where_the_queue_is_bound_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "t.txt"
    run(Scenario.load("migrating_submitter/writeback", options=Options(duration="100ms")), trace=str(file))
    steering = analyzed(file)["steering"]
    assert steering["elsewhere_share"] > 0.9
    assert steering["cause"].startswith("steering: 100% of the I/Os issued on CPU 0 end on CPU 11")
