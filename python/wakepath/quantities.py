# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit and name of a figure, from its dotted name: units stand last in names. For xarray, axes and tables."""

from __future__ import annotations

import re

from wakepath.metrics import RESULT_METRICS, TRUTH_METRICS

_ENDINGS = (
    ("cpu_ns_per_s", "ns/s"),
    ("_ns_per_s", "ns/s"),
    ("_per_s", "1/s"),
    ("iops", "1/s"),
    ("_ns", "ns"),
    ("_us", "us"),
    ("_ms", "ms"),
    ("wall_s", "s"),
)
_FRACTIONS = ("busy", "idle", "user", "sys", "irq", "softirq", "share", "cpu_share")
_LATENCY = re.compile(r"_ns\.(mean|p50|p90|p99|p999|max|min)$")


def units_of(name: str) -> str:
    """ "1/s", "ns", ...; "1" for a plain number or a fraction."""
    last = name.rpartition(".")[2]
    if last in _FRACTIONS:
        return "1"
    if _LATENCY.search(name):
        return "ns"
    return next((unit for ending, unit in _ENDINGS if last.endswith(ending)), "1")


def meaning_of(name: str) -> str:
    """What `wakepath explain` says of a figure; "" where it has no text of its own."""
    plain = re.sub(r"\[[^\]]*\]", "", name)
    texts = {**RESULT_METRICS, **TRUTH_METRICS}
    while plain:
        if plain in texts:
            return texts[plain]
        plain = plain.rpartition(".")[0]
    return ""


def long_name_of(name: str) -> str:
    """A name for an axis: "fio completion latency, p99"."""
    words = {"io.clat_ns": "completion latency", "io.slat_ns": "submission latency", "io.lat_ns": "total latency"}
    head, _, last = name.rpartition(".")
    if head in words:
        return f"{words[head]}, {last}"
    if name == "io.iops":
        return "I/Os per second"
    text = meaning_of(name)
    spoken = last.replace("_per_s", " per second").replace("_ns", "").replace("_", " ")
    group = head.rpartition(".")[2] if head.startswith(("groups.", "io_wq", "io_uring", "workqueue")) else ""
    return f"{group} {spoken}".strip() if not text or group else spoken
