#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the table of docs/io-wq.md from tests/truth/iowq-host.jsonl: docs/make_iowq.py."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"


def main() -> None:
    rows = ["| pattern | program | created | exited | most |", "|---|---|---|---|---|"]
    for line in (ROOT / "tests/truth/iowq-host.jsonl").read_text().splitlines():
        case = json.loads(line)
        m, spread = case["measured"], case["spread"]
        cells = [str(m[k]) if spread[k][0] == spread[k][1] else f"{m[k]} ({spread[k][0]} to {spread[k][1]})" for k in m]
        name = case["id"].removeprefix("iowq-host-")
        rows.append(f"| {name} | `{shorter(case['program'])}` | " + " | ".join(cells[:3]) + " |")
    page = ROOT / "docs/io-wq.md"
    head, _, rest = page.read_text().partition(BEGIN)
    page.write_text(head + BEGIN + "\n".join(rows) + "\n" + END + rest.partition(END)[2])


def shorter(program: str) -> str:
    """Runs of one word as `6 x word`."""
    out: list[list] = []
    for word in program.split():
        if out and out[-1][1] == word:
            out[-1][0] += 1
        else:
            out.append([1, word])
    return " ".join(w if n == 1 else f"{n} x {w}" for n, w in out)


if __name__ == "__main__":
    main()
