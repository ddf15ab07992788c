# SPDX-License-Identifier: GPL-2.0-or-later
"""A ratchet on the work that is done: instructions of fixed pieces (bench/ratchet/main.cc), counted by callgrind.

Instructions do not depend on what else the machine does. They depend on the compiler: another one than the kept
numbers were made with is told, and nothing is compared. More than 2 % above a kept number fails; where a number fell,
`--renew` keeps the new one, to be committed with the change that explains it.

.venv/bin/python bench/ratchet/count.py [--renew] [NAME...]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "build" / "release" / "wakepath_ratchet"
KEPT = Path(__file__).with_name("instructions.json")
ALLOWED = 0.02


def compiler() -> str:
    return subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def names() -> list[str]:
    return subprocess.run([str(PROGRAM)], capture_output=True, text=True, check=True).stderr.split()


def instructions(name: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", "--toggle-collect=main", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run([*tool, str(PROGRAM), name], capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{name}: callgrind failed:\n{done.stderr[-2000:]}")
    return int(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("name", nargs="*")
    args = parser.parse_args()
    kept: dict[str, Any] = {"compiler": "", "instructions": {}}
    if KEPT.is_file():
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
    same = kept["compiler"] == compiler()
    if not same and not args.renew:
        print(f"the kept numbers were made by {kept['compiler']!r}, this is {compiler()!r}: nothing is compared")
        return 0
    numbers = dict(kept["instructions"]) if same else {}
    wrong = False
    for name in args.name or names():
        now, before = instructions(name), numbers.get(name)
        change = f"{now / before - 1:+.2%}" if before else "new"
        print(f"{name:14} {now:>15,} {change}", flush=True)
        if before is None or now > before * (1 + ALLOWED):
            wrong = True
        numbers[name] = now
    if args.renew:
        text = json.dumps({"compiler": compiler(), "instructions": numbers}, indent=1)
        KEPT.write_text(text + "\n", encoding="utf-8")
        return 0
    if wrong:
        print(f"more than {ALLOWED:.0%} above what is kept in {KEPT.relative_to(ROOT)}, or not kept there yet")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
