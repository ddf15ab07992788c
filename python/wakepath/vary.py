# SPDX-License-Identifier: GPL-2.0-or-later
"""What a sweep varies: KEY=V1,V2 | KEY=A..B:N[:log] | KEY=@FILE. Values stay text; the core's reader checks them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wakepath.errors import InputError
from wakepath.paths import read_text

_RANGE = re.compile(r"(?P<a>[^.]+(?:\.\d+)?[^.]*)\.\.(?P<b>[^:]+)(?P<rest>:.*)?", re.DOTALL)
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([a-zA-Z%]*)")
MOST_VALUES = 100_000


def parse_vary(lines: Sequence[str]) -> dict[str, list[str]]:
    """Keys with their values, in the order given. InputError names the line."""
    found: dict[str, list[str]] = {}
    for line in lines:
        key, equals, text = line.partition("=")
        key = key.strip()
        where = f"--vary {line}"
        if not equals or not key:
            raise InputError("no '=' in it", where, suggestion="write KEY=V1,V2 or KEY=A..B:N[:log] or KEY=@FILE")
        if key in found:
            raise InputError(f"'{key}' is varied twice", where)
        found[key] = _values(text.strip(), where)
    return found


def given_vary(vary: Mapping[str, Any]) -> dict[str, list[str]]:
    """The same from Python: {"cgroup.kubepods.cpu.weight": [100, 1000], "kernel.version": "v6.1,v6.12"}."""
    found: dict[str, list[str]] = {}
    for key, given in vary.items():
        if isinstance(given, str):
            found[key] = _values(given, f"vary {key}")
        elif isinstance(given, Iterable):
            found[key] = [_text(value) for value in given]
        else:
            raise InputError(f"{given!r} is no list of values", f"vary {key}", suggestion=f"[{given!r}]")
        if not found[key]:
            raise InputError(f"no value for '{key}'", suggestion="give at least one")
    return found


def typed(text: str) -> Any:
    """A value as a column shows it: a number or truth value where it reads as one."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip('"')


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _values(text: str, where: str) -> list[str]:
    if text.startswith("@"):
        values = [line.strip() for line in read_text(text[1:]).splitlines()]
        values = [line for line in values if line and not line.startswith("#")]
        if not values:
            raise InputError("holds no value", text[1:], suggestion="one value a line; # begins a remark")
        return values
    if ".." in text and "," not in text:
        return _range(text, where)
    values = _split(text)
    if not values or any(not value for value in values):
        raise InputError("an empty value", where, suggestion="write KEY=V1,V2")
    return values


def _split(text: str) -> list[str]:
    """At commas, but for those within brackets or quotes: a value may be an array or a table."""
    values, depth, quote, start = [], 0, "", 0
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "," and depth == 0:
            values.append(text[start:at].strip())
            start = at + 1
    return [*values, text[start:].strip()] if text else []


def _range(text: str, where: str) -> list[str]:
    hint = "write KEY=A..B:N or KEY=A..B:N:log, as in 1..10000:9:log or 30us..300us:5"
    match = _RANGE.fullmatch(text)
    parts = (match["rest"] or "").split(":")[1:] if match else []
    if match is None or not parts or len(parts) > 2 or (len(parts) == 2 and parts[1] != "log"):
        raise InputError("not a range", where, suggestion=hint)
    low, high = _NUMBER.fullmatch(match["a"].strip()), _NUMBER.fullmatch(match["b"].strip())
    if low is None or high is None or low[2] != high[2] or not parts[0].isdigit():
        raise InputError("not a range of numbers with one unit", where, suggestion=hint)
    count = int(parts[0])
    if not 1 <= count <= MOST_VALUES:
        raise InputError(f"{count} values", where, suggestion=f"1 to {MOST_VALUES}")
    a, b = float(low[1]), float(high[1])
    if len(parts) == 2 and (a <= 0 or b <= 0):
        raise InputError("a logarithmic range needs ends above 0", where)
    whole = all(re.fullmatch(r"[+-]?\d+", end[1]) for end in (low, high))
    return [_number(value, whole) + low[2] for value in _spread(a, b, count, len(parts) == 2, whole)]


def _spread(a: float, b: float, count: int, log: bool, whole: bool) -> list[float]:
    if count == 1:
        return [a]
    steps = [i / (count - 1) for i in range(count)]
    values = [a * (b / a) ** s if log else a + (b - a) * s for s in steps]
    values[-1] = b
    # Whole numbers stay whole; ends that lie close give fewer points then.
    return list(dict.fromkeys(float(round(v)) for v in values)) if whole else values


def _number(value: float, whole: bool) -> str:
    return str(int(value)) if whole else f"{value:.9g}"
