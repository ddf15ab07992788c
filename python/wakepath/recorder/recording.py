# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording's folder: what is in it, and what it lacks. One from another machine, or cut short, is read as
far as it goes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wakepath.errors import InputError
from wakepath.paths import read_text
from wakepath.recorder.session import SCHEMA
from wakepath.recorder.urtrace import Probes, read_probes
from wakepath.truth import Case, read_cases


@dataclass
class Recording:
    folder: Path
    state: dict[str, Any]
    facts: dict[str, Any]
    probes: Probes | None = None
    cases: list[Case] = field(default_factory=list)
    traces: list[Path] = field(default_factory=list)

    def lacks(self) -> list[str]:
        """One line for each thing that is not there."""
        found = [f"{x['part']}: {x['reason']}" for x in self.state.get("lacks", [])]
        found += self.state.get("notes", [])
        if self.state.get("status") != "complete":
            found.insert(0, "the recording was cut short; parts: " + (", ".join(self.state.get("parts", [])) or "none"))
        if self.probes is None:
            found.append("no probes: costs of system calls, switches and the device are not measured one by one")
        elif not self.probes.complete:
            found.append("probes end early")
        if not self.cases:
            found.append("no windows: nothing says how the costs add up under load")
        if not self.traces:
            found.append("no kernel trace: what interrupts and work items take is only known in sum")
        found += [f"not known: {key}" for key in self.facts.get("unknown", [])]
        return list(dict.fromkeys(found))


def is_recording(path: str) -> bool:
    return (Path(path) / "recording.json").is_file()


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(str(path)))
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", str(path), error.lineno) from None
    if not isinstance(data, dict):
        raise InputError("is not an object", str(path))
    return data


def read_recording(path: str) -> Recording:
    folder = Path(path)
    state = _json(folder / "recording.json")
    if state.get("schema") != SCHEMA:
        raise InputError(f"is of schema {state.get('schema')}, not {SCHEMA}", str(folder / "recording.json"))
    if not (folder / "machine.json").is_file():
        raise InputError("has no machine.json: the recording ended before anything was measured", path)
    found = Recording(folder, state, _json(folder / "machine.json"))
    if (folder / "probes.urtrace.xz").is_file():
        found.probes = read_probes(str(folder / "probes.urtrace.xz"))
    elif (folder / "probes.urtrace").is_file():  # killed before it was packed
        found.probes = read_probes(str(folder / "probes.urtrace"))
    if (folder / "cases.jsonl").is_file():
        found.cases = read_cases(str(folder / "cases.jsonl"))
    found.traces = sorted(folder.glob("trace-*.txt.xz"))
    return found
