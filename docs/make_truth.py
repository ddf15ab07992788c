# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes python/wakepath/truth_table.csv.xz, what wakepath.truth() ships, and says which predictions moved since.

    .venv/bin/python docs/make_truth.py [FILE...]

Without FILE: every tests/truth/*.jsonl of schema wakepath.truth/1 (tens of minutes). With FILE: these anew, the others
as they are in the table. HOW says for each file where the costs are from; no predict case was seen by a fit. What moved
is what `validate --since` prints; it goes into CHANGELOG.md between `<!-- moved:begin -->` and `<!-- moved:end -->`.
The table before is that of the last commit, so that running this twice says the same.
"""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import wakepath
from wakepath import moved
from wakepath.patterns import cost_sets
from wakepath.truth import SCHEMA, read_cases
from wakepath.truth_table import FIGURES, TABLE, frame_of, truth

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
BEGIN, END = "<!-- moved:begin -->\n", "<!-- moved:end -->"


def by_machine_files(file: Path) -> pd.DataFrame:
    """The emulated kernels have machine files that were fitted to the calibrate cases of qemu.jsonl."""
    parts = []
    for kernel in dict.fromkeys(case.kernel for case in read_cases(str(file))):
        machine = ROOT / "scenarios" / "platforms" / f"qemu-icount-{kernel}-fitted.toml"
        # Its costs only: the device law is the case's own.
        frame = frame_of(wakepath.validate(str(file), kernel=kernel, set=cost_sets(str(machine))))
        parts.append(frame.assign(costs=f"{machine.relative_to(ROOT)}"))
    return pd.concat(parts, ignore_index=True)


def by_fit(file: Path) -> pd.DataFrame:
    return truth(str(file))


def as_shipped(file: Path) -> pd.DataFrame:
    return truth(str(file), calibrate=False)


def by_ublk_fit(file: Path) -> pd.DataFrame:
    """docs/ublk.md: the costs of ublk and of io_uring on it alone."""
    only = "ublk_*,uring_*,bdev_dio_submit,task_work_*"
    with tempfile.TemporaryDirectory() as folder:
        machine = str(Path(folder) / "machine.toml")
        wakepath.calibrate(str(file), out=machine, only=only, duration="100ms", warmup="30ms")
        frame = frame_of(wakepath.validate(str(file), machine=machine))
    return frame.assign(costs=f"fitted to the calibrate cases of its file, {only} alone")


HOW: dict[str, Callable[[Path], pd.DataFrame]] = {
    "qemu": by_machine_files,
    "qemu-iouring": by_fit,
    "qemu-smp": as_shipped,
    "qemu-ublk": by_ublk_fit,
    "sched": as_shipped,
    "host": by_fit,
    "host-iouring": by_fit,
    "host-smp": as_shipped,
}


def rounded(value: float | None) -> float | None:
    return value if value is None or value != value else float(f"{value:.6g}")


def committed() -> pd.DataFrame:
    """The table of the last commit."""
    name = str(TABLE.relative_to(ROOT))
    done = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, capture_output=True, check=True)
    return pd.read_csv(io.BytesIO(lzma.decompress(done.stdout)), dtype={"kernel": str, "failure": str})


def into_changelog(text: str) -> None:
    before, begin, rest = CHANGELOG.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{CHANGELOG.name}: no block {BEGIN.strip()} ... {END}")
    CHANGELOG.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


def main() -> None:
    every = [file for file in sorted((ROOT / "tests" / "truth").glob("*.jsonl")) if SCHEMA in file.read_text()[:400]]
    files = [Path(name) for name in sys.argv[1:]] or every
    frame = truth() if TABLE.is_file() else pd.DataFrame(columns=["id"])
    for file in files:
        anew = HOW[file.stem](file)
        print(f"{file.name}: {anew['id'].nunique()} cases", file=sys.stderr)
        for name in FIGURES:
            anew[name] = anew[name].map(rounded)
        frame = pd.concat([frame[~frame["id"].isin(set(anew["id"]))], anew], ignore_index=True)
        # As it comes: a fit takes minutes.
        frame.sort_values(["id", "metric"], kind="stable").assign(version=wakepath.__version__).to_csv(
            TABLE, index=False
        )
    into_changelog(moved.text(committed(), frame))


if __name__ == "__main__":
    main()
