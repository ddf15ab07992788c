# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads urtrace, version 1 (docs/recording.md). Unknown records and further fields are skipped; another major
version, a line that is no record, or a file that is none at all is refused with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wakepath.errors import InputError
from wakepath.paths import read_text

MAJOR = 1
LOOP_FIELDS = (
    *("window_ns", "ios", "calls", "cpu_ns", "user_ns", "system_ns", "voluntary", "involuntary"),
    *("run_ns", "wait_ns", "interrupts"),
)


def mean_of_quantiles(values: Sequence[float]) -> float:
    """Of a distribution that is linear between them."""
    return (sum(values) - (values[0] + values[-1]) / 2) / (len(values) - 1)


@dataclass(frozen=True)
class Cost:
    """One micro-measurement: its median, medians of consecutive blocks (for a bootstrap), 17 quantiles."""

    kind: str
    n: int
    median_ns: float
    blocks: tuple[float, ...]
    quantiles: tuple[int, ...]
    seconds: str = "probes"  # within which it was measured: those of one trace, of the probes

    @property
    def name(self) -> str:
        return self.kind.partition("/")[0]

    @property
    def batch(self) -> int:
        return int(self.kind.partition("/")[2] or 1)


@dataclass
class Probes:
    kernel: str = ""
    cpu_model: str = ""
    complete: bool = False
    costs: dict[str, Cost] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    loops: dict[str, dict[str, int]] = field(default_factory=dict)
    lacks: dict[str, str] = field(default_factory=dict)
    steal_ticks: int = 0

    def family(self, name: str) -> dict[int, Cost]:
        """All batches of a kind, by batch."""
        return {c.batch: c for c in self.costs.values() if c.name == name and "/" in c.kind}


def read_probes(path: str) -> Probes:
    probes = Probes()
    lines = read_text(path).splitlines()
    if not lines or not lines[0].startswith("H\turtrace\t"):
        raise InputError("is not urtrace", path, 1, "its first line begins with H, urtrace and the version")
    first_host: int | None = None
    for at, line in enumerate(lines, 1):
        f = line.split("\t")
        try:
            if f[0] == "H":
                _header(probes, f, path)
            elif f[0] == "K":
                blocks = tuple(float(v) for v in f[7].split(",")) if len(f) > 7 and f[7] else (float(f[4]),)
                quantiles = tuple(int(v) for v in f[8].split(",")) if len(f) > 8 else ()
                # The greatest of a thousand samples is an accident: the last quantile is the 99th percentile.
                quantiles = tuple(min(q, int(f[6])) for q in quantiles)
                probes.costs[f[1]] = Cost(f[1], int(f[2]), float(f[4]), blocks, quantiles)
            elif f[0] == "N":
                probes.counts[f[1]] = (int(f[2]), int(f[3]))
            elif f[0] == "L":
                probes.loops[f[1]] = dict(zip(LOOP_FIELDS, map(int, f[2:]), strict=False))
            elif f[0] == "X":
                probes.lacks[f[1]] = f[2]
            elif f[0] == "V":
                first_host = int(f[2]) if first_host is None else first_host
                probes.steal_ticks = int(f[2]) - first_host
            elif f[0] == "E":
                probes.complete = True
        except InputError:
            raise
        except (ValueError, IndexError):
            if at == len(lines):
                break  # cut within its last line, as a killed recorder leaves it
            raise InputError(f"a record of type {f[0]} is damaged", path, at, "record again") from None
    return probes


def _header(probes: Probes, f: list[str], path: str) -> None:
    if int(f[2]) != MAJOR:
        raise InputError(f"is urtrace version {f[2]}, this version reads {MAJOR}", path, 1, "record again")
    probes.kernel, probes.cpu_model = f[6], f[7]
