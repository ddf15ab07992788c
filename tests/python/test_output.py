# SPDX-License-Identifier: GPL-2.0-or-later
"""Where output goes: full disks, closed and broken pipes, devices, links, and files that are there already."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wakepath.errors import InputError
from wakepath.paths import check_writable, write_text

Call = Callable[..., Any]
RUN = "run starved_completions/qemu-6.1-root --duration 5ms --warmup 1ms"


def shell(line: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("wakepath", f"{sys.executable} -P -m wakepath")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", [RUN, f"{RUN} --json -", "kernels 6.12", "explain", "--help"])
def test_standard_output_that_takes_nothing(command: str) -> None:
    status, said = shell(f"wakepath {command} > /dev/full")
    assert status == 2
    assert said.splitlines()[-1] == "wakepath: standard output: No space left on device"
    assert "Traceback" not in said
    status, said = shell(f"wakepath {command} | true")
    assert (status, "Traceback" in said) == (0, False)
    status, said = shell(f"wakepath {command} >&-")
    assert (status, "Traceback" in said) == (0, False)


def test_standard_error_that_takes_nothing_leaves_the_status() -> None:
    assert shell("wakepath nonsense 2> /dev/full")[0] == 2
    assert shell("wakepath nonsense 2>&-")[0] == 2


def test_a_device_or_a_pipe_is_written_to_and_stays(wakepath: Call, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert wakepath(*RUN.split(), "--json", str(pipe)).status == 0
    reader.join()
    assert json.loads(read[0])["schema"] == "wakepath.result/1"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(InputError, match="/dev/full: cannot be written: No space left"):
        write_text("/dev/full", "x" * 100_000)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_a_link_stays_a_link_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o600)
    link.symlink_to("target")
    write_text(str(link), "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    write_text(str(tmp_path / ("n" * 255)), "x")
    assert [len(p.name) for p in tmp_path.iterdir()] == [255]
    with pytest.raises(InputError, match="cannot be written: File name too long"):
        write_text(str(tmp_path / ("n" * 256)), "x")


def test_a_folder_that_takes_nothing_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(str(tmp_path / "r.json"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write everywhere
    with pytest.raises(InputError, match=r"r\.json: cannot be written"):
        check_writable(str(tmp_path / "r.json"))
