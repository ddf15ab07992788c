# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be turned and what is wanted: KEY=A..B[:log|:int] | KEY=V1,V2; metrics as formulas; EXPR of --subject-to.

A parameter is a number in [0, 1) for samplers that know nothing else (`at`), and text for `--set`. Ends that are whole
numbers give whole numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wakepath.errors import InputError
from wakepath.formula import evaluate
from wakepath.keys import about
from wakepath.scenario import set_text
from wakepath.vary import _NUMBER, _RANGE, parse_vary, typed

UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
_TIME = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)(ns|us|ms|s)\b")
_COMPARE = re.compile(r"(.+?)(<=|>=|<|>)(.+)", re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """One key: a range from `low` to `high` with a unit, or `choices` as text."""

    key: str
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()

    def at(self, share: float) -> str:
        """The value at a share of the range, 0 to 1, as --set reads it."""
        if self.choices:
            return self.choices[min(len(self.choices) - 1, int(share * len(self.choices)))]
        if self.log:
            return self.text(self.low * (self.high / self.low) ** share)
        return self.text(self.low + (self.high - self.low) * share)

    def text(self, value: float | str) -> str:
        if isinstance(value, str):
            return value
        return (str(round(value)) if self.whole else f"{value:.9g}") + self.unit

    def suggest(self, trial: Any) -> str:
        """Optuna's next value."""
        if self.choices:
            return str(trial.suggest_categorical(self.key, list(self.choices)))
        if self.whole:
            return self.text(trial.suggest_int(self.key, round(self.low), round(self.high), log=self.log))
        return self.text(trial.suggest_float(self.key, self.low, self.high, log=self.log))

    def words(self) -> str:
        if self.choices:
            return f"{self.key}={','.join(self.choices)}"
        kind = ":log" if self.log else ""
        return f"{self.key}={self.text(self.low)}..{self.text(self.high)}{kind}"


def parse_params(lines: Sequence[str]) -> list[Parameter]:
    """Of the command line."""
    found: dict[str, str] = {}
    for line in lines:
        key, equals, text = line.partition("=")
        where = f"--param {line}"
        if not equals or not key.strip() or not text.strip():
            raise InputError("no '=' with a value in it", where, suggestion="write KEY=A..B[:log|:int] or KEY=V1,V2")
        if key.strip() in found:
            raise InputError(f"'{key.strip()}' is given twice", where)
        found[key.strip()] = text.strip()
    return given_params(found, "--param ")


def given_params(params: Mapping[str, Any], place: str = "param ") -> list[Parameter]:
    """Of Python: {"cgroup.kubepods.cpu.weight": "1..10000:log", "task.kworker.nice": [-10, 0]}."""
    if not params:
        raise InputError("nothing may be turned", suggestion="give at least one --param KEY=A..B")
    return [_parameter(key, given, f"{place}{key}={given}") for key, given in params.items()]


def _parameter(key: str, given: Any, where: str) -> Parameter:
    if isinstance(given, str) and ".." in given and "," not in given:
        return _range(key, given, where)
    is_text = isinstance(given, str)
    if not isinstance(given, Iterable):
        raise InputError("one value only", where, suggestion="a range A..B or several values; --set fixes a key")
    values = parse_vary([f"{key}={given}"])[key] if is_text else [set_text(value) for value in given]
    if len(values) < 2:
        raise InputError("one value only", where, suggestion="a range A..B or several values V1,V2; --set fixes a key")
    return Parameter(key, choices=tuple(values))


def _range(key: str, text: str, where: str) -> Parameter:
    hint = "write KEY=A..B, KEY=A..B:log or KEY=A..B:int, as in 1..10000:log or 30us..300us"
    match = _RANGE.fullmatch(text)
    kinds = (match["rest"] or "").split(":")[1:] if match else ["?"]
    if match is None or set(kinds) - {"log", "int"}:
        raise InputError("not a range", where, suggestion=hint)
    low, high = _NUMBER.fullmatch(match["a"].strip()), _NUMBER.fullmatch(match["b"].strip())
    if low is None or high is None or low[2] != high[2]:
        raise InputError("not a range of numbers with one unit", where, suggestion=hint)
    a, b = float(low[1]), float(high[1])
    if not a < b:
        raise InputError("the range is empty", where, suggestion="the smaller end first")
    if "log" in kinds and a <= 0:
        raise InputError("a logarithmic range needs ends above 0", where)
    whole = "int" in kinds or all(re.fullmatch(r"[+-]?\d+", end[1]) for end in (low, high))
    if about(key).get("type", "").startswith("number"):
        whole = "int" in kinds
    return Parameter(key, a, b, low[2], "log" in kinds, whole)


@dataclass(frozen=True)
class Objective:
    metric: str  # a formula over a result
    maximize: bool

    @property
    def name(self) -> str:
        return f"{'maximize' if self.maximize else 'minimize'} {self.metric}"

    def of(self, data: dict[str, Any]) -> float:
        value = evaluate(self.metric, data, file="metric")
        return value if math.isfinite(value) else -math.inf if self.maximize else math.inf

    def gain(self, value: float, before: float) -> float:
        """How much better, above 0, in the metric's unit."""
        return value - before if self.maximize else before - value


@dataclass(frozen=True)
class Constraint:
    """LEFT OP RIGHT, both formulas; a time may carry its unit."""

    text: str
    left: str
    right: str
    less: bool

    def violation(self, data: dict[str, Any]) -> float:
        """By how much it does not hold; 0 or less where it does."""
        a, b = (evaluate(side, data, file="--subject-to") for side in (self.left, self.right))
        over = a - b if self.less else b - a
        return over if math.isfinite(over) else math.inf


def parse_constraint(text: str) -> Constraint:
    plain = _TIME.sub(lambda m: repr(float(m[1]) * UNITS[m[2]]), text)
    match = _COMPARE.fullmatch(plain)
    if match is None or any(sign in match[3] for sign in "<>="):
        raise InputError("no comparison", f"--subject-to {text}", suggestion='write "io.clat_ns.p99 <= 2ms"')
    return Constraint(text, match[1].strip(), match[3].strip(), match[2] in ("<", "<="))


def objectives_of(maximize: Sequence[str], minimize: Sequence[str]) -> list[Objective]:
    found = [Objective(_full(name), True) for name in maximize] + [Objective(_full(name), False) for name in minimize]
    if not found:
        raise InputError("nothing is wanted", suggestion="give --maximize io.iops or --minimize io.clat_ns.p99")
    return found


_SHORT = {"iops": "io.iops", "p50": "io.clat_ns.p50", "p99": "io.clat_ns.p99", "p999": "io.clat_ns.p999"}


def _full(name: str) -> str:
    return _SHORT.get(name, name)


def needs_control(objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> bool:
    return any("control." in text for o in objectives for text in (o.metric,)) or any(
        "control." in c.left + c.right for c in constraints
    )


def value_of(text: str) -> Any:
    return typed(text)
