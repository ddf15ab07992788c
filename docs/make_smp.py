# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of docs/several-cpus.md: placements judged in traces of several CPUs, and migrations beside measured ones.

.venv/bin/python -P docs/make_smp.py [FOLDER with more traces]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRUTH = ROOT / "tests" / "truth"
PAGE = ROOT / "docs" / "several-cpus.md"


def placements(folders: list[Path]) -> list[str]:
    from wakepath import _core
    from wakepath.lockstep import case_setting, core_setting

    sums: dict[str, dict[str, int]] = {}
    for file in ("qemu-smp", "host-smp"):
        for line in (TRUTH / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            traces = [folder / case.get("trace", "none") for folder in folders]
            trace = next((t for t in traces if t.is_file()), None)
            if trace is None or "-mig2s" in trace.name:
                continue
            setting = core_setting(case_setting(case), case["kernel"], case["id"])
            part = json.loads(_core.verify(str(trace), json.dumps(setting)))["agreement"]["placement"]
            row = sums.setdefault(case["kernel"], {})
            for key, value in _figures(part).items():
                row[key] = row.get(key, 0) + value
    lines = [
        "| kernel | traces | judged | equal | stays: right | by load | equal | by utilisation | otherwise not judged "
        "| moves | legal | asked for |"
    ]
    lines.append("| --- |" + " ---: |" * 11)
    for kernel, r in sums.items():
        cells = [
            kernel,
            *(
                str(r[key])
                for key in ("traces", "n", "equal", "naive", "load", "load_equal", "utilisation", "not_judged")
            ),
        ]
        lines.append("| " + " | ".join([*cells, str(r["moves"]), str(r["legal"]), str(r["chosen"])]) + " |")
    return lines


def _figures(part: dict[str, Any]) -> dict[str, int]:
    return {
        "traces": 1,
        "n": part["n"],
        "equal": part["equal"],
        "naive": round(part["n"] * (part["naive_share"] or 0)),
        "load": part["by_load"]["n"],
        "load_equal": part["by_load"]["equal"],
        "utilisation": part["not_judged_why"]["utilisation"],
        "not_judged": part["not_judged"] - part["not_judged_why"]["utilisation"],
        "moves": part["moves"]["n"],
        "legal": part["moves"]["legal"],
        "chosen": part["moves"]["chosen"],
    }


def main() -> None:
    folders = [TRUTH, *(Path(name) for name in sys.argv[1:])]
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- placements:begin -->\n", "<!-- placements:end -->"
    head, rest = text.split(begin)
    _, tail = rest.split(end)
    PAGE.write_text(head + begin + "\n".join(placements(folders)) + "\n" + end + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
