# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes python/wakepath/truth_table.csv.xz, what wakepath.truth() ships, and says which predictions moved since.

    .venv/bin/python docs/make_truth.py [FILE...]

Without FILE: every tests/truth/*.jsonl. With FILE: these anew, the others as they are in the table. The emulated
kernels have machine files that were fitted to their calibrate cases (scenarios/platforms/qemu-icount-*-fitted.toml);
the others are fitted now where that can be (minutes), else the costs are those that ship. No predict case was seen by
a fit. The moves are printed as the rows of "Predictions that moved" in docs/moved.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import wakepath
from wakepath.patterns import cost_sets
from wakepath.truth import SCHEMA, read_cases
from wakepath.truth_table import FIGURES, TABLE, frame_of, moved, truth

ROOT = Path(__file__).resolve().parents[1]


def predicted(file: Path) -> pd.DataFrame:
    if file.name != "qemu.jsonl":
        try:
            return truth(str(file))  # fits first, where there are calibrate cases of I/O
        except wakepath.InputError as error:
            print(f"{file.name}: no fit: {error}", file=sys.stderr)
            return truth(str(file), calibrate=False)
    parts = []
    for kernel in dict.fromkeys(case.kernel for case in read_cases(str(file))):
        machine = ROOT / "scenarios" / "platforms" / f"qemu-icount-{kernel}-fitted.toml"
        # Its costs only: the device law is the case's own.
        costs = cost_sets(str(machine)) if machine.is_file() else ()
        parts.append(frame_of(wakepath.validate(str(file), kernel=kernel, set=costs)))
    return pd.concat(parts, ignore_index=True)


def rounded(value: float | None) -> float | None:
    return value if value is None or value != value else float(f"{value:.6g}")


def main() -> None:
    files = [Path(name) for name in sys.argv[1:]] or [
        path for path in sorted((ROOT / "tests" / "truth").glob("*.jsonl")) if SCHEMA in path.read_text().split("\n")[0]
    ]
    before = truth() if TABLE.is_file() else None
    parts = []
    for file in files:
        parts.append(predicted(file))
        print(f"{file.name}: {parts[-1]['id'].nunique()} cases", file=sys.stderr)
    frame = pd.concat(parts, ignore_index=True)
    for name in FIGURES:
        frame[name] = frame[name].map(rounded)
    if before is not None:
        for row in moved(before, frame).itertuples():
            word = "better" if row.better else "worse"
            print(f"| `{row.id}` | {row.metric} | {row.predicted_before:,.6g} | {row.predicted:,.6g} | {word} |")
        again = {case.id for file in files for case in read_cases(str(file))}
        frame = pd.concat([before[~before["id"].isin(again)], frame], ignore_index=True)
    frame.sort_values(["id", "metric"], kind="stable").assign(version=wakepath.__version__).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
