#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A dbench loadfile as the steps of a program: python3 calibration/dbench_loadfile.py LOADFILE > loadfile.toml

Files that are flushed at some time are kept: when they are made, what is written to them and when, utime, fsync. All
else a client does between (reads, metadata, files that are never flushed) is CPU time in the page cache: `run`. Costs
of the operations are measured, see COST_US. scenarios/stacked_wakeup/loadfile.toml is MMTests' client-tiny.txt, lines
601 to 4173 of dbench 4.0's client.txt (Debian: package dbench, /usr/share/dbench/client.txt).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

# Mean latency of each operation that dbench 4.0 itself reported for this loadfile: one client, tmpfs, on a 2-CPU
# virtual machine. Only how the time is spread over a pass is used, the sum is scaled.
COST_US = {
    "NTCreateX": 11.0,
    "Close": 1.0,
    "Rename": 21.0,
    "Unlink": 17.0,
    "QUERY_PATH_INFORMATION": 5.0,
    "QUERY_FILE_INFORMATION": 1.0,
    "QUERY_FS_INFORMATION": 2.0,
    "SET_FILE_INFORMATION": 4.0,
    "FIND_FIRST": 19.0,
    "LockX": 3.0,
    "UnlockX": 1.0,
    "ReadX": 1.0,
    "WriteX": 1.0,
    "Flush": 0.0,
}
READ_US_PER_KIB, WRITE_US_PER_KIB = 0.085, 0.275  # their means are 2 and 8 us, for 11.6 and 24.9 KiB
CLIENT_US = 1.5  # reading and parsing its line: what a pass took less the sum of the latencies
CREATES = {"0x2", "0x3", "0x4", "0x5"}  # dispositions that may make a file


@dataclass
class File:
    """An inode: made under one name, perhaps renamed."""

    flushed: bool = False
    steps: list[tuple[int, str]] = field(default_factory=list)  # place in the pass, step
    copied_us: dict[int, float] = field(default_factory=dict)  # of its writes: the model has a cost for each page


@dataclass
class Pass:
    run_us: list[float] = field(default_factory=list)  # of each line
    files: list[File] = field(default_factory=list)
    names: dict[str, File] = field(default_factory=dict)
    handles: dict[str, File] = field(default_factory=dict)

    def new_file(self) -> File:
        self.files.append(File())
        return self.files[-1]

    def line(self, at: int, words: list[str]) -> None:
        op = words[0]
        self.run_us.append(CLIENT_US + COST_US[op])
        if op == "NTCreateX" and words[-1] == "NT_STATUS_OK":
            name = words[1]
            if name not in self.names or words[3] in CREATES:
                self.names[name] = self.new_file()
                self.names[name].steps.append((at, "create"))
            self.handles[words[4]] = self.names[name]
        elif op == "Rename":
            if words[1] in self.names:
                self.names[words[2]] = self.names.pop(words[1])
        elif op == "Unlink":
            self.names.pop(words[1], None)
        elif op == "SET_FILE_INFORMATION":
            self.handles[words[1]].steps.append((at, "touch"))
        elif op == "WriteX":
            file = self.handles[words[1]]
            file.steps.append((at, f"write {words[2]} {words[3]}"))
            file.copied_us[at] = WRITE_US_PER_KIB * int(words[3]) / 1024
        elif op == "Flush":
            self.handles[words[1]].steps.append((at, "fsync"))
            self.handles[words[1]].flushed = True
        elif op == "ReadX":
            self.run_us[-1] += READ_US_PER_KIB * int(words[3]) / 1024

    def turns(self) -> list[str]:
        steps: dict[int, str] = {}
        run_us = list(self.run_us)
        for file in self.files:
            for at, us in file.copied_us.items():
                run_us[at] += 0 if file.flushed else us
        for number, file in enumerate(f for f in self.files if f.flushed):
            for at, what in file.steps:
                verb, *rest = what.split()
                steps[at] = " ".join([verb, f"f{number}", *rest])
        turns, run = [], 0.0
        for at, us in enumerate(run_us):
            run += us
            if at in steps:
                turns += [f"run {round(run * 1000)}ns", steps[at]]
                run = 0.0
        return [*turns, f"run {round(run * 1000)}ns"] if run > 0 else turns


def main() -> None:
    one = Pass()
    for at, line in enumerate(Path(sys.argv[1]).read_text().splitlines()):
        one.line(at, line.split())
    print("# SPDX-License-Identifier: GPL-2.0-or-later")
    print("# Made by calibration/dbench_loadfile.py, which says from what.")
    print('title = "one pass of a dbench client (scenario.toml has the machine)"\n')
    print('[program.dbench]\nkind = "steps"\nturns = [')
    for turn in one.turns():
        print(f'  "{turn}",')
    print("]")


if __name__ == "__main__":
    main()
