# SPDX-License-Identifier: GPL-2.0-or-later
"""Recording for real, in a few seconds, and what may go wrong on the way: no io_uring, no tracing, no cgroups, a full
disk, a target that cannot be written, a kill in the middle, a clock that steps."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wakepath.errors import InputError
from wakepath.recorder import perf, session, tracefs
from wakepath.recorder.cgroups import Group, NoCgroupError
from wakepath.recorder.facts import machine_facts
from wakepath.recorder.program import find_program, program
from wakepath.recorder.recording import read_recording

ROOT = Path(__file__).resolve().parents[2]
SMALL = session.Plan(quick=True, budget_s=12, size=16 << 20, repeats=1, window_s=0.2, probe_s=3, trace_s=0.05)
pytestmark = pytest.mark.xdist_group("machine")  # one at a time: they measure


def silent(what: str, share: float) -> None:
    pass


@pytest.fixture(scope="module")
def recorder() -> Path:
    try:
        return program()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    try:
        machine_facts(tmp_path)
    except InputError as error:
        pytest.skip(str(error))
    return tmp_path


def has_io_uring(recorder: Path, folder: Path) -> bool:
    path = folder / "probe-file"
    path.write_bytes(b"\1" * (1 << 20))
    command = [recorder, "load", "--target", path, "--depth", "1", "--seconds", "0.01", "--read"]
    done = subprocess.run(command, capture_output=True, check=False)
    path.unlink()
    return done.returncode == 0


def run(disk: Path, plan: session.Plan = SMALL, **options: Any) -> dict[str, Any]:
    whole = {"overwrite": False, "read_only": False, "report": silent, **options}
    return session.record(str(disk), str(disk / "out"), plan=plan, **whole)


def left_behind(disk: Path) -> list[str]:
    found = [p.name for p in disk.glob(".wakepath-record*")]
    for root in (Path("/sys/kernel/tracing/instances"), Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/cpu")):
        if root.is_dir() and os.access(root, os.R_OK):
            found += [p.name for p in root.glob(f"wakepath-{os.getpid()}*")]
    return found


@pytest.mark.slow
def test_records_calibrates_and_leaves_nothing_behind(recorder: Path, disk: Path) -> None:
    if not has_io_uring(recorder, disk):
        pytest.skip("this kernel refuses io_uring")
    before = time.monotonic()
    state = run(disk)
    assert time.monotonic() - before < 2 * SMALL.budget_s
    assert state["status"] == "complete"
    assert left_behind(disk) == []
    found = read_recording(str(disk / "out"))
    assert found.probes is not None
    assert found.probes.complete
    assert found.probes.costs["syscall"].median_ns > 0
    assert {"write_last/1", "write_submit/32", "nop/8"} <= set(found.probes.costs)
    if shutil.which("fio"):
        assert found.cases
        assert all(c.role == "calibrate" for c in found.cases)
        assert all(c.measured["iops"] > 0 for c in found.cases)


def test_the_records_of_requests_hang_together(recorder: Path, disk: Path) -> None:
    if not has_io_uring(recorder, disk):
        pytest.skip("this kernel refuses io_uring")
    target = disk / "file"
    target.write_bytes(b"\1" * (4 << 20))
    out = disk / "p.urtrace"
    command = [recorder, "probe", "--out", out, "--target", target, "--quick", "--budget", "3"]
    subprocess.run(command, check=True, capture_output=True)
    rows: dict[str, list[list[str]]] = {}
    for line in out.read_text().splitlines():
        fields = line.split("\t")
        rows.setdefault(fields[0], []).append(fields[1:])
    prepared = {int(q[0]): int(q[7]) for q in rows.get("Q", [])}
    seen = {int(c[0]): int(c[1]) for c in rows.get("C", [])}
    assert prepared.keys() == seen.keys()
    assert sorted(prepared) == list(range(len(prepared)))
    assert all(seen[i] >= prepared[i] for i in prepared)
    assert all(int(s[3]) >= int(s[2]) for s in rows.get("S", []))
    assert int(rows["E"][0][1]) == len(prepared)


# ---- injected faults -------------------------------------------------------------------------------------------------


def forbid_io_uring() -> None:
    """A seccomp filter as container runtimes have it: io_uring_setup gives EPERM."""
    setup = 425
    steps = [
        struct.pack("HBBI", 0x20, 0, 0, 0),  # the call's number
        struct.pack("HBBI", 0x15, 0, 1, setup),
        struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | errno.EPERM),
        struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000),
    ]
    code = ctypes.create_string_buffer(b"".join(steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    libc.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0)  # PR_SET_SECCOMP


def command_line(out: Path, disk: Path, *more: str) -> list[str]:
    code = "import sys; from wakepath.cli import main; main(sys.argv[1:])"
    given = ["record", "--target", str(disk), "--out", str(out), "--quick", "--size", "16M", *more]
    return [sys.executable, "-P", "-c", code, *given]


@pytest.mark.slow
def test_without_io_uring_the_rest_is_recorded(recorder: Path, disk: Path) -> None:
    out = disk / "out"
    done = subprocess.run(
        command_line(out, disk), preexec_fn=forbid_io_uring, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "not recorded: io_uring" in done.stdout
    found = read_recording(str(out))
    assert found.probes is not None
    assert "syscall" in found.probes.costs
    assert "nop/8" not in found.probes.costs
    assert all(c.setting["workload"]["engine"] != "io_uring" for c in found.cases)


@pytest.mark.slow
def test_killed_in_the_middle_it_can_be_read_and_run_again(recorder: Path, disk: Path) -> None:
    out = disk / "out"
    child = subprocess.Popen(command_line(out, disk), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if (out / "probes.urtrace").is_file() and (out / "probes.urtrace").stat().st_size > 2000:
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert any("cut short" in line for line in read_recording(str(out)).lacks())
    assert list(disk.glob(".wakepath-record*"))  # nobody could remove it
    time.sleep(1.0)  # the recorder's program ends with its parent
    assert run(disk)["status"] == "complete"
    assert list(disk.glob(".wakepath-record*")) == []


def test_ended_by_a_signal_it_undoes_what_it_changed(recorder: Path, disk: Path) -> None:
    child = subprocess.Popen(command_line(disk / "out", disk), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if (disk / "out/probes.urtrace").is_file():
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    assert child.wait(30) == 130
    assert list(disk.glob(".wakepath-record*")) == []
    for root in (Path("/sys/kernel/tracing/instances"), Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")):
        assert not list(root.glob(f"wakepath-{child.pid}*"))


@pytest.mark.slow
def test_no_tracing_and_no_cgroups_are_named(recorder: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(error: type[Exception], text: str) -> Callable[..., Any]:
        def instead(*_: Any, **__: Any) -> Any:
            raise error(text)

        return instead

    monkeypatch.setattr(tracefs, "Instance", refuse(tracefs.NoTraceError, "not root: tracefs cannot be written"))
    monkeypatch.setattr(session, "Group", refuse(NoCgroupError, "no cgroup hierarchy has the cpu controller"))
    monkeypatch.setattr(perf.shutil, "which", lambda name: None if name == "perf" else f"/usr/bin/{name}")
    monkeypatch.setattr("wakepath.recorder.counters._SYS_PERF_EVENT_OPEN", {})
    state = run(disk)
    lacks = {x["part"]: x["reason"] for x in state["lacks"]}
    assert "not root" in lacks["trace"]
    assert "cpu controller" in lacks["cgroup"]
    if shutil.which("fio"):
        assert "switches of one CPU" in lacks
    assert state["status"] == "complete"


def test_perf_stands_in_for_a_trace_instance() -> None:
    if not shutil.which("perf"):
        pytest.skip("no perf")
    try:
        text = perf.traced(lambda: time.sleep(0.1), 0.0, 0.05)
    except tracefs.NoTraceError as error:
        pytest.skip(str(error))
    assert "sched:sched_switch" in text


def test_why_perf_refuses_is_one_line() -> None:
    refused = subprocess.CompletedProcess([], 255, "", "Error:\nAccess to performance monitoring: Permission denied\n")
    assert "ermission" in perf.why_not(refused) or "Error" in perf.why_not(refused)


def test_a_clock_that_steps_is_said_and_changes_nothing(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = session.Session(disk, SMALL, silent)
    found.check_clock()
    assert found.state["notes"] == []
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600.0)
    found.check_clock()
    assert "wall clock was set by +3600" in found.state["notes"][0]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 24 MiB on a loop device."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("needs root and mkfs.ext4")
    image, mount = tmp_path / "image", tmp_path / "mount"
    with image.open("wb") as f:
        f.truncate(24 << 20)
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=False).returncode != 0:
        pytest.skip("no loop device")
    yield mount
    subprocess.run(["umount", str(mount)], check=False)


def test_a_full_disk_is_said_and_nothing_stays_there(recorder: Path, full_disk: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MiB are free"):
        session.record(
            str(full_disk),
            str(tmp_path / "out"),
            plan=session.Plan.of(True, 64 << 20),
            overwrite=False,
            read_only=False,
            report=silent,
        )
    assert [p.name for p in full_disk.iterdir() if p.name != "lost+found"] == []
    # The recording's own folder is full: a clear line, and no half file that looks whole.
    fill(full_disk / "filler")
    with pytest.raises(InputError, match="No space left"):
        session.write_text(str(full_disk / "recording.json"), "x" * (1 << 20))
    assert not (full_disk / "recording.json").exists()
    assert not list(full_disk.glob(".recording*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 16 KiB in memory, with room for a recording's first files only."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=False)


@pytest.mark.slow
def test_a_disk_that_fills_up_meanwhile_spoils_nothing(recorder: Path, small_disk: Path, disk: Path) -> None:
    options: dict[str, Any] = {"plan": SMALL, "overwrite": False, "read_only": False, "report": silent}
    work = disk / "work"
    work.mkdir()
    with pytest.raises(InputError, match="No space left"):
        session.record(str(work), str(small_disk / "out"), **options)
    assert left_behind(work) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert session.record(str(work), str(small_disk / "out"), **options)["status"] == "complete"


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as f, contextlib.suppress(OSError):
        while f.write(b"x" * 65536):
            pass


def test_a_device_with_a_filesystem_is_not_touched(full_disk: Path) -> None:
    from wakepath.recorder.target import Target

    device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if str(full_disk) in line)
    with pytest.raises(InputError, match="is mounted"):
        Target(device, 16 << 20)
    with Target(device, 16 << 20, read_only=True) as target:
        assert target.path == Path(device)


def test_a_read_only_target_is_an_input_error(full_disk: Path) -> None:
    from wakepath.recorder.target import Target

    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    with pytest.raises(InputError, match="Read-only"):
        Target(str(full_disk), 4 << 20)


def test_groups_are_removed() -> None:
    try:
        with Group("test") as group:
            assert group.set_weight(2048)
            path = group.procs.parent
            assert path.is_dir()
    except NoCgroupError as error:
        pytest.skip(str(error))
    assert not path.exists()


def test_wrong_arguments_of_the_recorder_say_so(recorder: Path) -> None:
    for words in ([], ["probe"], ["load", "--target", "x"], ["probe", "--out"], ["probe", "--cpu", "many"], ["dance"]):
        done = subprocess.run([recorder, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2, words
        assert len(done.stderr.splitlines()) == 1


def test_where_liburing_is_absent_it_says_what_to_install() -> None:
    from wakepath.recorder.program import _why_not_built

    assert "liburing-dev" in _why_not_built("ninja: error: unknown target 'wakepath_recorder'")
    assert find_program() is None or find_program().is_file()  # type: ignore[union-attr]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        session.record(str(tmp_path), str(tmp_path), plan=SMALL, overwrite=False, read_only=False, report=silent)
    assert json.dumps(sorted(p.name for p in tmp_path.iterdir())) == '["thesis.tex"]'
