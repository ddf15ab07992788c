# SPDX-License-Identifier: GPL-2.0-or-later
"""`perf script` text into a DataFrame, as it is done by hand: one pattern for the line, one for the fields of a switch.

read_pandas.py FILE      time per record; the check is the number of sched_switch records
"""

from __future__ import annotations

import lzma
import sys
import time

import pandas as pd

LINE = (
    r"^\s*(?P<comm>.+?)\s+(?P<tid>\d+)\s+\[(?P<cpu>\d+)\]\s+(?P<s>\d+)\.(?P<ns>\d+):\s+"
    r"(?P<event>[\w:]+):\s?(?P<rest>.*)$"
)
SWITCH = (
    r"prev_comm=(?P<prev_comm>.*?) prev_pid=(?P<prev_pid>\d+) prev_prio=(?P<prev_prio>\d+) "
    r"prev_state=(?P<prev_state>\S+)"
    r" ==> next_comm=(?P<next_comm>.*?) next_pid=(?P<next_pid>\d+) next_prio=(?P<next_prio>\d+)"
)


def main() -> int:
    began = time.process_time_ns()
    data = open(sys.argv[1], "rb").read()  # noqa: SIM115
    text = (lzma.decompress(data) if sys.argv[1].endswith(".xz") else data).decode()
    records = pd.Series(text.splitlines()).str.extract(LINE).dropna(subset=["event"])
    records["ts_ns"] = records["s"].astype("int64") * 1_000_000_000 + records["ns"].str.ljust(9, "0").astype("int64")
    records[["tid", "cpu"]] = records[["tid", "cpu"]].astype("int64")
    switches = records[records["event"].str.endswith("sched_switch")]
    fields = switches["rest"].str.extract(SWITCH)
    for name in ("prev_pid", "prev_prio", "next_pid", "next_prio"):
        fields[name] = fields[name].astype("int64")
    print(f"{(time.process_time_ns() - began) / len(records):.3f} {len(records)} {len(fields)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
