# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports: what is drawn is what the result says; the page stands alone and works in a real browser."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

import browser
import wakepath as wp
from wakepath import InputError, figures, plot, report
from wakepath.tune_report import tuning_page

plt.switch_backend("Agg")
SHORT = ["run.duration=50ms", "run.warmup=10ms"]


@pytest.fixture(scope="module")
def result() -> wp.Result:
    return wp.run(wp.Scenario.load("starved_completions", set=SHORT), control=True, trace=True)


def test_slices_are_the_cpu_time_of_the_tasks(result: wp.Result) -> None:
    found = figures.slices(result.trace, most=10**9)
    begin, end = result.trace.time_ns()
    seconds = (end - begin) / 1e9
    held = {who: sum(s.length_us for s in found if s.who == who) / 1e6 / seconds for who in ("fio", "kworker/11:1")}
    assert sum(held.values()) == pytest.approx(result.cpus[11]["busy"], abs=0.001)
    # A switch's record stands within the switch, the charge is taken at its beginning: 0.4 us of 4.3 lie between.
    assert held["fio"] == pytest.approx(result.groups["fio"]["cpu_ns_per_s"] / 1e9, abs=0.06)
    tasks = sorted(
        (s for s in found if not s.who.endswith("interrupt") and s.who != "softirq"), key=lambda s: s.start_us
    )
    for a, b in itertools.pairwise(tasks):
        assert a.start_us + a.length_us <= b.start_us + 1e-6  # one CPU, one task at a time


def test_the_waterfall_closes(result: wp.Result) -> None:
    first, *parts, last = figures.waterfall(result)
    assert first.ns + sum(p.ns for p in parts) == pytest.approx(last.ns)
    assert 1e9 / last.ns == pytest.approx(result.io["iops"])
    assert figures.waterfall(wp.run(wp.Scenario.load("starved_completions/root", set=SHORT))) == []


def test_wakes_and_their_cycle(result: wp.Result) -> None:
    edges = figures.wakes(result.trace, figures.cycles_of(result))
    assert (edges[0].waker, edges[0].wakee, edges[0].in_cycle) == ("kworker/11:1", "fio", True)
    assert edges[0].per_s == pytest.approx(result.totals["wakeups_per_s"], rel=0.02)
    handed = {(e.waker, e.wakee): e for e in figures.switches(result.trace, figures.cycles_of(result))}
    assert handed["kworker/11:1", "fio"].kind == "preempted by"
    assert handed["fio", "kworker/11:1"].kind == "sleeps, then"
    assert sum(e.per_s for e in handed.values()) == pytest.approx(result.totals["context_switches_per_s"], rel=0.02)


def test_device_times_are_those_of_the_device(result: wp.Result) -> None:
    times = figures.device_times_us(result.trace)
    issued = result.trace["block_rq_issue"].size
    assert len(times) >= 0.9 * issued
    early = sum(us < 40 for us in times)  # the device's least latency; a write of before the window on the same sector
    assert early <= 0.001 * len(times)


def test_the_page_works_in_a_browser(result: wp.Result, tmp_path: Path) -> None:
    if browser.CHROMIUM is None:
        pytest.skip("no chromium here: packages/debian-test.txt names it")
    page = tmp_path / "report.html"
    page.write_text(report.html(result), encoding="utf-8")
    seen = browser.look(page, tmp_path)
    assert seen.console == []
    assert seen.requests == []  # self-contained: nothing is loaded from the network
    assert browser.colours(seen.picture) > 100
    assert len(re.findall(r'id="chart\d"[^>]*><div class="plot-container', seen.document)) == 4
    for word in ("Where the loss comes from", "Timeline of CPUs", "Latency", "Wake graph", "kworker/11:1", "To cite"):
        assert word in seen.document
    broken = tmp_path / "broken.html"
    broken.write_text("<script>nothing.there()</script>", encoding="utf-8")
    assert browser.look(broken, tmp_path).console  # the check itself sees script errors
    fetching = tmp_path / "fetching.html"
    fetching.write_text("<img src='https://example.org/x.png'><script src='http://example.com/y.js'></script>")
    asked = browser.look(fetching, tmp_path).requests  # ... and requests
    assert sorted(set(asked)) == ["http://example.com/y.js", "https://example.org/x.png"]


def test_the_page_fetches_nothing(result: wp.Result) -> None:
    text = re.sub(r"<script>.*?</script>", "", report.html(result), flags=re.DOTALL)
    assert not re.search(r"""(?:src|href)=["']?http""", text)
    assert wp.__version__ in text.split("To cite")[1]


def test_the_command_writes_it(wakepath: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    said = wakepath("run", "starved_completions", "--duration", "20ms", "--warmup", "5ms", "--report", str(out))
    assert said.status == 0, said.err
    assert "Timeline of CPUs" in out.read_text(encoding="utf-8")


def test_the_page_of_a_validation(wakepath: Callable[..., Any], tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    out = tmp_path / "v.html"
    said = wakepath(
        "validate", str(root / "tests/truth/qemu.jsonl"), "--only", "d50k-q1-", "--kernel", "6.1", "--duration", "50ms",
        "--report", str(out),
    )  # fmt: skip
    assert said.status == 0, said.err
    if browser.CHROMIUM is None:
        pytest.skip("no chromium here: packages/debian-test.txt names it")
    seen = browser.look(out, tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert "plot-container" in seen.document
    assert "qemu-A-6.1-d50k-q1-" in seen.document


def test_the_page_of_a_tuning(tmp_path: Path) -> None:
    found = wp.tune(
        "starved_completions", {"task.kworker.nice": [-10, 0], "workload.fio.nice": [0, 1]}, maximize="io.iops",
        set=SHORT, trials=6, fresh=3,
    )  # fmt: skip
    page = tmp_path / "tuning.html"
    page.write_text(tuning_page(found), encoding="utf-8")
    if browser.CHROMIUM is None:
        pytest.skip("no chromium here: packages/debian-test.txt names it")
    seen = browser.look(page, tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert browser.colours(seen.picture) > 100
    assert "Which knob did it: task.kworker.nice=-10 (does it)" in seen.document
    assert len(re.findall(r'id="chart\d"[^>]*><div class="plot-container', seen.document)) == 2


def test_matplotlib(result: wp.Result) -> None:
    assert len(plot.timeline(result).patches) > 10
    bars = plot.waterfall(result).patches
    assert bars[-1].get_height() == pytest.approx(1e9 / result.io["iops"])
    assert result.control is not None
    assert len(plot.latency(result, result.control, names=["in", "out"]).lines) == 2
    whole = wp.sweep("starved_completions", {"cgroup.kubepods.cpu.weight": [1, 100, 1000]}, set=SHORT, seeds=2)
    ax = plot.sweep(whole, "weight")
    assert list(ax.lines[0].get_xdata()) == [1, 100, 1000]
    assert ax.get_ylabel() == "I/Os per second (1/s)"
    with pytest.raises(InputError, match="weight"):
        plot.sweep(whole, "wieght")
    with pytest.raises(InputError, match="control=True"):
        plot.waterfall(wp.run("starved_completions/root", duration="10ms"))
    plt.close("all")
