# SPDX-License-Identifier: GPL-2.0-or-later
"""What `wakepath verify` prints, and the lines of the trace beside a divergence."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from wakepath.paths import read_bytes
from wakepath.validate_text import table

KINDS = ("vruntime", "wakeup_preemption", "pick", "tick_preemption", "placement")
SHOWN = 5  # divergences printed; all that were kept are in the JSON


def text_of(data: dict[str, Any]) -> str:
    lines = _agreement(data["agreement"])
    lines.append("")
    lines += _remarks(data)
    if data["divergences"]:
        lines += ["", f"first divergences ({len(data['divergences'])} are in --json)"]
        for divergence in data["divergences"][:SHOWN]:
            lines += _divergence(divergence)
    if "changed" in data:
        lines += ["", *_changed(data["changed"])]
    return "\n".join(lines) + "\n"


def _agreement(agreement: dict[str, Any]) -> list[str]:
    rows: list[list[Any]] = []

    def row(name: str, part: dict[str, Any], not_judged: Any = "") -> None:
        rows.append(
            [name, part["n"], part["equal"], _share(part, "equal_share"), _share(part, "naive_share"), not_judged]
        )

    for kind in KINDS:
        part = agreement[kind]
        row(kind.replace("_", " "), part, part["not_judged"])
        for sub in ("after_placement", "niced", "by_load"):
            if sub in part:
                row("  " + sub.replace("_", " "), part[sub])
        if "rarer_answer" in part and part["rarer_answer"]["n"]:
            row(f"  rarer answer: {part['rarer_answer']['answer']}", part["rarer_answer"])
    cells = [[str(cell) for cell in one] for one in rows]
    return table(["decision", "judged", "equal", "share", "naive rule", "not judged"], cells).splitlines()


def _share(part: dict[str, Any], key: str) -> str:
    return "" if part[key] is None else f"{part[key]:.3%}"


def _remarks(data: dict[str, Any]) -> list[str]:
    trace, warm_up = data["trace"], data["warm_up"]
    lines = [f"{trace['records']:,} records, {trace['format']}; kernel {data['kernel']}"]
    if data.get("setting") and not data["setting"]["file"]:
        lines.append("no setting was found: no groups, default tunables of one CPU (give one with --setting)")
    if warm_up["gaps"]:
        lines.append(f"{warm_up['gaps']} gaps (lost records, stamps that go back): nothing is judged across them")
    if trace["bad_lines"]["n"]:
        lines.append(f"{trace['bad_lines']['n']} lines could not be read")
    if trace["ends_within_line"]:
        lines.append("the trace ends within a line: its end is missing")
    moves = data["agreement"]["placement"].get("moves", {"n": 0})
    if moves["n"]:
        asked = f"{moves['chosen']} asked for by the model's group statistics"
        lines.append(f"{moves['n']} moves by the balancer: {moves['legal']} legal, {asked}")
    if not data["judged"]:
        lines.append(
            "nothing could be judged: sched_stat_runtime and need_resched (the flags of ftrace text) are needed"
        )
    return lines + [f"below its bar: {what}" for what in data["below_bars"]]


def _divergence(d: dict[str, Any]) -> list[str]:
    head = f"line {d['line']}: {d['kind'].replace('_', ' ')}, {d['task']}: trace {d['trace']}, model {d['model']}"
    return [head, f"    {d.get('text', '').strip()}", *(f"    model: {state}" for state in d["state"])]


def _changed(changed: dict[str, Any]) -> list[str]:
    rows = [
        [kind.replace("_", " "), *(str(part[key]) for key in ("n", "would_change", "judged_in_one_only"))]
        for kind, part in changed["decisions"].items()
        if part["n"]
    ]
    lines = ["with the change, along the recorded path:"]
    lines += table(["decision", "judged in both", "would change", "judged in one only"], rows).splitlines()
    for part in changed["would_change"]:
        first = part["first"][0]
        lines.append(
            f"{part['kind'].replace('_', ' ')}, {part['task']} (pid {part['pid']}): {part['n']} times, "
            f"first in line {first['line']}: {first['before']} -> {first['after']}"
        )
    return lines


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes] | Iterator[bytes]]:
    if path.endswith(".zst"):
        yield iter(read_bytes(path).splitlines(keepends=True))
        return
    opener: Any = lzma.open if path.endswith(".xz") else gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        yield file


TEXT_FORMATS = ("ftrace", "perf script", "mixed")  # of a trace report: its lines can be shown


def lines_of(path: str, wanted: set[int]) -> dict[int, str]:
    """The text of some lines of a trace, by number from 1."""
    found: dict[int, str] = {}
    last = max(wanted)
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if number in wanted:
                found[number] = line[:400].decode(errors="replace").rstrip("\n")
            if number >= last:
                break
    return found
