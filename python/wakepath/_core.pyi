# SPDX-License-Identifier: GPL-2.0-or-later
"""Typed stub of the C++ extension; private to the package. Source: python/bindings/register_*.cc."""

from collections.abc import Callable, Sequence
from typing import Any, final

import numpy.typing as npt

version: str

@final
class Scenario:
    @staticmethod
    def load(
        text: str,
        name: str = "",
        *,
        sets: Sequence[str] = ...,
        machine: str | None = None,
        kernel: str | None = None,
        seed: str | None = None,
        samples: str | None = None,
        duration: str | None = None,
        warmup: str | None = None,
        search_dirs: Sequence[str] = ...,
    ) -> Scenario: ...
    @staticmethod
    def load_text(
        text: str,
        name: str = "text",
        *,
        sets: Sequence[str] = ...,
        machine: str | None = None,
        kernel: str | None = None,
        seed: str | None = None,
        samples: str | None = None,
        duration: str | None = None,
        warmup: str | None = None,
        search_dirs: Sequence[str] = ...,
    ) -> Scenario: ...
    @staticmethod
    def from_fio(
        text: str,
        name: str = "fio",
        *,
        sets: Sequence[str] = ...,
        machine: str | None = None,
        kernel: str | None = None,
        seed: str | None = None,
        samples: str | None = None,
        duration: str | None = None,
        warmup: str | None = None,
        search_dirs: Sequence[str] = ...,
    ) -> Scenario: ...
    @staticmethod
    def from_shell(
        text: str,
        name: str = "shell",
        *,
        sets: Sequence[str] = ...,
        machine: str | None = None,
        kernel: str | None = None,
        seed: str | None = None,
        samples: str | None = None,
        duration: str | None = None,
        warmup: str | None = None,
        search_dirs: Sequence[str] = ...,
    ) -> Scenario: ...
    @staticmethod
    def from_truth_case(
        text: str,
        name: str = "case",
        *,
        sets: Sequence[str] = ...,
        machine: str | None = None,
        kernel: str | None = None,
        seed: str | None = None,
        samples: str | None = None,
        duration: str | None = None,
        warmup: str | None = None,
        search_dirs: Sequence[str] = ...,
    ) -> Scenario: ...
    def to_toml(self) -> str: ...
    def describe(self) -> dict[str, Any]: ...

@final
class Records:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    @staticmethod
    def read(path: str) -> Records: ...
    @staticmethod
    def fields(type: str) -> list[tuple[str, bool]]: ...
    def counts(self) -> dict[str, int]: ...
    def names(self) -> list[str]: ...
    def column(self, type: str, field: str) -> npt.NDArray[Any]: ...

def run(
    scenario: Scenario,
    *,
    progress: Callable[[float], bool | None] | None = None,
    trace: str | None = None,
    records: Records | None = None,
    fio_json: Callable[[str], None] | None = None,
) -> tuple[str, str, str]: ...
def convert(path: str, out: str) -> str: ...
def column_types() -> list[tuple[str, str]]: ...

@final
class TraceReader:
    def __init__(self, path: str) -> None: ...
    def next(self, rows: int) -> dict[str, Any]: ...
    def report(self) -> str: ...

@final
class TraceWriter:
    def __init__(self, path: str) -> None: ...
    def append(self, rows: int, columns: dict[str, tuple[Any, Any]], names: list[str]) -> None: ...
    def close(self) -> None: ...

def explore(
    scenario: Scenario,
    *,
    first_seed: int,
    seeds: int,
    threads: int,
    progress: Callable[[float], object] | None = None,
) -> str: ...
def replay_schedule(
    scenario: Scenario, *, seed: int, only: list[int] | None = None, ties: bool = True, trace: str | None = None
) -> str: ...
def analyze(path: str) -> str: ...
def compare_traces(a: str, b: str) -> str: ...
def verify(path: str, setting: str) -> str: ...
def weight_of_nice(nice: int) -> int: ...
def profile(path: str) -> str: ...
def free_run_start(trace: str, tasks: list[str]) -> str: ...
def compare_free_runs(real: str, simulated: str, tasks: list[str]) -> str: ...
def bench_queue(pending: int) -> tuple[float, float]: ...
def cost_names() -> dict[str, str]: ...
def explain(key: str) -> str: ...
def list_keys() -> list[dict[str, str]]: ...
def list_scenarios(search_dirs: Sequence[str]) -> list[str]: ...
def kernel_versions() -> list[str]: ...
def kernel_previous(version: str) -> str: ...
def kernel_resolve(requested: str, assume: str = "") -> str: ...
def kernel_switches(version: str) -> list[dict[str, Any]]: ...
def kernel_differences(before: str, after: str) -> list[str]: ...
