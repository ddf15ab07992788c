# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: statuses, one-line messages, files, the schema of results, and repeating a result."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]

SHORT = ("--duration", "20ms", "--warmup", "5ms")
INSIDE = "starved_completions/qemu-6.1"
OUTSIDE = "starved_completions/qemu-6.1-root"


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert text.startswith("wakepath: ")
    return text


def test_help_of_every_command(wakepath: Call) -> None:
    said = wakepath("--help")
    assert said.status == 0
    from wakepath.cli import COMMANDS

    for name in COMMANDS:
        assert name in said.out
        assert wakepath(name, "--help").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("runn",), "did you mean run?"),
        (("run",), "no SCENARIO is given"),
        (("run", "a", "--fio", "fio --name=b"), "both SCENARIO and --fio"),
        (("run", INSIDE, "--nonsense"), "nonsense"),
        (("run", "no/such/file.toml"), "no/such/file.toml: "),
        (("run", INSIDE, "--duration", "5"), "5s"),
        (("run", INSIDE, "--set", "workload.fio.iodepht=1"), "did you mean 'workload.fio.iodepth'"),
        (("run", INSIDE, "--set", "iodepth"), "write KEY=VALUE"),
        (("run", INSIDE, "--set", "workload.fio.iodepth=0"), "iodepth"),
        (("run", INSIDE, "--set", "cgroup.kubepods.cpu.weight=0"), "weight"),
        (("run", INSIDE, "--kernel", "v6.9"), "6.8"),
        (("run", INSIDE, "--json", "no/such/folder/r.json"), "mkdir -p"),
        (("cluster", INSIDE, "--seeds", "2"), "seeds"),
        (("validate", "no-such.jsonl"), "no-such.jsonl"),
        (("analyze", "no-such-trace.txt"), "no-such-trace.txt"),
        (("explain", "workload.fio.iodepht"), "iodepth"),
        (("kernels", "v6.9"), "6.8"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(wakepath: Call, arguments: tuple[str, ...], message: str) -> None:
    said = wakepath(*arguments)
    assert said.status == 2, said.err
    assert message in one_line(said.err)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[kernel]\nversion = 6.1\n", '2: .*"6.1"'),
        ('[kernel]\nversion = "v6.1"\n[workload.fio]\niodepht = 3\n', "4: .*iodepth"),
        ('[kernel]\nversion = "v6.1"\n[run]\nduration = 5\n', "4: .*5s"),
        ('[cgroup.a]\nparent = "b"\n[cgroup.b]\nparent = "a"\n[workload.fio]\nrw = "randwrite"\n', "cycle"),
        ("[kernel\n", "1: "),
    ],
)
def test_bad_scenario_names_its_line(wakepath: Call, tmp_path: Path, text: str, message: str) -> None:
    import re

    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    said = wakepath("run", str(path))
    assert said.status == 2
    assert re.search(f"bad.toml:?{message}" if message[0].isdigit() else message, one_line(said.err))


def test_result_schema(wakepath: Call) -> None:
    said = wakepath("run", INSIDE, *SHORT, "--json", "-")
    assert said.status == 0
    data = json.loads(said.out)
    assert data["schema"] == "wakepath.result/1"
    assert data["status"] == "finished"
    for part in ("slat_ns", "clat_ns", "lat_ns"):
        assert set(data["io"][part]) >= {"mean", "p50", "p90", "p99", "p999"}
    assert set(data["io"]) >= {"iops", "completed"}
    assert set(data["totals"]) >= {"context_switches_per_s", "migrations_per_s", "interrupts_per_s", "wakeups_per_s"}
    for cpu in data["cpus"]:
        parts = [cpu[k] for k in ("user", "sys", "irq", "softirq", "idle")]
        assert sum(parts) == pytest.approx(1.0)
        assert cpu["busy"] == pytest.approx(1 - cpu["idle"])
        assert "context_switches_per_s" in cpu
    for task in data["tasks"]:
        assert set(task) >= {
            "comm",
            "tid",
            "cgroup",
            "cpu_ns_per_s",
            "voluntary_switches_per_s",
            "involuntary_switches_per_s",
            "migrations_per_s",
            "wakeups_per_s",
            "run_delay_ns",
        }
    assert data["groups"]["fio"]["cpu_ns_per_s"] > 0
    for row in data["pingpong"]:
        assert set(row) >= {"cycle", "switches_per_s", "share", "cause"}
    assert set(data["engine"]) >= {"events", "wall_s", "events_per_s", "simulated_per_wall"}
    made_by = data["made_by"]
    assert set(made_by) >= {"version", "seed", "scenario", "machine", "kernel", "costs", "validity"}
    assert set(made_by["validity"]) >= {"costs", "inside_validated_envelope", "nearest_truth"}
    # The control: what the group costs, beside the figures of the root group.
    assert data["control"]["io"]["iops"] > 0
    assert "IOPS are lost inside the cgroup" in said.err


def test_no_control_in_the_root_group_or_when_not_wanted(wakepath: Call) -> None:
    for arguments in ((OUTSIDE,), (INSIDE, "--no-control")):
        said = wakepath("run", *arguments, *SHORT, "--json", "-")
        assert "control" not in json.loads(said.out)


def test_a_result_repeats_itself(wakepath: Call, tmp_path: Path) -> None:
    first, second = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    assert wakepath("run", INSIDE, *SHORT, "--seed", "7", "--json", first, "--deterministic").status == 0
    assert wakepath("run", first, "--json", second, "--deterministic").status == 0
    assert Path(first).read_bytes() == Path(second).read_bytes()
    assert "wall_s" not in Path(first).read_text(encoding="utf-8")
    changed = wakepath("run", first, "--json", "-", "--set", "workload.fio.iodepth=4")
    assert json.loads(changed.out)["io"]["iops"] != json.loads(Path(first).read_text(encoding="utf-8"))["io"]["iops"]


def test_a_json_that_is_no_result(wakepath: Call, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1}', encoding="utf-8")
    said = wakepath("run", str(path))
    assert said.status == 2
    assert "made_by.scenario" in one_line(said.err)


def test_fio_job_command_line_and_pasted_shell(wakepath: Call, tmp_path: Path) -> None:
    options = "--ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=8 --size=1g"
    line = f"fio --name=w {options} --cpus_allowed=0"
    assert wakepath("run", "--fio", line, *SHORT).status == 0
    job = tmp_path / "job.fio"
    job.write_text("[w]\n" + "\n".join(line.split(" --")[1:]).replace("name=w\n", "") + "\n", encoding="utf-8")
    assert wakepath("run", str(job), *SHORT).status == 0
    shell = tmp_path / "paste.sh"
    shell.write_text(
        "cgcreate -g cpu:kubepods\ncgset -r cpu.weight=1000 kubepods\n"
        f"cgexec -g cpu:kubepods taskset -c 0 fio --name=w {options}\n",
        encoding="utf-8",
    )
    said = wakepath("run", str(shell), *SHORT)
    assert said.status == 0, said.err
    assert "kubepods (weight 1000)" in said.out
    job.write_text("[w]\nioengine=libaio\nzonemode=zbd\n", encoding="utf-8")
    said = wakepath("run", str(job))
    assert said.status == 2
    assert "job.fio:3" in one_line(said.err)


def test_trace_is_readable_by_analyze(wakepath: Call, tmp_path: Path) -> None:
    trace = tmp_path / "run.txt.xz"
    assert wakepath("run", INSIDE, *SHORT, "--trace", str(trace), "--no-control").status == 0
    said = wakepath("analyze", str(trace), "--json", "-")
    assert said.status == 0, said.err
    assert json.loads(said.out)


def test_limit_gives_status_3_and_what_was_computed(wakepath: Call, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    said = wakepath("run", OUTSIDE, "--set", "run.max_events=20000", "--json", str(path))
    assert said.status == 3
    assert "limit reached" in said.err
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["status"] == "limit"


def test_show_loads_back(wakepath: Call, tmp_path: Path) -> None:
    shown = wakepath("show", INSIDE, "--set", "workload.fio.iodepth=5").out
    assert "iodepth = 5" in shown
    path = tmp_path / "shown.toml"
    path.write_text(shown, encoding="utf-8")
    again = wakepath("show", str(path)).out
    assert [s for s in again.splitlines() if not s.startswith("#")] == [
        s for s in shown.splitlines() if not s.startswith("#")
    ]


def test_new_writes_what_runs_and_replaces_nothing(wakepath: Call, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert wakepath("new", str(path)).status == 0
    assert wakepath("run", str(path), *SHORT).status == 0
    said = wakepath("new", str(path))
    assert said.status == 2
    assert "exists already" in one_line(said.err)
    other = tmp_path / "other.toml"
    assert wakepath("new", str(other), "--from", INSIDE).status == 0
    assert wakepath("run", str(other), *SHORT).status == 0


def test_lists(wakepath: Call) -> None:
    assert "starved_completions" in wakepath("scenarios").out
    assert "6.12" in wakepath("kernels").out
    said = wakepath("kernels", "6.1.0-18-cloud-amd64")
    assert said.status == 0
    assert "aio_obey_min_nr" in said.out
    assert "interrupts per second" in wakepath("explain", "totals.interrupts_per_s").out.lower()
    assert "iodepth" in wakepath("explain", "workload.fio.iodepth").out


def test_report_is_one_page(wakepath: Call, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    assert wakepath("run", INSIDE, *SHORT, "--report", str(path)).status == 0
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    # It loads nothing: links within inlined scripts are text.
    assert not re.search(r"""<(script|link|img|iframe)[^>]*(src|href)=["']?http""", text)


def test_starting_is_light() -> None:
    """What run needs must not pull in the heavy libraries: the second call has to take well under 2 s."""
    code = (
        "import sys; from wakepath.cli import status_of; "
        f"status_of(['run', '{OUTSIDE}', '--duration', '5ms']); "
        "sys.exit(str([m for m in ('numpy', 'pandas', 'scipy', 'rich', 'matplotlib') if m in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals of POSIX")
def test_ctrl_c_keeps_what_was_computed(tmp_path: Path) -> None:
    import signal

    path = tmp_path / "r.json"
    arguments = [sys.executable, "-m", "wakepath", "run", OUTSIDE, "--duration", "3600s", "--json", str(path)]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(2.0)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 130
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["status"] == "stopped"
    assert data["io"]["completed"] > 0
