# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace files of other tools and for other tools: their own counts, and round trips with the same figures."""

from __future__ import annotations

import json
import lzma
import random
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wakepath import _core, functions
from wakepath.errors import InputError
from wakepath.formats import convert

TESTS = Path(__file__).resolve().parents[1]
DATA = TESTS / "data" / "formats"
Call = Callable[..., Any]

# tests/data/formats/README.md: as `trace-cmd report` counts them.
LISA = {
    "lisa-example_rtapp.trace.dat.xz": {"bprint": 6242, "sched_switch": 1552, "print": 14, "cpu_frequency": 12},
    "lisa-sched_load.trace.dat.xz": {
        "sched_load_cfs_rq": 2437,
        "cpu_idle": 474,
        "sched_switch": 399,
        "sched_load_se": 364,
        "sched_migrate_task": 28,
        "cpu_frequency": 16,
        "print": 6,
    },
}


def counts_of(file: Path | str) -> dict[str, int]:
    report = functions.analyze(str(file))["trace"]
    assert report["bad_lines"]["n"] == 0, report["bad_lines"]
    return {name: n for name, n in (report["by_event"] | report["unknown_events"]).items() if name != "unknown"}


def need_tool(name: str) -> str:
    """./test installs it (packages/debian-test.txt); elsewhere the test has nothing to compare with."""
    tool = shutil.which(name)
    if tool is None:
        pytest.skip(f"{name} is not installed")
    return tool


def printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, errors="replace").stdout


def unpacked(name: str, folder: Path) -> Path:
    file = folder / name.removesuffix(".xz")
    file.write_bytes(lzma.decompress((DATA / name).read_bytes()))
    return file


@pytest.mark.parametrize("name", sorted(LISA))
def test_trace_cmd_files_of_others_have_the_counts_of_trace_cmd(name: str) -> None:
    assert counts_of(DATA / name) == LISA[name]


@pytest.mark.parametrize("name", sorted(LISA))
def test_trace_cmd_itself_counts_the_same(name: str, tmp_path: Path) -> None:
    need_tool("trace-cmd")
    text = printed("trace-cmd", "report", "-t", str(unpacked(name, tmp_path)))
    assert Counter(re.findall(r"\d{4,}: +(\w+):", text)) == LISA[name]


@pytest.mark.parametrize("name", ["perf-plain.data.xz", "perf-chains.data.xz"])
def test_perf_data_has_the_counts_of_perf_script(name: str, tmp_path: Path) -> None:
    need_tool("perf")
    file = unpacked(name, tmp_path)
    text = printed("perf", "script", "--force", "-F", "event", "-i", str(file))
    wanted = Counter(re.findall(r"^\s*\w+:(\w+):\s*$", text, re.M))
    assert sum(wanted.values()) > 100
    assert counts_of(file) == wanted


def test_without_perf_the_line_says_how_to_get_it(
    wakepath: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = unpacked("perf-plain.data.xz", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = wakepath("analyze", str(file))
    assert said.status == 2
    assert "apt-get install linux-perf" in said.err
    assert len(said.err.splitlines()) == 1


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from wakepath import run

    file = tmp_path_factory.mktemp("simulated") / "t.txt"
    run("starved_completions", duration="60ms", warmup="10ms", trace=str(file))
    return file


def figures(file: Path | str) -> dict[str, Any]:
    found = functions.analyze(str(file))
    by_event = found["trace"]["by_event"]
    return {key: value for key, value in found.items() if key not in ("trace", "schema")} | {"by_event": by_event}


@pytest.mark.parametrize("suffix", ["txt.xz", "ftrace.gz", "dat", "pftrace", "pftrace.zst", "parquet"])
def test_a_simulated_trace_has_the_same_figures_in_each_format(simulated: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"t.{suffix}"
    convert(str(simulated), str(out))
    assert figures(out) == figures(simulated)
    # And on the way back.
    convert(str(out), str(tmp_path / "back.txt"))
    assert figures(tmp_path / "back.txt") == figures(simulated)


def test_run_writes_the_format_of_the_suffix(wakepath: Call, tmp_path: Path, simulated: Path) -> None:
    for suffix in ("dat", "pftrace", "parquet"):
        out = tmp_path / f"t.{suffix}"
        said = wakepath(
            "run", "starved_completions", "--duration", "60ms", "--warmup", "10ms", "--no-control", "--trace", str(out)
        )
        assert said.status == 0, said.err
        assert figures(out) == figures(simulated)


def test_the_end_of_an_interrupt_says_what_its_handler_returned(simulated: Path) -> None:
    ends = [line for line in simulated.read_text().splitlines() if "irq_handler_exit:" in line]
    assert len(ends) > 10
    assert all(line.endswith(" ret=handled") for line in ends)


def test_trace_cmd_report_reads_our_file_and_we_read_its_text(simulated: Path, tmp_path: Path) -> None:
    need_tool("trace-cmd")
    out = tmp_path / "t.dat"
    convert(str(simulated), str(out))
    done = subprocess.run(["trace-cmd", "report", "-t", str(out)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = tmp_path / "report.txt"
    text.write_text(done.stdout)
    assert counts_of(text) == counts_of(simulated)
    # Its text has no latency columns, so reasons are fewer; cycles and their counts are the same.
    cycles = [[(c["cycle"], c["switches"]) for c in figures(file)["pingpong"]] for file in (text, simulated)]
    assert cycles[0] == cycles[1]


def test_perfettos_own_definitions_read_our_file(simulated: Path, tmp_path: Path) -> None:
    trace_pb2 = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    out = tmp_path / "t.pftrace"
    convert(str(simulated), str(out))
    trace = trace_pb2.Trace.FromString(out.read_bytes())
    counts: Counter[str] = Counter()
    tracks: dict[int, str] = {}
    starts: set[int] = set()
    ends: set[int] = set()
    counters = 0
    for packet in trace.packet:
        for event in packet.ftrace_events.event:
            kind = event.WhichOneof("event")
            counts[event.generic.event_name if kind == "generic" else kind] += 1
        if packet.HasField("track_descriptor"):
            tracks[packet.track_descriptor.uuid] = packet.track_descriptor.name
        if packet.HasField("track_event"):
            assert packet.track_event.track_uuid in tracks, "a track is described before it is used"
            starts.update(packet.track_event.flow_ids)
            ends.update(packet.track_event.terminating_flow_ids)
            counters += packet.track_event.type == 4
    assert counts == counts_of(simulated)
    names = set(tracks.values())
    assert "I/O" in names
    assert "workqueues" in names
    assert any(name.startswith("dio/") for name in names)
    assert any(name.startswith("in flight") for name in names)
    issued, completed = counts["block_rq_issue"], counts["block_rq_complete"]
    assert len(starts) == issued
    assert ends <= starts
    # A flow ends where its I/O woke someone; many completions share one wakeup, the last ones have none yet.
    assert len(ends) > 0.5 * min(issued, completed)
    assert counters > issued


def test_our_part_of_perfettos_schema_is_perfettos() -> None:
    trace_pb2 = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    text = (TESTS.parent / "sim" / "trace" / "perfetto_trace.proto").read_text()
    ours = re.findall(r"^\s+(?:optional|repeated) (\S+) (\w+) = (\d+)|^    (\w+) (\w+) = (\d+);", text, re.M)
    assert len(ours) > 100
    event = trace_pb2.FtraceEvent.DESCRIPTOR.fields_by_name
    for _, name, number in re.findall(r"^    ([A-Z]\w+) (\w+) = (\d+);", text, re.M):
        if name in event:
            assert event[name].number == int(number), name
    messages = {
        "TracePacket": "TracePacket",
        "FtraceEventBundle": "FtraceEventBundle",
        "SchedSwitch": "SchedSwitchFtraceEvent",
        "Wakeup": "SchedWakingFtraceEvent",
        "Migrate": "SchedMigrateTaskFtraceEvent",
        "ProcessFork": "SchedProcessForkFtraceEvent",
        "ProcessExit": "SchedProcessExitFtraceEvent",
        "IrqEntry": "IrqHandlerEntryFtraceEvent",
        "IrqExit": "IrqHandlerExitFtraceEvent",
        "QueueWork": "WorkqueueQueueWorkFtraceEvent",
        "BlockIssue": "BlockRqIssueFtraceEvent",
        "BlockComplete": "BlockRqCompleteFtraceEvent",
        "TimerEntry": "HrtimerExpireEntryFtraceEvent",
        "TrackEvent": "TrackEvent",
        "TrackDescriptor": "TrackDescriptor",
        "ThreadDescriptor": "ThreadDescriptor",
        "CounterDescriptor": "CounterDescriptor",
        "DebugAnnotation": "DebugAnnotation",
        "InternedData": "InternedData",
        "ProcessTree": "ProcessTree",
    }
    for mine, theirs in messages.items():
        body = re.search(rf"^message {mine} \{{(.*?)^\}}", text, re.M | re.S)
        assert body is not None, mine
        fields = trace_pb2.DESCRIPTOR.message_types_by_name[theirs].fields_by_name
        for name, number in re.findall(r"^  (?:optional|repeated) \S+ (\w+) = (\d+)", body[1], re.M):
            assert fields[name].number == int(number), f"{mine}.{name}"


def test_parquet_has_the_kernels_field_names(simulated: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "t.parquet"
    convert(str(simulated), str(out))
    table = parquet.read_table(out).to_pandas()
    assert len(table) == functions.analyze(str(simulated))["trace"]["records"]
    switches = table[table.event == "sched_switch"]
    assert switches.prev_pid.notna().all()
    assert switches.sector.isna().all()
    assert table.ts_ns.is_monotonic_increasing


def test_blkparse_of_the_real_tool(tmp_path: Path) -> None:
    """Binary records as the kernel writes them (include/uapi/linux/blktrace_api.h), printed by the real blkparse."""
    import struct

    need_tool("blkparse")
    write, queue, issue, complete = (1 << 16 + bit for bit in (1, 4, 6, 7))  # BLK_TC_*
    steps = [1 | queue, 4, 7 | issue, 8 | complete]  # __BLK_TA_QUEUE, GETRQ, ISSUE, COMPLETE
    records = b""
    for i in range(50):
        for step, action in enumerate(steps):
            head = struct.pack("<IIQQ", 0x65617407, i * 4 + step + 1, i * 100_000 + step * 1000, 2048 + i * 8)
            records += head + struct.pack("<IIIIIHH", 4096, action | write, 77, 8 << 20, 0, 0, 0)
    (tmp_path / "sda.blktrace.0").write_bytes(records)
    text = tmp_path / "blk.txt"
    done = subprocess.run(["blkparse", "-D", str(tmp_path), "-i", "sda"], capture_output=True, text=True, check=False)
    text.write_text(done.stdout)
    report = functions.analyze(str(text))["trace"]
    assert report["bad_lines"]["n"] == 0, report["bad_lines"]
    assert report["format"] == "blkparse"
    assert report["by_event"]["block_rq_issue"] == 50
    assert report["by_event"]["block_rq_complete"] == 50


def test_fio_json_is_read_by_fios_own_tool(wakepath: Call, tmp_path: Path) -> None:
    out, result = tmp_path / "fio.json", tmp_path / "r.json"
    said = wakepath(
        "run", "starved_completions", "--duration", "100ms", "--no-control", "--fio-json", str(out),
        "--json", str(result),
    )  # fmt: skip
    assert said.status == 0, said.err
    ours = json.loads(result.read_text())
    job = json.loads(out.read_text())["jobs"][0]
    write = job["write"]
    assert write["total_ios"] == ours["io"]["completed"]
    assert write["iops"] == pytest.approx(ours["io"]["iops"])
    assert write["clat_ns"]["N"] == sum(write["clat_ns"]["bins"].values())
    assert write["clat_ns"]["percentile"]["99.000000"] == ours["io"]["clat_ns"]["p99"]
    assert list(map(int, write["clat_ns"]["bins"])) == sorted(map(int, write["clat_ns"]["bins"]))
    tool = need_tool("fio_jsonplus_clat2csv")
    subprocess.run([tool, str(out), str(tmp_path / "clat.csv")], check=True, capture_output=True)
    rows = (tmp_path / "clat_job0.csv").read_text().splitlines()
    column = [name.strip() for name in rows[0].split(",")].index("write_clat_ns_cumulative")
    last = [row.split(",")[column].strip() for row in rows[1:]]
    assert max(int(n) for n in last if n) == ours["io"]["completed"]


@pytest.mark.parametrize(
    ("out", "what"),
    [
        ("t.pftrac", "did you mean .pftrace?"),
        ("t.json", "one of .txt"),
        ("t.parquet.xz", "Parquet packs by itself"),
        ("no/folder/t.txt", "does not exist"),
    ],
)
def test_an_output_that_cannot_be_is_wrong_input(
    wakepath: Call, simulated: Path, tmp_path: Path, out: str, what: str
) -> None:
    said = wakepath("convert", str(simulated), str(tmp_path / out))
    assert said.status == 2
    assert what in said.err
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["dat", "pftrace", "parquet"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_a_file_cut_short_says_so_and_leaves_no_output(
    wakepath: Call, simulated: Path, tmp_path: Path, suffix: str, part: float
) -> None:
    whole = tmp_path / f"t.{suffix}"
    convert(str(simulated), str(whole))
    cut = tmp_path / f"cut.{suffix}"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * part)])
    said = wakepath("convert", str(cut), str(tmp_path / "out.txt"))
    assert said.status == 2
    assert len(said.err.splitlines()) == 1
    assert str(cut) in said.err
    assert not (tmp_path / "out.txt").exists()


def test_a_trace_of_columns_with_other_names_is_refused(wakepath: Call, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "other.parquet"
    parquet.write_table(pa.table({"a": [1]}), file)
    said = wakepath("analyze", str(file))
    assert said.status == 2
    assert "has no column 'ts_ns'" in said.err


def test_records_known_by_name_only_are_counted(wakepath: Call, tmp_path: Path) -> None:
    said = wakepath("convert", str(DATA / "lisa-sched_load.trace.dat.xz"), str(tmp_path / "t.pftrace"))
    assert said.status == 0, said.err
    assert "3,297 of them by name only" in said.out
    assert counts_of(tmp_path / "t.pftrace") == LISA["lisa-sched_load.trace.dat.xz"]


def test_columns_are_typed() -> None:
    types = dict(_core.column_types())
    assert types["ts_ns"] == "int64"
    assert types["prev_comm"] == "name"
    assert types["sector"] == "uint64"


def damaged(data: bytes, dice: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(dice.randint(1, 12)):
        if len(out) < 20:
            break
        at = dice.randrange(len(out) - 8)
        match dice.randrange(5):
            case 0:
                out[at] = dice.randrange(256)
            case 1:
                del out[at : at + dice.randint(1, 64)]
            case 2:
                out[at:at] = dice.randbytes(dice.randint(1, 16))
            case 3:
                out[at : at + 8] = b"\xff" * 8
            case _:
                del out[max(len(out) - dice.randint(1, 400), 40) :]
    return bytes(out)


@pytest.mark.parametrize(("corpus", "times"), [("dat", 60), ("perfetto", 300), ("blkparse", 100)])
def test_a_damaged_file_is_answered(tmp_path: Path, capfd: pytest.CaptureFixture[str], corpus: str, times: int) -> None:
    """trace-cmd's library crashes on a quarter of these; what must hold is an answer, and nothing said beside it."""
    good = [file.read_bytes() for file in sorted((TESTS / "fuzz" / "corpus" / corpus).iterdir())]
    dice = random.Random(7)
    file = tmp_path / "damaged"
    said: list[str] = []
    for _ in range(times):
        file.write_bytes(damaged(dice.choice(good), dice))
        try:
            assert json.loads(_core.analyze(str(file)))["trace"]["records"] >= 0
        except InputError as error:
            said.append(str(error))
    assert len(said) > times // 20
    assert all(line.startswith(f"{file}:") for line in said)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("kind", "times"), [("parquet", 60), ("tarball", 40), ("perf.data", 25)])
def test_a_damaged_file_that_a_library_opens_is_answered(
    simulated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, times: int
) -> None:
    """Parquet through pyarrow, a tarball of collect.sh through tarfile, perf.data through perf."""
    if kind == "parquet":
        pytest.importorskip("pyarrow.parquet")
        whole = tmp_path / "t.parquet"
        convert(str(simulated), str(whole))
        good = whole.read_bytes()
    elif kind == "tarball":
        good = lzma.decompress((DATA / "collect-w10240.tar.xz").read_bytes())
    else:
        need_tool("perf")
        good = lzma.decompress((DATA / "perf-plain.data.xz").read_bytes())
    dice = random.Random(11)
    file = tmp_path / f"damaged.{kind}"
    said: list[str] = []
    for _ in range(times):
        file.write_bytes(damaged(good, dice))
        try:
            assert functions.analyze(str(file), quick=True)["trace"]["records"] >= 0
        except InputError as error:
            said.append(str(error))
    assert said
    assert all(line.startswith(f"{file}:") and "\n" not in line for line in said), said
    assert capfd.readouterr().err == ""
