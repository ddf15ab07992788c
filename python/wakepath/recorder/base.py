# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine file before costs are fitted: what was read off the machine, the device law, and the starting table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wakepath import _core
from wakepath.errors import InputError
from wakepath.machine_file import toml_value
from wakepath.paths import scenario_dirs
from wakepath.recorder.device_law import DeviceLaw
from wakepath.recorder.trace_costs import IDLE_COLD_HALF_NS
from wakepath.recorder.urtrace import Probes
from wakepath.scenario import toml_key

# Where costs start: a table of a machine of the same kind. Estimates, which is what they are called in the result.
STARTING = {True: "vm-2cpu-6.18", False: "server-3ghz"}
DRIVERS = ("nvme", "null_blk", "virtio_blk")


def model_has(key: str) -> bool:
    return any(k["key"] == key for k in _core.list_keys())


def starting_table(facts: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    import tomllib

    name = STARTING[bool(facts["cpu"].get("virtual"))]
    for folder in scenario_dirs():
        path = Path(folder) / "costs" / f"{name}.toml"
        if path.is_file():
            return name, tomllib.loads(path.read_text(encoding="utf-8"))["costs"]
    raise InputError(f"the cost table {name} is not there", suggestion="install wakepath with its scenarios")


def kernel_table(facts: dict[str, Any], kernel: str | None) -> dict[str, Any]:
    k = facts["kernel"]
    table: dict[str, Any] = {"version": kernel or k["release"]}
    for key in ("hz", "preempt", "irq_time_accounting"):
        if k.get(key) is not None:
            table[key] = k[key]
    if k.get("sched_autogroup_enabled"):
        table["sched_autogroup_enabled"] = True
    if k.get("sched_vcpu_pack"):
        table["switches"] = {"sched_vcpu_pack": k["sched_vcpu_pack"]}
    if k.get("base_slice_ns"):
        table["sched"] = {"base_slice_ns": k["base_slice_ns"]}
    return table


def steal_of(facts: dict[str, Any], probes: Probes | None) -> dict[str, Any]:
    """What the host takes of a CPU, from the gaps of a spinning task less the guest's own ticks, its shortest gaps."""
    gaps = probes.costs.get("gap") if probes else None
    window_us, seen = probes.counts.get("gap_window_us", (0, 0)) if probes else (0, 0)
    if gaps is None or not facts["cpu"].get("virtual") or not gaps.quantiles or window_us <= 0 or seen <= 0:
        return {}
    ticks = (facts["kernel"].get("hz") or 1000) * window_us / 1e6
    if seen <= 1.1 * ticks:
        return {}
    own, last = ticks / seen, len(gaps.quantiles) - 1

    def at(share: float) -> int:
        position = share * last
        low = int(position)
        high = min(low + 1, last)
        return round(gaps.quantiles[low] + (gaps.quantiles[high] - gaps.quantiles[low]) * (position - low))

    lengths = [at(own + (1 - own) * i / last) for i in range(last + 1)]
    return {"steal_every_ns": round(window_us * 1000 / (seen - ticks)), "steal_ns": {"quantiles": lengths}}


def machine_table(facts: dict[str, Any], probes: Probes | None = None) -> dict[str, Any]:
    cpu = facts["cpu"]
    table: dict[str, Any] = {
        "cpus": len(cpu["online"]),
        "idle_cold_half_ns": IDLE_COLD_HALF_NS,
        "source": f"measured on this machine: {cpu.get('model')}, {facts['kernel']['release']}",
    }
    topology = {}
    for key, given in (("core", "threads"), ("llc", "llc"), ("package", "package"), ("node", "node")):
        ids = dense(cpu.get(given))
        if ids is not None:
            topology[key] = ids
    if len(topology) == 4 and len(cpu["online"]) > 1:
        table["topology"] = topology
    return table | steal_of(facts, probes)


def dense(values: list[Any] | None) -> list[int] | None:
    """Names of cores or caches as numbers from 0 in the order of the CPUs."""
    if not values:
        return None
    order: dict[Any, int] = {}
    return [order.setdefault(v, len(order)) for v in values]


def block_table(facts: dict[str, Any], law: DeviceLaw | None) -> dict[str, Any]:
    target = facts.get("target", {})
    driver = target.get("driver")
    table: dict[str, Any] = {
        "name": target.get("disk") or "disk",
        "driver": driver if driver in DRIVERS else "virtio_blk",
    }
    for key, given in (
        ("hw_queues", "hw_queues"),
        ("rq_affinity", "rq_affinity"),
        ("max_sectors_kb", "max_sectors_kb"),
        ("nomerges", "nomerges"),
    ):
        if target.get(given) is not None:
            table[key] = target[given]
    scheduler = target.get("scheduler")
    table["elevator"] = scheduler if scheduler in ("none", "mq-deadline") else "mq-deadline"
    depth = target.get("nr_requests") if table["elevator"] != "none" else target.get("tags")
    if depth:
        table["queue_depth"] = depth
    cpus = [c for c in target.get("irq_cpus", []) if c is not None]
    if cpus:
        table["irq_cpus"] = cpus
    if law is not None and law.ring_requests and model_has("block.ring_requests"):
        table["ring_requests"] = law.ring_requests
    return table


def device_table(law: DeviceLaw) -> dict[str, Any]:
    table: dict[str, Any] = {"law": law.law, "service_ns": law.service_ns}
    if law.read_service_ns:
        table["read_service_ns"] = law.read_service_ns
    table["latency_ns"] = {"quantiles": law.latency_quantiles} if law.latency_quantiles else law.latency_ns
    if law.servers > 1:
        table["servers"] = law.servers
    if law.interrupt_on_drain:
        table["interrupt_on_drain"] = True
    if law.doorbell_when_idle and model_has("device.doorbell_when_idle"):
        table["doorbell_when_idle"] = True
    table["source"] = f"measured: {law.source}"
    return table


def base_tables(
    facts: dict[str, Any], law: DeviceLaw | None, kernel: str | None, probes: Probes | None = None
) -> dict[str, dict[str, Any]]:
    name, costs = starting_table(facts)
    costs = {**costs, "name": "recorded", "source": f"measured on this machine; what was not: the table {name}"}
    target = facts.get("target", {})
    filesystem = target.get("filesystem")
    tables = {
        "kernel": kernel_table(facts, kernel),
        "machine": machine_table(facts, probes),
        "block": block_table(facts, law),
        "device": device_table(law) if law else {"law": "delay", "latency_ns": 100_000, "source": "not measured"},
        "fs": {"type": filesystem if filesystem in ("xfs", "ext4") else "none", "written": True},
        "costs": costs,
    }
    if not filesystem:
        tables["fs"] = {"type": "none"}
    return tables


def tables_toml(tables: dict[str, dict[str, Any]], comments: list[str]) -> str:
    lines = ["# SPDX-License-Identifier: GPL-2.0-or-later"] + [f"# {line}".rstrip() for line in comments]
    for name, table in tables.items():
        lines += ["", f"[{name}]"] + [f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"
