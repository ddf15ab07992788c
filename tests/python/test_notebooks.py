# SPDX-License-Identifier: GPL-2.0-or-later
"""Notebooks run from their first cell to their last, and the .ipynb kept beside each is that notebook with outputs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
import run as notebooks  # noqa: E402

SOURCES = notebooks.sources()


def own_group(source: Path) -> Any:
    """One of them records this machine, and is not to meet the other tests that do."""
    records = "wakepath.record(" in source.read_text(encoding="utf-8")
    return pytest.param(source, id=source.stem, marks=[pytest.mark.xdist_group("machine")] if records else [])


@pytest.mark.parametrize("source", [own_group(source) for source in SOURCES])
@pytest.mark.filterwarnings("ignore")  # of jupyter_client and zmq, about event loops
def test_runs(source: Path) -> None:
    whole = notebooks.execute(source)
    assert all(cell["execution_count"] for cell in whole.cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_the_kept_one_is_the_same_with_outputs(source: Path) -> None:
    kept: Any = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [c["source"] for c in kept.cells] == [c["source"] for c in notebooks.read(source).cells], (
        f"run .venv/bin/python notebooks/run.py {source.name}"
    )
    outputs = [output for c in kept.cells if c["cell_type"] == "code" for output in c["outputs"]]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error"]
    assert source.with_suffix(".ipynb").stat().st_size < 600_000
