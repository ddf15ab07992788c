# SPDX-License-Identifier: GPL-2.0-or-later
"""Truth cases, schema wakepath.truth/1: what a real kernel did under a setting (tests/truth/README.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wakepath.errors import InputError
from wakepath.metrics import TRUTH_METRICS, mover_shares
from wakepath.paths import read_text

SCHEMA = "wakepath.truth/1"
# How near a cause's share of the moves has to be: a trace of seconds has tens of them.
SHARE_RANGE = 0.2
ROLES = ("calibrate", "predict", "repeat")

EMULATED = "qemu-icount"
# What the real machine's cases count, they count over 2 s: their rates are multiples of a half.
HOST = "vm-2cpu-6.18"
HOST_WINDOW_NS = 2_000_000_000
# The traces of io-wq's cases with pauses begin 0 to 3.1 s after a burst of I/O (by their first exits); workers go 5 s
# after it. In the others its workers wait for each other at first, for some 200 ms.
IO_WQ_WARMUP, FSYNC_WARMUP = "2s", "500ms"
# CPU time below 2 % of a CPU is noise on a machine whose costs vary (tests/truth/README.md).
NOISE_CPU_NS = 20_000_000


@dataclass(frozen=True)
class Case:
    """One measured case. `measured` has plain figures under the names of metrics.TRUTH_METRICS."""

    id: str
    platform: str
    kernel: str
    role: str
    setting: dict[str, Any]
    measured: dict[str, float]
    spread: dict[str, tuple[float, float]]
    raw: dict[str, Any]
    runs: int = 1  # that the measured figures are medians of
    counts: bool = False  # moves of a short window are counted in it
    file: str = ""  # where it was read; its trace is beside that

    @property
    def cpu(self) -> int | None:
        value = self.setting.get("workload", {}).get("pinned_cpu")
        return int(value) if value is not None else None

    @property
    def idle_is_uncharged(self) -> bool:
        """Whether its idle share is what no task is charged with, that is, with what interrupts in idle take. So it is
        where it comes from shares of /proc/stat, which counts ticks while a CPU is busy and time while it is idle:
        1 - idle is the tasks' CPU time in the cases of one CPU (0.4 points more on the emulated machine in all, 1.0
        +- 1.8 on the real one). The recorder, whose cases hold each run, counts by the clock."""
        return "each" not in self.raw

    @property
    def depth(self) -> int:
        return int(self.setting.get("workload", {}).get("iodepth", 1))

    @property
    def min_nr(self) -> int:
        return int(self.setting.get("workload", {}).get("iodepth_batch_complete_min", 1))

    @property
    def in_root(self) -> bool:
        group = self.setting.get("cgroup")
        return group is None or ("client" in group and not any(group.values()))

    @property
    def weight(self) -> int | None:
        """The group's weight on the scale of cgroup v2; None in the root group."""
        group = self.setting.get("cgroup")
        if group and "client" in group:  # of ublk's two sides
            group = group["client"]
        if not group:
            return None
        if "weight" in group:
            return int(group["weight"])
        return round(int(group["shares"]) * 100 / 1024)

    @property
    def at_device(self) -> bool:
        """Rates of buffered cases count the device's requests: the traces hold as many block_rq_complete."""
        return int(self.setting.get("workload", {}).get("direct", 1)) == 0

    @property
    def tasks(self) -> list[str]:
        return [task["name"] for task in self.setting.get("tasks", [])]

    @property
    def set_key(self) -> tuple[str, str]:
        """What one table of costs must serve."""
        return (self.platform, self.kernel)

    @property
    def window_ns(self) -> int | None:
        """The window that it is predicted over; None: any will do."""
        return self.io_wq_window_ns or self.sampled_ns or (HOST_WINDOW_NS if self.platform == HOST else None)

    @property
    def sampled_ns(self) -> int | None:
        """Of an emulated case: what a stall by the sampler at the window's begin does to a rate hangs on its length."""
        found = self.raw["measured"].get("window_ns")
        return int(found) if found is not None and self.platform == EMULATED else None

    @property
    def warmup(self) -> str | None:
        """What its run needs before the window; None: any will do."""
        if self.io_wq_window_ns is not None:
            return IO_WQ_WARMUP
        return FSYNC_WARMUP if "fsync" in self.setting.get("workload", {}) else None

    @property
    def io_wq_window_ns(self) -> int | None:
        """Cases with pauses count io-wq's workers over a window of their own; their other figures fell in a pause."""
        found = self.raw["measured"].get("io_wq", {}).get("window_ns")
        return int(found) if found is not None else None

    def is_noise(self, metric: str) -> bool:
        return bool(self.spread) and metric.endswith("_cpu_ns_per_s") and self.measured[metric] < NOISE_CPU_NS


def _flat(figures: dict[str, Any], setting: dict[str, Any]) -> dict[str, Any]:
    """Measured figures under flat names: latency percentiles, and one set per task of a scheduler experiment."""
    if "io_wq" in figures:
        return {f"io_wq_{name}": figures["io_wq"][name] for name in ("created", "exited") if name in figures["io_wq"]}
    flat = {name: figures[name] for name in TRUTH_METRICS if name in figures}
    for name, value in figures.get("latency_ns", {}).items():
        flat[f"latency_{name}_ns"] = value
    flat.update(mover_shares(figures.get("fio_migrations_by_cause_in_trace", {})))
    if "server" in figures and "client" in figures:
        flat.update(_sides(figures))
    if not setting.get("tasks"):
        return flat
    window_s = measured_window_s({"measured": figures})
    flat["context_switches_per_s"] = _switches_of_tasks(figures, window_s)[0]
    for task in figures.get("tasks", []):
        flat[f"{task['name']}.cpu_share"] = task["cpu_share"]
        for kind in ("voluntary", "involuntary"):
            flat[f"{task['name']}.{kind}_per_s"] = task[kind] / window_s
    return flat


def _sides(figures: dict[str, Any]) -> dict[str, Any]:
    """ublk cases: the figures of client and server, and what both take together."""
    flat = {"switches_per_io": figures["switches_per_io"]}
    for side in ("client", "server"):
        flat.update({f"{side}.{name}": value for name, value in figures[side].items()})
    flat["cpu_ns_per_io"] = figures["client"]["cpu_ns_per_io"] + figures["server"]["cpu_ns_per_io"]
    return flat


def count_range(per_s: float, window_s: float) -> tuple[float, float]:
    """What a short window's count says of a rate: its 95 % Poisson interval, and not less than a factor of two."""
    from scipy.stats import chi2

    count = round(per_s * window_s)
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return min(low / window_s, per_s / 2), max(high / window_s, per_s * 2)


def measured_window_s(raw: dict[str, Any]) -> float:
    return float(raw["measured"].get("window_ns", 1_000_000_000)) / 1e9


# A CPU this busy has no idle task in its count of switches.
BUSY = 0.99


def _switches_of_tasks(figures: dict[str, Any], window_s: float) -> tuple[float, float]:
    """Switches per second away from the tasks of an experiment, those to the machine's own threads left out: at least,
    at most.

    A thread of the machine that preempts a task and sleeps again makes two switches, one of them the task's. How many
    such threads came is the total less the tasks' own, where the CPU is never idle. After such a thread another task
    may run than before it, which is a switch between the two: so many at most are to be added. Where the CPU idles
    the threads are not told apart from the idle task, and are few beside it.
    """
    tasks = figures["tasks"]
    own = sum(task["voluntary"] + task["involuntary"] for task in tasks)
    others = figures["context_switches_per_s"] * window_s - own
    busy = sum(task["cpu_share"] for task in tasks) > BUSY
    return (own - others if busy else own) / window_s, own / window_s


def _case(raw: dict[str, Any], file: str = "") -> Case:
    setting = raw["setting"]
    measured = {k: float(v) for k, v in _flat(raw["measured"], setting).items() if isinstance(v, int | float)}
    spread = {k: (float(v[0]), float(v[1])) for k, v in _flat(raw.get("spread", {}), {}).items() if isinstance(v, list)}
    counts = False
    for name in ("fio_migrations_per_s", "migrations_per_s"):
        window_ns = raw["measured"].get("window_ns", HOST_WINDOW_NS if raw["platform"] == HOST else None)
        if name not in measured or window_ns is None or setting.get("cpus", 1) == 1:
            continue
        counts = True
        low, high = count_range(measured[name], window_ns / 1e9)
        least, most = spread.get(name, (low, high))
        spread[name] = (min(low, least), max(high, most))
    for name in (name for name in measured if name.endswith("_share") and name.startswith("fio_")):
        spread[name] = (max(0.0, measured[name] - SHARE_RANGE), min(1.0, measured[name] + SHARE_RANGE))
    if setting.get("tasks"):
        spread["context_switches_per_s"] = _switches_of_tasks(raw["measured"], measured_window_s(raw))
    return Case(
        id=raw["id"],
        platform=raw["platform"],
        kernel=raw["kernel"],
        role=raw["role"],
        setting=setting,
        measured=measured,
        spread=spread,
        raw=raw,
        runs=_runs(raw),
        counts=counts,
        file=file,
    )


def _runs(raw: dict[str, Any]) -> int:
    runs = raw.get("runs", 1)
    if not isinstance(runs, int) or runs < 1:
        raise ValueError(f"runs = {runs}")
    return runs


def case_from(raw: dict[str, Any]) -> Case:
    """A case that was measured just now, and is in no file."""
    return _case(raw)


def iter_cases(path: str) -> Iterator[Case]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"is not JSON: {error.msg}", path, number, "one case a line") from None
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            raise InputError(f"is not a case of schema {SCHEMA}", path, number)
        missing = [k for k in ("id", "platform", "kernel", "role", "setting", "measured") if k not in raw]
        if missing:
            raise InputError(f"a case lacks '{missing[0]}'", path, number)
        if raw["role"] not in ROLES:
            raise InputError(f"unknown role '{raw['role']}'", path, number, "one of " + ", ".join(ROLES))
        try:
            yield _case(raw, path)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise InputError(f"a case has a wrong form: {error!r}", path, number) from None


def read_cases(path: str) -> list[Case]:
    cases = list(iter_cases(path))
    if not cases:
        raise InputError("has no case", path)
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise InputError(f"two cases are called '{case.id}'", path)
        seen.add(case.id)
    return cases
