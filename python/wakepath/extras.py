# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages that only some functions need (requirements/extra.txt): imported when asked for.

In a checkout, whose .venv the launcher made, they are installed at that moment, once and all together. Elsewhere one
line says what to install.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from wakepath.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
LIST = ROOT / "requirements" / "extra.txt"


def need(module: str, extra: str) -> ModuleType:
    """The module, installed first where this is a checkout with its own .venv; InputError where it cannot be had."""
    top = module.partition(".")[0]
    if importlib.util.find_spec(top) is None and _is_own_venv():
        _install()
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] != top:
            raise
        raise InputError(
            f"this needs the Python package {top}", suggestion=f"pip install 'wakepath[{extra}]', or pip install {top}"
        ) from None


def _is_own_venv() -> bool:
    return LIST.is_file() and Path(sys.prefix) == ROOT / ".venv" and (ROOT / ".venv" / ".wakepath").is_dir()


def _install() -> None:
    print(f"wakepath: installing {LIST.name} into .venv (once)", file=sys.stderr)
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "-q",
        "-r",
        str(LIST),
    ]
    with contextlib.suppress(OSError):
        subprocess.run(command, check=False, stdout=sys.stderr)
    importlib.invalidate_caches()
