# SPDX-License-Identifier: GPL-2.0-or-later
"""A progress line on standard error, only on a terminal. Small on purpose: nothing is imported for it."""

from __future__ import annotations

import sys
import time

WIDTH = 30


class Bar:
    """`bar(share)` draws at most ten times a second; `bar.close()` wipes the line. Silent when not on a terminal.

    With `total` it counts, and says the rate and the time left; what was there at the first call (a resumed sweep) does
    not count for the rate.
    """

    def __init__(self, label: str, *, show: bool | None = None, total: int | None = None) -> None:
        self.label = label
        self._total = total
        self._first: float | None = None
        self._width = 0
        self._show = sys.stderr.isatty() if show is None else show
        self._started = self._last = time.monotonic()
        self._drawn = False

    def __call__(self, share: float) -> bool:
        now = time.monotonic()
        # Short work needs no bar: it would only flicker.
        if self._show and now - self._last >= 0.1 and now - self._started >= 0.3:
            self._last = now
            full = int(WIDTH * min(1.0, max(0.0, share)))
            text = f"{self.label} [{'#' * full}{'.' * (WIDTH - full)}] {100 * share:3.0f} %{self._pace(share, now)}"
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)
            self._drawn = True
        return True

    def _pace(self, share: float, now: float) -> str:
        if self._total is None:
            return ""
        if self._first is None:
            self._first = share
        made = share - self._first
        counted = f"  {round(share * self._total):,}/{self._total:,}"
        if made <= 0:
            return counted
        left = (1 - share) / made * (now - self._started)
        return f"{counted}  {made * self._total / (now - self._started):.3g}/s  {duration(left)} left"

    def note(self, text: str) -> None:
        """A line that stays, above the bar."""
        if self._show:
            self.close()
            sys.stderr.write(text + "\n")

    def close(self) -> None:
        if self._drawn:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
            self._drawn = False


def duration(seconds: float) -> str:
    """As people say it: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
