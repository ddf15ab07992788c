# SPDX-License-Identifier: GPL-2.0-or-later
"""Many runs on one machine: threads, since the core releases the GIL. Order of results is the order of the inputs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

Keep = Callable[[float], bool]


def cpu_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_runs(
    work: Callable[[T, Keep], R],
    items: Sequence[T],
    *,
    jobs: int | None = None,
    done: Callable[[int], object] | None = None,
) -> list[R]:
    """work(item, keep) for each item; `keep(share)` is a progress callback that says False when all must end.

    The first exception ends all of them; Ctrl-C too.
    """
    stop = threading.Event()

    def keep(_share: float) -> bool:
        return not stop.is_set()

    with ThreadPoolExecutor(max_workers=max(1, min(jobs or cpu_count(), len(items) or 1))) as pool:
        futures = [pool.submit(work, item, keep) for item in items]
        pending = set(futures)
        try:
            while pending:
                finished, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
                if done:
                    done(len(items) - len(pending))
                for future in finished:
                    future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in futures]
