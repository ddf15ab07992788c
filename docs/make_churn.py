# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the commands shown in scenarios/worker_churn/README.md and writes their figures there.

    .venv/bin/python docs/make_churn.py

The text around the tables, and the timeline, are written by hand: read them again after a change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from make_accuracy import ROOT, replace, table

CASE = "scenarios/worker_churn"
FILES = {
    "scenario": "6.15: before 0b2b066f8a85",
    "after-0b2b066f8a85": "plus 0b2b066f8a85 and 8343cae362e1",
    "after-9d83e1f05c98": "plus 9d83e1f05c98, mended",
    "one-file-before": "one file, depth 256: before",
    "one-file-after": "one file, depth 256: plus 0b2b066f8a85 and 8343cae362e1",
    "first-form": "9d83e1f05c98 in its first form, max_workers 4",
    "after-9d83e1f05c98 --set workload.fio.iowq_max_bounded=4": "mended, max_workers 4",
    "btrfs-8": "btrfs direct reads, depth 8",
    "btrfs-32": "btrfs direct reads, depth 32",
}


def run(words: str) -> dict[str, Any]:
    file, *arguments = words.split()
    command = [sys.executable, "-P", "-m", "wakepath", "run", f"{CASE}/{file}.toml", "--json", "-", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    rows = []
    for words, title in FILES.items():
        result = run(words)
        w = result["io_wq"]
        rows.append(
            [
                f"`{words}`: {title}",
                f"{w['workers_created_per_s']:.2f} / {w['workers_exited_per_s']:.2f}",
                f"{w['workers_peak']}",
                f"{w['workers_live_mean']:.1f} / {w['workers_idle_mean']:.1f}",
                f"{result['io']['iops']:,.0f}",
                w["churn"]["cause"] if w["churn"] else "none",
            ]
        )
    heads = ["run", "workers made / gone per s", "most", "live / idle, mean", "IOPS", "cause"]
    replace(ROOT / CASE / "README.md", "variants", table(heads, rows))


if __name__ == "__main__":
    main()
