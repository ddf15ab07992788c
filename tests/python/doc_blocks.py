# SPDX-License-Identifier: GPL-2.0-or-later
"""The code blocks of the documents: fenced ones, and those that are indented by four."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")),
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "scenarios").glob("*/README.md")),
]


@dataclass(frozen=True)
class Block:
    page: str
    line: int  # of its first line
    language: str  # as the fence says; "" for none
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def kind(self) -> str:
        """python, diff, toml, commands or shown (what a command printed, or a drawing)."""
        first = self.text.lstrip()
        if self.language in ("python", "diff", "toml"):
            return self.language
        if self.language == "sh" or re.match(r"(?:\./)?(?:wakepath|\.venv/bin/\S+) ", first):
            return "commands"
        if not self.language and re.match(r"\[[\w.]+\]\n\w+ = ", first):
            return "toml"
        return "other"

    def lines(self) -> list[str]:
        """Command lines: joined where a backslash ends one, without remarks and the words beside them."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        found = [re.split(r"\s{2,}#|\s#\s|\s{2,}", line.strip())[0] for line in joined.splitlines()]
        return [line for line in found if line]


def blocks(page: str) -> list[Block]:
    found: list[Block] = []
    fence: tuple[int, str, list[str]] | None = None
    indented: tuple[int, list[str]] | None = None
    before = ""
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        mark = re.match(r" *```(\w*)$", line)
        if fence is not None:
            if mark and not mark[1]:
                found.append(Block(page, fence[0], fence[1], textwrap.dedent("\n".join(fence[2]) + "\n")))
                fence = None
            else:
                fence[2].append(line)
        elif mark:
            fence = (number + 1, mark[1], [])
        elif indented is not None and (line.startswith("    ") or not line):
            indented[1].append(line[4:])
        elif line.startswith("    ") and not before:
            indented = (number, [line[4:]])
        if indented is not None and not (line.startswith("    ") or not line):
            found.append(Block(page, indented[0], "", "\n".join(indented[1]).rstrip() + "\n"))
            indented = None
        before = line
    if indented is not None:
        found.append(Block(page, indented[0], "", "\n".join(indented[1]).rstrip() + "\n"))
    return found


ALL = [block for page in PAGES for block in blocks(page)]
