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
NOT_VARIANTS = {"scenario", "expected"}
WINDOW = ("--duration", "60ms", "--warmup", "20ms", "--seed", "7", "--deterministic")


def outputs(build: str, scenario: Path, kernel: str | None, folder: Path) -> tuple[bytes, bytes]:
    """Result and trace of one run, or what was said where it is not for this kernel; exits where one fails."""
    result, trace = folder / f"{build}.json", folder / f"{build}.txt"
    command = [sys.executable, "-P", "-m", "wakepath", "run", str(scenario), *WINDOW]
    command += ["--kernel", kernel] if kernel else []
    done = subprocess.run(
        [*command, "--json", str(result), "--trace", str(trace)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "build" / build / "package")},
        capture_output=True,
        text=True,
        check=False,
    )
    # A tunable of the other class, say; a scenario that is there to break an invariant; a fleet.
    if (done.returncode == 2 and kernel) or "invariant" in done.stderr or "fleet of nodes" in done.stderr:
        return done.stderr.encode(), b""
    if done.returncode != 0:
        setting = f"{scenario.parent.name}/{scenario.stem} on {kernel or 'its kernel'}"
        sys.exit(f"{build}: {setting} failed:\n{done.stdout}{done.stderr}")
    return result.read_bytes(), trace.read_bytes()


def differences(builds: list[str], scenario: Path, kernel: str | None) -> int:
    """How many outputs differ from those of the first build; a line for each comparison."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [outputs(build, scenario, kernel, Path(folder)) for build in builds]
    different = 0
    for build, run in zip(builds[1:], runs[1:], strict=True):
        for name, reference, found in zip(("result", "trace"), runs[0], run, strict=True):
            different += reference != found
            word = "same" if reference == found else "DIFFERENT"
            setting = f"{scenario.parent.name}/{scenario.stem}" + (f" v{kernel}" if kernel else "")
            print(f"{setting} {name}: {builds[0]} {build} {len(found)} bytes {word}", flush=True)
    return different


def main(builds: list[str]) -> int:
    main_ones = sorted((ROOT / "scenarios").glob("*/scenario.toml"))
    if not main_ones:
        sys.exit("there is no scenario to compare")
    runs: list[tuple[Path, str | None]] = [(scenario, kernel) for scenario in main_ones for kernel in KERNELS]
    # The variants beside them, each on its own kernel.
    runs += [(v, None) for s in main_ones for v in sorted(s.parent.glob("*.toml")) if v.stem not in NOT_VARIANTS]
    return 1 if sum(differences(builds, scenario, kernel) for scenario, kernel in runs) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
