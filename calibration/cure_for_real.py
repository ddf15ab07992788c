# SPDX-License-Identifier: GPL-2.0-or-later
"""Cures for real: what `cure` predicts from one tarball of this machine, beside what the same lines do to it.

    .venv/bin/python -P calibration/cure_for_real.py [--out FOLDER] [--device loop|file] [--depth N] [--shares N]

1. The weighted case: fio, direct random writes on one CPU, in a cgroup with a weight. `--device file`: a file in FOLDER
   on the disk that it lies on; `--device loop`: ext4 on a loop device over a file in memory, for a machine whose disk
   is slower than what a scheduler can cost.
2. collect.sh records it (the tarball stays in FOLDER), and `cure` ranks the levers.
3. The first three rows that can be made on this machine are made by their printed lines, in turns with the case as it
   is, several times; each is taken back before the next.
4. Predicted beside measured, and the gain over the case as it is, measured right before; exit
   status 1 where one is off by more than 10 % of the IOPS.

Needs root, fio, cgroup version 1 or 2 with the cpu controller. `--stage record|cure|apply` does one part; the others'
files are taken from FOLDER. Whatever is changed is first written into FOLDER/undo.sh by what takes it back; a process
of its own runs that when this one ends, however it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COLLECT = ROOT / "calibration" / "record" / "collect.sh"
GROUP = "wakepath-cure"
SETTLE_S = 1.0  # from the start of fio, and of the lever, to the window
BAR = 0.10
WRITES = re.compile(r"> *(/\S+)")
FIO_OPTION = re.compile(r"fio (--\S+)")


class Undo:
    """Lines that take changes back, the last first; a shell in a session of its own runs them when its input closes."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "undo.sh"
        self.lines: list[str] = []
        self._write()
        guard = f"trap '' INT TERM HUP; read -r _; sh {self.file} >/dev/null 2>&1; rm -f {self.file}"
        self._guard = subprocess.Popen(["sh", "-c", guard], stdin=subprocess.PIPE, start_new_session=True)

    def _write(self) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text("".join(line + "\n" for line in reversed(self.lines)))
        fresh.replace(self.file)

    def first(self, line: str) -> None:
        """Says how the change that follows is taken back."""
        self.lines.append(line)
        self._write()

    def back_to(self, mark: int) -> None:
        for line in reversed(self.lines[mark:]):
            subprocess.run(["sh", "-c", line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        del self.lines[mark:]
        self._write()

    def all(self) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()


def shell(line: str, *, check: bool = True) -> str:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=check).stdout


class Case:
    """The weighted case on this machine: its group, its file, its fio."""

    def __init__(self, args: argparse.Namespace, undo: Undo) -> None:
        self.args, self.undo = args, undo
        self.group = self._group()
        self.file, self.disk = self._loop() if args.device == "loop" else self._on_disk()

    def _group(self) -> Path:
        v1, v2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
        root = v1 if (v1 / "cpu.shares").is_file() or (v1 / "tasks").is_file() else v2
        group = root / GROUP
        self.undo.first(f"for i in 1 2 3 4 5 6 7 8 9; do rmdir {group} && break; sleep 0.2; done")
        group.mkdir(exist_ok=True)
        self.weight = group / ("cpu.shares" if root == v1 else "cpu.weight")
        return group

    def set_weight(self) -> None:
        shares = self.args.shares
        self.weight.write_text(str(shares if self.weight.name == "cpu.shares" else round(shares * 100 / 1024)))

    def _on_disk(self) -> tuple[Path, str]:
        file = self.args.out / "fio.data"
        self.undo.first(f"rm -f {file}")
        self._fill(file)
        device = os.stat(file).st_dev
        real = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
        return file, (real if (real / "queue").is_dir() else real.parent).name

    def _loop(self) -> tuple[Path, str]:
        memory, mount = self.args.out / "memory", self.args.out / "mount"
        for folder in (memory, mount):
            folder.mkdir(exist_ok=True)
        self.undo.first(f"umount {memory}")
        shell(f"mount -t tmpfs -o size={self.args.size_mb + 200}m none {memory}")
        shell(f"truncate -s {self.args.size_mb + 150}M {memory}/image")
        shell(f"mkfs.{self.args.fs} -q {memory}/image")
        loop = shell("losetup -f").strip()
        self.undo.first(f"losetup -d {loop}")
        shell(f"losetup {loop} {memory}/image")
        name = Path(loop).name
        self.undo.first(f"umount {mount}")
        shell(f"mount {loop} {mount}")
        self.change(f"echo 2 > /sys/block/{name}/queue/rq_affinity")  # completions come to fio's CPU, as a disk's do
        self._fill(mount / "fio.data")
        return mount / "fio.data", name

    def _fill(self, file: Path) -> None:
        shell(f"dd if=/dev/zero of={file} bs=1M count={self.args.size_mb} conv=fsync")

    def change(self, line: str) -> str:
        """Runs a printed line; what it will have changed is noted before. Returns an option for fio where it is one."""
        if option := FIO_OPTION.search(line):
            return option[1]
        for file in WRITES.findall(line):
            old = Path(file).read_text().strip()
            if "[" in old:  # one of several
                old = re.findall(r"\[(\S+?)\]", old)[0]
            elif file.endswith("features"):
                old = " ".join(o for o in old.split() if o.removeprefix("NO_") in line)
            self.undo.first(f"echo {old} > {file}")
        if "renice" in line:
            for pid in shell(line[line.index("$(") + 2 : line.rindex(")")]).split():
                nice = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[16]
                self.undo.first(f"renice -n {nice} -p {pid}")
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"{line}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}")
        return ""

    def command(self, seconds: float, options: list[str]) -> list[str]:
        n = self.args.depth
        return [
            *("taskset", "-c", str(self.args.cpu), "fio", "--name=w", f"--filename={self.file}"),
            *(f"--size={self.args.size_mb}M", "--overwrite=1", "--time_based=1", f"--runtime={seconds:.1f}s"),
            *("--ioengine=libaio", "--direct=1", "--bs=4k", "--rw=randwrite", "--norandommap=1", "--randrepeat=0"),
            *(f"--iodepth={n}", f"--iodepth_batch_submit={n}", f"--iodepth_batch_complete_max={n}"),
            *("--output-format=json", *options),
        ]

    def start(self, seconds: float, options: list[str]) -> subprocess.Popen[str]:
        def enter() -> None:
            (self.group / "cgroup.procs").write_text("0")

        child = subprocess.Popen(
            self.command(seconds, options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=enter,
        )
        self.undo.first(f"kill {child.pid}")
        return child

    def written(self) -> tuple[int, int, float]:
        """I/Os that the disk ended, switches of the machine, and when."""
        ios = int(Path(f"/sys/block/{self.disk}/stat").read_text().split()[4])
        switches = int(re.findall(r"^ctxt (\d+)", Path("/proc/stat").read_text(), re.M)[0])
        return ios, switches, time.monotonic()

    def measured(self, lines: tuple[str, ...], seconds: float) -> dict[str, float]:
        """One window under the lines, which are taken back after it."""
        mark = len(self.undo.lines)
        try:
            self.set_weight()
            options = [o for line in lines if FIO_OPTION.search(line) and (o := self.change(line))]
            child = self.start(seconds + 3 * SETTLE_S, options)
            time.sleep(SETTLE_S)
            for line in lines:
                if not FIO_OPTION.search(line):
                    self.change(line)
            time.sleep(SETTLE_S)
            if child.poll() is not None:
                raise OSError("fio ended early")
            a = self.written()
            time.sleep(seconds)
            b = self.written()
        finally:
            self.undo.back_to(mark)
        child.wait()
        span = b[2] - a[2]
        return {"iops": (b[0] - a[0]) / span, "context_switches_per_s": (b[1] - a[1]) / span}


def record(case: Case, args: argparse.Namespace) -> None:
    """The tarball, and what the machine did just before without a recorder."""
    before = case.measured((), args.seconds)
    mark = len(case.undo.lines)
    case.set_weight()
    child = case.start(args.record_s + 20, [])
    time.sleep(SETTLE_S)
    collect = [*("sh", str(COLLECT), "-o", str(args.out / "node.tar.gz")), *("-s", str(args.record_s), "-l", "512")]
    subprocess.run(collect, check=True)
    case.undo.back_to(mark)
    child.wait()
    (args.out / "before.json").write_text(json.dumps(before) + "\n")
    print(f"as it is, not recorded: {before['iops']:,.0f} IOPS, {before['context_switches_per_s']:,.0f} switches/s")


def cure(args: argparse.Namespace) -> None:
    options = [*("cure", str(args.out / "node.tar.gz"), "--json", str(args.out / "cure.json"))]
    options += ["--machine", args.machine] if args.machine else []
    subprocess.run([sys.executable, "-P", "-m", "wakepath", *options], check=True)


def apply(case: Case, args: argparse.Namespace) -> int:
    """The first rows that can be made here, in turns with the case as it is."""
    found = json.loads((args.out / "cure.json").read_text())
    chosen: list[dict[str, Any]] = []
    for row in found["rows"]:
        if len(chosen) == args.top:
            break
        try:
            if row["effort"] in ("boot", "patch"):
                raise OSError("needs another kernel")
            case.measured(tuple(row["shell"]), 0.2)
        except OSError as error:
            print(f"not possible here: {row['name']}: {error}")
            continue
        chosen.append(row)
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(args.repeats):
        for row in chosen:  # each with the case as it is right before it: the disk is not as fast at every moment
            for one in (found["now"], row):
                runs.setdefault(one["name"], []).append(case.measured(tuple(one["shell"]), args.seconds))
    return report(found, chosen, runs, args)


def report(
    found: dict[str, Any],
    chosen: list[dict[str, Any]],
    runs: dict[str, list[dict[str, float]]],
    args: argparse.Namespace,
) -> int:
    head = (f"{word:>10}" for word in ("predicted", "measured", "least", "most", "error", "gain", "measured"))
    print(" " * 24, *head, "  switches/s predicted, measured")
    worst, rows, now = 0.0, [], [r["iops"] for r in runs[found["now"]["name"]]]
    for at, row in enumerate((found["now"], *chosen)):
        iops = [r["iops"] for r in runs[row["name"]]]
        switches = statistics.median(r["context_switches_per_s"] for r in runs[row["name"]])
        measured = statistics.median(iops)
        error = row["iops"] / measured - 1
        worst = max(worst, abs(error) if row is not found["now"] else 0.0)
        figures = (f"{n:10,.0f}" for n in (row["iops"], measured, min(iops), max(iops)))
        gained = statistics.median(
            a / b - 1 for a, b in zip(iops, now[at - 1 :: len(chosen)] if at else now, strict=True)
        )
        gains = (f"{g:+10.1%}" for g in (row["iops"] / found["now"]["iops"] - 1, gained))
        print(f"{row['name']:24}", *figures, f"{error:+10.1%}", *gains, f"  {row['switches']:,.0f}, {switches:,.0f}")
        rows.append({"name": row["name"], "shell": row["shell"], "predicted": row["iops"], "measured": iops})
    (args.out / "measured.json").write_text(json.dumps(rows, indent=1) + "\n")
    print(f"the worst of the {len(chosen)} is off by {worst:.1%}; the bar is {BAR:.0%}")
    return 0 if worst <= BAR and chosen else 1


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--out", type=Path, default=Path("build/cure_for_real"))
    words.add_argument("--stage", choices=("all", "record", "cure", "apply"), default="all")
    words.add_argument("--device", choices=("file", "loop"), default="file")
    words.add_argument("--fs", choices=("ext4", "xfs"), default="ext4", help="of the loop device")
    words.add_argument("--machine", help="MACHINE.toml for cure")
    for name, value in (("--depth", 32), ("--shares", 10240), ("--cpu", 1), ("--size-mb", 256), ("--top", 3)):
        words.add_argument(name, type=int, default=value)
    words.add_argument("--repeats", type=int, default=3)
    words.add_argument("--record-s", type=int, default=5)
    words.add_argument("--seconds", type=float, default=5.0)
    args = words.parse_args()
    if os.geteuid() != 0 or shutil.which("fio") is None:
        print("cure_for_real: needs root and fio", file=sys.stderr)
        return 2
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.stage == "cure":
        cure(args)
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    undo = Undo(args.out)
    try:
        case = Case(args, undo)
        if args.stage in ("all", "record"):
            record(case, args)
        if args.stage == "all":
            cure(args)
        return apply(case, args) if args.stage in ("all", "apply") else 0
    finally:
        undo.all()


if __name__ == "__main__":
    sys.exit(main())
