# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses the three constants of scenarios/caller_completes by its three calibrate rows, and writes its cost table.

    .venv/bin/python docs/make_caller_completes.py

The published machine is not described. Its costs are those of server-3ghz times one factor for all that the caller
pays and another for what a hand-over to the kworker is made of (wakeups, switches, the work item); the device takes
a time with a spread of a tenth. Each constant is found by bisection against its row, in turn, until none moves.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from make_accuracy import replace

ROOT = Path(__file__).resolve().parent.parent
CASE = ROOT / "scenarios/caller_completes"
TABLE = ROOT / "scenarios/costs/caller-completes.toml"
HAND_OVER = (
    "queue_work",
    "nop_wake",
    "wake_before_clock",
    "wake_after_clock",
    "wake_select",
    "wake_queue",
    "requeue_before_clock",
    "requeue_after_clock",
    "group_enqueue",
    "group_dequeue",
    "schedule_entry",
    "schedule_pick",
    "schedule_block",
    "schedule_delay",
    "schedule_undelay",
    "pick_delayed",
    "switch_finish",
    "resched_user_exit",
    "cold_task",
    "cold_kworker",
    "worker_wake",
    "worker_idle",
    "work_begin",
    "work_end",
    "work_retire",
)
SPREAD = 0.1  # of the device's latency about its mean: one time for all would lock the completions to fio's loop
NO_CPU = ("trace_record", "trace_record_sched", "idle_wake_latency", "ipi_latency")
ROWS = {"latency": ("patched", 1, 162_000), "hand_over": ("scenario", 1, 155_000), "caller": ("patched", 16, 845_000)}


def write(constants: dict[str, float]) -> None:
    out = [
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        "#",
        "# Made by docs/make_caller_completes.py from server-3ghz: what a hand-over to the kworker is made of times "
        f"{constants['hand_over']:.4f},",
        f"# everything else times {constants['caller']:.4f}: by the calibrate rows of scenarios/caller_completes.",
        "",
    ]
    for line in (ROOT / "scenarios/costs/server-3ghz.toml").read_text().splitlines():
        found = re.match(r"(\w+) = \{ ns = (\d+), source = \"(.*)\" \}", line)
        if line.startswith("name ="):
            out.append('name = "caller-completes"')
        elif line.startswith("source ="):
            out.append('source = "server-3ghz, by two factors from the calibrate rows of scenarios/caller_completes"')
        elif found:
            name, ns, source = found.group(1), int(found.group(2)), found.group(3)
            kind = "hand_over" if name in HAND_OVER else "caller"
            factor = 1.0 if name in NO_CPU else constants[kind]
            said = source if factor == 1.0 else f"server-3ghz; times {factor:.4f} ({kind.replace('_', ' ')})"
            out.append(f'{name} = {{ ns = {round(ns * factor)}, source = "{said}" }}')
        elif line and not line.startswith("#"):
            out.append(line)
    TABLE.write_text("\n".join(out) + "\n")
    scenario = CASE / "scenario.toml"
    low, high = (round(constants["latency"] * (1 + sign * SPREAD)) for sign in (-1, 1))
    text = re.sub(r"latency_ns = .*", f"latency_ns = {{ low = {low}, high = {high} }}", scenario.read_text())
    scenario.write_text(text)


def iops(file: str, depth: int) -> float:
    command = [sys.executable, "-P", "-m", "wakepath", "run", str(CASE / f"{file}.toml"), "--no-control", "--json", "-"]
    command += ["--duration", "40ms", "--warmup", "10ms", "--set", f"workload.fio.iodepth={depth}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["io"]["iops"])


def main() -> None:
    constants = {"latency": 4600.0, "hand_over": 0.15, "caller": 0.34}
    limits = {"latency": (3000.0, 6000.0), "hand_over": (0.02, 0.5), "caller": (0.2, 0.6)}
    for _ in range(2):
        for name in ("caller", "hand_over", "latency"):
            file, depth, target = ROWS[name]
            low, high = limits[name]
            for _ in range(12):
                constants[name] = (low + high) / 2
                write(constants)
                if iops(file, depth) > target:
                    low = constants[name]
                else:
                    high = constants[name]
        print({k: round(v, 4) for k, v in constants.items()}, {k: iops(f, d) for k, (f, d, _) in ROWS.items()})
    command = [sys.executable, "-P", "-m", "wakepath", "validate", str(CASE.relative_to(ROOT))]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    replace(CASE / "README.md", "rows", f"```\n{shown.rstrip()}\n```")


if __name__ == "__main__":
    main()
