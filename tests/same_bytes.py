# SPDX-License-Identifier: GPL-2.0-or-later
"""Same scenario, seed and version: same bytes of result and trace, however the extension was built (design 3.2).

Called by `./test bytes` with the names of builds that have build/NAME/package/wakepath; the first is the reference.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ("6.1", "6.6", "6.12", "6.19")
WINDOW = ("--duration", "60ms", "--warmup", "20ms", "--seed", "7", "--deterministic")


def outputs(build: str, scenario: Path, kernel: str, folder: Path) -> tuple[bytes, bytes]:
    """Result and trace of one run; exits with what the run said when it fails."""
    result, trace = folder / f"{build}.json", folder / f"{build}.txt"
    command = [sys.executable, "-P", "-m", "wakepath", "run", str(scenario), "--kernel", kernel, *WINDOW]
    done = subprocess.run(
        [*command, "--json", str(result), "--trace", str(trace)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "build" / build / "package")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{build}: {scenario.parent.name} on {kernel} failed:\n{done.stdout}{done.stderr}")
    return result.read_bytes(), trace.read_bytes()


def main(builds: list[str]) -> int:
    scenarios = sorted((ROOT / "scenarios").glob("*/scenario.toml"))
    if not scenarios:
        sys.exit("there is no scenario to compare")
    different = 0
    for scenario in scenarios:
        for kernel in KERNELS:
            with tempfile.TemporaryDirectory() as folder:
                runs = [outputs(build, scenario, kernel, Path(folder)) for build in builds]
            for build, run in zip(builds[1:], runs[1:], strict=True):
                for name, reference, found in zip(("result", "trace"), runs[0], run, strict=True):
                    same = reference == found
                    different += not same
                    word = "same" if same else "DIFFERENT"
                    print(f"{scenario.parent.name} v{kernel} {name}: {builds[0]} {build} {len(found)} bytes {word}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
