# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses the two constants of scenarios/ublk_imbalance and writes its cost table.

    .venv/bin/python docs/make_ublk.py [--sweep | --threads]

The published machine is not described. Its costs are those of server-3ghz times one factor for all that takes CPU time,
so that t/io_uring on one core takes what it took elsewhere: 388 ns an I/O (Axboe, August 2020: 2.58 M IOPS of one core
at depth 128), measured here with a server whose own part is free. Then what only the server pays is multiplied by
another, so that a null device with one daemon a queue, loaded from one CPU, has the 1.90 M IOPS of row U1. No other row
is looked at.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "scenarios/costs/ublk-null.toml"
APPLICATION_IOPS = 2_580_000
SERVER_IOPS = 1_900_000
# What only the server pays.
SERVER = (
    "uring_cmd",
    "ublk_cmd",
    "ublk_commit",
    "ublk_dispatch",
    "ublk_copy",
    "ublk_server_loop",
    "ublk_server_cqe",
)
# Where the specification has a figure and server-3ghz another or a guess.
TAKEN = {
    "uring_task_work_item": (60, "io_uring specification 6: 60 ns an item of a task work pass"),
    "ublk_task_work": (80, "io_uring specification 6: 80 ns for task_work add and notify"),
}
# How a machine is wired, not how fast its cores are; and the cost that the cross-LLC row sweeps.
KEPT = ("trace_record", "trace_record_sched", "idle_wake_latency", "ipi_latency", "ublk_cross_llc")


def write(factor: float, server: float) -> None:
    out = [
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        "#",
        f"# Made by docs/make_ublk.py: server-3ghz times {factor:.4f}, what only the ublk server pays times",
        f"# {server:.4f} more: by the CPU time of t/io_uring published elsewhere and row U1 (docs/ublk.md).",
        "",
    ]
    for line in (ROOT / "scenarios/costs/server-3ghz.toml").read_text().splitlines():
        found = re.match(r"(\w+) = \{ ns = (\d+), source = \"(.*)\" \}", line)
        if line.startswith("name ="):
            out.append('name = "ublk-null"')
        elif line.startswith("source ="):
            out.append('source = "server-3ghz by two factors: docs/make_ublk.py, row U1 of scenarios/ublk_imbalance"')
        elif found:
            name, ns, source = found.group(1), int(found.group(2)), found.group(3)
            ns, source = TAKEN.get(name, (ns, source))
            by = 1.0 if name in KEPT else factor * server if name in SERVER else factor
            origin = source if name in TAKEN else "server-3ghz"
            said = source if name in KEPT else f"{origin}; times {by:.4f}"
            value = ns if name in KEPT else round(ns * by)
            out.append(f'{name} = {{ ns = {value}, source = "{said}" }}')
        elif line and not line.startswith("#"):
            out.append(line)
    TABLE.write_text("\n".join(out) + "\n")


def result(name: str, sets: list[str]) -> dict[str, Any]:
    file = ROOT / "scenarios/ublk_imbalance" / name
    command = [sys.executable, "-P", "-m", "wakepath", "run", str(file), "--json", "-", *sets]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def iops() -> float:
    return float(result("scenario.toml", [])["io"]["iops"])


def search(low: float, high: float, wanted: float, try_with: Callable[[float], None]) -> float:
    for _ in range(9):
        middle = (low + high) / 2
        try_with(middle)
        found = iops()
        print(f"{middle:.4f}: {found:,.0f} IOPS")
        low, high = (middle, high) if found > wanted else (low, middle)
    try_with((low + high) / 2)
    return (low + high) / 2


# What only the application pays, for the sweep of docs/ublk.md.
APPLICATION = (
    "fio_uring_prep",
    "fio_uring_reap",
    "uring_rw",
    "bdev_dio_submit",
    "tag_alloc",
    "plug_add",
    "ublk_queue_rq",
    "ublk_task_work",
)


def sweep() -> None:
    """The gain of per-I/O daemons over what the application takes per I/O: a table for docs/ublk.md."""
    costs = dict(re.findall(r"^(\w+) = \{ ns = (\d+)", TABLE.read_text(), re.MULTILINE))
    print("| application's own costs | ns an I/O of the application | a daemon a queue | per-I/O daemons | gain |")
    print("|---|---|---|---|---|")
    for factor in (0.6, 0.8, 1.0, 1.2, 1.4):
        sets = [f"--set=costs.{name}={round(int(costs[name]) * factor)}" for name in APPLICATION]
        one, two = (result(name, sets) for name in ("scenario.toml", "per-io.toml"))
        client = two["groups"]["fio"]["cpu_ns_per_s"] / two["io"]["iops"]
        rates = [one["io"]["iops"], two["io"]["iops"]]
        print(
            f"| x {factor} | {client:.0f} | {rates[0] / 1e6:.2f} M | {rates[1] / 1e6:.2f} M "
            f"| {rates[1] / rates[0]:.2f} |"
        )


def threads() -> None:
    """Throughput over server threads with one queue hot: a table for docs/ublk.md."""
    print("| a thread | threads | IOPS | CPU of each thread | limit |")
    print("|---|---|---|---|---|")
    for daemons, counts in {"a queue": (2, 3, 4), "an I/O": (1, 2, 3, 4, 6, 8)}.items():
        for n in counts:
            sets = [f"ublk.threads={n}", f"ublk.server_cpus={list(range(8, 8 + n))}"]
            sets.append(f"ublk.queues={n}" if daemons == "a queue" else "ublk.per_io_daemon=true")
            data = result("hot-queue.toml", [f"--set={one}" for one in sets])
            cpu = " ".join(f"{t['cpu_ns_per_s'] / 1e9:.2f}" for t in data["ublk"]["threads"])
            print(f"| {daemons} | {n} | {data['io']['iops'] / 1e6:.2f} M | {cpu} | {data['ublk']['limit']} |")


def main() -> None:
    if "--sweep" in sys.argv:
        sweep()
        return
    if "--threads" in sys.argv:
        threads()
        return
    factor = search(0.2, 2.0, APPLICATION_IOPS, lambda f: write(f, 0.0))
    search(0.1, 8.0, SERVER_IOPS, lambda g: write(factor, g))


if __name__ == "__main__":
    main()
