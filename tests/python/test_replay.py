# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay of recordings: what is read off a trace, and that the replay does what was recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wakepath import _core, device_law, replay_source
from wakepath.cli import status_of
from wakepath.errors import InputError
from wakepath.replay import Replay, Source, changed_scenario, replay
from wakepath.replay_source import depth_of, law_of, open_recording, record_costs, workload
from wakepath.runner import run
from wakepath.scenario import Options, Scenario
from wakepath.windows import mean_of

TRUTH = Path(__file__).resolve().parents[1] / "truth"


def trace(name: str) -> str:
    return str(TRUTH / "traces" / f"{name}.txt.xz")


# Root and weighted, three device laws, depths 1 to 128, both kernels.
REPLAYED = (
    "A-6.1-d71k-q128-m1-wroot",
    "A-6.1-d71k-q128-m1-w1000",
    "A-6.1-d50k-q128-m1-w500",
    "A-6.1-d71k-q32-m1-w1000",
    "A-6.1-d71k-q8-m1-w1000",
    "A-6.1-d71k-q1-m1-w1000",
    "A-6.12-d36k-q128-m1-wroot",
    "A-6.12-d71k-q1-m1-w1000",
)


@pytest.fixture(scope="module")
def replays() -> dict[str, Replay]:
    return {name: replay(trace(name)) for name in REPLAYED}


@pytest.mark.parametrize("name", REPLAYED)
def test_unchanged_does_what_was_recorded(replays: dict[str, Replay], name: str) -> None:
    found = replays[name]
    assert abs(found.trust["iops"]) <= 0.03, found.trust
    assert abs(found.trust["context_switches_per_s"]) <= 0.05, found.trust


def test_programs_and_device_are_read_off_the_trace_not_off_the_setting(tmp_path: Path) -> None:
    case = case_of("qemu-A-6.1-d71k-q128-m1-w1000-kwnice-10")
    bare = {k: v for k, v in case["setting"].items() if k not in ("workload", "device", "nice")}
    setting = tmp_path / "bare.json"
    setting.write_text(json.dumps({"platform": "qemu-icount", "kernel": "6.1", "id": "bare", "setting": bare}))
    recording = open_recording(trace("A-6.1-d71k-q128-m1-w1000-kwnice-10"), str(setting))
    seen = workload(recording)
    assert (seen["iodepth"], seen["iodepth_batch_submit"], seen["iodepth_batch_complete_min"]) == (128, 128, 1)
    assert (seen["rw"], seen["bs"], seen["engine"]) == ("randwrite", 4096, "libaio")
    law = law_of(recording.profile)
    assert law is not None
    assert law.law == "serial"
    assert law.cap_seen
    assert law.service_ns == pytest.approx(14000, rel=0.01)
    assert law.grid_ns == pytest.approx(112000, rel=0.001)
    assert law.latency_ns == pytest.approx(60000, rel=0.1)


def case_of(name: str) -> dict[str, object]:
    for line in (TRUTH / "qemu.jsonl").read_text(encoding="utf-8").splitlines():
        if f'"{name}"' in line:
            return dict(json.loads(line))
    raise AssertionError(name)


@pytest.mark.parametrize("depth", [1, 8, 32, 128])
def test_depth_is_counted(depth: int) -> None:
    assert depth_of(open_recording(trace(f"A-6.1-d71k-q{depth}-m1-w1000"))) == depth


def test_a_law_is_found_again() -> None:
    """A made-up server of 5 us with 30 us beyond it, fed in bursts: what goes in comes out."""
    requests, free, last = [], 0, 0
    for i in range(600):
        issued = 1_000_000 + (i // 12) * 90_000 + (i % 12) * 700
        free = max(issued, free) + 5_000
        last = free + 30_000
        requests.append([issued, last, last + 400, 0])
    law = device_law.fit(requests)
    assert law is not None
    assert law.law == "serial"
    assert law.cap_seen
    assert law.service_ns == pytest.approx(5_000, rel=0.03)
    assert law.latency_ns == pytest.approx(30_000, rel=0.05)
    assert law.cap == pytest.approx(200_000, rel=0.03)


def test_a_device_that_never_queues_has_no_limit_in_the_trace() -> None:
    law = device_law.fit(
        [[at, at + 20_000, at + 20_300, 0] for at in ((i * i * 7_919) % 90_000 + i * 100_000 for i in range(300))]
    )
    assert law is not None
    assert law.law == "delay"
    assert law.cap is None
    assert law.latency_ns == pytest.approx(20_000, rel=0.05)


def test_too_few_requests_give_no_law() -> None:
    assert device_law.fit([[0, 1, 2, 0]] * 5) is None


def test_what_recording_costs_is_measured_or_bounded(tmp_path: Path) -> None:
    known, source = record_costs(open_recording(trace("A-6.1-d71k-q128-m1-wroot")))
    assert known == {"trace_record": 582, "trace_record_sched": 847}
    assert source.startswith("measured")
    setting = tmp_path / "s.json"
    setting.write_text(json.dumps({"kernel": "6.1", "cpus": 1, "hz": 250}))
    bound, source = record_costs(open_recording(trace("A-6.1-d71k-q128-m1-wroot"), str(setting)))
    assert source.startswith("at most")
    assert 582 <= bound["trace_record"] < 750


def test_a_new_group_takes_the_recorded_tasks() -> None:
    scenario = Scenario.load("starved_completions/qemu-6.1-root")
    changed = changed_scenario(scenario, ["cgroup.pods.cpu.weight=1000"])
    assert [job["cgroup"] for job in changed.describe()["workloads"]] == ["pods"]
    named = changed_scenario(scenario, ["cgroup.pods.cpu.weight=1000", 'workload.fio.cgroup=""'])
    assert [job["cgroup"] for job in named.describe()["workloads"]] == [""]


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_root_replayed_under_weight_predicts_the_untraced_weighted_case(kernel: str) -> None:
    found = replay(trace(f"A-{kernel}-d71k-q128-m1-wroot"), ["cgroup.g.cpu.weight=1000"])
    assert found.changed is not None
    measured = case_of(f"qemu-A-{kernel}-d71k-q128-m1-w1000")["measured"]
    assert isinstance(measured, dict)
    assert found.changed.io["iops"] == pytest.approx(measured["iops"], rel=0.10)
    assert found.changed.pingpong[0]["cause"] == "weight"


def test_the_same_bytes_twice() -> None:
    first, second = (replay(trace("A-6.1-d71k-q8-m1-w1000")).unchanged for _ in range(2))
    assert first.to_json(deterministic=True) == second.to_json(deterministic=True)


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "t.txt"
    bare.write_text("             fio-119     [000] ...1.   6873502737: sys_io_submit -> 0x1\n")
    assert status_of(["replay", str(bare)]) == 2
    assert "--kernel" in capsys.readouterr().err
    assert status_of(["replay", str(bare), "--kernel", "6.1"]) == 2
    assert "no task in it submits I/O" in capsys.readouterr().err
    assert status_of(["replay", str(tmp_path / "none.txt"), "--kernel", "6.1"]) == 2


def test_json_has_all_runs(tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    name = trace("A-6.1-d71k-q8-m1-w1000")
    assert status_of(["replay", name, "--set", "cgroup.g.cpu.weight=100", "--json", str(out)]) in (0, 1)
    data = json.loads(out.read_text())
    assert data["schema"] == "wakepath.result/1"
    assert data["io"]["iops"] == data["changed"]["io"]["iops"]
    assert data["recorded"]["io"]["iops"] > 0


def test_lost_records_are_refused(tmp_path: Path) -> None:
    text = "             fio-119     [000] ...1.   6873502737: sys_io_submit -> 0x1\nCPU:0 [LOST 3 EVENTS]\n"
    path = tmp_path / "lost.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="lost records"):
        open_recording(str(path), kernel="6.1")


def test_a_recorder_costs_from_when_it_is_turned_on() -> None:
    """Two halves of a window: turned on in the middle, the second is slower; from the start on, both are."""
    costs = ("costs.trace_record=2000", "costs.trace_record_sched=2000")
    options = Options(duration="400ms", warmup="50ms", samples="2", sets=costs)
    at = ('event.recorder.at="250ms"', 'event.recorder.set="recorder=on"')
    scenario = Scenario.load("starved_completions/qemu-6.1-root", options=options)

    def halves(scenario: Scenario) -> list[int]:
        return [point["completed"] for point in run(scenario).data["samples"]]

    free, slow = halves(scenario.with_sets(*at))
    assert slow < 0.8 * free
    assert halves(scenario) == [pytest.approx(slow, rel=0.03)] * 2


# What their first divergence from the recording was: it begins in another state than it ends in; completions are taken
# many at once; a depth that only its waits show.
MENDED = (
    "A-6.1-d36k-q128-m1-w1000",
    "A-6.1-d71k-q128-m128-w1000",
    "A-6.12-d71k-q128-m128-w1000",
)


@pytest.mark.parametrize("name", MENDED)
def test_what_diverged_once_does_what_was_recorded(name: str) -> None:
    trust = replay(trace(name)).trust
    assert abs(trust["iops"]) <= 0.03, trust
    assert abs(trust["context_switches_per_s"]) <= 0.05, trust


@pytest.mark.parametrize("kernel", ["6.1", "6.12"])
def test_a_rings_own_workers_are_not_replayed_beside_it(kernel: str) -> None:
    """Replayed twice they took a tenth of the IOPS; what is left is +0.6 % on 6.1 and +1.9 % on 6.12."""
    found = replay(trace(f"D-{kernel}-d71k-q128-m1-wroot-iouring"))
    assert abs(found.trust["iops"]) <= 0.04, found.trust
    assert not any("iou-wrk" in s for s in found.scenario.to_toml().splitlines() if s.startswith("[program."))


def test_several_windows_are_one_result_of_means() -> None:
    assert mean_of([{"a": 1.0, "b": [1, 2], "s": "x"}, {"a": 2.0, "b": [3, 4], "s": "y"}]) == {
        "a": 1.5,
        "b": [2, 3],
        "s": "x",
    }
    assert mean_of([[1, 2], [1, 2, 3]]) == [1, 2]  # of other length each time: the first
    assert mean_of([True, False]) is True


def batches(service_ns: int, count: int = 400, begin: int = 1_000_000) -> list[list[int]]:
    """Batches of 1 to 16, each ended by one interrupt 30 us + `service_ns` a request after its first issue."""
    requests, at = [], begin
    for i in range(count):
        n = 1 + (i * 7) % 16
        issued = [at + 500 * k for k in range(n)]
        ended = issued[0] + 30_000 + service_ns * n + (i * 13) % 900
        requests += [[t, ended, ended + 300 * (k + 1), 0] for k, t in enumerate(issued)]
        at = ended + 20_000
    return requests


def test_a_host_that_works_off_its_ring_is_told_from_its_interrupts() -> None:
    law = device_law.fit(batches(4_000))
    assert law is not None
    assert law.law == "notified"
    assert law.service_ns == pytest.approx(4_000, rel=0.05)
    assert law.latency_ns == pytest.approx(30_400, rel=0.05)
    assert 'device.law="notified"' in law.sets()


def test_a_device_that_becomes_slower_has_the_mean_of_its_service_times() -> None:
    """Blocks of the first and the second half; what takes the disk away for a moment is spread, so that sums agree."""
    block = batches(4_000)
    slower = batches(8_000, begin=block[-1][2] + 50_000)
    law = device_law.fit_blocks(block + slower, len(block))
    assert law is not None
    assert (law.law, law.requests) == ("notified", 2 * min(len(block), device_law.MOST))
    assert law.service_ns == pytest.approx(6_000, rel=0.05)
    assert law.latency_ns == pytest.approx(30_400, rel=0.05)
    halted = [
        row if i < len(block) - 9 else [row[0], *(t + 3_000_000 for t in row[1:3]), 0] for i, row in enumerate(block)
    ]
    stopped = device_law.fit(halted)
    assert stopped is not None
    assert stopped.service_ns * len(block) == pytest.approx(4_000 * len(block) + 3_000_000, rel=0.1)


def test_a_server_that_wakes_and_says_each_end_is_told_from_a_host_with_a_ring() -> None:
    """3 us a request after 40 us of waking; 8 us after an end there is a look, which sees what ended meanwhile too."""
    requests: list[list[int]] = []
    at, free = 1_000_000, 0
    for i in range(1200):
        at += 95_000 if i % 40 < 2 else 3_300 + (i * 37) % 900
        free = (at + 40_000 if free <= at else free) + 3_000
        requests.append([at, free, free, 0])
    looks: list[int] = []
    for r in requests:
        if not looks or r[1] > looks[-1]:
            looks.append(r[1] + 8_000)
        r[1] = r[2] = looks[-1]
    law = device_law.fit(requests)
    assert law is not None
    assert law.law == "woken"
    assert law.service_ns == pytest.approx(3_000, rel=0.15)
    assert law.latency_ns == pytest.approx(48_000, rel=0.05)
    assert "device.interrupt_on_drain=false" in law.sets()
    assert law.later(-30_000).latency_ns == law.latency_ns - 30_000
    assert law.later(-90_000).latency_ns == 0


def test_what_a_call_takes_is_told_from_what_each_io_takes(tmp_path: Path) -> None:
    """Calls with 1 to 8 I/Os that take 2 us and 0.5 us for each; the same for a program's own time between them."""
    now, lines = 1_000_000_000, ["# tracer: nop"]

    def record(after_ns: int, what: str) -> None:
        nonlocal now
        now += after_ns
        lines.append(f" fio-9 [000] ..... {now // 10**9}.{now % 10**9:09d}: {what}")

    for i in range(400):
        n = 1 + (i * 5) % 8
        record(1000 + 300 * n, f"sys_io_submit(ctx_id: 7f0000000000, nr: {n}, iocbpp: 55)")
        record(2000 + 500 * n, f"sys_io_submit -> {n:#x}")
        record(0, f"sys_io_getevents(ctx_id: 7f0000000000, min_nr: 1, nr: {n + 1}, events: 55, timeout: 0)")
        record(700, f"sys_io_getevents -> {1 + (i * 5 + 5) % 8:#x}")
    file = tmp_path / "calls.txt"
    file.write_text("\n".join(lines) + "\n")
    found = json.loads(_core.profile(str(file)))["time"]["cpus"][0]["lines"]
    source = object.__new__(Source)
    source.records = {"trace_record": 0, "trace_record_sched": 0}
    submit = source._line([found["submit"]], 50)
    assert submit is None  # numbers of I/Os too much alike: the standard deviation is half of the mean
    found["submit"]["calls"] *= 4  # as many calls again without I/Os
    assert source._line([found["submit"]], 5000) is None  # too few
    found["submit"]["calls"] //= 4
    for name, call, io in (("submit", 2000, 500), ("user", 1000, 300)):
        s = found[name]
        spread = s["calls"] * s["ios_squared"] - s["ios"] ** 2
        slope = (s["calls"] * s["ns_ios"] - s["ios"] * s["ns"]) / spread
        assert slope == pytest.approx(io, rel=0.01)
        assert (s["ns"] - slope * s["ios"]) / s["calls"] == pytest.approx(call, rel=0.01)


def test_workers_of_kblockd_are_not_those_that_complete(tmp_path: Path) -> None:
    """The kernel gives kblockd's workers nice -20; those of direct I/O have their own."""
    recording = open_recording(trace("A-6.1-d71k-q8-m1-w1000"))
    others = recording.profile["programs"]["others"]
    assert [t["ended"] > 0 for t in others if t["works"]] == [True]
    kblockd = {"comm": "kworker/0:1H", "pid": 99, "prio": 100, "works": True, "ended": 0, "run_ns": 9, "cpus": {"0": 3}}
    others.append({**others[0], **kblockd})
    assert replay_source.case_of(recording)["setting"]["nice"] == {"fio": 0, "kworker": 0}
    assert 'task."kworker/*:*H".nice=-20' in replay_source.seen(recording).sets
    next(t for t in others if t["ended"])["prio"] = 110
    assert replay_source.case_of(recording)["setting"]["nice"]["kworker"] == -10


def test_requests_of_one_sector_are_told_from_one_that_is_issued_again(tmp_path: Path) -> None:
    """Two of one sector at once end twice; one that the driver was too full for is issued twice and ends once."""
    events = ("issue", "issue", "complete", "complete", "issue", "issue", "complete", "issue", "complete")
    file = tmp_path / "twice.txt"
    lines = [
        f" fio-9 [000] ..... 1.{i:06d}: block_rq_{event}: 254,0 WS "
        + {"issue": "4096 () 64 + 8 [fio]", "complete": "() 64 + 8 [0]"}[event]
        for i, event in enumerate(events)
    ]
    file.write_text("# tracer: nop\n" + "\n".join(lines) + "\n")
    programs = json.loads(_core.profile(str(file)))["programs"]
    assert programs["at_begin"]["in_device"] == 0
    # The last issue before an end is when the driver took it.
    assert [(r[0] // 1000 % 1000, r[2] // 1000 % 1000) for r in programs["requests"]] == [
        (1, 2),
        (1, 3),
        (5, 6),
        (7, 8),
    ]


def test_a_grid_is_seen_though_some_interrupts_come_between() -> None:
    law = law_of(open_recording(trace("A-6.1-d80k-q128-m1-w100")).profile)
    assert law is not None
    assert law.grid_ns == pytest.approx(200_000, rel=0.001)
    assert law.service_ns == pytest.approx(12_500, rel=0.01)


def test_a_busy_server_has_no_grid() -> None:
    """Always busy, it ends a request every 14 us; so would a timer with that period, which nothing else speaks for."""
    requests: list[list[int]] = []
    free = 1_000_000
    for i in range(600):
        issued = requests[i - 32][2] + (i * i) % 3_000 if i >= 32 else 900_000 + i * 500
        free = max(issued, free) + 14_000
        requests.append([issued, free + 61_000, free + 61_400, 0])
    law = device_law.fit(requests)
    assert law is not None
    assert (law.law, law.grid_ns) == ("serial", 0)
    assert law.service_ns == pytest.approx(14_000, rel=0.01)
