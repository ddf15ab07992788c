# SPDX-License-Identifier: GPL-2.0-or-later
"""The weights that Kubernetes gives cgroups of v2: CPU requests become shares, shares a weight by one of three rules.

linear     1 + (shares - 2) * 9999 / 262142, whole numbers (kubelet, runc and crun until 2025); shares of the
           allocatable CPUs
quadratic  10^((l*l + 125*l) / 612 - 7/34) rounded up, l = log2(shares): shares 1024 become the default weight 100;
           newer runc and crun
relative   1024 * allocatable / capacity as shares, through the linear rule, as kubernetes PR #139807 proposes

Who writes what: the kubelet kubepods.slice, the slices of the QoS classes and those of pods; the container runtime the
containers. Only the top level, kubepods.slice beside system.slice and the tasks of the root, competes with kworkers.
"""

from __future__ import annotations

import math
from typing import Literal

from wakepath.errors import InputError

Rule = Literal["linear", "quadratic", "relative"]
RULES: tuple[Rule, ...] = ("linear", "quadratic", "relative")

MIN_SHARES, MAX_SHARES = 2, 262144
SYSTEM_SLICE_WEIGHT = 100  # systemd's default


def shares_of(milli_cpus: int) -> int:
    """cpu.shares of a CPU request in thousandths of a CPU (kubelet: MilliCPUToShares)."""
    if milli_cpus < 0:
        raise InputError(f"{milli_cpus} thousandths of a CPU", suggestion="0 or more")
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpus * 1024 // 1000))


def linear(shares: int) -> int:
    return 1 + (shares - 2) * 9999 // 262142


def quadratic(shares: int) -> int:
    if shares <= MIN_SHARES:
        return 1
    if shares >= MAX_SHARES:
        return 10000
    length = math.log2(shares)
    exponent = (length * length + 125 * length) / 612 - 7 / 34
    # Rounded up, but for what floating point adds to a whole number: log2 of 1024 is to give 100.
    return math.ceil(round(10**exponent, 9))


def kubepods_weight(capacity: int, reserved: float = 0.0, rule: Rule = "linear") -> int:
    """cpu.weight of kubepods.slice on a node of `capacity` CPUs of which `reserved` are kept for the system."""
    if capacity < 1 or not 0 <= reserved < capacity:
        raise InputError(f"{reserved} of {capacity} CPUs reserved", suggestion="less than there are")
    allocatable = capacity - reserved
    if rule == "linear":
        return linear(shares_of(round(1000 * allocatable)))
    if rule == "quadratic":
        return quadratic(shares_of(round(1000 * allocatable)))
    if rule == "relative":
        return linear(max(MIN_SHARES, int(1024 * allocatable / capacity)))
    raise InputError(f"no rule '{rule}'", suggestion="one of " + ", ".join(RULES))


def pod_weight(request: float, rule: Rule = "linear") -> int:
    """cpu.weight of a pod's slice, or of a container, that asks for so many CPUs."""
    shares = shares_of(round(1000 * request))
    return quadratic(shares) if rule == "quadratic" else linear(shares)
