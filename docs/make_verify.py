# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of docs/accuracy.md on lockstep with recorded kernels: `wakepath verify` over every trace of tests/truth.

.venv/bin/python -P docs/make_verify.py
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


def agreements() -> list[tuple[str, str, dict[str, Any]]]:
    from wakepath import _core
    from wakepath.lockstep import core_setting

    found = []
    for file in ("qemu", "sched", "qemu-iouring", "host", "host-iouring"):
        for line in (TRUTH / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            trace = TRUTH / case.get("trace", "none")
            if trace.is_file():
                setting = core_setting(case["setting"], case["kernel"], case["id"])
                data = json.loads(_core.verify(str(trace), json.dumps(setting)))
                found.append((case["id"], case["kernel"], data))
    return found


def table(rows: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    lines = ["| kernel | decision | judged | equal | share | naive rule | traces below the bar | not judged |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for kernel in KERNELS:
        for name, path in PARTS:
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
                bar = 0.98 if "rarer" in name else 0.999 if "vruntime" in name else 0.995
                missed += part["n"] > 0 and part["equal"] < bar * part["n"]
            if n:
                shares = f"{equal / n:.3%} | {naive / n:.2%}"
                lines.append(f"| {kernel} | {name} | {n:,} | {equal:,} | {shares} | {missed} | {skipped or ''} |")
    return lines


def main() -> int:
    rows = agreements()
    lines = [
        "`.venv/bin/python -P docs/make_verify.py`: "
        + ", ".join(f"{sum(v == kernel for _, v, _ in rows)} traces of {kernel}" for kernel in KERNELS)
        + " (6.18: perf script of a real machine, without what it did in idle).",
        "",
        *table(rows),
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
