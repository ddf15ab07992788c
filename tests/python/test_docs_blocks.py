# SPDX-License-Identifier: GPL-2.0-or-later
"""Every code block of README and of the pages people begin with runs: Python as it stands, page by page; commands too,
but that what they simulate is made short. The site is built strictly."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from wakepath.cli import status_of

plt.switch_backend("Agg")
ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/howto-sre.md",
    "docs/howto-kernel.md",
    "docs/howto-tuning.md",
    "docs/is-this-your-problem.md",
    "docs/commands.md",
]
SIMULATING = {"run": 20, "sweep": 20, "tune": 20}
LONG = {"validate", "calibrate", "bench"}  # they have tests of their own
# What a reader fills in, or has of his own.
PLACEHOLDER = re.compile(
    r"\b(?:SCENARIO|TRACE|FILE|FOLDER|CASES|KEY|METRIC|ADDRESS|DIR|JOB|RESULT|MACHINE|NAME)\b|…|\.\.\.|node\.toml"
)


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [textwrap.dedent(b) for b in re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)]


def commands(page: str) -> list[str]:
    """Lines that call wakepath: of sh blocks, of indented blocks, of code within a sentence."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"```python.*?```", "", text, flags=re.DOTALL)
    found = re.findall(r"(?:^ *|`)(?:\./)?wakepath ([a-z][^`\n]*)", text, re.MULTILINE)
    return [line.strip() for line in found if not PLACEHOLDER.search(line)]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_python_blocks(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for number, block in enumerate(blocks(page, "python")):
        exec(compile(block, f"{page}, block {number}", "exec"), space)
    plt.close("all")


CALLS = [(page, line) for page in PAGES for line in commands(page)]


@pytest.mark.parametrize(("page", "line"), CALLS, ids=[f"{page}: {line[:50]}" for page, line in CALLS])
def test_commands(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(re.sub(r"\s#.*", "", line))
    if words[0] in LONG:
        pytest.skip("long; has tests of its own")
    if words[0] in SIMULATING:
        words = [w for i, w in enumerate(words) if "--duration" not in (w, words[max(0, i - 1)])]
        words += ["--duration", f"{SIMULATING[words[0]]}ms", "--warmup", "5ms"]
    if words[0] == "tune" and "--sensitivity" not in words:
        words += ["--trials", "4", "--fresh", "2"]
    monkeypatch.chdir(tmp_path)
    for name in ("scenarios", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    status = status_of(words)
    assert status == 0, f"{page}: wakepath {line}\n{capfd.readouterr().err}"


def test_the_five_lines_only_read() -> None:
    (lines, *_) = blocks("docs/is-this-your-problem.md", "sh")
    assert len(lines.splitlines()) == 5
    done = subprocess.run(["bash", "-n"], input=lines, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in lines.splitlines():
        assert line.split()[0] in {"uname", "cat", "grep", "ps"}
        assert ">" not in line


def test_the_site_builds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    for name in ("wakepath.run", "wakepath.Scenario", "wakepath.plot.waterfall", "wakepath.kubernetes.kubepods_weight"):
        assert f'id="{name}"' in reference, name
    assert not re.search(r'(?:src|href)="https?://(?!github|kubernetes|lore|docs|www|lwn)[^"]*\.(?:js|css)"', reference)
