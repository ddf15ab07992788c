# SPDX-License-Identifier: GPL-2.0-or-later
"""What the coupling with SimGrid costs, and how wall time grows with the nodes of a fleet:

    .venv/bin/python bench/cluster.py [DURATION [REPEATS [THREADS [LATENCY]]]]

Defaults: 150ms, 3, one thread and then one a CPU, 10us a link, of which each message passes two.

Fleets of 3, 9 and 30 nodes of scenarios/replicated_log, each with the same load per node (30,000 records/s). Then
the same again, keeping every message, and each node by itself with those that reached it, with the same results: that
is what the nodes cost alone, divided among as many threads as the fleet has. The best of the repeats counts. The
machine must be idle. Exit status 1: the coupling costs more than 20 %, or wall time per node grows by more than 1.2
times from 3 nodes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from wakepath.cluster import cluster

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios" / "replicated_log"
SIZES = (3, 9, 30)
RECORDS_PER_NODE = 30_000
LATENCY = "10us"  # of a link of the scenario's rack


def rack(nodes: int, latency: str) -> str:
    """The platform of scenarios/replicated_log/rack.xml with more servers: a star, each on a link of its own."""
    names = [f"n{i}" for i in range(1, nodes + 1)] + ["load"]
    lines = ["<?xml version='1.0'?>", '<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">']
    lines += ['<platform version="4.1">', '<zone id="rack" routing="Full">']
    lines += [f'<host id="{name}" speed="1Gf"/>' for name in names]
    for name in names:
        bandwidth = "12.5GBps" if name == "load" else "3.125GBps"
        if name == "load" and nodes > 3:
            bandwidth = f"{12.5 * nodes / 3:.0f}GBps"
        lines.append(
            f'<link id="link-{name}" bandwidth="{bandwidth}" latency="{latency}" sharing_policy="SPLITDUPLEX"/>'
        )
    lines += [
        f'<route src="{a}" dst="{b}" symmetrical="NO"><link_ctn id="link-{a}" direction="UP"/>'
        f'<link_ctn id="link-{b}" direction="DOWN"/></route>'
        for a in names
        for b in names
        if a != b
    ]
    return "\n".join([*lines, "</zone>", "</platform>", ""])


def write_fleet(folder: Path, nodes: int, latency: str = LATENCY) -> Path:
    base = (SCENARIOS / "scenario.toml").read_text()
    (folder / "rack.xml").write_text(rack(nodes, latency))
    costs = base[base.index("# Estimates") :]
    lines = [f'title = "{nodes} nodes"', 'platform = "rack.xml"']
    lines.append('simgrid = ["network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0"]')
    for i in range(1, nodes + 1):
        lines += [f"[node.n{i:02}]", f'host = "n{i}"', f'scenario = "{SCENARIOS / "node.toml"}"']
        lines += ['cgroup = "kubepods"', "reactors = [0, 1]", "nic_cpu = 2"]
    lines += ["[log]", f"partitions = {8 * nodes}", "replicas = 3", 'record = "4k"']
    lines += ["[client.load]", 'loop = "open"', f"rate = {RECORDS_PER_NODE * nodes}"]
    file = folder / "fleet.toml"
    file.write_text("\n".join(lines) + "\n" + costs)
    return file


def measure(threads: int, duration: str, repeats: int, latency: str) -> bool:
    ok, per_node = True, 0.0
    for nodes in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            file = str(write_fleet(Path(folder), nodes, latency))
            walls, alones = [], []
            for _ in range(repeats):
                walls.append(cluster(file, duration=duration, warmup="20ms", threads=threads).data["engine"]["wall_s"])
                data = cluster(file, duration=duration, warmup="20ms", threads=threads, alone=True).data
                alones.append(data["engine"]["alone_wall_s"])
        wall, alone = min(walls), min(alones)
        per_node = per_node or wall / nodes
        cost, growth = wall / alone - 1, wall / nodes / per_node
        net = data["network"]
        print(
            f"{threads:>11}{nodes:>11}{data['produce']['per_s']:>11,.0f}{net['transfers']:>11,}"
            f"{net['shared'] / net['transfers']:>11.1%}{wall:>11.2f}{alone:>11.2f}{cost:>11.1%}{growth:>11.2f}",
            flush=True,
        )
        ok = ok and cost <= 0.20 and growth <= 1.2
    return ok


def main() -> int:
    duration = sys.argv[1] if len(sys.argv) > 1 else "150ms"
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    numbers = [int(sys.argv[3])] if len(sys.argv) > 3 else sorted({1, len(os.sched_getaffinity(0))})
    latency = sys.argv[4] if len(sys.argv) > 4 else LATENCY
    heads = ("threads", "nodes", "records/s", "transfers", "shared", "wall s", "alone s", "cost", "x linear")
    print("".join(f"{head:>11}" for head in heads))
    missed = [threads for threads in numbers if not measure(threads, duration, repeats, latency)]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
