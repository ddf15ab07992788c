# SPDX-License-Identifier: GPL-2.0-or-later
"""What to run on a machine that wakepath is to learn from: `wakepath record --how`. Scripts: calibration/record."""

from __future__ import annotations

from pathlib import Path

from wakepath.errors import InputError

_PACKAGE = Path(__file__).resolve().parent

EVENTS = (
    "sched:sched_switch",
    "sched:sched_waking",
    "sched:sched_wakeup",
    "sched:sched_stat_runtime",
    "sched:sched_migrate_task",
    "workqueue:workqueue_queue_work",
    "workqueue:workqueue_execute_start",
    "workqueue:workqueue_execute_end",
    "block:block_rq_issue",
    "block:block_rq_complete",
    "irq:irq_handler_entry",
    "irq:irq_handler_exit",
    "irq:softirq_raise",
    "irq:softirq_entry",
    "irq:softirq_exit",
)


def scripts_folder() -> Path:
    for folder in (_PACKAGE.parent.parent / "calibration" / "record", _PACKAGE / "_data" / "record"):
        if (folder / "collect.sh").is_file():
            return folder
    raise InputError("calibration/record is not there", suggestion="run from a checkout, or install the package again")


def collect_script() -> str:
    return (scripts_folder() / "collect.sh").read_text(encoding="utf-8")


def how_text() -> str:
    folder = scripts_folder()
    perf = ",".join(EVENTS)
    trace_cmd = " ".join(f"-e {event}" for event in EVENTS)
    bpf = "\n".join(f"  bpftrace {file} > {file.stem}.txt" for file in sorted(folder.glob("*.bt")))
    return f"""\
Best: one script, plain sh, which installs and changes nothing. It prints first what it will cost, takes 5 s of events
and every setting that matters, and leaves one tarball. As root on the machine:

  sh {folder / "collect.sh"} -n              what it would do, and its cost
  sh {folder / "collect.sh"} -o node.tar.gz

  From here, over ssh:      wakepath record --script | ssh root@NODE sh -s -- -o /tmp/node.tar.gz
  On a Kubernetes node:     kubectl debug node/NODE -it --profile=sysadmin --image=busybox -- \\
                              chroot /host sh -c "$(wakepath record --script)" collect.sh -o /tmp/node.tar.gz

  Then:  wakepath analyze node.tar.gz;  wakepath verify node.tar.gz;  wakepath convert node.tar.gz node.pftrace

Or by hand; each file is read as it is (wakepath analyze FILE), but has no settings with it:

  perf record -a -m 4096 -e {perf} -- sleep 5
  wakepath analyze perf.data                 or, where perf is older or newer:  perf script --ns > perf.txt
    With -g after -a each record has its call chain: the preemption points and wakers are then told as well.

  trace-cmd record {trace_cmd} sleep 5
  wakepath analyze trace.dat

  blktrace -d /dev/nvme0n1 -o - -w 5 | blkparse -i - > blk.txt

Where only bpftrace is at hand (each prints trace text until Ctrl-C):

{bpf}
"""
