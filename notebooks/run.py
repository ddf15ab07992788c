# SPDX-License-Identifier: GPL-2.0-or-later
"""Executes notebooks and keeps their outputs in the .ipynb beside each NAME.py (jupytext's percent format):

    .venv/bin/python notebooks/run.py [NAME.py...]

A notebook is its .py file: change that, then run this. Cell ids and metadata are made from the cells' order, so that
only what changed differs in git.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent
LONGEST_CELL_S = 300


def sources() -> list[Path]:
    return sorted(FOLDER.glob("[0-9]*.py"))


def read(source: Path) -> Any:
    notebook = jupytext.read(source, fmt="py:percent")
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(notebook.cells):
        cell["id"], cell["metadata"] = f"cell-{number:02}", {}
    return notebook


def execute(source: Path) -> Any:
    """The notebook with its outputs; nbclient.exceptions.CellExecutionError where a cell fails."""
    notebook = read(source)
    NotebookClient(
        notebook,
        timeout=LONGEST_CELL_S,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": FOLDER}},
    ).execute()
    for cell in notebook.cells:
        cell["metadata"] = {}
    notebook.metadata.pop("language_info", None)
    return notebook


def main() -> None:
    for source in [Path(name) for name in sys.argv[1:]] or sources():
        started = time.monotonic()
        nbformat.write(execute(source), FOLDER / f"{source.stem}.ipynb")
        print(f"{source.name}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
