# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of docs/insight.md: recorded cases of the emulated platform, replayed, beside what was measured.

    .venv/bin/python -P docs/make_replays.py [PATTERN]     # default A-*; prints one line for each, then a summary

unchanged: beside the recording. untraced: beside the case's figures without a recorder. what-if: a weighted recording
without the switches of its ping-pong, beside the root case. weighted: the root recording put under the case's weight,
beside the case. Errors in percent; nothing is fitted to any of these figures.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from wakepath.errors import InputError
from wakepath.replay import SHORTEST_NS, Source, changed_scenario, recorded_figures
from wakepath.replay_source import open_recording
from wakepath.runner import run
from wakepath.what_if import taken_away

TRUTH = Path(__file__).resolve().parents[1] / "tests" / "truth"
WEIGHT = re.compile(r"-w(\d+)(?=-|$)")


def cases() -> dict[str, dict[str, Any]]:
    """Measured figures by the name of the trace."""
    found = {}
    for file in ("qemu.jsonl", "qemu-iouring.jsonl"):
        for line in (TRUTH / file).read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if case.get("trace"):
                found[Path(case["trace"]).name.removesuffix(".txt.xz")] = case["measured"]
    return found


def off(got: float, wanted: float) -> float:
    return 100 * (got / wanted - 1) if wanted else 0.0


def replayed(name: str, measured: dict[str, dict[str, Any]]) -> dict[str, float]:
    recording = open_recording(str(TRUTH / "traces" / f"{name}.txt.xz"))
    source = Source(recording)
    source.fit()
    recorded, unchanged = recorded_figures(recording), source.unchanged()
    scenario = source.scenario(traced=False, duration=f"{SHORTEST_NS}ns")
    untraced = run(scenario)
    key = "context_switches_per_s"
    out = {
        "unchanged iops": off(unchanged.io["iops"], recorded["io"]["iops"]),
        "unchanged switches": off(unchanged.totals[key], recorded["totals"][key]),
        "untraced iops": off(untraced.io["iops"], measured[name]["iops"]),
        "untraced switches": off(untraced.totals[key], measured[name][key]),
    }
    root = WEIGHT.sub("-wroot", name)
    if root != name and root in measured:
        free = run(scenario.with_sets(*taken_away(scenario)[0]))
        out["what-if iops"] = off(free.io["iops"], measured[root]["iops"])
    if name.endswith("-wroot"):
        for other in measured:
            if (found := WEIGHT.search(other)) and WEIGHT.sub("-wroot", other) == name and int(found[1]) >= 500:
                heavy = run(changed_scenario(scenario, [f"cgroup.g.cpu.weight={found[1]}"]))
                out[f"weighted {found[1]} iops"] = off(heavy.io["iops"], measured[other]["iops"])
    return out


def main() -> int:
    measured = cases()
    pattern = sys.argv[1] if len(sys.argv) > 1 else "A-*"
    rows: dict[str, dict[str, float]] = {}
    for file in sorted((TRUTH / "traces").glob(f"{pattern}.txt.xz")):
        name = file.name.removesuffix(".txt.xz")
        try:
            rows[name] = replayed(name, measured)
        except InputError as error:
            print(f"{name:42} {error}")
            continue
        print(f"{name:42}", "  ".join(f"{key} {value:+.1f}" for key, value in rows[name].items()), flush=True)
    summary(rows)
    return 0


def summary(rows: dict[str, dict[str, float]]) -> None:
    held = sum(abs(r["unchanged iops"]) <= 3 and abs(r["unchanged switches"]) <= 5 for r in rows.values())
    print(f"unchanged within 3 % of the IOPS and 5 % of the switches: {held} of {len(rows)}")
    for kind in ("untraced iops", "what-if iops", "weighted"):
        errors = [v for r in rows.values() for k, v in r.items() if k.startswith(kind)]
        within = sum(abs(v) <= 10 for v in errors)
        if errors:
            print(f"{kind} within 10 %: {within} of {len(errors)}, the worst {max(errors, key=abs):+.1f} %")


if __name__ == "__main__":
    sys.exit(main())
