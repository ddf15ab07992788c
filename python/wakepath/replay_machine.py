# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded machine's disk, queue and filesystem, from what a tarball of collect.sh has of them.

Which disk is the one whose requests are in the trace. Where its interrupt goes is where requests end, as the trace
shows it; the rest is in its sysfs files and in /proc/mounts.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Of what the model has; another one's is left to the platform.
ELEVATORS = ("none", "mq-deadline")
FILESYSTEMS = ("xfs", "ext4")
LOOP = re.compile(r"loop\d+")
# Over whatever disk the machine file has: a worker serves it, without an interrupt.
LOOP_SETS = (
    *('block.driver="loop"', "block.hw_queues=1", "block.poll_queues=0", "block.irq_cpus=[]"),
    *("block.ring_requests=0", "device.iops_cap=0"),
)
DRIVERS = (("virtio", "virtio_blk"), ("nvme", "nvme"))


def kernel_sets(setting: dict[str, Any], kernel: str) -> list[str]:
    """CPUs and kernel, for a recording that is laid over a machine file."""
    out = [f"kernel.version={json.dumps(kernel)}"]
    if "cpus" in setting:
        out.append(f"machine.cpus={setting['cpus']}")
    for key in ("hz", "preempt", "irq_time_accounting"):
        if setting.get(key) not in (None, ""):
            out.append(f"kernel.{key}={json.dumps(setting[key])}")
    if setting.get("sched_autogroup_enabled"):
        out.append("kernel.sched_autogroup_enabled=true")
    out += [f"kernel.switches.{name}={value}" for name, value in (setting.get("switches") or {}).items()]
    return out + [f"kernel.sched.{name}={value}" for name, value in (setting.get("sched") or {}).items()]


def sets(setting: dict[str, Any], programs: dict[str, Any]) -> list[str]:
    machine = setting.get("machine")
    if not isinstance(machine, dict) or not programs["devices"]:
        return []
    files: dict[str, str] = machine["block"]
    number = max(programs["devices"].items(), key=lambda kv: kv[1])[0].replace(",", ":")
    name = next((f.split("/")[3] for f, text in files.items() if f.endswith("/dev") and text.strip() == number), "")
    if not name:
        return []
    queue = {
        f.rpartition("/")[2]: text.strip() for f, text in files.items() if f.startswith(f"/sys/block/{name}/queue/")
    }
    queues = sum(f.startswith(f"/sys/block/{name}/mq/") and f.endswith("/cpu_list") for f in files)
    out = [f'block.name="{name}"', f"block.hw_queues={max(1, queues)}"]
    if queue.get("nr_requests", "").isdecimal():
        out.append(f"block.queue_depth={queue['nr_requests']}")
    if queue.get("rq_affinity", "").isdecimal():
        out.append(f"block.rq_affinity={queue['rq_affinity']}")
    chosen = re.search(r"\[([\w-]+)\]", queue.get("scheduler", ""))
    if chosen and chosen[1] in ELEVATORS:
        out.append(f'block.elevator="{chosen[1]}"')
    driver = next((d for start, d in DRIVERS for by in programs["completed_by"] if by.startswith(start)), "")
    if LOOP.fullmatch(name):
        return [*out, *LOOP_SETS, *_filesystem(machine, name)]
    if driver:
        out.append(f'block.driver="{driver}"')
    if driver != "virtio_blk":  # a machine file may be of a disk with a ring
        out.append("block.ring_requests=0")
    if queues <= 1 and programs["completed_on"]:
        out.append(f"block.irq_cpus=[{max(programs['completed_on'].items(), key=lambda kv: kv[1])[0]}]")
    return out + _filesystem(machine, name)


def _filesystem(machine: dict[str, Any], name: str) -> list[str]:
    mounts = [line.split() for line in str(machine.get("mounts", "")).splitlines()]
    kinds = [m[2] for m in mounts if len(m) > 2 and m[0] == f"/dev/{name}" and m[2] in FILESYSTEMS]
    return [f'fs.type="{kinds[0]}"', "fs.written=true"] if kinds else []
