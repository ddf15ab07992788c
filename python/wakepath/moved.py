# SPDX-License-Identifier: GPL-2.0-or-later
"""Predictions that moved: what a change of a rule or a cost did to the predictions of truth cases, for those who rely
on one. `validate --since` prints it; the changelog holds what it said of each release."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wakepath.errors import InputError
from wakepath.paths import read_text

if TYPE_CHECKING:
    import pandas as pd

LEAST = 0.01  # of the measured value
SHIPPED = "shipped"
LARGEST = 12  # rows that are named
KEYS = ["id", "metric"]
SHARES = ("idle", "cpu_busy", ".cpu_share")  # fractions of a CPU: compared as they are


def predictions(path: str) -> pd.DataFrame:
    """Of an earlier `validate --json FILE`, or with `shipped` those of wakepath.truth()."""
    if path == SHIPPED:
        from wakepath.truth_table import truth

        return truth()
    import pandas as pd

    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", path, error.lineno) from None
    if not isinstance(data, dict) or data.get("schema") != "wakepath.validation/1":
        raise InputError("is no validation", path, suggestion="validate --json FILE writes one; or: shipped")
    rows = [
        {"id": case["id"], "metric": name, "measured": m["measured"], "predicted": m["predicted"]}
        for case in data["cases"]
        for name, m in case["metrics"].items()
        if isinstance(m, dict) and m.get("predicted") is not None
    ]
    return pd.DataFrame(rows, columns=[*KEYS, "measured", "predicted"])


def both(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """A row per case and metric that both predict: `move` in parts of the measured value, and both errors."""
    first, second = (frame[frame["predicted"].notna()] for frame in (before, after))
    found = first[[*KEYS, "predicted"]].merge(
        second[[*KEYS, "measured", "predicted"]], on=KEYS, suffixes=("_before", "")
    )
    is_share = found["metric"].map(lambda name: any(name.endswith(share) for share in SHARES))
    scale = found["measured"].abs().where(~is_share, 1.0)
    found = found[scale > 0].assign(scale=scale[scale > 0])
    found["move"] = (found["predicted"] - found["predicted_before"]) / found["scale"]
    for name, column in (("error_before", "predicted_before"), ("error", "predicted")):
        found[name] = (found[column] - found["measured"]).abs() / found["scale"]
    return found.assign(better=found["error"] < found["error_before"])


def moved(before: pd.DataFrame, after: pd.DataFrame, least: float = LEAST) -> pd.DataFrame:
    """Those that differ by more than `least` of the measured value, the largest move first."""
    found = both(before, after)
    found = found[found["move"].abs() > least]
    return found.sort_values("move", key=lambda column: column.abs(), ascending=False, ignore_index=True)


def text(before: pd.DataFrame, after: pd.DataFrame, largest: int = LARGEST) -> str:
    """As Markdown: by metric how many moved and what it did to the mean error; then the largest moves by name."""
    pairs, found = both(before, after), moved(before, after)
    new = len(after[after["predicted"].notna()][KEYS].drop_duplicates()) - len(pairs)
    lines = [
        f"{len(found)} of {len(pairs)} predictions moved by more than {100 * LEAST:.0f} % of the measured value, "
        f"{int(found['better'].sum())} of them nearer to it; {max(0, new)} have no earlier one."
    ]
    if found.empty:
        return lines[0] + "\n"
    lines += ["", "| metric | moved | nearer | mean error before | now |", "|---|---:|---:|---:|---:|"]
    for metric in dict.fromkeys(found["metric"]):
        mine, all_of_it = found[found["metric"] == metric], pairs[pairs["metric"] == metric]
        means = [f"{100 * float(all_of_it[name].mean()):.1f} %" for name in ("error_before", "error")]
        counts = [f"{len(mine)} of {len(all_of_it)}", str(int(mine["better"].sum()))]
        lines.append(f"| {metric} | {' | '.join([*counts, *means])} |")
    lines += ["", "| the largest moves | metric | measured | before | now | |", "|---|---|---:|---:|---:|---|"]
    for row in found.head(largest).to_dict("records"):
        figures = [_figure(row[name]) for name in ("measured", "predicted_before", "predicted")]
        word = "nearer" if row["better"] else "farther"
        lines.append(f"| `{row['id']}` | {row['metric']} | {' | '.join(figures)} | {word} |")
    return "\n".join(lines) + "\n"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
