# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath sweep"""

from __future__ import annotations

import sys
from typing import Any

import click

from wakepath.commands._options import scenario_from, scenario_options
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar
from wakepath.sweeps import Sweep, metric_of, sweep
from wakepath.vary import parse_vary

SHOWN = ("io.iops", "totals.context_switches_per_s", "io.clat_ns.p99")


@click.command("sweep")
@scenario_options
@click.option(
    "--vary", multiple=True, metavar="KEY=VALUES", help="V1,V2,... or A..B:N[:log] or @FILE. May be given again."
)
@click.option("--seeds", type=click.IntRange(1, 100_000), default=1, metavar="N", help="Runs per point. Default 1.")
@click.option(
    "--jobs", type=click.IntRange(1, 4096), metavar="N", help="Runs at once. Default: the CPUs of this machine."
)
@click.option("--out", metavar="DIR", help="Keep each run there as it comes (Parquet).")
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Columns of the table; see explain METRIC.")
@click.option("--csv", "csv_file", metavar="FILE", help="One line per run, every figure under its dotted name.")
@click.option("--json", "json_file", metavar="FILE|-", help="Write all rows (wakepath.sweep/1); - is standard output.")
@click.option("--dask", metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
def command(**values: Any) -> int:
    """Run SCENARIO for every combination of values, with the same seeds everywhere."""
    for output in (values["csv_file"], values["json_file"]):
        check_writable(output)
    vary = parse_vary(values["vary"])
    scenario = scenario_from(values)
    runs = values["seeds"]
    for listed in vary.values():
        runs *= len(listed)
    bar = Bar("sweeping", total=runs)
    try:
        whole = sweep(
            scenario,
            {key: list(listed) for key, listed in vary.items()},
            seeds=values["seeds"],
            jobs=values["jobs"],
            out=values["out"],
            resume=values["resume"],
            dask=values["dask"],
            progress=bar,
        )
    finally:
        bar.close()
    if values["csv_file"]:
        write_text(values["csv_file"], whole.to_pandas().to_csv(index=False))
    if values["json_file"]:
        write_text(values["json_file"], whole.to_json())
    out = sys.stderr if "-" in (values["json_file"], values["csv_file"]) else sys.stdout
    print(table(whole, values["metrics"]), file=out)
    for row in whole.failed[:5]:
        settings = " ".join(f"{k}={v}" for k, v in row["values"].items())
        print(f"{row['status']}: {settings} seed={row['seed']}: {row['error']}", file=sys.stderr)
    if whole.status == "stopped":
        return 130
    return 1 if whole.failed else 0


def table(whole: Sweep, wanted: tuple[str, ...] = ()) -> str:
    """A line per point; a figure of several seeds is their mean and half their range."""
    rows = list(whole.flat())
    known = list(dict.fromkeys(key for row in rows for key, value in row.items() if isinstance(value, (int, float))))
    metrics = [metric_of(name, known) for name in wanted] or [name for name in SHOWN if name in known]
    points: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row, flat in zip(whole.rows, rows, strict=True):
        points.setdefault(tuple(row["values"].values()), []).append(flat)
    lines = [[*whole.vary, *metrics, "status"]]
    for chosen, runs in points.items():
        ended = sorted({str(run["status"]) for run in runs})
        lines.append(
            [*chosen, *(_figure([r[m] for r in runs if r.get(m) is not None]) for m in metrics), ",".join(ended)]
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _figure(values: list[float]) -> str:
    if not values:
        return "-"
    mean, half = sum(values) / len(values), (max(values) - min(values)) / 2
    digits = 0 if abs(mean) >= 100 else 3
    return f"{mean:,.{digits}f}" + (f" +-{half:,.{digits}f}" if len(values) > 1 else "")
