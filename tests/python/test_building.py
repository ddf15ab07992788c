# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs built when a command first needs them: several commands at once, and a build that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wakepath import building

COMMAND = """
import pathlib, subprocess, sys
from wakepath import building
building.CHECKOUT = pathlib.Path(sys.argv[1])
building.RELEASE = building.CHECKOUT / "build/release"
made = building.RELEASE / "made"
assert building.build("made", made.is_file) is None
subprocess.run([made], check=True)
"""
# Writes the program as a linker does: it is there, and cannot be run, for a while.
CMAKE = """#!/bin/sh
[ "$1" = --build ] || exit 0
echo once >> "$2/log"
printf '#!/bin/sh\\n' > "$2/made"
sleep 0.3
chmod +x "$2/made"
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    release = tmp_path / "tree/build/release"
    release.mkdir(parents=True)
    (release / "CMakeCache.txt").touch()
    (tmp_path / "tools").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:{os.environ['PATH']}")
    return tmp_path / "tree"


def cmake(tree: Path, text: str) -> None:
    tool = tree.parent / "tools/cmake"
    tool.write_text(text)
    tool.chmod(0o755)


def test_commands_at_once_build_once_and_all_can_run_it(tree: Path) -> None:
    cmake(tree, CMAKE)
    commands = [subprocess.Popen([sys.executable, "-c", COMMAND, tree]) for _ in range(4)]
    assert [c.wait() for c in commands] == [0, 0, 0, 0]
    assert (tree / "build/release/log").read_text() == "once\n"


def test_a_failed_build_says_what_was_printed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cmake(tree, "#!/bin/sh\necho 'error: no such luck'\nexit 1\n")
    monkeypatch.setattr(building, "CHECKOUT", tree)
    monkeypatch.setattr(building, "RELEASE", tree / "build/release")
    assert building.can_build()
    assert building.build("made", lambda: False) == "error: no such luck\n"
