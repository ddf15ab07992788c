# SPDX-License-Identifier: GPL-2.0-or-later
"""`wakepath verify`: the model's decisions are a recorded kernel's; damaged and wrong input is told in one line."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Said

ROOT = Path(__file__).resolve().parents[2]
TRUTH = ROOT / "tests" / "truth"
TRACES = TRUTH / "traces"
Call = Callable[..., Said]


def cases() -> dict[str, tuple[str, str]]:
    """Trace name -> its case file#id and kernel."""
    found = {}
    for file in ("qemu", "sched", "qemu-iouring", "host", "host-iouring"):
        for line in (TRUTH / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            name = Path(case.get("trace", "none")).name
            if (TRACES / name).is_file():
                found[name.removesuffix(".txt.xz")] = (f"{TRUTH / file}.jsonl#{case['id']}", case["kernel"])
    return found


CASES = cases()
# One of each kind on 6.1: groups and none, nice, idle periods, threads, heavy and light weights, coarse tunables.
CFS = [
    "B-6.1-hog2-cg10000_cg1",
    "B-6.1-hog3-n0_5_10",
    "B-6.1-per50_200-hogcg1000",
    "B-6.1-pipe3-root",
    "B-6.1-ping-cg1000_root",
    "B-6.1-hog2-n-20_0",
    "A-6.1-d71k-q128-m1-w1000",
    "A-6.1-d71k-q128-m1-wroot",
    "A-6.1-d71k-q8-m1-w200",
    "A-6.1-d71k-q128-m1-w1000-kwnice-19",
    "A-6.1-d80k-q128-m1-w100",
    "A-6.1-stock-q128-m1-wroot",
    "D-6.1-d71k-q128-m1-w1000-iouring",
]
EEVDF = [
    "B-6.12-ping-root",
    "B-6.12-hog3-n0_5_10",
    "B-6.12-pipe3-root",
    "B-6.12-per100_1000-hogcg1000",
    "A-6.12-d71k-q128-m1-w1000",
    "A-6.12-d71k-q128-m1-wroot",
    "A-6.12-d50k-q32-m1-w500",
    "A-6.12-d80k-q128-m1-w500",
]


def verify(wakepath: Call, name: str, *more: str) -> tuple[Said, dict[str, Any]]:
    setting, kernel = CASES[name]
    said = wakepath(
        "verify", str(TRACES / f"{name}.txt.xz"), "--kernel", kernel, "--setting", setting, "--json", "-", *more
    )
    return said, json.loads(said.out) if said.out.startswith("{") else {}


def check_bars(agreement: dict[str, Any]) -> None:
    def share(part: dict[str, Any]) -> float:
        return 1.0 if part["n"] == 0 else part["equal"] / part["n"]

    assert share(agreement["vruntime"]) >= 0.999
    assert share(agreement["vruntime"]["after_placement"]) >= 0.999
    assert share(agreement["vruntime"]["niced"]) >= 0.999
    for kind in ("wakeup_preemption", "pick", "tick_preemption"):
        assert share(agreement[kind]) >= 0.995, kind
    assert share(agreement["wakeup_preemption"]["rarer_answer"]) >= 0.98


@pytest.mark.parametrize("name", [*CFS, *EEVDF])
def test_the_model_decides_as_the_recorded_kernel(wakepath: Call, name: str) -> None:
    said, data = verify(wakepath, name)
    assert said.status == 0, said.err
    check_bars(data["agreement"])
    assert data["judged"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in CASES if "-6.1-" in name))
def test_every_trace_of_6_1(wakepath: Call, name: str) -> None:
    _, data = verify(wakepath, name)
    check_bars(data["agreement"])


def test_most_of_a_trace_is_judged(wakepath: Call) -> None:
    _, data = verify(wakepath, "A-6.1-d71k-q128-m1-w1000")
    vruntime = data["agreement"]["vruntime"]
    assert vruntime["n"] > 3000
    assert vruntime["not_judged"] < 20
    assert data["agreement"]["pick"]["n"] > 1400
    assert data["agreement"]["pick"]["naive_share"] < 0.1  # the longest waiting one is the wrong one in a ping-pong


def test_most_of_a_trace_that_prints_no_vruntime_is_judged(wakepath: Call) -> None:
    _, data = verify(wakepath, "A-6.12-d71k-q128-m1-w1000")
    for kind in ("wakeup_preemption", "pick"):
        judged = data["agreement"][kind]
        assert judged["n"] > 1000
        assert judged["not_judged"] < 0.05 * judged["n"]


def test_a_real_machine_by_perf_script(wakepath: Call) -> None:
    """6.18, no need_resched in the records: whether a wakeup preempts is told by the clock the switch kept."""
    said, data = verify(wakepath, "libaio-randwrite-qd32-b32-s10240")
    assert said.status == 0, said.err
    assert data["agreement"]["wakeup_preemption"]["n"] > 500
    assert data["agreement"]["pick"]["n"] > 500
    check_bars(data["agreement"])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name in CASES if "-6.12-" in name))
def test_every_trace_of_6_12(wakepath: Call, name: str) -> None:
    _, data = verify(wakepath, name)
    check_bars(data["agreement"])


@pytest.mark.parametrize(
    "switch",
    ["run_to_parity", *(pytest.param(name, marks=pytest.mark.slow) for name in ("delay_dequeue", "place_lag"))],
)
def test_a_wrong_rule_of_eevdf_is_seen(switch: str) -> None:
    """No choice of a start hides it: the same recording beside a kernel with one rule changed."""
    from wakepath import _core
    from wakepath.lockstep import core_setting

    name = "A-6.12-d71k-q128-m1-w500"
    file, _, wanted = CASES[name][0].partition("#")
    case = next(c for c in map(json.loads, Path(file).read_text(encoding="utf-8").splitlines()) if c["id"] == wanted)
    setting = core_setting(case["setting"], "6.12", name) | {"switches": {switch: "false"}}
    data = json.loads(_core.verify(str(TRACES / f"{name}.txt.xz"), json.dumps(setting)))
    assert data["below_bars"]
    assert data["divergences"]


def test_a_wrong_rule_is_seen(wakepath: Call) -> None:
    """The judge would notice: another credit, another granularity, another weight."""
    name = "A-6.1-d71k-q128-m1-wroot"
    setting = json.loads(Path(CASES[name][0].partition("#")[0]).read_text().splitlines()[0])["setting"]
    for change in ({"latency_ns": 12_000_000}, {"wakeup_granularity_ns": 4_000_000}):
        case = {"cpus": 1, "hz": 250, "sched": {**setting["sched"], **change}, "cgroup": None}
        file = Path("wrong.json")
        said, data = run_with(wakepath, TRACES / f"{name}.txt.xz", case, file)
        assert said.status == 1
        assert data["below_bars"]
        assert data["divergences"][0]["text"].strip()
        assert data["divergences"][0]["state"]


def run_with(wakepath: Call, trace: Path, setting: dict[str, Any], name: Path) -> tuple[Said, dict[str, Any]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(json.dumps(setting), encoding="utf-8")
        said = wakepath("verify", str(trace), "--kernel", "6.1", "--setting", str(file), "--json", "-")
        return said, json.loads(said.out)


def test_counterfactual_names_the_decisions_that_would_change(wakepath: Call) -> None:
    said, data = verify(wakepath, "A-6.1-d71k-q128-m1-w1000", "--set", "kernel.switches.wakeup_preemption=false")
    assert said.status == 0  # the agreement without the change
    changed = data["changed"]
    assert changed["decisions"]["wakeup_preemption"]["would_change"] > 1000
    row = next(r for r in changed["would_change"] if r["kind"] == "wakeup_preemption" and r["task"] == "fio")
    assert row["first"][0] | {"line": 0} == {"line": 0, "before": "preempts", "after": "does not preempt"}
    lines = lzma.decompress((TRACES / "A-6.1-d71k-q128-m1-w1000.txt.xz").read_bytes()).decode().splitlines()
    assert "sched_waking: comm=fio" in lines[row["first"][0]["line"] - 1]


def test_no_change_changes_nothing(wakepath: Call) -> None:
    _, data = verify(wakepath, "B-6.1-per50_200-hogcg1000", "--set", "kernel.switches.wakeup_preemption=true")
    assert data["changed"]["would_change"] == []


def test_setting_beside_the_trace_is_found(wakepath: Call, tmp_path: Path) -> None:
    name = "B-6.1-hog3-n0_5_10"
    trace = tmp_path / "t.txt.xz"
    trace.write_bytes((TRACES / f"{name}.txt.xz").read_bytes())
    file, _, wanted = CASES[name][0].partition("#")
    case = next(c for c in map(json.loads, Path(file).read_text().splitlines()) if c["id"] == wanted)
    (tmp_path / "t.txt.xz.setting.json").write_text(json.dumps(case["setting"]))
    said = wakepath("verify", str(trace), "--kernel", "v6.1")
    assert said.status == 0
    assert "no setting was found" not in said.out
    (tmp_path / "t.txt.xz.setting.json").write_text(json.dumps(case))  # the whole case does as well
    assert wakepath("verify", str(trace), "--kernel", "v6.1").out == said.out


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    file = tmp_path / "plain.txt"
    file.write_bytes(lzma.decompress((TRACES / "B-6.1-per50_200-hogcg1000.txt.xz").read_bytes()))
    return file


def lines_in(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines(keepends=True)


def one_line(said: Said, *parts: str) -> None:
    assert said.status == 2
    assert said.err.count("\n") == 1
    for part in parts:
        assert part in said.err


def test_wrong_kernel(wakepath: Call, plain: Path) -> None:
    one_line(wakepath("verify", str(plain), "--kernel", "6.12"), str(plain), "prints vruntime", "--kernel 6.1")
    trace = str(TRACES / "B-6.12-ping-root.txt.xz")
    one_line(wakepath("verify", trace, "--kernel", "6.1"), "prints no vruntime", "--kernel 6.12")
    one_line(wakepath("verify", trace, "--kernel", "7.77"), "7.77")


def test_shuffled(wakepath: Call, plain: Path) -> None:
    lines = lines_in(plain)
    random.Random(1).shuffle(lines)
    plain.write_text("".join(lines), encoding="utf-8")
    one_line(wakepath("verify", str(plain), "--kernel", "6.1"), "older than the one before")


def test_cut_within_a_line(wakepath: Call, plain: Path) -> None:
    text = plain.read_text(encoding="utf-8")
    plain.write_text(text[: len(text) * 2 // 3 - 7], encoding="utf-8")
    said = wakepath("verify", str(plain), "--kernel", "6.1")
    assert said.status == 1
    assert "its end is missing" in said.out


def test_cut_archive(wakepath: Call, tmp_path: Path) -> None:
    whole = (TRACES / "B-6.1-pipe3-root.txt.xz").read_bytes()
    cut = tmp_path / "cut.txt.xz"
    cut.write_bytes(whole[: len(whole) // 2])
    one_line(wakepath("verify", str(cut), "--kernel", "6.1"), str(cut))


def test_mixed_formats(wakepath: Call, plain: Path) -> None:
    perf = (
        "  fio  2083 [000]  5092.876814823: sched:sched_switch: prev_comm=fio prev_pid=2083 prev_prio=120 "
        "prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120\n"
    )
    plain.write_text(plain.read_text(encoding="utf-8") + perf, encoding="utf-8")
    one_line(wakepath("verify", str(plain), "--kernel", "6.1"), "mixes")


def test_without_switches(wakepath: Call, plain: Path) -> None:
    plain.write_text("".join(x for x in lines_in(plain) if "sched_switch" not in x), encoding="utf-8")
    one_line(wakepath("verify", str(plain), "--kernel", "6.1"), "holds no sched_switch")


def test_repetition_is_a_gap(wakepath: Call, plain: Path) -> None:
    once = json.loads(wakepath("verify", str(plain), "--kernel", "6.1", "--json", "-").out)
    plain.write_text(plain.read_text(encoding="utf-8") * 3, encoding="utf-8")
    three = json.loads(wakepath("verify", str(plain), "--kernel", "6.1", "--json", "-").out)
    assert three["warm_up"]["gaps"] == 2
    for kind in ("vruntime", "pick"):
        n, m = once["agreement"][kind]["n"], three["agreement"][kind]["n"]
        assert abs(m - 3 * n) <= 20


@pytest.mark.parametrize("seed", range(6))
def test_records_missing_anywhere_never_crash(wakepath: Call, plain: Path, seed: int) -> None:
    dice = random.Random(seed)
    plain.write_text("".join(x for x in lines_in(plain) if dice.random() > 0.02), encoding="utf-8")
    assert wakepath("verify", str(plain), "--kernel", "6.1").status in (0, 1)


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ('{"sched": {"latency": 5}}', "latency"),
        ('{"cgroup": {"weight": 0}}', "1..10000"),
        ('{"cgroups": {"a": {}}}', "neither weight nor shares"),
        ('{"cpus": -1}', "cpus"),
        ("[1]", "no JSON object"),
        ("{", "no JSON"),
    ],
)
def test_wrong_settings(wakepath: Call, plain: Path, tmp_path: Path, setting: str, part: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(setting, encoding="utf-8")
    one_line(wakepath("verify", str(plain), "--kernel", "6.1", "--setting", str(file)), str(file), part)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("kernel.switches.gentle_fair_sleeper=true", "gentle_fair_sleepers"),
        ("kernel.sched.latency=3ms", "latency_ns"),
        ("cgroup.nobody.weight=3", "no group 'nobody'"),
        ("workload.fio.iodepth=3", "verify cannot change"),
        ("nothing", "no '='"),
    ],
)
def test_wrong_changes(wakepath: Call, plain: Path, change: str, part: str) -> None:
    one_line(wakepath("verify", str(plain), "--kernel", "6.1", "--set", change), part)


def test_perf_script_is_read_and_said_to_be_not_judgeable(wakepath: Call, tmp_path: Path) -> None:
    file = tmp_path / "perf.txt"
    file.write_text(
        "  fio  10 [000]  1.000000100: sched:sched_switch: prev_comm=fio prev_pid=10 prev_prio=120 prev_state=S ==> "
        "next_comm=k next_pid=11 next_prio=120\n"
        "    k  11 [000]  1.000001100: sched:sched_waking: comm=fio pid=10 prio=120 target_cpu=000\n"
        "    k  11 [000]  1.000001200: sched:sched_stat_runtime: comm=k pid=11 runtime=1100 [ns]\n"
        "    k  11 [000]  1.000001300: sched:sched_wakeup: comm=fio pid=10 prio=120 target_cpu=000\n"
    )
    said = wakepath("verify", str(file), "--kernel", "6.12")
    assert said.status == 1
    assert "nothing could be judged" in said.out
