# SPDX-License-Identifier: GPL-2.0-or-later
"""Shared by the tests: the command line called in-process, as its users would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Said:
    status: int
    out: str
    err: str


@pytest.fixture
def wakepath(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """wakepath("run", "starved_completions", ...) -> status, standard output, standard error."""
    from wakepath.cli import status_of

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        status = status_of(list(arguments))
        said = capfd.readouterr()
        return Said(status, said.out, said.err)

    return call
