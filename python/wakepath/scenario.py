# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenario: what is simulated. Its keys are read and changed as attributes (wakepath/keys.py); `with_sets` and `copy`
give new ones. The core's part is immutable: a run that is under way never sees a change."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.arguments import lines, plain, version
from wakepath.arguments import path as path_of
from wakepath.errors import InputError, closest
from wakepath.keys import flat_keys, lookup, parts_of, sections, value_at
from wakepath.paths import read_text, scenario_dirs

if TYPE_CHECKING:
    import pandas as pd

CoreScenario = _core.Scenario
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

    def __post_init__(self) -> None:
        lines("set", self.sets)

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


def set_text(value: Any) -> str:
    """A Python value as the right side of --set."""
    from wakepath.machine_file import toml_value

    value = plain(value)
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, list | tuple):
        value = [plain(one) for one in value]
    try:
        return toml_value(value)
    except TypeError:
        raise InputError(
            f"{value!r} is no value of a scenario key", suggestion="text, a number, true, a list"
        ) from None


class Diff(dict[str, tuple[Any, Any]]):
    """Keys in which two scenarios differ: key -> (here, there); None where a key is not given."""

    def to_pandas(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame([{"key": key, "here": a, "there": b} for key, (a, b) in self.items()])

    def __repr__(self) -> str:
        return "\n".join(f"{key}: {a!r} -> {b!r}" for key, (a, b) in self.items()) or "no difference"

    def _repr_html_(self) -> str:
        from wakepath.html_repr import table

        return table([{"key": key, "here": a, "there": b} for key, (a, b) in self.items()])


class Scenario:
    """A resolved scenario: nothing left to look up, reproducible from its text.

    `scenario.workload.fio.iodepth = 32` and `scenario["workload.fio.iodepth"] = 32` change it; what they read is the
    resolved value. `diff` tells two apart, `to_toml` writes one down, `pickle` carries it to another process.
    """

    __slots__ = ("_core", "_tree")
    _core: CoreScenario
    _tree: dict[str, Any] | None

    def __init__(self, core: CoreScenario) -> None:
        object.__setattr__(self, "_core", core)
        object.__setattr__(self, "_tree", None)

    @staticmethod
    def load(
        path: str | Path,
        *,
        set: Sequence[str] = (),
        machine: str | None = None,
        kernel: str | None = None,
        options: Options | None = None,
    ) -> Scenario:
        """A file, a folder, a name of `wakepath scenarios`, JOB.fio, SNIPPET.sh, RESULT.json or CASES.jsonl#ID."""
        o = options or given(set, machine, kernel)
        return Scenario(_load(str(path), o))

    @staticmethod
    def from_fio(
        path: str | Path,
        *,
        set: Sequence[str] = (),
        machine: str | None = None,
        kernel: str | None = None,
        options: Options | None = None,
    ) -> Scenario:
        """A fio job file, or a fio command line ('fio --name=...')."""
        o = options or given(set, machine, kernel)
        text = str(path)
        if "--" in text or "\n" in text:
            return Scenario(_core.Scenario.from_fio(text, "fio command line", **o.core()))
        return Scenario(_core.Scenario.from_fio(read_text(text), text, **o.core()))

    @staticmethod
    def from_toml(text: str, name: str = "text", *, options: Options | None = None) -> Scenario:
        if not isinstance(text, str):
            raise InputError(f"{text!r} is no scenario", suggestion="its text as TOML")
        return Scenario(_core.Scenario.load_text(text, name, **(options or Options()).core()))

    @staticmethod
    def from_case(case: dict[str, Any], *, options: Options | None = None) -> Scenario:
        """One case of schema wakepath.truth/1; only its setting is read."""
        return Scenario(_core.Scenario.from_truth_case(json.dumps(case), case["id"], **(options or Options()).core()))

    @property
    def core(self) -> CoreScenario:
        return self._core

    @property
    def keys(self) -> dict[str, Any]:
        """The resolved text as nested dicts."""
        if self._tree is None:
            object.__setattr__(self, "_tree", tomllib.loads(self.to_toml()))
        assert self._tree is not None
        return self._tree

    def assign(self, path: tuple[str, ...], value: Any) -> None:
        """One key by the parts of its path, as `--set` would."""
        line = ".".join(map(toml_key, path)) + "=" + set_text(value)
        object.__setattr__(self, "_core", self.with_sets(line)._core)
        object.__setattr__(self, "_tree", None)

    def copy(self) -> Scenario:
        return Scenario(self._core)

    def diff(self, other: Scenario) -> Diff:
        """The keys in which the two differ, costs and device included; titles and sources of figures left out."""
        a, b = flat_keys(self.keys), flat_keys(other.keys)
        ignored = ("name", "title", "notes")
        return Diff({k: (a.get(k), b.get(k)) for k in {**a, **b} if a.get(k) != b.get(k) and k not in ignored})

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys)

    def __contains__(self, path: str) -> bool:
        return lookup(self.keys, parts_of(path)) is not None

    def __getitem__(self, path: str) -> Any:
        return value_at(self, parts_of(path))

    def __setitem__(self, path: str, value: Any) -> None:
        self.assign(parts_of(path), value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in sections():
            raise AttributeError(f"a scenario has no '{name}'" + (near(name) if not name.startswith("_") else ""))
        return value_at(self, (name,))

    def __setattr__(self, name: str, value: Any) -> None:
        self.assign((name,), value)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.keys]

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
        raise TypeError("a scenario can change and has no hash; its to_toml() has one")

    def __reduce__(self) -> tuple[Any, ...]:
        return (Scenario.from_toml, (self.to_toml(), self.describe()["name"] or "text"))

    def __repr__(self) -> str:
        return repr(self._core)

    def _repr_html_(self) -> str:
        from wakepath.html_repr import scenario_html

        return scenario_html(self)


def given(set: Sequence[str], machine: str | None, kernel: str | None) -> Options:
    return Options(
        sets=lines("set", set),
        machine=None if machine is None else path_of("machine", machine),
        kernel=None if kernel is None else version("kernel", kernel),
    )


def near(name: str) -> str:
    found = closest(name, sorted(sections()))
    return f" (did you mean {found}?)" if found else ""


def _plain_suffix(path: str) -> str:
    for suffix in COMPRESSED:
        path = path.removesuffix(suffix)
    return Path(path).suffix


def _load(path: str, o: Options) -> _core.Scenario:
    if ".jsonl" in path and "#" in path:
        return _from_case_file(path, o)
    suffix = _plain_suffix(path)
    if suffix == ".json":
        return _from_json(path, o)
    if suffix == ".sh":
        return _core.Scenario.from_shell(read_text(path), path, **o.core())
    if suffix == ".jsonl":
        raise InputError("holds many cases", path, suggestion=f"use wakepath validate {path}, or {path}#ID for one")
    if suffix in (".fio", ".job"):
        return _core.Scenario.from_fio(read_text(path), path, **o.core())
    if path.endswith(COMPRESSED):
        return _core.Scenario.load_text(read_text(path), path, **o.core())
    return _core.Scenario.load(path, **o.core())


def _from_json(path: str, o: Options) -> _core.Scenario:
    """A result carries the resolved text it was made from: run that again. Else it may be a file of rt-app."""
    text = read_text(path)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        if '"tasks"' not in text:  # rt-app's may hold comments
            raise InputError(f"is not JSON: {error.msg}", path, error.lineno) from None
        data = {"tasks": {}}
    resolved = data.get("made_by", {}).get("scenario") if isinstance(data, dict) else None
    if isinstance(resolved, str):
        return _core.Scenario.load_text(resolved, f"{path}#scenario", **o.core())
    from wakepath import rt_app

    if rt_app.is_rt_app(data):
        return _core.Scenario.load_text(rt_app.scenario_text(text, path), f"{path}#scenario", **o.core())
    raise InputError(
        "is neither a result of wakepath run (no made_by.scenario) nor an rt-app file (no tasks)",
        path,
        suggestion="write a result with --json FILE",
    )


def _from_case_file(path: str, o: Options) -> _core.Scenario:
    from wakepath.truth import read_cases

    file, _, wanted = path.partition("#")
    cases = {case.id: case for case in read_cases(file)}
    if wanted not in cases:
        raise InputError(f"no case '{wanted}'", file, suggestion=_nearest(wanted, list(cases)))
    return _core.Scenario.from_truth_case(json.dumps(cases[wanted].raw), wanted, **o.core())


def _nearest(word: str, known: list[str]) -> str:
    found = closest(word, known)
    return (
        f"did you mean {found}?"
        if found
        else f"it has {len(known)} cases, the first is {known[0] if known else 'none'}"
    )
