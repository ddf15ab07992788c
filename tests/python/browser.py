# SPDX-License-Identifier: GPL-2.0-or-later
"""A page looked at in a headless Chromium: a screenshot, and what its console said."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class Look:
    picture: Path
    document: str  # the page's elements once its scripts have run
    console: list[str]


def look(page: Path, folder: Path, *, height: int = 2600) -> Look:
    """With no network: a page that fetches anything says so in its console."""
    assert CHROMIUM is not None
    picture = folder / (page.stem + ".png")
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", f"--window-size=1200,{height}", "--virtual-time-budget=20000",
        "--enable-logging=stderr", "--v=0", "--host-resolver-rules=MAP * ~NOTFOUND",
    ]  # fmt: skip
    said = ""
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
    return Look(picture, done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", said))


def colours(picture: Path) -> int:
    """Distinct colours: a blank page has one."""
    from PIL import Image

    with Image.open(picture) as image:
        found = image.convert("RGB").getcolors(maxcolors=1 << 24)
    return len(found or [])
