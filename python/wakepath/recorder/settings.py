# SPDX-License-Identifier: GPL-2.0-or-later
"""Which settings are recorded, and so may be fitted, and which are held out for `check`. The two never overlap."""

from __future__ import annotations

from wakepath.recorder.load import Setting

REFERENCE = Setting("libaio", depth=32, batch=32)

SINGLE = Setting("libaio", depth=1, batch=1)  # what the device takes for a request, where the load runs

# Few, and spread over what tells costs apart: depth (costs per call and per I/O), engine, direction, one heavy group.
RECORDED = (
    REFERENCE,
    SINGLE,
    Setting("libaio", depth=8, batch=8),
    Setting("libaio", depth=128, batch=128),
    Setting("libaio", rw="randread", depth=32, batch=32),
    Setting("io_uring", depth=8, batch=8),
    Setting("io_uring", depth=32, batch=32),
    Setting("io_uring", depth=128, batch=128),
)
# Traced beside the reference: the kworker is preempted after each item.
PINGPONG = Setting("libaio", depth=64, batch=64, shares=20480)
# Traced only: more in flight than a ring holds, so that kblockd runs between the interrupt and the kworker.
DEEP = Setting("libaio", depth=128, batch=128, shares=20480)
# Whether a heavy group's task and the kworker hand the CPU to and fro is a question of a few microseconds: settings on
# both sides of it, or the costs that decide it are not told apart.
RECORDED_IN_GROUP = (
    Setting("libaio", depth=16, batch=16, shares=3072),
    Setting("libaio", depth=16, batch=16, shares=51200),
    Setting("libaio", depth=32, batch=32, shares=20480),
    PINGPONG,
    Setting("io_uring", depth=16, batch=16, shares=3072),
    Setting("io_uring", depth=32, batch=32, shares=20480),
    Setting("io_uring", depth=128, batch=128, shares=20480),
)

HELD_OUT_ROOT = (
    Setting("libaio", depth=4, batch=4),
    Setting("libaio", depth=16, batch=4),
    Setting("libaio", depth=64, batch=16),
    Setting("io_uring", depth=4, batch=4),
    Setting("io_uring", depth=32, batch=8),
    Setting("io_uring", depth=64, batch=16),
)
HELD_OUT_GROUP = (
    Setting("libaio", depth=1, batch=1, shares=10240),
    Setting("libaio", depth=4, batch=4, shares=10240),
    Setting("libaio", depth=8, batch=8, shares=1024),
    Setting("libaio", depth=8, batch=8, shares=10240),
    Setting("libaio", depth=8, batch=8, shares=102400),
    Setting("libaio", depth=32, batch=32, shares=1024),
    Setting("libaio", depth=32, batch=32, shares=5120),
    Setting("libaio", depth=32, batch=32, shares=10240),
    Setting("libaio", depth=64, batch=16, shares=10240),
    Setting("libaio", depth=128, batch=128, shares=5120),
    Setting("libaio", depth=128, batch=128, shares=10240),
    Setting("io_uring", depth=1, batch=1, shares=10240),
    Setting("io_uring", depth=8, batch=8, shares=1024),
    Setting("io_uring", depth=8, batch=8, shares=10240),
    Setting("io_uring", depth=32, batch=32, shares=1024),
    Setting("io_uring", depth=32, batch=32, shares=5120),
    Setting("io_uring", depth=32, batch=32, shares=10240),
    Setting("io_uring", depth=64, batch=16, shares=10240),
)


def runnable(settings: tuple[Setting, ...], *, fio: bool, io_uring: bool, writes: bool) -> list[Setting]:
    """Those this machine can run: libaio needs fio, io_uring the kernel's leave, writing the user's."""
    return [
        s
        for s in settings
        if (fio or s.engine == "io_uring") and (io_uring or s.engine != "io_uring") and (writes or not s.writes)
    ]
