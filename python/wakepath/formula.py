# SPDX-License-Identifier: GPL-2.0-or-later
"""Formulas of result figures, as expected.toml writes them: "io.iops / control.io.iops", "cpus[11].busy".

A name is a dotted path into the result. Only + - * / and brackets, min, max, abs and numbers: nothing is executed.
`cpus[ID]` is found by the CPU's id, `tasks["COMM"]` by comm (the figures of all such tasks are added).
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from wakepath.errors import InputError, closest

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_CALLS: dict[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}


def evaluate(text: str, data: dict[str, Any], *, file: str = "formula") -> float:
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise InputError(f"'{text}' is not a formula: {error.msg}", file) from None
    try:
        return _number(tree.body, data, text, file)
    except ZeroDivisionError:
        return float("nan")


def _number(node: ast.expr, data: dict[str, Any], text: str, file: str) -> float:
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](_number(node.left, data, text, file), _number(node.right, data, text, file))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand, data, text, file)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        return float(_CALLS[node.func.id](*(_number(a, data, text, file) for a in node.args)))
    value = _lookup(node, data, text, file)
    if not isinstance(value, int | float):
        raise InputError(f"'{ast.unparse(node)}' in '{text}' is not a number", file, suggestion="name one figure")
    return float(value)


def _lookup(node: ast.expr, data: dict[str, Any], text: str, file: str) -> Any:
    if isinstance(node, ast.Name):
        return _member(data, node.id, node, text, file)
    if isinstance(node, ast.Attribute):
        return _member(_lookup(node.value, data, text, file), node.attr, node, text, file)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return _element(_lookup(node.value, data, text, file), node.slice.value, node, text, file)
    raise InputError(f"'{ast.unparse(node)}' is not allowed in a formula", file, suggestion="paths, numbers, + - * /")


def _member(where: Any, name: str, node: ast.expr, text: str, file: str) -> Any:
    if isinstance(where, dict) and name in where:
        return where[name]
    known = sorted(where) if isinstance(where, dict) else []
    near = closest(name, known)
    hint = f"did you mean {near}?" if near else "known here: " + ", ".join(known[:12]) if known else ""
    raise InputError(f"the result has no '{ast.unparse(node)}' (formula '{text}')", file, suggestion=hint)


def _element(where: Any, key: Any, node: ast.expr, text: str, file: str) -> Any:
    rows = where if isinstance(where, list) else []
    if isinstance(key, int):
        for row in rows:
            if isinstance(row, dict) and row.get("id") == key:
                return row
        if 0 <= key < len(rows):
            return rows[key]
    same = [row for row in rows if isinstance(row, dict) and row.get("comm") == key]
    if same:
        names = [k for k, v in same[0].items() if isinstance(v, int | float)]
        return {name: sum(row.get(name, 0) for row in same) for name in names}
    raise InputError(f"the result has no '{ast.unparse(node)}' (formula '{text}')", file)
