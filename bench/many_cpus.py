# SPDX-License-Identifier: GPL-2.0-or-later
"""What an event costs on a machine of 128 CPUs and 8 nodes, beside one of a machine with one CPU.

    .venv/bin/python -P bench/many_cpus.py [--rounds 5] [WORD...]

After bench/long_runs.py has built its program. CPU time of a process of its own for each run, turn and turn about, what
a longer run costs beyond a shorter one; of the rounds the median. An event is an event of the queue or a cost, spent by
itself or with others, so that the same I/O is as many on any machine. Parts: `fio` (a job of depth 128 a CPU), `fio1`
(depth 1), `per` (5 us every 20 us), `hog`. Asked for: one busy CPU of 128 at half the events per second of a machine
with one CPU or more, 128 busy ones at a quarter or more. Exit status 1: one is below.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import long_runs

CPUS = 128
MACHINES = ((1, 1), (CPUS, 1), (CPUS, CPUS))  # CPUs, busy ones
ASKED = {(CPUS, 1): 0.5, (CPUS, CPUS): 0.25}
SECONDS = {"fio": 1.0, "fio1": 2.0, "per": 2.0, "hog": 400.0}  # simulated, of one busy CPU


def load(part: str, cpu: int) -> str:
    if part == "hog":
        return f'[program.t{cpu}]\nkind = "hog"\ncpu = {cpu}\n'
    if part == "per":
        return f'[program.t{cpu}]\nkind = "per"\nrun = "5us"\nperiod = "20us"\ncpu = {cpu}\n'
    depth = 128 if part == "fio" else 1
    return (
        f'[workload.f{cpu}]\nioengine = "libaio"\nrw = "randwrite"\nbs = "4k"\ndirect = 1\n'
        f'iodepth = {depth}\ncpus_allowed = "{cpu}"\n'
    )


def scenario(part: str, cpus: int, busy: int) -> str:
    """The device serves 64 requests at once for each busy CPU, so that all have the same to do."""
    text = (
        f'platform = "server"\n[kernel]\nversion = "v6.12"\n[machine]\ncpus = {cpus}\n'
        + ("topology.packages = 8\ntopology.nodes = 8\ntopology.threads_per_core = 2\n" if cpus > 1 else "")
        + f"[block]\nhw_queues = {cpus}\n[device]\nservers = {64 * busy}\niops_cap = 0\n"
        + "".join(load(part, cpu) for cpu in range(busy))
    )
    file = long_runs.WORK / f"many-{part}-{cpus}-{busy}.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def slope(file: str, seconds: float) -> float:
    """ns that an event costs beyond those of a shorter run: making the tasks and the result is not its."""
    short, long = long_runs.measure("events", file, seconds), long_runs.measure("events", file, 4 * seconds)
    return (long.ns * long.events - short.ns * short.events) / (long.events - short.events)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("word", nargs="*", choices=[[], *SECONDS])
    args = parser.parse_args()
    long_runs.WORK.mkdir(parents=True, exist_ok=True)
    missed = 0
    print("| load | CPUs | busy | ns an event | events per second, of one CPU's |\n| --- | ---: | ---: | ---: | ---: |")
    for part in args.word or SECONDS:
        costs: dict[tuple[int, int], list[float]] = {machine: [] for machine in MACHINES}
        for _ in range(args.rounds):
            for machine in MACHINES:
                costs[machine].append(slope(scenario(part, *machine), SECONDS[part] / 4 / machine[1]))
        ns = {machine: statistics.median(found) for machine, found in costs.items()}
        for (cpus, busy), cost in ns.items():
            share = ns[MACHINES[0]] / cost
            missed += share < ASKED.get((cpus, busy), 0)
            print(f"| {part} | {cpus} | {busy} | {cost:.1f} | {share:.2f} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
