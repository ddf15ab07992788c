# SPDX-License-Identifier: GPL-2.0-or-later
"""A trace instance of our own: a buffer beside the system's, so that nobody's tracing is disturbed. It is removed when
the block ends, and one that a killed recording left is removed by the next.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container
from pathlib import Path
from typing import Any

PREFIX = "wakepath-"
BUFFER_KB = 16384  # per CPU: half a second of the busiest loop
EVENTS = (
    "sched/sched_switch",
    "sched/sched_waking",
    "sched/sched_wakeup",
    "sched/sched_stat_runtime",
    "sched/sched_migrate_task",
    "irq/irq_handler_entry",
    "irq/irq_handler_exit",
    "irq/softirq_entry",
    "irq/softirq_exit",
    "workqueue/workqueue_queue_work",
    "workqueue/workqueue_execute_start",
    "workqueue/workqueue_execute_end",
    "block/block_rq_issue",
    "block/block_rq_complete",
    "irq_vectors/local_timer_entry",
    "irq_vectors/local_timer_exit",
    "timer/hrtimer_expire_entry",
    "syscalls/sys_enter_io_submit",
    "syscalls/sys_exit_io_submit",
    "syscalls/sys_enter_io_getevents",
    "syscalls/sys_exit_io_getevents",
    "syscalls/sys_enter_io_uring_enter",
    "syscalls/sys_exit_io_uring_enter",
)
# What the device does, and nothing that the submitter pays for.
EVENTS_OF_DEVICE = ("block/block_rq_issue", "block/block_rq_complete", "irq/irq_handler_entry")
# Whole turns of a task: so few that what they take is not felt.
EVENTS_OF_TURNS = ("sched/sched_switch", "sched/sched_waking", "syscalls/sys_exit_io_submit")


class NoTraceError(Exception):
    """Tracing is not possible here; the text says why."""


def tracefs() -> Path:
    for path in (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing")):
        try:
            if (path / "instances").is_dir() and os.access(path / "instances", os.W_OK | os.X_OK):
                return path
        except OSError:
            continue
    if os.geteuid() != 0:
        raise NoTraceError("not root: tracefs cannot be written")
    raise NoTraceError("no tracefs: mount -t tracefs none /sys/kernel/tracing")


def remove_left_over(root: Path) -> list[str]:
    """Instances whose process is gone."""
    removed = []
    for folder in (root / "instances").glob(PREFIX + "*"):
        pid = folder.name.removeprefix(PREFIX)
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove(folder)
            removed.append(folder.name)
    return removed


def _remove(folder: Path) -> None:
    for name, value in (("tracing_on", "0"), ("events/enable", "0")):
        with contextlib.suppress(OSError):
            (folder / name).write_text(value)
    with contextlib.suppress(OSError):
        folder.rmdir()


class Instance:
    """Records between start() and stop(); `events` says which tracepoints this kernel had."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self._root = tracefs()
        remove_left_over(self._root)
        self._path = self._root / "instances" / f"{PREFIX}{os.getpid()}"

    def __enter__(self) -> Instance:
        try:
            self._path.mkdir()
        except OSError as error:
            raise NoTraceError(f"no trace instance: {error.strerror}") from None
        try:
            (self._path / "tracing_on").write_text("0")
            (self._path / "trace_clock").write_text("mono")
            (self._path / "buffer_size_kb").write_text(str(BUFFER_KB))
            for event in EVENTS:
                if (self._path / "events" / event / "enable").exists():
                    self.events.append(event)
        except OSError as error:
            _remove(self._path)
            raise NoTraceError(f"the trace instance cannot be set up: {error.strerror}") from None
        return self

    def __exit__(self, *_: Any) -> None:
        _remove(self._path)

    def start(self, events: Container[str]) -> None:
        """From now on, `events` of those that the kernel has."""
        for event in self.events:
            (self._path / "events" / event / "enable").write_text(str(int(event in events)))
        (self._path / "trace").write_text("")
        (self._path / "tracing_on").write_text("1")

    def stop(self) -> None:
        (self._path / "tracing_on").write_text("0")

    def text(self) -> str:
        return (self._path / "trace").read_text(encoding="utf-8", errors="replace")
