# SPDX-License-Identifier: GPL-2.0-or-later
"""A page looked at in a headless Chromium: a screenshot, what its console said, and what it asked the network for."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BROWSERS_OWN = "not an origin"


@dataclass
class Look:
    picture: Path
    document: str  # the page's elements once its scripts have run
    console: list[str]
    requests: list[str]  # addresses that the page asked the network for


def look(page: Path, folder: Path, *, height: int = 2600) -> Look:
    """With no network: no name is resolved. Requests are read off Chromium's own log of its network stack."""
    assert CHROMIUM is not None
    picture, log = folder / (page.stem + ".png"), folder / (page.stem + ".net.json")
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", f"--window-size=1200,{height}", "--virtual-time-budget=20000",
        "--enable-logging=stderr", "--v=0", "--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    ]  # fmt: skip
    said = ""
    found: list[str] = []
    for action in (f"--screenshot={picture}", "--dump-dom"):
        done = subprocess.run(
            [CHROMIUM, *options, action, page.resolve().as_uri()],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        said += done.stderr
        found += requests(log)
    return Look(picture, done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", said), found)


def requests(log: Path) -> list[str]:
    """What pages asked for, of a NetLog: a request of the browser's own has no page as its initiator."""
    text = log.read_text(encoding="utf-8", errors="replace")
    assert '"events"' in text, "Chromium wrote no log of its network"
    found = [(event["initiator"], event["url"]) for event in _starts(text)]
    return [address for whose, address in dict.fromkeys(found) if whose != BROWSERS_OWN]


def _starts(text: str) -> Iterator[dict[str, str]]:
    """An event a line; the last one may be cut off."""
    for line in text.splitlines():
        if '"initiator":' in line and '"url":' in line:
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line.strip().rstrip(",").removesuffix("],"))["params"]


def colours(picture: Path) -> int:
    """Distinct colours: a blank page has one."""
    from PIL import Image

    with Image.open(picture) as image:
        found = image.convert("RGB").getcolors(maxcolors=1 << 24)
    return len(found or [])
