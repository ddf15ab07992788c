# SPDX-License-Identifier: GPL-2.0-or-later
"""machine.json: what can be read about this machine without measuring. Read-only.

A fact that cannot be read is absent, and says so under `unknown`; nothing is assumed here.
"""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any

from wakepath.errors import InputError

SCHEMA = "wakepath.machine/1"
SYS = Path("/sys")
PROC = Path("/proc")
# Bits of /sys/bus/virtio/devices/*/features (include/uapi/linux/virtio_ring.h).
RING_INDIRECT_DESC, RING_EVENT_IDX = 28, 29


def read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def number(path: Path) -> int | None:
    text = read(path)
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def cpu_list(text: str) -> list[int]:
    """'0-2,5' as [0, 1, 2, 5]."""
    found: list[int] = []
    for part in filter(None, text.strip().split(",")):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def machine_facts(target: Path | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {"schema": SCHEMA, "kernel": kernel_facts(), "cpu": cpu_facts(), "cgroup": cgroup_facts()}
    if target is not None:
        facts["target"] = target_facts(target)
    facts["unknown"] = sorted(_unknown(facts))
    return facts


def _unknown(tree: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in tree.items():
        if value is None:
            found.append(prefix + key)
        elif isinstance(value, dict):
            found += _unknown(value, f"{prefix}{key}.")
    return found


def kernel_config() -> dict[str, str]:
    release = os.uname().release
    text = read(Path(f"/boot/config-{release}"))
    if text is None:
        try:
            text = gzip.decompress((PROC / "config.gz").read_bytes()).decode()
        except OSError:
            return {}
    return dict(line.split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_") and "=" in line)


def kernel_facts() -> dict[str, Any]:
    config = kernel_config()
    hz = config.get("CONFIG_HZ")
    debug = SYS / "kernel/debug/sched"
    return {
        "release": os.uname().release,
        "version": read(PROC / "version"),
        "hz": int(hz) if hz else None,
        "preempt": _preempt(config, read(debug / "preempt")),
        "irq_time_accounting": config.get("CONFIG_IRQ_TIME_ACCOUNTING") == "y" if config else None,
        "base_slice_ns": number(debug / "base_slice_ns"),
        "command_line": read(PROC / "cmdline"),
        "sched_autogroup_enabled": number(PROC / "sys/kernel/sched_autogroup_enabled"),
        "sched_vcpu_pack": vcpu_pack(read(PROC / "cmdline") or ""),
        "io_uring_disabled": number(PROC / "sys/kernel/io_uring_disabled"),
        "perf_event_paranoid": number(PROC / "sys/kernel/perf_event_paranoid"),
    }


def vcpu_pack(command_line: str) -> int | None:
    """A boot parameter of some hosts' own kernels: the switch of its name says what it does."""
    given = re.search(r"(?:^| )sched_vcpu_pack=(\d+)", command_line)
    return int(given[1]) if given else None


def _preempt(config: dict[str, str], debug: str | None) -> str | None:
    """The model in force: debugfs, else the command line, else what the kernel was built for."""
    if debug and (chosen := re.search(r"\((\w+)\)", debug)):
        return chosen[1]
    if given := re.search(r"\bpreempt=(\w+)", read(PROC / "cmdline") or ""):
        return given[1]
    for name in ("none", "voluntary", "lazy"):
        key = "CONFIG_PREEMPT_" + name.upper()
        if config.get(key) == "y" or config.get(key + "_BUILD") == "y":
            return name
    return "full" if config.get("CONFIG_PREEMPT") == "y" else None


def cpu_facts() -> dict[str, Any]:
    cpus = cpu_list(read(SYS / "devices/system/cpu/online") or "0")
    info = read(PROC / "cpuinfo") or ""
    model = re.search(r"^model name\s*: (.*)$", info, re.M)
    flags = re.search(r"^flags\s*: (.*)$", info, re.M)
    base = SYS / "devices/system/cpu"

    def each(name: str) -> list[int] | None:
        values = [number(base / f"cpu{c}/topology/{name}") for c in cpus]
        return None if None in values else values  # type: ignore[return-value]

    def shared(name: str) -> list[str] | None:
        values = [read(base / f"cpu{c}/{name}") for c in cpus]
        return None if None in values else values  # type: ignore[return-value]

    return {
        "online": cpus,
        "model": model[1] if model else None,
        "virtual": " hypervisor" in flags[0] if flags else None,
        "threads": shared("topology/thread_siblings_list"),
        "package": each("physical_package_id"),
        "llc": shared("cache/index3/shared_cpu_list") or shared("cache/index2/shared_cpu_list"),
        "node": _nodes(cpus),
        "clocksource": read(SYS / "devices/system/clocksource/clocksource0/current_clocksource"),
        "mitigations": {p.name: read(p) for p in sorted((base / "vulnerabilities").glob("*"))},
        "isolated": read(base / "isolated"),
    }


def _nodes(cpus: list[int]) -> list[int] | None:
    of: dict[int, int] = {}
    for folder in (SYS / "devices/system/node").glob("node[0-9]*"):
        for cpu in cpu_list(read(folder / "cpulist") or ""):
            of[cpu] = int(folder.name.removeprefix("node"))
    return [of[c] for c in cpus] if set(cpus) <= set(of) else None


def cgroup_facts() -> dict[str, Any]:
    """Where a CPU weight can be given: version and mount, None where there is none."""
    for line in (read(PROC / "mounts") or "").splitlines():
        _, mount, kind, options = line.split()[:4]
        if kind == "cgroup" and "cpu" in options.split(","):
            return {"version": 1, "mount": mount}
    for line in (read(PROC / "mounts") or "").splitlines():
        _, mount, kind = line.split()[:3]
        if kind == "cgroup2" and "cpu" in (read(Path(mount) / "cgroup.controllers") or "").split():
            return {"version": 2, "mount": mount}
    return {"version": None, "mount": None}


def mount_of(path: Path) -> dict[str, str | None]:
    """The mount that holds a path: the longest mount point above it."""
    real = str(path.resolve())
    best: dict[str, str | None] = {"point": None, "type": None, "source": None, "options": None}
    for line in (read(PROC / "mounts") or "").splitlines():
        source, point, kind, options = line.split()[:4]
        point = point.encode().decode("unicode_escape")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best["point"] or ""):
            best = {"point": point, "type": kind, "source": source, "options": options}
    return best


def block_device_of(path: Path) -> Path | None:
    """/sys/block/NAME of the disk that holds a file, or of a block device itself."""
    try:
        st = path.stat()
    except OSError:
        return None
    device = st.st_rdev if path.is_block_device() else st.st_dev
    link = SYS / f"dev/block/{os.major(device)}:{os.minor(device)}"
    if not link.exists():
        return None
    real = link.resolve()
    return real.parent if (real / "partition").exists() else real


def target_facts(path: Path) -> dict[str, Any]:
    disk = block_device_of(path)
    is_device = path.is_block_device()
    mount = mount_of(path)
    facts: dict[str, Any] = {
        "kind": "device" if is_device else "file",
        "filesystem": None if is_device else mount["type"],
        "mount_options": None if is_device else mount["options"],
    }
    if disk is None:
        if not is_device:
            raise InputError(
                f"{mount['type']} has no block device: nothing is completed there",
                str(path),
                suggestion="give a file on a disk, or a device, with --target",
            )
        return facts
    return facts | disk_facts(disk)


def disk_facts(disk: Path) -> dict[str, Any]:
    queue = disk / "queue"
    queues = sorted((disk / "mq").glob("[0-9]*"), key=lambda p: int(p.name))
    scheduler = re.search(r"\[([\w-]+)\]", read(queue / "scheduler") or "")
    irqs = [irq for name in interrupt_names(disk) for irq in interrupts_named(name)]
    return {
        "disk": disk.name,
        "driver": driver_of(disk),
        "scheduler": scheduler[1] if scheduler else None,
        "nr_requests": number(queue / "nr_requests"),
        "rq_affinity": number(queue / "rq_affinity"),
        "max_sectors_kb": number(queue / "max_sectors_kb"),
        "nomerges": number(queue / "nomerges"),
        "rotational": number(queue / "rotational"),
        "write_cache": read(queue / "write_cache"),
        "fua": number(queue / "fua"),
        "hw_queues": len(queues) or None,
        "tags": number(queues[0] / "nr_tags") if queues else None,
        "queue_cpus": [cpu_list((read(q / "cpu_list") or "").replace(" ", "")) for q in queues],
        "irqs": irqs,
        "irq_cpus": [irq_cpu(irq) for irq in irqs],
        "virtio_features": read(disk / "device/features"),
    }


def driver_of(disk: Path) -> str | None:
    for prefix, driver in (("vd", "virtio_blk"), ("nvme", "nvme"), ("nullb", "null_blk"), ("loop", "loop")):
        if disk.name.startswith(prefix):
            return driver
    link = disk / "device/driver"
    return link.resolve().name if link.exists() else None


def interrupt_names(disk: Path) -> list[str]:
    """What /proc/interrupts calls the disk's completion queues."""
    if (disk / "device").exists() and disk.name.startswith("vd"):
        return [f"{(disk / 'device').resolve().name}-req"]
    if disk.name.startswith("nvme"):
        return [disk.name.split("n")[0] + "n" + disk.name.split("n")[1] + "q"]
    return [disk.name]


def interrupts_named(prefix: str) -> list[int]:
    found = []
    for line in (read(PROC / "interrupts") or "").splitlines():
        number_text, _, rest = line.partition(":")
        if number_text.strip().isdigit() and any(word.startswith(prefix) for word in rest.split()):
            found.append(int(number_text))
    return found


def irq_cpu(irq: int) -> int | None:
    for name in ("effective_affinity_list", "smp_affinity_list"):
        text = read(PROC / f"irq/{irq}/{name}")
        if text:
            return cpu_list(text)[0]
    return None


def virtio_feature(features: str | None, bit: int) -> bool | None:
    return features[bit] == "1" if features is not None and len(features) > bit else None
