# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings: the format and its damage, equations, device law, what may be written to.

Real measurements: test_record.py."""

from __future__ import annotations

import json
import lzma
import math
from dataclasses import replace
from pathlib import Path

import pytest

from recorder_data import cost, trace_of
from wakepath.errors import InputError
from wakepath.recorder import fit, tracefs
from wakepath.recorder.cases import setting_of
from wakepath.recorder.device_law import estimate, ring_requests, servers_of, theil_sen
from wakepath.recorder.load import Setting
from wakepath.recorder.recording import read_recording
from wakepath.recorder.settings import HELD_OUT_GROUP, HELD_OUT_ROOT, RECORDED, RECORDED_IN_GROUP, runnable
from wakepath.recorder.target import Target, remove_left_over
from wakepath.recorder.trace_costs import Drain, TraceCosts, finish, trace_costs
from wakepath.recorder.urtrace import Probes, read_probes
from wakepath.truth import Case

HEADER = "H\turtrace\t1\t0\t5\t2\t6.18.0\tsome CPU\t1\t0\ttsc\t2\n"


def written(folder: Path, text: str) -> str:
    path = folder / "probes.urtrace"
    path.write_text(text)
    return str(path)


def test_reads_costs_counts_and_loops(tmp_path: Path) -> None:
    text = (
        HEADER + "K\tnop/8\t300\t1\t860\t3\t4\t850,860,870\t" + ",".join("9" * 17) + "\nN\twrite_interrupts/4\t56\t57\n"
    )
    text += "L\twrite/1\t1000\t10\t11\t12\t13\t14\t15\t16\t17\t18\t19\nY\tnew kind of record\nE\t9\t0\t0\t0\t0\n"
    probes = read_probes(written(tmp_path, text))
    assert probes.complete
    assert probes.costs["nop/8"].median_ns == 860
    assert probes.costs["nop/8"].batch == 8
    assert probes.counts["write_interrupts/4"] == (56, 57)
    assert probes.loops["write/1"]["ios"] == 10


def test_a_file_cut_within_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    probes = read_probes(written(tmp_path, HEADER + "K\tsyscall\t400\t1\t178\t3\t4\t178\t1,2\nK\tpipe_al"))
    assert not probes.complete
    assert list(probes.costs) == ["syscall"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("hello\n", 1, "is not urtrace"),
        ("H\turtrace\t2\t0\t5\t2\tx\ty\n", 1, "version 2"),
        (HEADER + "K\tsyscall\tmany\t1\t178\t3\t4\nE\t1\t0\t0\t0\t0\n", 2, "damaged"),
    ],
)
def test_what_is_no_urtrace_is_refused_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    with pytest.raises(InputError) as error:
        read_probes(written(tmp_path, text))
    assert error.value.line == line
    assert what in str(error.value)


def test_equations_determine_sums_and_leave_the_split_to_the_table() -> None:
    rows = [fit.Equation("syscall", 300.0, 0.02, {"a": 1.0, "b": 1.0}, "probes")]
    solved = fit.solve_equations(rows, {"a": 50.0, "b": 100.0}, {})
    a, b = (s * math.exp(x) for s, x in zip(solved.start_ns[:2], solved.x[:2], strict=True))
    assert a + b == pytest.approx(300.0, rel=0.1)  # the rest is taken for the speed of that second
    assert solved.rows[0][1] == pytest.approx(300.0, rel=0.02)
    assert b > a
    assert solved.determined == 1
    total = solved.covariance[0, 0] + solved.covariance[1, 1] + 2 * solved.covariance[0, 1]
    assert total < solved.covariance[0, 0]  # the sum is known better than either


def test_one_wrong_probe_does_not_bend_the_others() -> None:
    rows = [fit.Equation(f"p{i}", 100.0, 0.05, {"a": 1.0}, "probes") for i in range(5)]
    rows.append(fit.Equation("wrong", 1000.0, 0.05, {"a": 1.0}, "probes"))
    solved = fit.solve_equations(rows, {"a": 80.0}, {})
    assert 80.0 * math.exp(solved.x[0]) == pytest.approx(100.0, rel=0.1)


def test_traces_and_probes_of_another_second_tell_ratios() -> None:
    """One trace was taken while the CPU was a fifth slower, another while it was a fifth faster: b is twice a."""
    probes = [fit.Equation(f"p{i}", 100.0, 0.02, {"a": 1.0}, "probes") for i in range(2)]
    slow = [fit.Equation(f"trace_{k}", ns, 0.02, {k: 1.0}, "one") for k, ns in (("a", 120.0), ("b", 240.0))]
    fast = [fit.Equation(f"turn_{k}", ns, 0.02, {k: 1.0}, "another") for k, ns in (("a", 80.0), ("b", 160.0))]
    solved = fit.solve_equations(probes + slow + fast, {"a": 100.0, "b": 100.0}, {})
    a, b = (s * math.exp(x) for s, x in zip(solved.start_ns[:2], solved.x[:2], strict=True))
    assert b / a == pytest.approx(2.0, rel=0.03)
    assert [said for _, said in solved.rows] == pytest.approx([100, 100, 120, 240, 80, 160], rel=0.03)
    # ... and the level is known less well than any one row says.
    assert math.sqrt(solved.covariance[0, 0]) > 0.05


def test_cpu_times_of_a_window_scatter_together() -> None:
    """Runs that were slow by a tenth in all CPU times say no less of their ratio."""
    figures = {"iops": 1e4, "fio_cpu_ns_per_s": 2e8, "kworker_cpu_ns_per_s": 1e8}
    spread = {"fio_cpu_ns_per_s": (1.8e8, 2.2e8), "kworker_cpu_ns_per_s": (0.9e8, 1.1e8), "iops": (0.9e4, 1.1e4)}
    case = Case("c", "p", "6.18", "calibrate", {}, figures, spread, {"runs": 3})
    both = fit.window_scatter(case, ["iops", "fio_cpu_ns_per_s", "kworker_cpu_ns_per_s"])
    ratio = both[1, 1] + both[2, 2] - 2 * both[1, 2]
    assert math.sqrt(ratio) == pytest.approx(math.hypot(0.02, 0.02), rel=0.01)
    assert math.sqrt(both[1, 1]) > 0.07
    assert both[0, 1] == 0
    # One that others saw scatter by more from run to run is not believed for its three that agree.
    assert fit.window_scatter(case, ["fio_cpu_ns_per_s"], 0.3)[0, 0] > 0.2**2
    runs = [{"iops": 1e4, "fio_cpu_ns_per_s": cpu} for cpu in (2e8, 2.6e8, 2e8, 2.6e8)]
    often = replace(case, raw={"runs": 4, "each": runs})
    assert fit.speed_of_runs([case, often]) == pytest.approx(math.log(1.3) / 2 * math.sqrt(4 / 3))
    assert fit.speed_of_runs([case]) == 0


def test_every_name_in_the_equations_is_a_cost() -> None:
    from wakepath import _core

    kinds = {"syscall", "pipe_alone", "pipe_same_cpu", "pipe_group", "sleep", "enter", "nop/8", "async_nop_first"}
    kinds |= {"write_submit/4", "write_submit_busy", "fio_null_32", "trace_work_item", "trace_next_item"}
    kinds |= {"trace_issue", "trace_end_request", "trace_wakeup", "trace_submit_io", "trace_user_io"}
    kinds |= {"trace_wake_to_clock", "trace_clock_to_wakeup", "trace_preempted", "trace_back_to_items"}
    kinds |= {f"trace{engine}_{part}" for engine in ("", "_uring") for part in ("item_to_waking", "wakeup_to_end")}
    kinds |= {"turn_cold_kworker", "turn_cold_task", "turn_cold_task_rung"}
    kinds |= {"trace_uring_work_item", "turn_drain/32", "turn_batch1/32", "turn_batch2/32", "turn_preempted"}
    rows = fit.equations({k: cost(k, 100.0) for k in kinds}, has=lambda _: True)
    assert {row.kind for row in rows} == kinds
    assert {name for row in rows for name in row.sums} <= set(_core.cost_names()) | {fit.RECORD}
    # Batches of the load's own CPU take the place of those of another.
    rows = fit.equations({k: cost(k, 100.0) for k in kinds | {"write_call/4"}}, has=lambda _: True)
    assert {row.kind for row in rows} == kinds - {"write_submit/4", "write_submit_busy"} | {"write_call/4"}


def test_a_kernel_that_does_not_say_its_tick_is_recorded_all_the_same() -> None:
    """One without its config leaves HZ, preemption and the accounting of interrupts to the model."""
    facts = json.loads(json.dumps(FACTS))
    known = setting_of(Setting(), facts, 1, None)
    facts["kernel"] |= {"hz": None, "preempt": None, "irq_time_accounting": None}
    setting = setting_of(Setting(), facts, 1, None)
    assert set(known) - set(setting) == {"hz", "preempt", "irq_time_accounting"}
    assert setting["cgroup"] is None


def device(latency: float, service: float, interrupts: int = 1) -> Probes:
    probes = Probes(kernel="6.18", complete=True)
    for n in (1, 2, 4, 8, 16, 32, 64):
        probes.costs[f"write_last/{n}"] = cost(f"write_last/{n}", latency + service * n)
        probes.costs[f"write_submit/{n}"] = cost(f"write_submit/{n}", 10_000.0)
        probes.counts[f"write_interrupts/{n}"] = (50, 50 * interrupts)
    probes.costs["write_submit_busy"] = cost("write_submit_busy", 3_000.0)
    return probes


def test_a_serial_device_is_told_by_its_batches() -> None:
    law = estimate(device(60_000, 4_000), [], {"driver": "virtio_blk", "tags": 256}, 20_000, 12_000, False)
    assert law is not None
    assert law.law == "serial"
    assert law.service_ns == pytest.approx(4_000, rel=0.01)
    assert law.latency_ns == pytest.approx(40_000, rel=0.01)
    assert law.interrupt_on_drain
    assert law.doorbell_when_idle


def test_the_latency_of_single_requests_is_taken_where_the_load_runs() -> None:
    """From the issue to the handler it is latency, service and what the sleeping CPU takes; a stall is in none."""
    trace = TraceCosts("t")
    trace.drains = [Drain(1, 30_000 + 100 * (i % 17), True) for i in range(340)]
    trace.drains += [Drain(1, 5_000_000, True)] * 10 + [Drain(2, 99_000, True)] * 500
    law = estimate(device(60_000, 4_000), [trace], {"driver": "virtio_blk", "tags": 256}, 20_000, 12_000, False)
    assert law is not None
    assert law.latency_ns == pytest.approx(30_000 + 800 - 4_000 - 12_000, rel=0.01)
    assert law.latency_quantiles[0] == pytest.approx(14_000, rel=0.01)
    assert law.latency_quantiles[-1] == pytest.approx(15_600, rel=0.01)
    trace.drains = trace.drains[:100]
    law = estimate(device(60_000, 4_000), [trace], {"driver": "virtio_blk", "tags": 256}, 20_000, 12_000, False)
    assert law is not None
    assert law.latency_ns == pytest.approx(40_000, rel=0.01)


def test_a_device_with_servers_takes_no_longer_for_so_many() -> None:
    points = {1: 80.0, 2: 81.0, 4: 83.0, 8: 160.0, 16: 320.0, 32: 640.0}
    assert servers_of(points) == 4
    assert theil_sen({1: 10.0, 2: 20.0, 3: 1000.0, 4: 40.0, 5: 50.0})[1] == pytest.approx(10.0)


def test_a_ring_without_indirect_descriptors_holds_a_third() -> None:
    plain = "0" * 128
    assert ring_requests({"driver": "virtio_blk", "tags": 128, "virtio_features": plain}) == 85
    indirect = plain[:28] + "1" + plain[29:]
    assert ring_requests({"driver": "virtio_blk", "tags": 128, "virtio_features": indirect}) is None
    assert ring_requests({"driver": "nvme", "tags": 128, "virtio_features": None}) is None


def test_intervals_of_a_trace_count_only_undisturbed_neighbours(tmp_path: Path) -> None:
    lines = ["# tracer: nop"]
    for i in range(60):
        t = 100.0 + i / 1000
        start, end = "workqueue_execute_start", "workqueue_execute_end"
        function = "work struct 0: function iomap_dio_complete_work"
        lines.append(f" kworker/1:0-9     [001] ..... {t:.6f}: {start}: {function}")
        if i % 2:
            lines.append(f" kworker/1:0-9     [001] d.h.. {t + 3e-6:.6f}: irq_handler_entry: irq=36 name=x")
        lines.append(f"   other-7         [000] ..... {t + 1e-6:.6f}: sched_waking: comm=a pid=1 prio=120 target_cpu=0")
        lines.append(f" kworker/1:0-9     [001] ..... {t + (50 if i % 2 else 2) * 1e-6:.6f}: {end}: {function}")
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines) + "\n")
    found = finish(trace_costs(str(path), 1, 36))
    assert set(found.samples["trace_work_item"]) == {2000}


def test_a_preempted_kworker_tells_what_wakeup_and_switch_take(tmp_path: Path) -> None:
    """fio is woken by an item, preempts, sleeps, and the kworker goes on: 3, 5, 7 and 11 us between the records."""
    item = "work struct 0: function iomap_dio_complete_work"
    to_fio = "prev_comm=kworker/1:0 prev_pid=9 prev_prio=120 prev_state=R+ ==> next_comm=fio next_pid=7 next_prio=120"
    back = "prev_comm=fio prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=kworker/1:0 next_pid=9 next_prio=120"
    from_idle = back.replace("prev_comm=fio prev_pid=7", "prev_comm=swapper/1 prev_pid=0")
    steps = [
        (0, "kworker/1:0-9", f"workqueue_execute_start: {item}"),
        (1, "kworker/1:0-9", "sched_waking: comm=fio pid=7 prio=120 target_cpu=001"),
        (4, "kworker/1:0-9", "sched_stat_runtime: comm=kworker/1:0 pid=9 runtime=2000 [ns]"),
        (9, "kworker/1:0-9", "sched_wakeup: comm=fio pid=7 prio=120 target_cpu=001"),
        (10, "kworker/1:0-9", f"workqueue_execute_end: {item}"),
        (17, "kworker/1:0-9", f"sched_switch: {to_fio}"),
        (30, "fio-7", f"sched_switch: {back}"),
        (41, "kworker/1:0-9", f"workqueue_execute_start: {item}"),
        (60, "<idle>-0", f"sched_switch: {from_idle}"),
        (62, "kworker/1:0-9", f"workqueue_execute_start: {item}"),
    ]
    found = finish(trace_costs(trace_of(tmp_path, steps), 1, 36)).samples
    wanted = {"trace_wake_to_clock": 3, "trace_clock_to_wakeup": 5, "trace_preempted": 7, "trace_back_to_items": 11}
    assert {k: found[k] for k in wanted} == {k: [1000 * us] for k, us in wanted.items()}


@pytest.mark.parametrize("engine", ["io_getevents", "io_uring_enter"])
def test_an_item_has_two_parts_around_the_wakeup_of_the_submitter(tmp_path: Path, engine: str) -> None:
    item = "work struct 0: function iomap_dio_complete_work"
    steps = [
        (0, "fio-7", f"sys_{engine}(a: 1)"),
        (10, "kworker/1:0-9", f"workqueue_execute_start: {item}"),
        (13, "kworker/1:0-9", "sched_waking: comm=fio pid=7 prio=120 target_cpu=001"),
        (20, "kworker/1:0-9", "sched_wakeup: comm=fio pid=7 prio=120 target_cpu=001"),
        (25, "kworker/1:0-9", f"workqueue_execute_end: {item}"),
        (30, "kworker/1:0-9", f"workqueue_execute_start: {item}"),
        (37, "kworker/1:0-9", f"workqueue_execute_end: {item}"),
    ]
    found = trace_costs(trace_of(tmp_path, steps), 1, 36).samples
    kind = "trace_uring" if engine == "io_uring_enter" else "trace"
    assert (found[f"{kind}_item_to_waking"], found[f"{kind}_wakeup_to_end"]) == ([3000], [5000])
    assert found[f"{kind}_work_item"] == [7000]


def test_a_doorbell_is_what_io_submit_takes_after_its_last_request(tmp_path: Path) -> None:
    """14 us for the batch that wakes the device, 1 us for the request it is given at work; a plug beyond 32 is left."""

    def calls(n: int, rings: int, t: float) -> list[str]:
        who = "   fio-7     [001] ....."
        issue = f"{who} {{:.6f}}: block_rq_issue: 254,0 WS 4096 () 8 + 8 [fio]"
        lines = [f"{who} {t:.6f}: sys_io_submit(ctx_id: 1, nr: {n:#x}, iocbpp: 1)"]
        lines += [issue.format(t + (5 + i) * 1e-6) for i in range(n)]
        return [*lines, f"{who} {t + (4 + n + rings) * 1e-6:.6f}: sys_io_submit -> {n:#x}"]

    done = " <idle>-0     [001] ..s1. {:.6f}: block_rq_complete: 254,0 WS () 8 + 8 [0]"
    lines = []
    for i in range(60):
        t = 100.0 + i / 100
        lines += calls(8, 14, t) + calls(1, 1, t + 1e-3)
        lines += [done.format(t + 2e-3 + j * 1e-6) for j in range(9)]
    lines += calls(40, 3, 101.0)
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines) + "\n")
    assert finish(trace_costs(str(path), 1, 36)).samples["trace_doorbell"] == [14_000] * 60


def test_what_runs_beside_the_load_comes_into_the_machine_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four turns a second of 2 ms, on the load's CPU half of the time; short turns and kworkers are left out."""
    from wakepath.recorder import beside, counters
    from wakepath.recorder.base import tables_toml
    from wakepath.scenario import Options, Scenario

    def thread(pid: int, comm: str, cpu: int, run_ns: int, turns: int) -> None:
        folder = tmp_path / "proc" / str(pid) / "task" / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stat").write_text(f"{pid} ({comm}) S " + " ".join(["0"] * 35) + f" {cpu} 0\n")
        (folder / "schedstat").write_text(f"{run_ns} 0 {turns}\n")

    def all_at(second: int) -> None:
        thread(77, "kdamond.0", second % 2, 5_000_000_000 + 8_000_000 * second, 100 + 4 * second)
        thread(78, "kworker/1:1-mm (x)", 1, 50_000_000 * second, 10 * second)
        thread(79, "rcu_preempt", 1, 1_000_000 * second, 100 * second)

    assert counters.PROC == beside.PROC
    monkeypatch.setattr(beside, "PROC", tmp_path / "proc")
    all_at(0)
    seen = beside.Beside(1)
    for second in range(1, 11):
        all_at(second)
        seen.look()
    found = seen.programs(10_000_000_000)
    assert found == [{"name": "kdamond.0", "period_ns": 500_000_000, "run_ns": 2_000_000}]

    text = '[workload.w]\nioengine = "libaio"\nrw = "randwrite"\nbs = "4k"\n'
    machine = tmp_path / "m.toml"
    machine.write_text(machine_file(tmp_path).read_text() + tables_toml(beside.program_tables(found * 2, 1), []))
    described = Scenario.from_toml(text, options=Options(machine=str(machine))).describe()
    assert {"kdamond_0", "kdamond_0_2"} <= set(described["programs"])


def test_recorded_and_held_out_settings_never_overlap() -> None:
    recorded = {s.name for s in RECORDED + RECORDED_IN_GROUP}
    held_out = [s.name for s in HELD_OUT_ROOT + HELD_OUT_GROUP]
    assert len(held_out) >= 20
    assert len(set(held_out)) == len(held_out)
    assert recorded.isdisjoint(held_out)
    assert all(s.engine == "io_uring" for s in runnable(RECORDED, fio=False, io_uring=True, writes=True))
    assert all(not s.writes for s in runnable(RECORDED, fio=True, io_uring=True, writes=False))


# ---- what may be written to ------------------------------------------------------------------------------------------


def test_a_file_with_data_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(InputError, match="not overwritten"):
        Target(str(path), 1 << 20)
    assert path.read_bytes() == b"x" * 4096


def test_a_scratch_file_is_removed_and_so_is_one_left_by_a_dead_process(tmp_path: Path) -> None:
    left = tmp_path / ".wakepath-record.999999999"
    left.write_bytes(b"")
    with Target(str(tmp_path), 2 << 20) as target:
        assert target.path.stat().st_size == 2 << 20
    assert list(tmp_path.iterdir()) == []
    left.write_bytes(b"")
    assert remove_left_over(tmp_path) == [left.name]


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MiB are needed"):
        Target(str(tmp_path), 1 << 60)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Target(str(tmp_path / "a" / "b"), 1 << 20)


def test_no_tracing_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracefs.os, "access", lambda *_: False)
    with pytest.raises(tracefs.NoTraceError, match="tracefs"):
        tracefs.tracefs()


# ---- a folder --------------------------------------------------------------------------------------------------------


def recording(folder: Path, **state: object) -> str:
    whole = {"schema": "wakepath.recording/1", "status": "complete", "parts": ["machine"], "lacks": [], "notes": []}
    (folder / "recording.json").write_text(json.dumps(whole | state))
    facts = {"kernel": {"release": "6.12.1"}, "cpu": {"online": [0]}, "unknown": ["kernel.hz"]}
    (folder / "machine.json").write_text(json.dumps(facts))
    return str(folder)


def test_a_recording_says_what_it_lacks(tmp_path: Path) -> None:
    lack = {"part": "trace", "reason": "not root", "remedy": ""}
    found = read_recording(recording(tmp_path, status="partial", lacks=[lack])).lacks()
    for part in ("cut short", "trace: not root", "no probes", "no windows", "no kernel trace", "kernel.hz"):
        assert any(part in line for line in found), part


def test_another_schema_and_a_folder_without_facts_are_refused(tmp_path: Path) -> None:
    path = recording(tmp_path, schema="wakepath.recording/9")
    with pytest.raises(InputError, match="schema"):
        read_recording(path)
    recording(tmp_path)
    (tmp_path / "machine.json").unlink()
    with pytest.raises(InputError, match=r"no machine\.json"):
        read_recording(path)


def test_a_recording_of_another_machine_is_read(tmp_path: Path) -> None:
    path = recording(tmp_path)
    text = HEADER + "K\tsyscall\t400\t1\t178\t3\t4\t178\t1,2\nE\t1\t0\t0\t0\t0\n"
    (tmp_path / "probes.urtrace.xz").write_bytes(lzma.compress(text.encode()))
    found = read_recording(path)
    assert found.probes is not None
    assert found.probes.costs["syscall"].median_ns == 178


FACTS = json.loads((Path(__file__).parents[1] / "data/recording/machine.json").read_text())


def machine_file(folder: Path) -> Path:
    from wakepath.recorder.base import base_tables, tables_toml

    tables = base_tables(FACTS, None, "6.18")
    # A latency that varies, as any device's does: with a constant one, a hundredth more of it locks another pattern.
    tables["device"] = {"law": "serial", "service_ns": 5000, "latency_ns": {"low": 15000, "high": 25000}}
    tables["uncertainty"] = {"draws": {"device.service_ns": [0.9, 1.0, 1.1]}, "discrepancy": {"iops": 0.05}}
    path = folder / "m.toml"
    path.write_text(tables_toml(tables, ["a machine"]))
    return path


def test_a_check_finds_a_right_prediction_right_and_a_wrong_one_wrong(tmp_path: Path) -> None:
    from wakepath.metrics import truth_metrics
    from wakepath.recorder.cases import case_of
    from wakepath.recorder.check import DURATION, WARMUP, check_lines, compare, write_cases
    from wakepath.recorder.load import Setting
    from wakepath.recorder.settings import REFERENCE
    from wakepath.runner import simulate
    from wakepath.scenario import Options, Scenario

    machine = machine_file(tmp_path)
    options = Options(machine=str(machine), duration=DURATION, warmup=WARMUP)

    def measured(setting: Setting, role: str, factor: float) -> dict[str, object]:
        empty = case_of(setting, [{"iops": 1.0}], FACTS, 1, role, 0)
        figures = truth_metrics(simulate(Scenario.from_case(empty, options=options)), cpu=1)
        runs = [{k: v * factor * f for k, v in figures.items()} for f in (0.98, 1.0, 1.02)]
        return case_of(setting, runs, FACTS, 1, role, 0)

    held_out = Setting(depth=8, batch=8)
    for factor in (1.0, 2.0):
        file = tmp_path / f"c{factor}.jsonl"
        write_cases(str(file), [measured(held_out, "predict", factor), measured(REFERENCE, "calibrate", 1.0)])
        outcome = compare(str(machine), str(file), samples=8, report=lambda *_: None)
        assert outcome.device_factor == pytest.approx(1.0, abs=0.05)
        wrong = [line for line in outcome.failures() if "distance" in line]
        assert bool(wrong) == (factor != 1.0)
        assert any("NOT REACHED" in line for line in check_lines(outcome)) or factor == 1.0
    write_cases(str(tmp_path / "d.jsonl"), [measured(held_out, "predict", 1.0)])
    with pytest.raises(InputError, match="no runs of a check"):
        compare(str(machine), str(tmp_path / "d.jsonl"), samples=8, report=lambda *_: None)


def test_a_recorded_case_runs_on_a_machine_file_with_draws(tmp_path: Path) -> None:
    from wakepath.intervals import intervals, read_uncertainty
    from wakepath.recorder.cases import case_of
    from wakepath.recorder.load import Setting
    from wakepath.scenario import Options, Scenario

    machine = machine_file(tmp_path)
    assert read_uncertainty(str(machine)) is not None
    options = Options(machine=str(machine), duration="20ms", warmup="5ms")
    case = case_of(Setting(depth=8, batch=8, shares=2048), [{"iops": 1.0}], FACTS, 1, "predict", 0)
    scenario = Scenario.from_case(case, options=options)
    assert scenario.describe()["machine"]["cpus"] == 2
    found = intervals(scenario, str(machine), 8)
    iops = found["figures"]["io.iops"]
    assert iops["low"] < iops["median"] < iops["high"]
    assert found == intervals(scenario, str(machine), 8)


def test_without_a_recording_the_interval_is_that_of_estimates() -> None:
    from wakepath.intervals import intervals
    from wakepath.scenario import Options, Scenario

    scenario = Scenario.load("starved_completions", options=Options(duration="10ms", warmup="2ms"))
    found = intervals(scenario, None, 8)
    assert "no recording" in found["source"]
    with pytest.raises(InputError, match="8 or more"):
        intervals(scenario, None, 3)


def test_a_perf_trace_alone_gives_a_machine_and_says_what_stays_estimated(tmp_path: Path) -> None:
    from wakepath.recorder.calibration import calibrate_recording, machine_text
    from wakepath.recorder.from_trace import trace_recording
    from wakepath.scenario import Options, Scenario

    trace = Path(__file__).parents[1] / "data/traces/perf-root.txt.xz"
    recording = trace_recording(str(trace), {"cpus": 2, "hz": 250, "preempt": "none"}, "6.18", [])
    assert recording.facts["target"]["irqs"] == [36]
    outcome = calibrate_recording(recording, kernel=None, report=lambda *_: None)
    assert any(row.kind == "trace_work_item" for row, _ in outcome.linear.rows)
    assert "fio_prep_io" in outcome.stays
    assert any("no probes" in line for line in outcome.lacks)
    machine = tmp_path / "m.toml"
    machine.write_text(machine_text(outcome, recording))
    scenario = Scenario.from_toml('[workload.w]\nrw = "randwrite"\n', options=Options(machine=str(machine)))
    assert scenario.describe()["kernel"]["version"] == "6.18"


def test_a_trace_without_a_kernel_asks_for_one() -> None:
    from wakepath.recorder.from_trace import trace_recording

    with pytest.raises(InputError, match="which kernel"):
        trace_recording("t.txt", {}, "", [])


def test_a_tarball_of_collect_sh_alone_gives_a_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from wakepath.cli import status_of

    tarball = next((Path(__file__).parents[1] / "data").rglob("collect-w10240.tar.xz"))
    out = tmp_path / "m.toml"
    assert status_of(["calibrate", str(tarball), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "still estimates" in said
    assert "no probes" in said
    assert "[uncertainty]" in out.read_text()
