# SPDX-License-Identifier: GPL-2.0-or-later
"""How far to trust a result (design 3.8): where its costs come from, whether its setting lies among those that were
checked against a real kernel, and the error on the nearest of those.

The checked settings ship with the package as accuracy.json (schema wakepath.accuracy/1), written from a validation by
`python -m wakepath.validity VALIDATION.json CASES.jsonl... > accuracy.json`. Without it nothing is claimed.
"""

from __future__ import annotations

import functools
import json
import math
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath.baselines import log_ratio
from wakepath.metrics import HEADLINE

if TYPE_CHECKING:
    from wakepath.scenario import Scenario

SCHEMA = "wakepath.accuracy/1"
NEAREST = 3
HERE = "measured on this machine"  # how the source of a recorded table begins
# What a checked case must have had too. What depends on the machine is not among it, nor what features_of compares.
SECTIONS = ("kernel", "fs", "dio_wq", "workload", "cgroup", "task", "event")
ALSO = ("block.rq_affinity", "block.elevator")
LEFT_OUT = {
    *("kernel.version", "kernel.preempt", "kernel.assume", "kernel.switches", "cgroup.parent", "cgroup.cpu.weight"),
    *("cgroup.cpu.shares", "workload.ioengine", "workload.rw", "workload.rwmixread"),
    *("workload.iodepth", "workload.iodepth_batch_submit", "workload.iodepth_batch_complete_min"),
    *("workload.iodepth_batch_complete_max", "workload.iodepth_low", "workload.numjobs", "workload.size"),
    *("workload.filesize", "workload.cpus_allowed", "workload.cpus_allowed_policy", "workload.cgroup"),
    *("workload.thinktime_blocks", "workload.sqthread_poll_cpu"),
}
_FILE = Path(__file__).resolve().parent / "accuracy.json"


@functools.cache
def load_accuracy(path: Path = _FILE) -> dict[str, Any]:
    """`cases`, and `seen`: the values that each key had in them."""
    data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return data if data.get("schema") == SCHEMA else {"cases": [], "seen": {}}


def features_of(describe: dict[str, Any]) -> dict[str, Any]:
    """What decides whether two settings are alike, of a scenario."""
    job = describe["workloads"][0] if describe["workloads"] else {}
    groups = {g["path"]: g for g in describe["cgroups"]}
    group = groups.get(job.get("cgroup", ""), {})
    weight = group.get("cpu_weight")
    if weight is None and group.get("cpu_shares") is not None:
        weight = round(group["cpu_shares"] * 100 / 1024)
    return {
        "kernel": describe["kernel"]["version"],
        "preempt": describe["kernel"]["preempt"],
        "engine": job.get("ioengine"),
        "rw": job.get("rw"),
        "depth": job.get("iodepth", 1),
        "min_nr": job.get("iodepth_batch_complete_min", 1),
        "weight": weight,
        "law": describe["device"]["law"],
        "jobs": len(describe["workloads"]) + len(describe["programs"]),
        "numjobs": job.get("numjobs", 1),
        "pinned": len(job.get("cpus_allowed") or []) == 1 or describe["machine"]["cpus"] == 1,
    }


def _away(a: dict[str, Any], b: dict[str, Any]) -> float:
    away: float = 10.0 * (a["engine"] != b["engine"]) + 5.0 * (a["rw"] != b["rw"]) + 4.0 * (a["kernel"] != b["kernel"])
    away += 1.0 * (a["law"] != b["law"]) + 0.5 * (a["preempt"] != b["preempt"])
    away += log_ratio(a["depth"], b["depth"]) + 0.5 * log_ratio(a["min_nr"], b["min_nr"])
    away += 1.0 * ((a["weight"] is None) != (b["weight"] is None))
    return away + 0.5 * log_ratio(a["weight"] or 100, b["weight"] or 100)


def outside_envelope(mine: dict[str, Any], cases: list[dict[str, Any]], changed: list[str]) -> list[str]:
    """In which respects a setting goes beyond the checked ones; empty: inside."""
    if not cases:
        return ["no checked cases ship with this version"]
    known = [c["features"] for c in cases]
    out = [
        f"{key} {mine[key]}"
        for key in ("kernel", "engine", "rw", "law", "preempt")
        if mine[key] not in {k[key] for k in known}
    ]
    for key in ("depth", "min_nr"):
        values = [k[key] for k in known]
        if not min(values) <= mine[key] <= max(values):
            out.append(f"{key} {mine[key]}")
    weights = [k["weight"] for k in known if k["weight"] is not None]
    if mine["weight"] is not None and weights and not min(weights) <= mine["weight"] <= max(weights):
        out.append(f"weight {mine['weight']}")
    if mine["jobs"] != 1 or mine["numjobs"] != 1:
        out.append("more than one job")
    if not mine["pinned"]:
        out.append("not pinned to one CPU")
    return out + [f"kernel.switches.{c}" for c in changed]


def values_of(doc: dict[str, Any]) -> dict[str, list[Any]]:
    """By key the values of a resolved scenario that a checked case must have had too; tasks by their name."""
    found: dict[str, list[Any]] = {}

    def walk(key: str, value: Any) -> None:
        if key in LEFT_OUT or key.endswith(".at"):  # when something is set counts with what is set
            return
        if isinstance(value, dict):
            for name, one in value.items():
                walk(f"{key}.{name}", one)
        elif value not in found.setdefault(key, []):
            found[key].append(value)

    for section in SECTIONS:
        named = section in ("workload", "cgroup", "event")  # by the user
        for part in doc.get(section, {}).values() if named else [doc.get(section, {})]:
            walk(section, part)
    for key in ALSO:
        section, _, name = key.partition(".")
        walk(key, doc[section][name])
    return found


def unseen(values: dict[str, list[Any]], seen: dict[str, list[Any]]) -> list[str]:
    """What no checked case had: neither the value, nor a smaller and a greater one."""
    return [
        f"{key} {value}"
        for key, mine in values.items()
        for value in mine
        if value not in seen.get(key, []) and not _between(value, seen.get(key, []))
    ]


def _between(value: Any, values: list[Any]) -> bool:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return isinstance(value, int | float) and bool(numbers) and min(numbers) <= value <= max(numbers)


def costs_of(describe: dict[str, Any]) -> str:
    """estimated: a cost that counts is an estimate. elsewhere: measured, on another machine. here: by a recording of
    the machine, whose intervals (run --samples) say what it leaves open.
    """
    if describe["costs"]["source"].startswith(HERE):
        return "here"
    if any(e["estimate"] and e["mean_ns"] > 0 for e in describe["costs"]["entries"].values()):
        return "estimated"
    return "elsewhere"


def validity_of(describe: dict[str, Any], scenario: str) -> dict[str, Any]:
    """`scenario`: resolved, as TOML."""
    checked = load_accuracy()
    cases = checked["cases"]
    mine = features_of(describe)
    outside = outside_envelope(mine, cases, describe["kernel"]["changed"])
    if cases:
        outside += unseen(values_of(tomllib.loads(scenario)), checked["seen"])
    ranked = sorted(cases, key=lambda c: (_away(mine, c["features"]), c["id"]))[:NEAREST]
    return {
        "costs": costs_of(describe),
        "cost_source": describe["costs"]["source"],
        "inside_validated_envelope": not outside,
        "outside_by": outside,
        "nearest_truth": [{"id": c["id"], "role": c["role"], "error": c["error"]} for c in ranked],
    }


def accuracy_of(validation: dict[str, Any], scenarios: dict[str, Scenario]) -> dict[str, Any]:
    """The shipped table, of a validation's JSON and the scenarios of its cases."""
    cases = []
    seen: dict[str, list[Any]] = {}
    for case in validation["cases"]:
        if case["id"] not in scenarios or case["role"] == "repeat":
            continue
        scenario = scenarios[case["id"]]
        errors = {k: m["error"] for k, m in case["metrics"].items() if k in HEADLINE and m["error"] is not None}
        cases.append(
            {
                "id": case["id"],
                "role": case["role"],
                "features": features_of(scenario.describe()),
                "error": {k: round(v, 4) for k, v in errors.items() if math.isfinite(v)},
            }
        )
        for key, values in values_of(tomllib.loads(scenario.to_toml())).items():
            seen[key] = sorted({*seen.get(key, []), *values})
    return {"schema": SCHEMA, "cases": cases, "seen": dict(sorted(seen.items()))}


def _main(arguments: list[str]) -> None:
    from wakepath.scenario import Scenario
    from wakepath.truth import read_cases

    validation = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    cases = [case for path in arguments[1:] for case in read_cases(path) if not case.tasks]
    table = accuracy_of(validation, {case.id: Scenario.from_case(case.raw) for case in cases})
    sys.stdout.write('{"schema": "' + SCHEMA + '", "seen": ' + json.dumps(table["seen"]) + ', "cases": [\n')
    sys.stdout.write(",\n".join(json.dumps(row) for row in table["cases"]) + "\n]}\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
