# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the figures of a validation into README.md and docs/accuracy.md, so that each stands in one place.

    ./wakepath validate tests/truth/qemu.jsonl --calibrate-from tests/truth/qemu.jsonl --json qemu.json
    python3 docs/make_accuracy.py qemu.json
    ./wakepath validate tests/truth/sched.jsonl --json sched.json
    python3 docs/make_accuracy.py sched.json

The text between `<!-- accuracy:begin -->` and `<!-- accuracy:end -->` is replaced in both files; a validation of the
`vm-2cpu-6.18` platform goes into the `accuracy-host` block of docs/accuracy.md, one of scheduler experiments beside
their traces into `accuracy-sched`, io_uring cases into `accuracy-iouring` and `accuracy-iouring-host`. Cases beyond
the limits are listed by name; each must match a pattern in backticks in a `###` heading of docs/accuracy.md, where it
is explained. Exit status 1: one is not explained.
"""

from __future__ import annotations

import fnmatch
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = {"qemu-icount": ("accuracy", "qemu"), "vm-2cpu-6.18": ("accuracy-host", "host")}
NAMES = {
    "iops": "IOPS",
    "context_switches_per_s": "context switches",
    "fio_cpu_ns_per_s": "CPU time of fio",
    "kworker_cpu_ns_per_s": "CPU time of the kworker",
    "interrupts_per_s": "interrupts",
    "idle": "idle, points",
}
HEADLINE = list(NAMES)[:4]
LIMITS = {"iops": 0.15, "context_switches_per_s": 0.30}
NOT_EXPLAINED = "**not explained**"

Json = dict[str, Any]


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def error_of(validation: Json, case: str, metric: str) -> str:
    for row in validation["cases"]:
        if row["id"] == case:
            m = row["metrics"][metric]
            if metric == "idle":
                return f"{100 * (m['predicted'] - m['measured']):+.1f}"
            return f"{100 * m['error']:+.1f} %"
    return "-"


def score_rows(validation: Json, summary: Json, metrics: list[str], first: list[str]) -> list[list[str]]:
    rows = []
    for metric in metrics:
        s = summary.get(metric)
        if s is None:
            continue
        unit = "" if metric == "idle" else " %"
        beside = [number(s.get(k)) + unit for k in ("mape", "nothing_changes_mape", "formula_mape")]
        if "distance" in s:
            beside.insert(1, number(s["distance"]) + unit)
        worst = f"{error_of(validation, s['worst'], metric)} `{s['worst']}`"
        rows.append([*first, NAMES[metric], str(s["n"]), *beside, worst])
    return rows


def header_of(summary: Json) -> list[str]:
    distance = ["distance to the spread"] if any("distance" in s for s in summary.values()) else []
    return ["metric", "cases", "mean abs. error", *distance, "unchanged", "formula", "worst case"]


def far_cases(validation: Json, document: str) -> tuple[str, bool]:
    patterns = [p for line in re.findall(r"^### .*$", document, re.M) for p in re.findall(r"`([^`]+)`", line)]
    rows, complete = [], True
    for case in validation["cases"]:
        errors = {k: (case["metrics"].get(k) or {}).get("error") for k in LIMITS}
        if all(e is None or abs(e) <= LIMITS[k] for k, e in errors.items()):
            continue
        explained = next((p for p in patterns if fnmatch.fnmatch(case["id"], p)), None)
        complete = complete and (explained is not None or case["role"] == "repeat")
        shown = ["-" if e is None else f"{100 * e:+.1f} %" for e in errors.values()]
        rows.append([f"`{case['id']}`", case["role"], *shown, f"`{explained}` below" if explained else NOT_EXPLAINED])
    if not rows:
        return "No case is beyond 15 % of IOPS or 30 % of the context switches.", True
    text = "Cases beyond 15 % of IOPS or 30 % of the context switches:\n\n"
    return text + table(["case", "role", "IOPS", "switches", "explained"], rows), complete


def sweeps(validation: Json) -> str:
    found = validation.get("checks", {})
    lines = []
    if taus := found.get("kendall_tau"):
        shown = ", ".join(f"{NAMES.get(k, k)} {v['tau']:.3f} ({v['pairs']} pairs)" for k, v in taus.items())
        lines.append(f"- order within the sweeps, Kendall tau: {shown}")
    flat = found.get("flat_sweeps", [])
    if flat:
        bad = [f for f in flat if not f["ok"]]
        lines.append(f"- flat sweeps predicted flat within 3 %: {len(flat) - len(bad)} of {len(flat)}")
        lines += [
            f"  - not flat: {f['sweep']}, measured {100 * f['measured_spread']:.1f} %,"
            f" predicted {100 * f['predicted_spread']:.1f} %"
            for f in bad
        ]
    onset = found.get("onset", [])
    if onset:
        good = sum(1 for o in onset if o["ok"])
        lines.append(f"- onset of the loss between the measured two weights: {good} of {len(onset)} sweeps")
        lines += [
            f"  - {o['sweep']}: measured {o['measured']}, predicted {o['predicted']}" for o in onset if not o["ok"]
        ]
    return "\n".join(lines)


def short_block(validation: Json, command: str) -> str:
    summary = validation["summary"]["predict"]
    score = table(header_of(summary), score_rows(validation, summary, HEADLINE, []))
    return f"`{command}`\n\n{score}"


def long_block(validation: Json, command: str, document: str) -> tuple[str, bool]:
    parts = [f"`{command}`"]
    whole = validation["summary"]["predict"]
    parts.append("All `predict` cases:\n\n" + table(header_of(whole), score_rows(validation, whole, list(NAMES), [])))
    kernels = validation.get("summary_by_kernel", {}).get("predict", {})
    if len(kernels) > 1:
        rows = [r for k, s in kernels.items() for r in score_rows(validation, s, list(NAMES), [k])]
        parts.append("By kernel:\n\n" + table(["kernel", *header_of(whole)], rows))
    cases, complete = far_cases(validation, document)
    parts += [cases, sweeps(validation)]
    return "\n\n".join(p for p in parts if p), complete


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def untraced_rows(validation: Json, kernel: str) -> list[str]:
    """CPU shares and switches of the predict cases against the window without tracing."""
    shares, switches, beyond = [], [], 0
    for case in validation["cases"]:
        if case["role"] != "predict" or kernel not in (case["kernel"], "all"):
            continue
        metrics = case["metrics"]
        errors = [abs(m["predicted"] - m["measured"]) for n, m in metrics.items() if n.endswith(".cpu_share")]
        shares.append(max(errors))
        switches.append(abs(metrics["context_switches_per_s"]["error"] or 0.0))
        beyond += switches[-1] > 0.10
    within = sum(s <= 0.005 for s in shares)
    return [percent(statistics.median(switches)), str(beyond), f"{within} of {len(shares)}", f"{100 * max(shares):.2f}"]


def sched_block(validation: Json, command: str) -> str:
    rows, parts = [], [f"`{command}`"]
    for kernel, s in validation["free_run"]["predict"].items():
        edits, switches = s["edit_share"], s["switches_error"]
        rows.append(
            [
                kernel,
                str(edits["n"]),
                str(s["same_order_throughout"]),
                percent(edits["median"]),
                percent(edits["max"]),
                percent(switches["median"]),
                str(len(s["switches_beyond"])),
                f"{s['wait_distance']['max']:.2f}",
            ]
        )
    header = ["kernel", "traces", "same order", "edits, median", "worst", "switches, median", "beyond", "waits, worst"]
    parts.append("`predict` cases beside their traces:\n\n" + table(header, rows))
    rows = [[kernel, *untraced_rows(validation, kernel)] for kernel in validation["free_run"]["predict"]]
    header = ["kernel", "switches, median", "beyond 10 %", "CPU shares within 0.5 points", "worst share, points"]
    parts.append("The same cases against the window without tracing:\n\n" + table(header, rows))
    return "\n\n".join(parts)


def iouring_block(validation: Json, command: str) -> str:
    """Each predict case with I/O, and the means: of the errors, and on a drifting machine of the distances too."""
    summary, rows = validation["summary"]["predict"], []
    means = []
    for metric in HEADLINE[:2]:
        distance = summary[metric].get("distance")
        beside = "" if distance is None else f" (distance to the spread {number(distance)} %)"
        means.append(f"{NAMES[metric]} {number(summary[metric]['mape'])} %{beside}")
    for case in validation["cases"]:
        if case["role"] != "predict" or "iops" not in case["metrics"]:
            continue
        cells = [f"`{case['id']}`"]
        for metric in HEADLINE[:2]:
            m = case["metrics"][metric]
            cells += [f"{m['measured']:,.0f}", f"{m['predicted']:,.0f}", f"{100 * m['error']:+.1f} %"]
        rows.append(cells)
    header = ["case", "IOPS", "predicted", "error", "switches/s", "predicted", "error"]
    return f"`{command}`: mean absolute error {', '.join(means)}.\n\n{table(header, rows)}"


def replace(path: Path, block: str, text: str) -> None:
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{path.name}: no block '{begin}' ... '{end}'")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    validation: Json = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    platform = next((c["platform"] for c in validation["cases"] if c["platform"] in PLATFORMS), "")
    if not platform:
        print("make_accuracy.py: no case of a known platform in that file", file=sys.stderr)
        return 2
    if validation.get("free_run"):
        text = sched_block(validation, "./wakepath validate tests/truth/sched.jsonl")
        replace(ROOT / "docs" / "accuracy.md", "accuracy-sched", text)
        return 0
    block, name = PLATFORMS[platform]
    rings = all("iouring" in c["id"] or "io_uring" in c["id"] or "iowq" in c["id"] for c in validation["cases"])
    name += "-iouring" if rings else ""
    command = f"./wakepath validate tests/truth/{name}.jsonl --calibrate-from tests/truth/{name}.jsonl"
    if rings:
        block = "accuracy-iouring" + ("-host" if platform != "qemu-icount" else "")
        replace(ROOT / "docs" / "accuracy.md", block, iouring_block(validation, command))
        return 0
    accuracy = ROOT / "docs" / "accuracy.md"
    text, complete = long_block(validation, command, accuracy.read_text(encoding="utf-8"))
    replace(accuracy, block, text)
    if block == "accuracy":
        replace(ROOT / "README.md", block, short_block(validation, command))
    complete = complete or block != "accuracy"  # a drifting machine has far cases without a reason in the model
    if not complete:
        print(f"make_accuracy.py: a case beyond the limits is {NOT_EXPLAINED.strip('*')}", file=sys.stderr)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
