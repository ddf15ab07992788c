# SPDX-License-Identifier: GPL-2.0-or-later
"""Fleets: the coupling with SimGrid changes nothing, one node is one run, faults lose no acknowledged record."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import wakepath
from wakepath.cluster import cluster, program
from wakepath.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios" / "replicated_log"


def _has_simgrid() -> bool:
    try:
        return program().is_file()
    except InputError:
        return False


pytestmark = [
    pytest.mark.skipif(not _has_simgrid(), reason="SimGrid is not installed"),
    pytest.mark.xdist_group("cluster"),
]

SHORT = {"duration": "100ms", "warmup": "20ms"}


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    shutil.copytree(SCENARIOS, folder)
    shutil.copytree(ROOT / "scenarios" / "platforms", tmp_path / "platforms")
    shutil.copytree(ROOT / "scenarios" / "costs", tmp_path / "costs")
    return folder


def _comparable(data: dict[str, object]) -> str:
    data = json.loads(json.dumps(data))
    del data["engine"]
    for node in data["nodes"]:
        node.pop("engine", None)
    return json.dumps(data)


def test_a_cluster_of_one_node_is_that_nodes_run(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "one.toml").write_text(
        'platform = "rack.xml"\n[node.n1]\nscenario = "starved_completions"\n'
        '[run]\nduration = "100ms"\nwarmup = "20ms"\n'
    )
    node = cluster(str(folder / "one.toml")).data["nodes"][0]
    alone = wakepath.run("starved_completions", duration="100ms", warmup="20ms").data
    for key in ("io", "totals", "cpus", "tasks", "groups", "workqueue", "pingpong"):
        assert node[key] == alone[key], key
    assert node["engine"]["events"] == alone["engine"]["events"]


def test_the_width_of_the_window_changes_nothing() -> None:
    wide = cluster(str(SCENARIOS / "scenario.toml"), **SHORT).data
    for window in ("20us", "7us", "1333ns"):
        narrow = cluster(str(SCENARIOS / "scenario.toml"), sets=[f"run.window={window}"], **SHORT).data
        assert _comparable(narrow) == _comparable(wide), window


def test_nor_does_the_order_of_nodes_and_hosts(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    before = cluster(str(folder / "one_bad_node.toml"), **SHORT).data
    text = (folder / "scenario.toml").read_text()
    head, rest = text.split("[node.n1]")
    first, rest = rest.split("[node.n2]")
    second, rest = rest.split("[node.n3]")
    third, rest = rest.split("[log]")
    (folder / "scenario.toml").write_text(
        f"{head}[node.n3]{third}[node.n2]{second}[node.n1]{first}[log]{rest}", encoding="utf-8"
    )
    lines = (folder / "rack.xml").read_text().splitlines(keepends=True)
    hosts = [i for i, line in enumerate(lines) if "<host " in line]
    reordered = [lines[i] for i in reversed(hosts)]
    for i, line in zip(hosts, reordered, strict=True):
        lines[i] = line
    (folder / "rack.xml").write_text("".join(lines))
    assert _comparable(cluster(str(folder / "one_bad_node.toml"), **SHORT).data) == _comparable(before)


def test_one_node_and_a_link_take_what_a_formula_says(tmp_path: Path) -> None:
    text = (SCENARIOS / "scenario.toml").read_text().replace("rate = 90000", "concurrency = 1")
    text = text.replace('loop = "open"', 'loop = "closed"').replace("rack.xml", str(SCENARIOS / "rack.xml"))
    text = text.replace("node.toml", str(SCENARIOS / "node.toml")).replace("replicas = 3", "replicas = 1")
    (tmp_path / "c.toml").write_text(text)
    part = cluster(str(tmp_path / "c.toml"), **SHORT).data["where_time_went"]["all"]
    links, slowest = 2 * 10_000, 3.125  # two links of 10 us a way; bytes per ns of a server's link
    formula = 2 * links + (4096 + 64) / slowest + 64 / slowest
    assert part["network_ns"] == pytest.approx(formula, rel=0.01)
    shares = sum(n["wait_ns"] + n["submit_ns"] + n["device_ns"] + n["completion_ns"] for n in part["nodes"])
    assert part["network_ns"] + part["retry_ns"] + shares == pytest.approx(part["mean_ns"], rel=1e-9)


@pytest.mark.parametrize("options", [["network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0"], []])
def test_transfers_end_when_plain_simgrid_ends_them(options: list[str]) -> None:
    twin = program().parent / "network_twin"
    if not twin.is_file():
        pytest.skip("network_twin is built by ./test")
    draw = random.Random(1)
    lines, now = [], 0
    for _ in range(400):  # crowded: transfers share links
        now += draw.randrange(1, 4000)
        a, b = draw.sample(["n1", "n2", "n3", "load"], 2)
        lines.append(f"{now} {a} {b} {draw.choice([64, 4160, 65536, 1000000])}")

    def run(how: str) -> list[float]:
        done = subprocess.run(
            [str(twin), str(SCENARIOS / "rack.xml"), how, *options],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(x) for x in done.stdout.split()]

    plain = run("plain")
    for window in ("20000", "777"):
        for sent, want, got in zip(lines, plain, run(window), strict=True):
            start = int(sent.split()[0])
            assert got - start == pytest.approx(want - start, rel=1e-3, abs=1.5), sent


def test_one_bad_node_is_named_with_its_cause() -> None:
    from wakepath.cluster_text import cause, summary, suspect

    good = cluster(str(SCENARIOS / "scenario.toml"), duration="300ms", warmup="50ms").data
    bad = cluster(str(SCENARIOS / "one_bad_node.toml"), duration="300ms", warmup="50ms").data
    assert suspect(good) is None
    found = suspect(bad)
    assert found is not None
    assert found[0] == "n2"
    assert "runnable without a CPU" in cause(bad["nodes"][1])
    assert bad["produce"]["latency_ns"]["p99"] > good["produce"]["latency_ns"]["p99"]
    assert "n2" in summary(bad)


@pytest.mark.parametrize("name", ["host_down", "degrading_link"])
def test_no_acknowledged_record_is_lost(name: str) -> None:
    file = str(SCENARIOS / f"{name}.toml")
    result = cluster(file, sets=["client.load.rate=5000"])
    produce = result.data["produce"]
    assert result.missing == 0
    assert produce["acknowledged"] > 4000
    if name == "host_down":
        assert [c["up"] for c in result.data["host_changes"]] == [False, True]
        assert result.data["elections"] >= 8  # a third of the partitions, and n2's return
        assert result.data["nodes"][1]["boots"] == 2
    else:
        assert result.data["network"]["cut_off"] > 0
    if name == "degrading_link":  # the narrower window sees the same cuts
        other = cluster(file, sets=["client.load.rate=5000", "run.window=7us"])
        assert _comparable(other.data) == _comparable(result.data)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (cluster(str(SCENARIOS / "one_bad_node.toml"), **SHORT).to_json(deterministic=True) for _ in "ab")
    assert first == second


@pytest.mark.parametrize(
    ("file", "before", "after", "says"),
    [
        ("scenario.toml", "[node.n3]", '[node.n3]\nhost = "n9"', "no host n9"),
        ("scenario.toml", "replicas = 3", "replicas = 2", "even number"),
        ("scenario.toml", "replicas = 3", "replicas = 5", "5 replicas on 3 nodes"),
        ("scenario.toml", "reactors = [0, 1]", "reactors = [0, 4]", "outside 0..3"),
        ("scenario.toml", "rate = 90000", "rte = 90000", "rte"),
        ("scenario.toml", 'duration = "1s"', 'duration = 1\nwindow = "1s"', "needs its unit"),
        ("scenario.toml", 'duration = "1s"', 'duration = "1s"\nwindow = "1s"', "wider than the shortest latency"),
        ("rack.xml", 'bandwidth="12.5GBps"', 'bandwidth="0GBps"', "andwidth"),
        ("rack.xml", '<host id="load" speed="1Gf"/>', "", "load"),
        ("rack.xml", "</zone>", "", "SimGrid"),
        ("node.toml", "cpu.weight = 100", "cpu.weight = 0", "weight"),
    ],
)
def test_mistakes_are_said_with_their_place(tmp_path: Path, file: str, before: str, after: str, says: str) -> None:
    folder = _folder(tmp_path)
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after, 1))
    with pytest.raises(InputError, match=says):
        cluster(str(folder / "scenario.toml"), **SHORT)


def test_a_missing_route_is_named(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    lines = (folder / "rack.xml").read_text().splitlines(keepends=True)
    kept = [line for line in lines if 'src="n1" dst="n2"' not in line]
    assert len(kept) == len(lines) - 1
    (folder / "rack.xml").write_text("".join(kept))
    with pytest.raises(InputError, match=r"n1.*n2|route"):
        cluster(str(folder / "scenario.toml"), **SHORT)
