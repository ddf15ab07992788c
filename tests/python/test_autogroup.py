# SPDX-License-Identifier: GPL-2.0-or-later
"""Autogroups: what is in no cgroup competes as its session does (kernel/sched/autogroup.c)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Said
from wakepath import collected, lockstep
from wakepath.errors import InputError

Call = Callable[..., Said]

HOGS = """
[machine]
cpus = 1
[kernel]
version = "{version}"
hz = 250
preempt = "voluntary"
sched_autogroup_enabled = {on}
[program.a]
kind = "hog"
cpu = 0
nice = {nice}
[program.b]
kind = "hog"
cpu = 0
[program.c]
kind = "hog"
cpu = 0
session = "another"
[program.d]
kind = "hog"
cpu = 0
cgroup = "g"
[cgroup.g]
cpu.weight = 200
"""


def shares(wakepath: Call, tmp_path: Path, **keys: object) -> dict[str, float]:
    file = tmp_path / "hogs.toml"
    file.write_text(HOGS.format(**({"version": "6.12", "on": "true", "nice": 0} | keys)))
    said = wakepath("run", str(file), "--duration", "4s", "--json", "-")
    assert said.status == 0, said.err
    tasks = json.loads(said.out)["tasks"]
    return {t["comm"]: t["cpu_ns_per_s"] / 1e9 for t in tasks if t["comm"] in "abcd"}


@pytest.mark.parametrize("version", ["6.1", "6.12", "6.18"])
def test_a_session_has_the_weight_of_one_task(wakepath: Call, tmp_path: Path, version: str) -> None:
    found = shares(wakepath, tmp_path, version=version)
    expected = {"a": 0.125, "b": 0.125, "c": 0.25, "d": 0.5}
    assert found == pytest.approx(expected, abs=0.01)
    apart = shares(wakepath, tmp_path, version=version, on="false")
    assert apart == pytest.approx({"a": 0.2, "b": 0.2, "c": 0.2, "d": 0.4}, abs=0.01)


def test_nice_counts_within_the_session_only(wakepath: Call, tmp_path: Path) -> None:
    found = shares(wakepath, tmp_path, nice=-10)
    assert found["a"] + found["b"] == pytest.approx(0.25, abs=0.01)
    assert found["a"] / found["b"] == pytest.approx(9548 / 1024, rel=0.1)


def test_groups_are_named_as_in_proc(wakepath: Call, tmp_path: Path) -> None:
    file = tmp_path / "hogs.toml"
    file.write_text(HOGS.format(version="6.18", on="true", nice=0))
    said = wakepath("run", str(file), "--duration", "1s", "--json", "-")
    groups = {t["comm"]: t["cgroup"] for t in json.loads(said.out)["tasks"]}
    assert groups["a"] == groups["b"] == "/autogroup-1"
    assert groups["c"] == "/autogroup-2"
    assert groups["d"] == "/g"


def test_sessions_and_affinities_of_a_tarball() -> None:
    tasks = [
        {"comm": "sh", "autogroup": "autogroup-7", "autogroup_nice": 5, "cpus": "0-1"},
        {"comm": "fio", "autogroup": "autogroup-8", "autogroup_nice": 0, "cpus": "1"},
        {"comm": "fio", "autogroup": "autogroup-7", "autogroup_nice": 5, "cpus": "1"},
        {"comm": "rcu_preempt", "autogroup": "", "autogroup_nice": 0, "cpus": "0-1"},
        {"comm": "sh", "autogroup": "autogroup-7", "autogroup_nice": 5, "cpus": "1"},
    ]
    assert collected._pinned(tasks) == [{"tasks": ["fio"], "cpu": 1}]
    found = collected._autogroups(tasks)
    assert found == {
        "autogroup-7": {"nice": 5, "tasks": ["sh", "fio", "sh"]},
        "autogroup-8": {"nice": 0, "tasks": ["fio"]},
    }
    setting = {
        "cpus": 2,
        "autogroups": found,
        "pinned": [{"tasks": ["fio"], "cpu": 1}],
        "switches": {"sched_vcpu_pack": "15"},
    }
    core = lockstep.core_setting(setting, "6.18", "here")
    weights = {g["name"]: g["shares"] >> 10 for g in core["groups"]}
    assert weights == {"autogroup-7": 335, "autogroup-8": 1024}
    assert core["switches"] == {"sched_vcpu_pack": "15"}
    assert core["pinned"] == [{"tasks": ["fio"], "cpu": 1}]


def test_a_session_may_be_nicer_or_less_nice() -> None:
    setting = {"autogroups": {"autogroup-3": {"nice": -5, "tasks": ["db"]}}}
    groups = lockstep.core_setting(setting, "6.18", "here")["groups"]
    assert groups == [{"name": "autogroup-3", "shares": 3121 << 10, "tasks": ["db"]}]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"autogroups": {"a": {"nice": 20, "tasks": []}}}, "autogroup 'a' has no nice value"),
        ({"autogroups": {"a": 3}}, "autogroup 'a' has no nice value"),
        ({"autogroups": {"a": {"tasks": "sh"}}}, "'tasks' of a is no list of names"),
        ({"cpus": 2, "pinned": [1]}, "an entry of 'pinned' is no object"),
        ({"cpus": 2, "pinned": [{"tasks": [1], "cpu": 0}]}, "'tasks' of pinned is no list of names"),
        ({"cpus": 2, "pinned": [{"tasks": ["a"]}]}, "cpu = None is no whole number"),
        ({"switches": [1]}, "'switches' is no object"),
    ],
)
def test_what_is_wrong_in_a_setting_is_said(setting: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        lockstep.core_setting(setting, "6.18", "here")
