# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that measure the machine they run on, as functions: record(), check(), bench().

record and check write to the disk of `target` and take minutes; what they change on the way is put back. A wrong
argument is an InputError with the text of the command line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wakepath.arguments import checked
from wakepath.errors import InputError
from wakepath.paths import check_writable, read_text
from wakepath.result import Section

if TYPE_CHECKING:
    from wakepath.recorder.check import Checked

# What is being done, and which share of the whole is done.
Report = Callable[[str, float], object]

PENDING = (16, 256, 4096)
BENCH_SCENARIO = "starved_completions"
REPEATS = 3
LEAST_SIZE, CHECK_SIZE = 16 << 20, 512 << 20


def _silent(what: str, share: float) -> None:
    pass


def size_of(text: str | None) -> int | None:
    """Bytes of 512M or 1G."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)\s*([kmg]?)i?b?", text.strip().lower())
    if not match:
        raise InputError(f"'{text}' is not a size", "--size", suggestion="write 512M or 1G")
    size = int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2]]
    if size < LEAST_SIZE:
        raise InputError(f"{text} is too small", "--size", suggestion="at least 16M")
    return size


@checked
def record(
    out: str,
    *,
    target: str = ".",
    quick: bool = False,
    read_only: bool = False,
    overwrite_data: bool = False,
    size: str | None = None,
    progress: Report | None = None,
) -> Section:
    """Probe this machine into the folder `out`, for `calibrate(out)`: at most three minutes, some 20 s with `quick`.

    Gives what recording.json holds: `parts` that were measured, `lacks` with their reason, `took_s`.
    """
    if not out:
        raise InputError("no folder for the recording is given", suggestion="--out DIR")
    from wakepath.recorder.session import Plan
    from wakepath.recorder.session import record as record_session

    plan = Plan.of(quick, size_of(size))
    report = progress or _silent
    return Section(record_session(target, out, plan=plan, overwrite=overwrite_data, read_only=read_only, report=report))


@checked
def check(
    machine: str,
    target: str = ".",
    *,
    repeats: int = 11,
    seconds: float = 1.2,
    samples: int = 24,
    size: str | None = None,
    cases: str | None = None,
    measured: str | None = None,
    progress: Report | None = None,
) -> Checked:
    """Predict settings of this machine that no fit has seen, then run them with fio: some twelve minutes.

    `machine`: a MACHINE.toml. `cases`: a file for what was measured; `measured`: such a file, and nothing is run.
    `Checked.failures()` says which bar was not reached.
    """
    read_text(machine)
    check_writable(cases)
    if not 0.1 <= seconds <= 600:
        raise InputError(f"{seconds} s is no time for a run", "--seconds", suggestion="0.1 to 600")
    if not 1 <= repeats <= 100:
        raise InputError(f"{repeats} runs of each setting", "--repeats", suggestion="1 to 100")
    if not 8 <= samples <= 64:
        raise InputError(f"{samples} draws of an interval", "--samples", suggestion="8 to 64")
    from wakepath.recorder.check import check as check_machine
    from wakepath.recorder.check import compare, write_cases

    report = progress or _silent
    if measured:
        return compare(machine, measured, samples=samples, report=report)
    length = size_of(size) or CHECK_SIZE
    outcome, runs = check_machine(
        machine, target, repeats=repeats, seconds=seconds, samples=samples, size=length, report=report
    )
    if cases:
        write_cases(cases, runs)
    return outcome


@checked
def bench(scenario: str = BENCH_SCENARIO) -> Section:
    """Speed of the event queue by how much is pending, and of a whole simulation as it is and in the root group."""
    from wakepath import _core
    from wakepath.runner import control_of
    from wakepath.scenario import Options, Scenario

    loaded = Scenario.load(scenario, options=Options(duration="2s"))
    queue = {str(n): dict(zip(("hold_ns", "hold_cancel_ns"), _core.bench_queue(n), strict=True)) for n in PENDING}
    speeds = {"as it is": _speed(loaded)}
    outside = control_of(loaded)
    if outside is not None:
        speeds["in the root group"] = _speed(outside)
    return Section({"event_queue": queue, "simulation": {"scenario": scenario, **speeds}})


def _speed(scenario: Any) -> dict[str, float]:
    """The best of a few runs: what the machine's other load takes is not the engine's."""
    from wakepath.runner import run

    best: dict[str, float] = {}
    for _ in range(REPEATS):
        data = run(scenario).data
        engine = data["engine"]
        if not best or engine["simulated_per_wall"] > best["simulated_per_wall"]:
            best = {
                "simulated_per_wall": engine["simulated_per_wall"],
                "ns_per_event": 1e9 / engine["events_per_s"] if engine["events_per_s"] else 0.0,
                "iops": data["io"]["iops"],
            }
    return best
