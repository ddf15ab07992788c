# SPDX-License-Identifier: GPL-2.0-or-later
"""Long and large runs: bounded memory, and no size at which something breaks. bench/long_runs.py measures them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def run(scenario: str, duration: str, *sets: str) -> tuple[dict[str, Any], float]:
    """The result, and the most memory the process had, MiB."""
    words = [word for key in sets for word in ("--set", key)]
    command = [sys.executable, "-P", "-m", "wakepath", "run", scenario, "--no-control", "--duration", duration, *words]
    with subprocess.Popen([*command, "--json", "-"], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(out)
    return result, used.ru_maxrss / 1024


def test_a_minute_needs_no_more_memory_than_a_second_and_goes_on_as_it_began() -> None:
    second, small = run("starved_completions", "1s")
    minute, large = run("starved_completions", "60s")
    assert large <= small + 2
    assert minute["io"]["iops"] == pytest.approx(second["io"]["iops"], rel=0.01)
    warmup = 0.2  # its events are counted too
    per_second = [result["engine"]["events"] / (s + warmup) for result, s in ((second, 1), (minute, 60))]
    assert per_second[1] == pytest.approx(per_second[0], rel=0.01)


def programs(folder: Path, text: str) -> str:
    file = folder / "large.toml"
    file.write_text(f'platform = "server"\n[kernel]\nversion = "v6.12"\n[machine]\ncpus = 1\n{text}', encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("version", ["6.1", "6.12", "6.18"])
def test_ten_thousand_tasks(tmp_path: Path, version: str) -> None:
    one = '[program.t{}]\nkind = "per"\nrun = "1us"\nperiod = "100ms"\n'
    file = programs(tmp_path, "".join(one.format(i) for i in range(10_000)))
    result, memory = run(file, "500ms", f'kernel.version="{version}"')
    tasks = [t for t in result["tasks"] if t["comm"].startswith("t")]
    assert len(tasks) == 10_000
    assert {round(t["wakeups_per_s"]) for t in tasks} <= {8, 10, 12}  # each 100 ms, one more or less in the window
    assert memory < 1000


def test_ten_thousand_hogs_share_alike(tmp_path: Path) -> None:
    file = programs(tmp_path, "".join(f'[program.t{i}]\nkind = "hog"\n' for i in range(10_000)))
    result, _ = run(file, "100s")
    ran = [t["cpu_ns_per_s"] * 100 for t in result["tasks"] if t["comm"].startswith("t")]
    assert sum(ran) == pytest.approx(100e9, rel=0.01)
    assert max(ran) <= 3 * 4_000_000 + 100_000  # 10 ms for each in the window, in ticks of 4 ms


def test_a_thousand_groups(tmp_path: Path) -> None:
    one = '[cgroup.g{0}]\ncpu.weight = {1}\n[program.t{0}]\nkind = "hog"\ncgroup = "g{0}"\n'
    file = programs(tmp_path, "".join(one.format(i, 100 if i % 2 else 200) for i in range(1000)))
    result, _ = run(file, "100s")
    ran = {t["comm"]: t["cpu_ns_per_s"] for t in result["tasks"] if t["comm"].startswith("t")}
    light = sum(ran[f"t{i}"] for i in range(1, 1000, 2))
    heavy = sum(ran[f"t{i}"] for i in range(0, 1000, 2))
    assert heavy / light == pytest.approx(2, rel=0.05)


def test_a_hundred_thousand_in_flight() -> None:
    sets = ("iodepth=1000", "numjobs=100", "iodepth_batch_submit=1000", "iodepth_batch_complete_max=128")
    result, memory = run("starved_completions", "2s", *(f"workload.fio.{s}" for s in sets))
    # Little's law: as many under way as latency times rate.
    assert result["io"]["iops"] * result["io"]["lat_ns"]["mean"] / 1e9 == pytest.approx(100_000, rel=0.1)
    assert memory < 1000
