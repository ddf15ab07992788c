# SPDX-License-Identifier: GPL-2.0-or-later
"""One measured run of a setting: real fio, or the recorder's own loop where fio is absent, with counters around it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wakepath.errors import InputError
from wakepath.recorder.cgroups import Group
from wakepath.recorder.counters import PROC, Window, rates

RAMP_S = 0.3  # before the window
TAIL_S = 0.05  # of the window's end that is not counted: fio ends on its own clock


@dataclass(frozen=True)
class Setting:
    """What is run. `shares` on the scale of cpu.shares; None: the root group."""

    engine: str = "libaio"
    rw: str = "randwrite"
    depth: int = 32
    batch: int = 32
    complete_min: int = 1
    shares: int | None = None

    @property
    def name(self) -> str:
        where = "root" if self.shares is None else f"s{self.shares}"
        least = "" if self.complete_min == 1 else f"-m{self.complete_min}"
        return f"{self.engine}-{self.rw}-qd{self.depth}-b{self.batch}{least}-{where}"

    @property
    def writes(self) -> bool:
        return "write" in self.rw or self.rw in ("rw", "randrw")


class Runner:
    """Runs settings on one target, pinned to one CPU. The sampler keeps off that CPU where there is another."""

    def __init__(
        self,
        target: Path,
        size: int,
        *,
        cpu: int,
        irqs: list[int],
        seconds: float,
        program: Path | None,
        group: Group | None,
    ) -> None:
        self.target, self.size, self.cpu, self.seconds = target, size, cpu, seconds
        self.fio = shutil.which("fio")
        self.program = program
        self.group = group
        if not self.fio and not program:
            raise InputError("there is neither fio nor the recorder", suggestion="apt-get install fio")
        self.window = Window(cpu, irqs)
        others = sorted(os.sched_getaffinity(0) - {cpu})
        self._own_cpus = os.sched_getaffinity(0)
        if others:
            os.sched_setaffinity(0, others)

    def close(self) -> None:
        self.window.close()
        os.sched_setaffinity(0, self._own_cpus)

    @property
    def load_program(self) -> str:
        return "fio" if self.fio else "wakepath_recorder"

    def command(self, s: Setting) -> list[str]:
        if not self.fio:
            return self._recorder_command(s)
        return [
            self.fio,
            "--name=w",
            f"--filename={self.target}",
            f"--size={self.size}",
            "--overwrite=1",
            "--time_based=1",
            f"--ramp_time={round(RAMP_S * 1000)}ms",
            f"--runtime={round((self.seconds + TAIL_S) * 1000)}ms",
            f"--ioengine={s.engine}",
            "--direct=1",
            "--bs=4k",
            f"--rw={s.rw}",
            f"--iodepth={s.depth}",
            f"--iodepth_batch_submit={s.batch}",
            f"--iodepth_batch_complete_min={s.complete_min}",
            f"--iodepth_batch_complete_max={s.depth}",
            f"--cpus_allowed={self.cpu}",
            "--norandommap=1",
            "--randrepeat=0",
            "--output-format=json",
        ]

    def _recorder_command(self, s: Setting) -> list[str]:
        if s.engine != "io_uring":
            raise InputError(f"{s.engine} needs fio", suggestion="apt-get install fio")
        return [
            *(str(self.program), "load", "--target", str(self.target), "--cpu", str(self.cpu)),
            *("--depth", str(s.depth), "--batch", str(s.batch), "--complete-min", str(s.complete_min)),
            *("--complete-max", str(s.depth), "--seconds", str(RAMP_S + self.seconds + TAIL_S)),
            *(() if s.writes else ("--read",)),
        ]

    def run(self, s: Setting) -> dict[str, float]:
        """Figures of one run, under the names of truth cases."""
        group = self.group if s.shares is not None else None
        if s.shares is not None:
            assert group is not None
            group.set_weight(s.shares)
        child = subprocess.Popen(
            self.command(s),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_joins(group),
        )
        try:
            figures = self._watch(child)
        finally:
            _end(child)
        return figures

    def _watch(self, child: subprocess.Popen[str]) -> dict[str, float]:
        pid = _job_of(child, is_fio=bool(self.fio))
        time.sleep(RAMP_S)
        a = self.window.snapshot(pid)
        time.sleep(self.seconds - TAIL_S)
        b = self.window.snapshot(pid)
        out, err = child.communicate(timeout=60)
        if child.returncode == 0 and b.task_run_ns <= a.task_run_ns:
            raise InputError(f"{self.load_program} did not run in the window: the disk stands still", str(self.target))
        if child.returncode != 0:
            line = (err or out).strip().splitlines()
            raise InputError(f"{self.load_program} failed: {line[-1] if line else child.returncode}", str(self.target))
        return _load_figures(out, is_fio=bool(self.fio)) | rates(a, b)


def _joins(group: Group | None) -> Any:
    procs = str(group.procs) if group else None

    def enter() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C is the parent's to handle, which ends this one
        if procs is not None:
            with open(procs, "w") as f:
                f.write("0")

    return enter


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _job_of(child: subprocess.Popen[str], *, is_fio: bool) -> int:
    """fio's job is a process of its own; it is there once the file has been looked at."""
    if not is_fio:
        return child.pid
    for _ in range(500):
        children = PROC / str(child.pid) / "task" / str(child.pid) / "children"
        try:
            text = children.read_text()
        except OSError:
            text = ""
        if text.split():
            return int(text.split()[0])
        if child.poll() is not None:
            break
        time.sleep(0.01)
    _, err = child.communicate()
    line = err.strip().splitlines()
    raise InputError(f"fio did not start its job: {line[-1] if line else child.returncode}")


def _load_figures(out: str, *, is_fio: bool) -> dict[str, float]:
    if not is_fio:
        data = json.loads(out)
        return {"iops": round(data["ios"] * 1e9 / data["window_ns"], 1)}
    job = json.loads(out[out.index("{") :])["jobs"][0]
    side = job["write"] if job["write"]["total_ios"] else job["read"]
    figures = {"iops": round(side["iops"], 1)}
    for name, key in (("latency_p50_ns", "50.000000"), ("latency_p99_ns", "99.000000")):
        figures[name] = float(side["clat_ns"].get("percentile", {}).get(key, 0))
    return figures


def null_engine_ns(fio: str, cpu: int, depth: int, seconds: float = 0.4) -> float:
    """What fio itself takes an I/O: its engine that does nothing."""
    out = subprocess.run(
        [
            *(fio, "--name=n", "--ioengine=null", "--rw=randwrite", "--bs=4k", "--size=1g", f"--cpus_allowed={cpu}"),
            *(f"--iodepth={depth}", f"--iodepth_batch_submit={depth}", f"--iodepth_batch_complete_max={depth}"),
            *("--time_based=1", f"--runtime={round(seconds * 1000)}ms", "--norandommap=1", "--output-format=json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return 1e9 / float(json.loads(out[out.index("{") :])["jobs"][0]["write"]["iops"])
