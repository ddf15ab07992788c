# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenario: what is simulated. Immutable; a changed scenario is a new one (`with_sets`)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.errors import InputError
from wakepath.paths import read_text, scenario_dirs

COMPRESSED = (".xz", ".gz", ".zst")


@dataclass(frozen=True)
class Options:
    """What a command line says on top of a scenario; all of it text, checked by the reader in the core."""

    sets: tuple[str, ...] = ()
    machine: str | None = None
    kernel: str | None = None
    seed: str | None = None
    samples: str | None = None
    duration: str | None = None
    warmup: str | None = None
    search_dirs: tuple[str, ...] = field(default_factory=lambda: tuple(scenario_dirs()))

    def core(self) -> dict[str, Any]:
        return {
            "sets": list(self.sets),
            "machine": self.machine,
            "kernel": self.kernel,
            "seed": self.seed,
            "samples": self.samples,
            "duration": self.duration,
            "warmup": self.warmup,
            "search_dirs": list(self.search_dirs),
        }


def toml_key(part: str) -> str:
    """One part of a dotted key, quoted when TOML wants it."""
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part)


class Scenario:
    """A resolved scenario: nothing left to look up, reproducible from its text."""

    def __init__(self, core: _core.Scenario) -> None:
        self._core = core

    @staticmethod
    def load(path: str | Path, *, set: Sequence[str] = (), options: Options | None = None) -> Scenario:
        """A file, a folder, a name of `wakepath scenarios`, JOB.fio, SNIPPET.sh, RESULT.json or CASES.jsonl#ID."""
        o = options or Options(sets=tuple(set))
        return Scenario(_load(str(path), o))

    @staticmethod
    def from_fio(path: str | Path, *, set: Sequence[str] = (), options: Options | None = None) -> Scenario:
        """A fio job file, or a fio command line ('fio --name=...')."""
        o = options or Options(sets=tuple(set))
        text = str(path)
        if "--" in text or "\n" in text:
            return Scenario(_core.Scenario.from_fio(text, "fio command line", **o.core()))
        return Scenario(_core.Scenario.from_fio(read_text(text), text, **o.core()))

    @staticmethod
    def from_toml(text: str, name: str = "text", *, options: Options | None = None) -> Scenario:
        return Scenario(_core.Scenario.load_text(text, name, **(options or Options()).core()))

    @staticmethod
    def from_case(case: dict[str, Any], *, options: Options | None = None) -> Scenario:
        """One case of schema wakepath.truth/1; only its setting is read."""
        return Scenario(_core.Scenario.from_truth_case(json.dumps(case), case["id"], **(options or Options()).core()))

    @property
    def core(self) -> _core.Scenario:
        return self._core

    def to_toml(self) -> str:
        return self._core.to_toml()

    def describe(self) -> dict[str, Any]:
        return self._core.describe()

    def with_sets(self, *sets: str, options: Options | None = None) -> Scenario:
        o = options or Options(sets=sets)
        return Scenario(_core.Scenario.load_text(self.to_toml(), self.describe()["name"] or "text", **o.core()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.to_toml() == other.to_toml()

    def __hash__(self) -> int:
        return hash(self.to_toml())

    def __reduce__(self) -> tuple[Any, ...]:
        return (Scenario.from_toml, (self.to_toml(), self.describe()["name"] or "text"))

    def __repr__(self) -> str:
        return repr(self._core)


def _plain_suffix(path: str) -> str:
    for suffix in COMPRESSED:
        path = path.removesuffix(suffix)
    return Path(path).suffix


def _load(path: str, o: Options) -> _core.Scenario:
    if ".jsonl" in path and "#" in path:
        return _from_case_file(path, o)
    suffix = _plain_suffix(path)
    if suffix == ".json":
        return _from_result(path, o)
    if suffix == ".sh":
        return _core.Scenario.from_shell(read_text(path), path, **o.core())
    if suffix == ".jsonl":
        raise InputError("holds many cases", path, suggestion=f"use wakepath validate {path}, or {path}#ID for one")
    if suffix in (".fio", ".job"):
        return _core.Scenario.from_fio(read_text(path), path, **o.core())
    if path.endswith(COMPRESSED):
        return _core.Scenario.load_text(read_text(path), path, **o.core())
    return _core.Scenario.load(path, **o.core())


def _from_result(path: str, o: Options) -> _core.Scenario:
    """A result carries the resolved text it was made from: run that again."""
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"is not JSON: {error.msg}", path, error.lineno) from None
    text = data.get("made_by", {}).get("scenario") if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise InputError(
            "is not a result of wakepath run (no made_by.scenario)", path, suggestion="write one with --json FILE"
        )
    return _core.Scenario.load_text(text, f"{path}#scenario", **o.core())


def _from_case_file(path: str, o: Options) -> _core.Scenario:
    from wakepath.truth import read_cases

    file, _, wanted = path.partition("#")
    cases = {case.id: case for case in read_cases(file)}
    if wanted not in cases:
        raise InputError(f"no case '{wanted}'", file, suggestion=_nearest(wanted, list(cases)))
    return _core.Scenario.from_truth_case(json.dumps(cases[wanted].raw), wanted, **o.core())


def _nearest(word: str, known: list[str]) -> str:
    from wakepath.errors import closest

    near = closest(word, known)
    return (
        f"did you mean {near}?" if near else f"it has {len(known)} cases, the first is {known[0] if known else 'none'}"
    )
