# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong by the user's hand. The C++ core raises InputError too, so this module imports nothing of ours."""

from __future__ import annotations


class InputError(ValueError):
    """Wrong input: where it is, what it is, and what to write instead. str() is one line; exit status 2."""

    def __init__(self, message: str, file: str = "", line: int = 0, suggestion: str = "") -> None:
        super().__init__(message, file, line, suggestion)
        self.message = message
        self.file = file
        self.line = line
        self.suggestion = suggestion

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return " ".join(f"{place}{self.message}{hint}".split())


class LimitReachedError(RuntimeError):
    """A limit of events or time ended the work; what was computed so far has been kept. Exit status 3."""


def closest(word: str, known: list[str]) -> str:
    """The known word nearest to a mistyped one, "" when none is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else ""
