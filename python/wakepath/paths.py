# SPDX-License-Identifier: GPL-2.0-or-later
"""Where scenarios come from, and files read and written whole.

A source tree's own scenarios/ wins over the installed copy, so that an edited scenario is the one that runs. A written
file is a temporary beside its target, renamed when complete: a partial output never replaces a good one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from wakepath.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def scenario_dirs() -> list[str]:
    """Folders laid out as scenarios/, first match wins."""
    found = []
    tree = _PACKAGE.parent.parent
    if (tree / "scenarios").is_dir() and (tree / "models").is_dir():
        found.append(str(tree / "scenarios"))
    if (_PACKAGE / "_data" / "scenarios").is_dir():
        found.append(str(_PACKAGE / "_data" / "scenarios"))
    return found


def read_bytes(path: str) -> bytes:
    """A file's content, decompressed by its suffix (.xz, .gz, .zst)."""
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError:
        raise InputError("is a folder, a file is needed here", path) from None
    except OSError as error:
        raise InputError(error.strerror or str(error), path, suggestion="check the name") from None
    return decompress(path, data)


def decompress(path: str, data: bytes) -> bytes:
    try:
        if path.endswith(".xz"):
            import lzma

            return lzma.decompress(data)
        if path.endswith(".gz"):
            import gzip

            return gzip.decompress(data)
        if path.endswith(".zst"):
            return _zstd(path, data)
    except (OSError, EOFError) as error:
        raise InputError(f"damaged compressed file: {error}", path, suggestion="fetch it again") from None
    except Exception as error:  # lzma.LZMAError: the module is imported only when needed
        if type(error).__name__ != "LZMAError":
            raise
        raise InputError(f"damaged compressed file: {error}", path, suggestion="fetch it again") from None
    return data


def _zstd(path: str, data: bytes) -> bytes:
    import shutil
    import subprocess

    if not shutil.which("zstd"):
        raise InputError("the program zstd is needed to read this file", path, suggestion="install zstd, or use .xz")
    done = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise InputError("damaged compressed file", path, suggestion="fetch it again")
    return done.stdout


def read_text(path: str) -> str:
    data = read_bytes(path)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("is not UTF-8 text", path, line, "a scenario, a job or JSON is text") from None


def write_text(path: str, text: str) -> None:
    """Write a file at once; "-" is standard output. A device or a pipe is written to, a link stays a link."""
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    if os.path.isdir(path):
        raise InputError("is a folder", path, suggestion="give a file name")
    try:
        if _is_special(path):
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        else:
            _replace(Path(os.path.realpath(path)), text)
    except FileNotFoundError as error:
        raise InputError(f"cannot be written: {error.strerror}", path, suggestion="does the folder exist?") from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", path) from None


def _is_special(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)


def _replace(target: Path, text: str) -> None:
    mode = target.stat().st_mode & 0o7777 if os.path.exists(target) else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(prefix=".wakepath.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(name, mode)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_writable(path: str | None) -> None:
    """Find a hopeless output before minutes of work, not after."""
    if path is None or path == "-":
        return
    folder = Path(path).parent
    if not os.path.isdir(folder):
        raise InputError("the folder of this file does not exist", path, suggestion=f"mkdir -p {folder}")
    if os.path.isdir(path):
        raise InputError("is a folder", path, suggestion="give a file name")
    if not os.access(path if _is_special(path) else Path(os.path.realpath(path)).parent, os.W_OK):
        raise InputError("cannot be written: no permission, or read only", path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
