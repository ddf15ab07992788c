# SPDX-License-Identifier: GPL-2.0-or-later
"""`wakepath verify` over a long trace: one recording again and again, records per second of CPU, memory.

Each repetition begins with stamps that go back, so everything is looked for anew: the worst case. The file is made in
--folder and deleted afterwards.

.venv/bin/python -P tests/big_trace.py [--kernel 6.1|6.12] [--bytes N] [--folder /tmp]
"""

from __future__ import annotations

import argparse
import json
import lzma
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CASE = "A-{}-d71k-q128-m1-w1000"


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="6.1", choices=("6.1", "6.12"))
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--folder", default="/tmp")
    args = parser.parse_args()
    case = CASE.format(args.kernel)
    once = lzma.decompress((ROOT / "tests" / "truth" / "traces" / f"{case}.txt.xz").read_bytes())
    times = -(-args.bytes // len(once))
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "big.txt"
        with file.open("wb") as out:
            for _ in range(times):
                out.write(once)
        size = file.stat().st_size
        before = cpu_seconds()
        setting = f"{ROOT}/tests/truth/qemu.jsonl#qemu-{case}"
        command = [sys.executable, "-P", "-m", "wakepath", "verify", str(file), "--kernel", args.kernel]
        done = subprocess.run(
            [*command, "--setting", setting, "--json", "-"], capture_output=True, text=True, check=False, cwd=folder
        )
        used = cpu_seconds() - before
    if done.returncode not in (0, 1):
        print(done.stderr, file=sys.stderr)
        return 1
    data = json.loads(done.stdout)
    records = data["trace"]["records"]
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"{size / 2**20:,.0f} MiB, {records:,} records in {times} repetitions: {used:.1f} s of CPU")
    print(f"{records / used:,.0f} records/s, {memory / 1024:.0f} MiB at most, {data['judged']:,} decisions judged")
    return 0


if __name__ == "__main__":
    sys.exit(main())
