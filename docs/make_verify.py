# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of docs/accuracy.md on lockstep with recorded kernels: `wakepath verify` over every trace of tests/truth.

.venv/bin/python -P docs/make_verify.py [--list]        --list: a line for each trace with a divergence, no table
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRUTH = ROOT / "tests" / "truth"
KERNELS = ("6.1", "6.12", "6.18")
PARTS = (
    ("vruntime", ("vruntime",)),
    ("vruntime, first after a placement", ("vruntime", "after_placement")),
    ("vruntime, nice != 0", ("vruntime", "niced")),
    ("wakeup preemption", ("wakeup_preemption",)),
    ("wakeup preemption, rarer answer", ("wakeup_preemption", "rarer_answer")),
    ("pick", ("pick",)),
    ("tick preemption", ("tick_preemption",)),
)
ONE_CPU = ("qemu", "sched", "qemu-iouring", "host", "host-iouring")
SEVERAL_CPUS = ("qemu-smp", "host-smp")  # for where a wakee is placed


def agreements(files: tuple[str, ...]) -> list[tuple[str, str, dict[str, Any]]]:
    from wakepath import _core
    from wakepath.lockstep import case_setting, core_setting

    found = []
    for file in files:
        for line in (TRUTH / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            trace = TRUTH / case.get("trace", "none")
            if trace.is_file() and "-mig2s" not in trace.name:  # those hold migrations only
                setting = core_setting(case_setting(case), case["kernel"], case["id"])
                data = json.loads(_core.verify(str(trace), json.dumps(setting)))
                found.append((case["id"], case["kernel"], data))
    return found


Rows = list[tuple[str, str, dict[str, Any]]]


def line(rows: Rows, kernel: str, name: str, path: tuple[str, ...], bar: float) -> str:
    n = equal = naive = missed = skipped = 0
    for _, version, data in rows:
        if version != kernel:
            continue
        part = data["agreement"]
        for key in path:
            part = part[key]
        n += part["n"]
        equal += part["equal"]
        naive += round(part["n"] * (part["naive_share"] or 0))
        skipped += part.get("not_judged", 0)
        missed += part["n"] > 0 and part["equal"] < bar * part["n"]
    if n == 0:
        return ""
    return f"| {kernel} | {name} | {n:,} | {equal:,} | {equal / n:.3%} | {naive / n:.2%} | {missed} | {skipped or ''} |"


def table(rows: Rows, several: Rows) -> list[str]:
    lines = ["| kernel | decision | judged | equal | share | naive rule | traces below the bar | not judged |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kernel in KERNELS:
        for name, path in PARTS:
            bar = 0.98 if "rarer" in name else 0.999 if "vruntime" in name else 0.995
            lines.append(line(rows, kernel, name, path, bar))
        lines.append(line(several, kernel, "where a wakee is placed", ("placement",), 0.995))
    return [text for text in lines if text]


def main() -> int:
    rows = agreements(ONE_CPU)
    for name, kernel, data in rows:
        if data["divergences"]:
            print(f"{name} ({kernel}): " + "; ".join(f"{d['kind']} line {d['line']}" for d in data["divergences"]))
    if "--list" in sys.argv:
        return 0
    several = agreements(SEVERAL_CPUS)
    lines = [
        "`.venv/bin/python -P docs/make_verify.py`: "
        + ", ".join(f"{sum(v == kernel for _, v, _ in rows)} traces of {kernel}" for kernel in KERNELS)
        + " on one CPU (6.18: perf script of a real machine, without what it did in idle), "
        + f"{len(several)} traces of several CPUs for where a wakee is placed.",
        "",
        *table(rows, several),
    ]
    page = ROOT / "docs" / "accuracy.md"
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition("<!-- verify:begin -->\n")
    _, end, after = rest.partition("<!-- verify:end -->")
    if not begin or not end:
        print("docs/accuracy.md has no place for the table", file=sys.stderr)
        return 1
    page.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
