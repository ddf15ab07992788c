# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys: a scenario's keys as attributes and by dotted path, as they stand in its resolved text.

    s.workload.fio.iodepth            s["workload.fio.iodepth"]
    s.workload.fio.iodepth = 32       s["cgroup.kubepods.cpu.weight"] = 100

What is assigned goes through the reader of `--set`, at once: a wrong key or value is the same InputError.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.errors import InputError, closest

if TYPE_CHECKING:
    from wakepath.scenario import Scenario


def parts_of(path: str) -> tuple[str, ...]:
    """A dotted path's parts, quoted ones as in TOML."""
    try:
        found: Any = tomllib.loads(f"{path} = 0")
    except tomllib.TOMLDecodeError:
        raise InputError("is not a dotted path", path, suggestion="as in cgroup.kubepods.cpu.weight") from None
    parts: list[str] = []
    while isinstance(found, dict):
        (key, found), *_ = found.items()
        parts.append(key)
    return tuple(parts)


def flat_keys(tree: dict[str, Any], prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every key with its value under its dotted path; a cost's table ({ ns = 386, source = ... }) is one value."""
    from wakepath.scenario import toml_key

    flat: dict[str, Any] = {}
    for key, value in tree.items():
        path = (*prefix, key)
        if isinstance(value, dict) and not {"ns", "low", "quantiles", "mean"} & value.keys():
            flat.update(flat_keys(value, path))
        else:
            flat[".".join(map(toml_key, path))] = value
    return flat


@functools.cache
def sections() -> frozenset[str]:
    """First parts of all keys a scenario may have."""
    return frozenset(key["key"].partition(".")[0] for key in _core.list_keys())


@functools.cache
def _known() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Each key of the schema as a pattern: NAME, PATH and GLOB stand for anything."""
    found = []
    for key in _core.list_keys():
        words = ["[^\x1f]+" if part.isupper() else re.escape(part) for part in key["key"].split(".")]
        found.append((re.compile("\x1f".join(words)), key["key"]))
    return tuple(found)


def is_known(path: tuple[str, ...]) -> bool:
    return any(pattern.fullmatch("\x1f".join(path)) for pattern, _ in _known())


def is_part(path: tuple[str, ...]) -> bool:
    """Known keys may stand below it."""
    return any(_begins(key["key"].split("."), path) for key in _core.list_keys())


def _begins(key: list[str], path: tuple[str, ...]) -> bool:
    return len(path) < len(key) and all(a.isupper() or a == b for a, b in zip(key, path, strict=False))


def about(path: str) -> dict[str, str]:
    """Type, unit and meaning of a key, for labels; empty for one that the schema does not name."""
    joined = "\x1f".join(parts_of(path))
    for key, (pattern, _) in zip(_core.list_keys(), _known(), strict=True):
        if pattern.fullmatch(joined):
            return key
    return {}


class Keys:
    """The keys below a path. Attributes read and write the scenario itself; nothing is copied."""

    __slots__ = ("_path", "_scenario")

    def __init__(self, scenario: Scenario, path: tuple[str, ...]) -> None:
        object.__setattr__(self, "_scenario", scenario)
        object.__setattr__(self, "_path", path)

    def _tree(self) -> Any:
        return lookup(self._scenario.keys, self._path) or {}

    def __getitem__(self, path: str) -> Any:
        return value_at(self._scenario, (*self._path, *parts_of(path)))

    def __setitem__(self, path: str, value: Any) -> None:
        self._scenario.assign((*self._path, *parts_of(path)), value)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return value_at(self._scenario, (*self._path, name))
        except InputError as error:
            raise MissingKeyError(error.message, error.file, error.line, error.suggestion) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._scenario.assign((*self._path, name), value)

    def __dir__(self) -> list[str]:
        return list(self._tree())

    def __iter__(self) -> Iterator[str]:
        return iter(self._tree())

    def __contains__(self, name: str) -> bool:
        return name in self._tree()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keys) and self._tree() == other._tree()

    def __hash__(self) -> int:
        raise TypeError("keys of a scenario can change and have no hash")

    def __repr__(self) -> str:
        where = ".".join(self._path)
        return "\n".join(f"{where}.{key} = {value!r}" for key, value in flat_keys(self._tree()).items())


class MissingKeyError(InputError, AttributeError):
    """A key that is not there, asked for as an attribute: InputError, and what hasattr() expects."""


def lookup(tree: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return None
        tree = tree[part]
    return tree


def value_at(scenario: Scenario, path: tuple[str, ...]) -> Any:
    """A value, None for a key that may be given and is not, or the keys below; InputError for one that cannot be."""
    found = lookup(scenario.keys, path)
    if isinstance(found, dict) and not {"ns", "low", "quantiles"} & found.keys():
        return Keys(scenario, path)
    if found is None and is_part(path):
        return Keys(scenario, path)
    if found is None and not is_known(path):
        above = lookup(scenario.keys, path[:-1])
        known = list(above) if isinstance(above, dict) else []
        near = closest(path[-1], known)
        raise InputError(
            f"no key '{'.'.join(path)}'",
            suggestion=f"did you mean {near}?" if near else "wakepath explain lists all keys",
        )
    return found
