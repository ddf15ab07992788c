# SPDX-License-Identifier: GPL-2.0-or-later
"""A progress line on standard error, only on a terminal. Small on purpose: nothing is imported for it."""

from __future__ import annotations

import sys
import time

WIDTH = 30


class Bar:
    """`bar(share)` draws at most ten times a second; `bar.close()` wipes the line. Silent when not on a terminal."""

    def __init__(self, label: str, *, show: bool | None = None) -> None:
        self._label = label
        self._show = sys.stderr.isatty() if show is None else show
        self._started = self._last = time.monotonic()
        self._drawn = False

    def __call__(self, share: float) -> bool:
        now = time.monotonic()
        # Short work needs no bar: it would only flicker.
        if self._show and now - self._last >= 0.1 and now - self._started >= 0.3:
            self._last = now
            full = int(WIDTH * min(1.0, max(0.0, share)))
            sys.stderr.write(f"\r{self._label} [{'#' * full}{'.' * (WIDTH - full)}] {100 * share:3.0f} %")
            sys.stderr.flush()
            self._drawn = True
        return True

    def note(self, text: str) -> None:
        """A line that stays, above the bar."""
        if self._show:
            self.close()
            sys.stderr.write(text + "\n")

    def close(self) -> None:
        if self._drawn:
            sys.stderr.write("\r" + " " * (len(self._label) + WIDTH + 10) + "\r")
            sys.stderr.flush()
            self._drawn = False
