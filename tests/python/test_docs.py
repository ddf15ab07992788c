# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages say what is there: commands exist, named scenarios and files exist, the accuracy blocks parse."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click import Context

from wakepath.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "accuracy.md",
    ROOT / "docs" / "mechanisms.md",
    ROOT / "docs" / "architecture.md",
    ROOT / "scenarios" / "starved_completions" / "README.md",
]


def commands_of(text: str) -> list[list[str]]:
    return [line.split() for line in re.findall(r"\./wakepath ([^`\n]+)", text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_and_files_exist(page: Path) -> None:
    for words in commands_of(page.read_text(encoding="utf-8")):
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, f"{page.name}: there is no command {words[0]}"
        command = group.get_command(Context(group), words[0])
        assert command is not None
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        for word in words[1:]:
            if word.startswith(("scenarios/", "tests/")) and not re.search(r"[*A-Z]", word.split("/")[-1]):
                assert (ROOT / word.split("#")[0]).exists(), f"{page.name}: there is no {word}"
        quoted = re.sub(r"'[^']*'", "", " ".join(words))  # fio's own options
        for option in re.findall(r"(?<=\s)--[a-z-]+", quoted):
            assert option in options, f"{page.name}: {words[0]} has no {option}"


@pytest.mark.parametrize("page", ["README.md", "docs/accuracy.md"])
def test_accuracy_block_parses(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.count("<!-- accuracy:begin -->") == text.count("<!-- accuracy:end -->") == 1
    block = text.split("<!-- accuracy:begin -->")[1].split("<!-- accuracy:end -->")[0]
    rows = [line.strip().strip("|").split(" | ") for line in block.splitlines() if line.startswith("| ")]
    header = next(r for r in rows if r[0].strip() == "metric")
    named = {r[0].strip(): dict(zip(header, r, strict=True)) for r in rows if len(r) == len(header)}
    for metric in ("IOPS", "context switches", "CPU time of fio", "CPU time of the kworker"):
        row = {k.strip(): v.strip() for k, v in named[metric].items()}
        assert int(row["cases"]) > 0
        for column in ("mean abs. error", "unchanged", "formula"):
            assert float(row[column].removesuffix(" %")) >= 0
        assert re.fullmatch(r"[+-][\d.]+ % `\S+`", row["worst case"])


def test_every_far_case_is_explained() -> None:
    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert "**not explained**" not in text.split("<!-- accuracy:begin -->")[1].split("<!-- accuracy:end -->")[0]
