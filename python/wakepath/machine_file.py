# SPDX-License-Identifier: GPL-2.0-or-later
"""MACHINE.toml: platform, costs and device law together, as a fit found them. `--machine FILE` puts it under
a scenario.

It holds data of the machine only, its background programs among them: nothing of the workload, its groups or the
kernel's switches.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from wakepath.paths import read_text, scenario_dirs
from wakepath.scenario import Scenario, toml_key

# Tables of a scenario that belong to the machine.
MACHINE_TABLES = ("machine", "block", "device", "fs", "program", "costs")


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    raise TypeError(f"no TOML for {type(value).__name__}")


def tables_of(platform: str) -> dict[str, Any]:
    """The file of a platform by its name, or another machine file's; without any where there is none."""
    paths = [Path(folder) / "platforms" / f"{platform}.toml" for folder in scenario_dirs()]
    path = next((p for p in [*paths, Path(platform)] if p.is_file()), None)
    return tomllib.loads(read_text(str(path))) if path is not None else {}


def machine_toml(
    scenario: Scenario, comments: list[str], sources: dict[str, str], instead: dict[str, Any] | None = None
) -> str:
    """The machine's part of a resolved scenario. `sources` replaces the source line of the costs that were fitted.

    `instead` has tables that replace the scenario's: its programs are those of a case, and where every case of a fit
    states a device law of its own, none of them is the machine's.
    """
    data = {**tomllib.loads(scenario.to_toml()), **(instead or {})}
    lines = ["# SPDX-License-Identifier: GPL-2.0-or-later"] + [f"# {line}".rstrip() for line in comments]
    for name in MACHINE_TABLES:
        table = data.get(name)
        if not isinstance(table, dict):
            continue
        lines += ["", f"[{name}]"]
        for key, value in table.items():
            if name == "costs" and key in sources:
                value = _with_source(value, sources[key])
            lines.append(f"{toml_key(key)} = {toml_value(value)}")
    return "\n".join(lines) + "\n"


def _with_source(value: Any, source: str) -> Any:
    cost = dict(value) if isinstance(value, dict) else {"ns": value}
    cost["source"] = source
    return cost
