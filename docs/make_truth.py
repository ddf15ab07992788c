# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes python/wakepath/truth_table.csv.xz, what wakepath.truth() ships, and says which predictions moved since.

    .venv/bin/python docs/make_truth.py [FILE[=VALIDATION.json]...]

Without FILE: every tests/truth/*.jsonl of schema wakepath.truth/1 (tens of minutes). With FILE: these anew, the others
as they are in the table; VALIDATION.json is what `validate FILE --json` wrote of this version, where that has been run
for docs/accuracy.md already. HOW says for each file where the costs are from; no predict case was seen by a fit. What
moved is what `validate --since` prints; it goes into CHANGELOG.md between `<!-- moved:begin -->` and
`<!-- moved:end -->`. The table before is that of --before REVISION, by default of the last commit.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import wakepath
from wakepath import moved
from wakepath.scores import Metric, Row
from wakepath.truth import SCHEMA, read_cases
from wakepath.truth_table import AS_SHIPPED, FIGURES, FITTED, TABLE, frame_of, truth
from wakepath.validate import Validation

ROOT = Path(__file__).resolve().parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
BEGIN, END = "<!-- moved:begin -->\n", "<!-- moved:end -->"


def by_fit(file: Path) -> pd.DataFrame:
    return truth(str(file))


def as_shipped(file: Path) -> pd.DataFrame:
    return truth(str(file), calibrate=False)


HOW: dict[str, Callable[[Path], pd.DataFrame]] = {
    "qemu": by_fit,
    "qemu-iouring": by_fit,
    "qemu-smp": as_shipped,
    "qemu-ublk": as_shipped,
    "sched": as_shipped,
    "host": by_fit,
    "host-iouring": by_fit,
    "host-smp": as_shipped,
}


def from_validation(file: Path, validation: Path) -> pd.DataFrame:
    """The same rows of what `validate FILE [--calibrate-from FILE] --json` wrote."""
    data = json.loads(validation.read_text(encoding="utf-8"))
    done = {case["id"]: case for case in data["cases"]}
    found = Validation()
    for case in read_cases(str(file)):
        kept = done[case.id]
        metrics = {
            name: Metric(
                measured=m["measured"],
                predicted=m["predicted"],
                low=m["low"],
                high=m["high"],
                noise=m["noise"],
                baselines={which: base["predicted"] for which, base in m["baselines"].items()},
            )
            for name, m in kept["metrics"].items()
        }
        assert all(case.measured[name] == m.measured for name, m in metrics.items()), f"{case.id}: of other cases"
        found.rows.append(Row(case, metrics, failure=kept.get("failure", "")))
    return frame_of(found).assign(costs=FITTED if data["made_by"]["fitted"] else AS_SHIPPED)


def rounded(value: float | None) -> float | None:
    return value if value is None or value != value else float(f"{value:.6g}")


def table_of(packed: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(lzma.decompress(packed)), dtype={"kernel": str, "failure": str})


def committed(revision: str) -> pd.DataFrame:
    name = str(TABLE.relative_to(ROOT))
    done = subprocess.run(["git", "show", f"{revision}:{name}"], cwd=ROOT, capture_output=True, check=True)
    return table_of(done.stdout)


def into_table(anew: pd.DataFrame) -> pd.DataFrame:
    """In the place of the rows of the same cases; the file is read again, as another of these may have written it."""
    for figure in FIGURES:
        anew[figure] = anew[figure].map(rounded)
    before = table_of(TABLE.read_bytes()) if TABLE.is_file() else pd.DataFrame(columns=["id"])
    frame = pd.concat([before[~before["id"].isin(set(anew["id"]))], anew], ignore_index=True)
    frame = frame.sort_values(["id", "metric"], kind="stable").assign(version=wakepath.__version__)
    frame.to_csv(TABLE, index=False)
    return frame


def into_changelog(text: str) -> None:
    before, begin, rest = CHANGELOG.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{CHANGELOG.name}: no block {BEGIN.strip()} ... {END}")
    CHANGELOG.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE[=VALIDATION.json]")
    parser.add_argument("--before", default="HEAD", metavar="REVISION")
    asked = parser.parse_args()
    every = [str(f) for f in sorted((ROOT / "tests" / "truth").glob("*.jsonl")) if SCHEMA in f.read_text()[:400]]
    for name in asked.files or every:
        file, _, validation = name.partition("=")
        anew = from_validation(Path(file), Path(validation)) if validation else HOW[Path(file).stem](Path(file))
        print(f"{file}: {anew['id'].nunique()} cases", file=sys.stderr)
        frame = into_table(anew)  # as it comes: a fit takes minutes
    into_changelog(moved.text(committed(asked.before), frame))


if __name__ == "__main__":
    main()
