# SPDX-License-Identifier: GPL-2.0-or-later
"""What the functions of the package are called with, checked at the door: whatever is the caller's mistake is an
InputError there and not some TypeError from within.

Checks go by the name of the parameter, which means the same in every function. What a text says is checked by its
reader, with the command line's own words; so a number where a time is wanted goes on as text, and the reader answers.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from wakepath.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
Check = Callable[[str, Any], Any]

LARGEST = (1 << 63) - 1


def plain(value: Any) -> Any:
    """A number of numpy's as Python's own: loops over arrays and columns give such."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """The function, its arguments looked at first."""
    signature = inspect.signature(function)
    checks = {name: _check_of(name, str(p.annotation)) for name, p in signature.parameters.items()}
    needed = {name for name, p in signature.parameters.items() if p.default is inspect.Parameter.empty} & set(NEEDED)
    several = {name for name, p in signature.parameters.items() if p.kind is inspect.Parameter.VAR_POSITIONAL}

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, given in bound.arguments.items():
            check, value = checks[name], plain(given)
            if value is None and name in needed:
                raise InputError(f"no {name} is given", suggestion=NEEDED[name])
            if check is not None and value is not None:
                one = functools.partial(check, name)
                bound.arguments[name] = tuple(map(one, value)) if name in several else one(value)
        return function(*bound.args, **bound.kwargs)

    return call


def _check_of(name: str, annotation: str) -> Check | None:
    """A few names may hold more in one function than in another: its annotation says so."""
    if name in ("scenario", "what") and "Scenario" not in annotation:
        return path
    if name == "seeds" and "Sequence" not in annotation:
        return whole(1)
    if name == "seed" and "str" not in annotation:
        return number
    if name == "trace" and "bool" not in annotation:
        return path
    return CHECKS.get(name)


def named(name: str, value: Any) -> Any:
    """A name or a path as text; a Scenario as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, str) and not hasattr(value, "with_sets"):
        raise InputError(f"{value!r} is no {name}", suggestion=NEEDED["scenario"])
    return value


def path(name: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{value!r} is no {name}", suggestion="the name of a file, as text")
    return str(os.fspath(value))


def file_or_switch(name: str, value: Any) -> Any:
    return value if isinstance(value, bool) else path(name, value)


def text(name: str, value: Any) -> str:
    """A number is written out, and refused where it is read: `5` as `--duration 5` would be."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{value!r} is no {name}", suggestion="text, as on the command line")
    return str(value)


def version(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"a kernel version is text, not {value!r}", suggestion=f'"{value}"')
    return value


def lines(name: str, value: Any) -> tuple[str, ...]:
    """`set=["KEY=VALUE", ...]`; one line alone will do."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise InputError(f"{name} is {value!r}", suggestion=f'{name}=["KEY=VALUE", ...]')
    found = tuple(value)
    for line in found:
        if not isinstance(line, str):
            raise InputError(f"{name} holds {line!r}", suggestion=f'{name}=["KEY=VALUE", ...]')
    return found


def whole(least: int) -> Check:
    def check(name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
            raise InputError(f"{name} is {value!r}", suggestion=f"a whole number from {least} on")
        return value

    return check


def seeds(name: str, value: Any) -> Any:
    """How many, or they themselves."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return [whole(0)("a seed", plain(seed)) for seed in value]
    return whole(1)(name, value)


def seed(name: str, value: Any) -> Any:
    """A whole number, or its text as the command line has it."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InputError(f"{name} is {value!r}", suggestion="a whole number")
    return value


def number(name: str, value: Any) -> Any:
    """Its range is checked where it is used, with the command line's words."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{name} is {value!r}", suggestion="a whole number")
    return value


def keys(name: str, value: Any) -> Any:
    """{KEY: values}; what a search turns may also be a list of parameters."""
    if isinstance(value, list | tuple) and name == "params" and all(hasattr(one, "key") for one in value):
        return value
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{name} is {value!r}", suggestion='{"KEY": [values]} or {"KEY": "A..B:N"}')
    return value


# What must not be None: what it is, for the one who left it out.
NEEDED = {
    "scenario": "a name of wakepath.scenarios(), a file, or a Scenario",
    "vary": '{"KEY": [values]}',
    "params": '{"KEY": "A..B"}',
    "trace": "a file",
}
CHECKS: dict[str, Check] = {
    "scenario": named,
    "what": named,
    "trace": file_or_switch,
    "seed": seed,
    "seeds": seeds,
    "jobs": whole(1),
    "first_seed": whole(0),
    "kernel": version,
    "version": version,
    "vary": keys,
    "params": keys,
    **dict.fromkeys(("trials", "fresh", "samples", "repeats", "sampler_seed"), number),
    **dict.fromkeys(("duration", "warmup", "size", "role", "only", "platform", "metric", "method", "name"), text),
    **dict.fromkeys(("set", "a", "b", "calibrate_from", "maximize", "minimize", "subject_to"), lines),
    **dict.fromkeys(("machine", "setting", "out", "file", "files", "inputs", "source", "target"), path),
    **dict.fromkeys(("beside", "fio_json", "cases", "measured", "storage", "dask"), path),
}
