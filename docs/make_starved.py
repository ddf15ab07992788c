# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the commands shown in README.md and scenarios/starved_completions/README.md and writes their figures there.

    .venv/bin/python docs/make_starved.py [TABLE...]

Each table lies between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. The text around the tables is written by hand:
read it again after a change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from make_accuracy import ROOT, replace, table

CASE = "scenarios/starved_completions"
VERSIONS = ("6.1", "6.8", "6.12")
WEIGHTS = (100, 200, 300, 500, 1000, 2000, 5000, 10000)
CURES = {
    "": "none",
    "renice": "all kworkers of the CPU at nice -10",
    "highpri": "the dio workqueue with WQ_HIGHPRI (nice -20 pool)",
    "unbound": "the dio workqueue with WQ_UNBOUND",
    "weight-default": "the group at weight 100",
    "inline-patch": "6.1 plus one patch: overwrites complete in the interrupt",
    "inline-6.19": "6.19, which does so",
    "eevdf-6.8": "6.8",
}
RENICE = ('task."kworker/11:1".nice=-10', 'task."kworker/11:0".nice=-10', "workload.fio.nice=10")

Json = dict[str, Any]


def wakepath(*arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "wakepath", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode > 1:  # 1: a published row is outside its range
        raise SystemExit(done.stderr)
    return done.stdout


def run(file: str, *arguments: str) -> Json:
    target = f"{CASE}/{file}.toml" if file else CASE
    result: Json = json.loads(wakepath("run", target, "--no-control", "--json", "-", *arguments))
    return result


def rates(result: Json) -> str:
    return f"{result['io']['iops']:,.0f} / {result['totals']['context_switches_per_s']:,.0f}"


def weights() -> str:
    rows = [
        [f"{w:,}", *(rates(run("", "--kernel", v, "--set", f"cgroup.kubepods.cpu.weight={w}")) for v in VERSIONS)]
        for w in WEIGHTS
    ]
    rows.append(["root group", *(rates(run("root", "--kernel", v)) for v in VERSIONS)])
    return table(["weight", *VERSIONS], rows)


def min_nr() -> str:
    files = {"1": "scenario", "32": "min_nr-32", "128": "min_nr-128", "128, `aio_obey_min_nr`": "min_nr-patch"}
    rows = []
    for name, file in files.items():
        row = [name]
        for version in ("6.1", "6.12"):
            for group in ("kubepods", ""):
                known = version == "6.1" or file != "min_nr-patch"
                shown = run(file, "--kernel", version, "--set", f'workload.fio.cgroup="{group}"') if known else None
                row.append(rates(shown) if shown else "")
        rows.append(row)
    return table(["min_nr", "6.1, weight 1000", "6.1, root", "6.12, weight 1000", "6.12, root"], rows)


def engines() -> str:
    rows = []
    for version in ("6.1", "6.6", "6.12", "6.18", "6.19"):
        row = [version]
        for engine in ("libaio", "io_uring"):
            for file in ("root", ""):
                row.append(rates(run(file, "--kernel", version, "--set", f"workload.fio.ioengine={engine}")))
        rows.append(row)
    return table(["kernel", "libaio, root", "libaio, weight 1000", "io_uring, root", "io_uring, weight 1000"], rows)


def cures() -> str:
    rows = []
    for file, name in CURES.items():
        result = run(file)
        command = f"`./wakepath run {CASE}/{file}.toml`" if file else f"`./wakepath run {CASE}`"
        busy = max(c["busy"] for c in result["cpus"])
        shown = rates(result).split(" / ") if result["io"]["iops"] else ["not yet: the run stalls", ""]
        rows.append([name, command, *shown, f"{100 * busy:.0f} %" if result["io"]["iops"] else ""])
    return table(["cure", "command", "IOPS", "switches/s", "busiest CPU"], rows)


def renice() -> str:
    rows = [[f"`./wakepath run {CASE} --set '{s}'`", *rates(run("", "--set", s)).split(" / ")] for s in RENICE]
    return table(["command", "IOPS", "switches/s"], rows)


def lost() -> str:
    rows = []
    for timeout in ("300s", "500ms"):
        result = run("renice-lost", "--set", f"dio_wq.idle_timeout={timeout}")
        samples, seconds = result["samples"], result["window_ns"] // 1_000_000_000
        each = len(samples) // seconds
        done = [sum(s["completed"] for s in samples[i * each : (i + 1) * each]) for i in range(seconds)]
        made = result["workqueue"]
        rows.append([timeout, *(f"{d:,}" for d in done), f"{made['workers_created']} / {made['workers_retired']}"])
    return table(["idle_timeout", *(f"second {i + 1}" for i in range(len(rows[0]) - 2)), "made / retired"], rows)


def main() -> int:
    page = ROOT / CASE / "README.md"
    tables = {"weights": weights, "min_nr": min_nr, "engines": engines, "cures": cures, "renice": renice, "lost": lost}
    wanted = sys.argv[1:] or list(tables)
    for name, made in tables.items():
        if name not in wanted:
            continue
        replace(page, name, made())
    if sys.argv[1:]:
        return 0
    replace(page, "rows", f"```\n{wakepath('validate', CASE).rstrip()}\n```")
    replace(ROOT / "README.md", "run", f"```\n{wakepath('run', CASE).rstrip()}\n```")
    return 0


if __name__ == "__main__":
    sys.exit(main())
