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


@pytest.mark.parametrize("name", ["one_bad_node", "fsync", "host_down"])
def test_nor_does_the_number_of_threads(name: str) -> None:
    part = {"duration": "300ms", "warmup": "350ms"} if name == "host_down" else SHORT  # it goes down at 500 ms
    one, two, three = (cluster(str(SCENARIOS / f"{name}.toml"), threads=n, **part) for n in (1, 2, 9))
    assert [r.data["engine"]["threads"] for r in (one, two, three)] == [1, 2, 3]  # no more than there are nodes
    assert two.to_json(deterministic=True) == one.to_json(deterministic=True)
    assert three.to_json(deterministic=True) == one.to_json(deterministic=True)


@pytest.mark.parametrize(("replicas", "legs"), [(1, 1), (3, 2)])
def test_nodes_and_a_link_take_what_a_formula_says(tmp_path: Path, replicas: int, legs: int) -> None:
    """One record at a time: client to leader and back; with copies, leader to the follower that decides and back."""
    text = (SCENARIOS / "scenario.toml").read_text().replace("rate = 90000", "concurrency = 1")
    text = text.replace('loop = "open"', 'loop = "closed"').replace("rack.xml", str(SCENARIOS / "rack.xml"))
    text = text.replace("node.toml", str(SCENARIOS / "node.toml")).replace("replicas = 3", f"replicas = {replicas}")
    (tmp_path / "c.toml").write_text(text)
    part = cluster(str(tmp_path / "c.toml"), **SHORT).data["where_time_went"]["all"]
    links, slowest = 2 * 10_000, 3.125  # two links of 10 us a way; bytes per ns of a server's link
    formula = legs * (2 * links + (4096 + 64) / slowest + 64 / slowest)
    assert part["network_ns"] == pytest.approx(formula, rel=0.01)
    shares = sum(n["wait_ns"] + n["submit_ns"] + n["device_ns"] + n["completion_ns"] for n in part["nodes"])
    assert part["network_ns"] + part["retry_ns"] + shares == pytest.approx(part["mean_ns"], rel=1e-9)


_PLAIN = ["network/model:CM02", "network/TCP-gamma:0", "network/crosstraffic:0"]


@pytest.mark.parametrize(
    ("options", "platform", "begin", "number", "sizes"),
    [
        (_PLAIN, "rack.xml", 0, 400, [64, 4160, 65536, 1000000]),  # crowded: transfers share links
        ([], "rack.xml", 0, 400, [64, 4160, 65536, 1000000]),
        (_PLAIN, "rack.xml", 0, 400, [64, 4160]),  # some are alone, some meet
        (_PLAIN, "rack-degrading.xml", 499_950_000, 60, [64, 4160, 65536]),  # a link loses its bandwidth on the way
    ],
)
def test_transfers_end_when_plain_simgrid_ends_them(
    options: list[str], platform: str, begin: int, number: int, sizes: list[int]
) -> None:
    draw = random.Random(1)
    lines, now = [], begin
    for _ in range(number):
        now += draw.randrange(1, 4000)
        a, b = draw.sample(["n1", "n2", "n3", "load"], 2)
        lines.append(f"{now} {a} {b} {draw.choice(sizes)}")
    _transfers_end_when_plain_simgrid_ends_them(SCENARIOS / platform, options, lines, 20_000)


def _uneven_platform(draw: random.Random, hosts: str) -> str:
    """Links of all speeds, latencies and ways of sharing, and a core that some routes take."""
    policies = {h: draw.choice(["SPLITDUPLEX", "SHARED"]) for h in hosts}
    lines = ["<?xml version='1.0'?>", '<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">']
    lines += ['<platform version="4.1">', '<zone id="z" routing="Full">']
    lines += [f'<host id="{h}" speed="1Gf"/>' for h in hosts]
    for h in hosts:
        bandwidth, latency = draw.choice([1.25, 3.125, 12.5]), draw.choice([10, 15, 40])
        lines.append(
            f'<link id="{h}" bandwidth="{bandwidth}GBps" latency="{latency}us" sharing_policy="{policies[h]}"/>'
        )
    lines.append('<link id="core" bandwidth="4GBps" latency="5us"/>')
    lines.append('<link id="fat" bandwidth="2GBps" latency="1us" sharing_policy="FATPIPE"/>')

    def use(h: str, way: str) -> str:
        return f'<link_ctn id="{h}"' + (f' direction="{way}"/>' if policies[h] == "SPLITDUPLEX" else "/>")

    for a in hosts:
        for b in hosts:
            middle = draw.choice(["", '<link_ctn id="core"/>', '<link_ctn id="core"/>', '<link_ctn id="fat"/>'])
            route = use(a, "UP") + middle + use(b, "DOWN")
            lines += [f'<route src="{a}" dst="{b}" symmetrical="NO">{route}</route>'] if a != b else []
    return "\n".join([*lines, "</zone>", "</platform>", ""])


@pytest.mark.parametrize("options", [_PLAIN, ["network/model:CM02"], ["network/model:LV08"]])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_so_they_do_on_uneven_platforms(tmp_path: Path, options: list[str], seed: int) -> None:
    draw, hosts = random.Random(seed), "abcdef"
    (tmp_path / "platform.xml").write_text(_uneven_platform(draw, hosts))
    lines, now = [], 0
    for _ in range(800):
        now += draw.randrange(1, 3000)
        a, b = draw.sample(hosts, 2)
        lines.append(f"{now} {a} {b} {draw.choice([64, 4160, 4160, 65536])}")
    _transfers_end_when_plain_simgrid_ends_them(tmp_path / "platform.xml", options, lines, 16_000)


def _transfers_end_when_plain_simgrid_ends_them(
    platform: Path, options: list[str], lines: list[str], window: int
) -> None:
    twin = program().parent / "network_twin"
    if not twin.is_file():
        pytest.skip("network_twin is built by ./test")

    def run(how: str) -> list[float]:
        done = subprocess.run(
            [str(twin), str(platform), how, *options],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(x) for x in done.stdout.split()]

    plain = run("plain")
    wide, narrow = run(str(window)), run("777")
    assert narrow == wide
    for sent, want, got in zip(lines, plain, wide, strict=True):
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
    assert "weighs 25600 against 1024" in cause(bad["nodes"][1])
    assert bad["nodes"][1]["waits"][0]["cause"] == "weight"
    assert bad["nodes"][1]["waits"][0]["waiter"].startswith("kworker")
    assert "weight" not in [w["cause"] for node in (*good["nodes"], bad["nodes"][0]) for w in node["waits"]]
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
    # A narrower window sees the same cuts, elections and returns.
    for window in ("7us", "3333ns"):
        other = cluster(file, sets=["client.load.rate=5000", f"run.window={window}"])
        assert _comparable(other.data) == _comparable(result.data), window


def test_every_node_alone_does_what_it_does_in_the_fleet() -> None:
    result = cluster(str(SCENARIOS / "one_bad_node.toml"), **SHORT, alone=True)  # it fails where one does not
    assert result.data["engine"]["alone_wall_s"] > 0


@pytest.mark.parametrize("name", ["remote_disks", "fsync"])
def test_disks_elsewhere_and_fsync_lose_nothing_either(name: str) -> None:
    file = str(SCENARIOS / f"{name}.toml")
    result = cluster(file, **SHORT)
    assert result.missing == 0
    assert result.data["produce"]["acknowledged"] > 1500
    other = cluster(file, sets=["run.window=3us"], **SHORT)
    assert _comparable(other.data) == _comparable(result.data)


def test_a_remote_disk_takes_what_its_bandwidth_and_the_network_say(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    base = (folder / "remote_disks.toml").read_text().replace("rate = 30000", "concurrency = 1")
    (folder / "scenario.toml").write_text(
        (folder / "scenario.toml").read_text().replace('loop = "open"\nrate = 90000', 'loop = "closed"')
    )
    (folder / "remote_disks.toml").write_text(base)

    def device_ns(platform: str) -> float:
        (folder / "rack-volumes.xml").write_text(platform)
        data = cluster(str(folder / "remote_disks.toml"), sets=["log.replicas=1"], **SHORT).data
        return float(sum(n["device_ns"] for n in data["where_time_went"]["all"]["nodes"]))

    platform = (folder / "rack-volumes.xml").read_text()
    fast = device_ns(platform)
    assert fast > 2 * 100_000 + 4096  # there and back, and the disk's own
    slow_disk = device_ns(platform.replace('write_bw="1GBps"', 'write_bw="10MBps"'))
    assert slow_disk - fast == pytest.approx(4096 / 0.01 - 4096 / 1.0, rel=0.01)
    far = device_ns(platform.replace('latency="90us"', 'latency="290us"'))
    assert far - fast == pytest.approx(2 * 200_000, rel=0.01)


def test_a_latency_that_a_profile_changes_counts_from_its_date(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    platform = (folder / "rack-degrading.xml").read_text()
    profiles = 'bandwidth_file="n3.bandwidth" state_file="n3.state"'
    assert profiles in platform
    (folder / "rack-degrading.xml").write_text(platform.replace(profiles, 'latency_file="n3.latency"'))
    (folder / "n3.latency").write_text("0.0 0.00001\n0.07 0.00051\n")
    file = str(folder / "degrading_link.toml")
    sets = ["node.n3.reactors=[0]", "log.partitions=3"]
    before = cluster(file, sets=sets, duration="50ms", warmup="20ms").data
    after = cluster(file, sets=sets, duration="50ms", warmup="71ms").data
    # Of the partition that n3 leads the client's question and the answer cross its link, and one ack of a follower.
    grown = [d["where_time_went"]["all"]["network_ns"] for d in (before, after)]
    assert 300_000 < grown[1] - grown[0] < 700_000
    whole = {"duration": "100ms", "warmup": "20ms"}
    wide = cluster(file, sets=sets, **whole).data
    assert _comparable(cluster(file, sets=[*sets, "run.window=3us"], **whole).data) == _comparable(wide)


def test_background_work_of_a_reactor_has_its_shares() -> None:
    sets = ["client.load.rate=5000"]
    none = cluster(str(SCENARIOS / "scenario.toml"), sets=sets, **SHORT).data
    some = [*sets, *(f"node.n{i}.background_shares=100" for i in (1, 2, 3))]
    with_it = cluster(str(SCENARIOS / "scenario.toml"), sets=some, **SHORT).data
    assert none["nodes"][0]["cpus"][0]["idle"] > 0.3
    assert with_it["nodes"][0]["cpus"][0]["idle"] < 0.01  # it always has more to do
    quota = 500_000  # ns that a message may have to wait for it
    waits = [d["where_time_went"]["all"]["scheduler_ns"] for d in (none, with_it)]
    assert quota / 2 < waits[1] - waits[0] < 4 * quota
    small = [*some, *(f"node.n{i}.task_quota=50us" for i in (1, 2, 3))]
    less = cluster(str(SCENARIOS / "scenario.toml"), sets=small, **SHORT).data
    assert less["where_time_went"]["all"]["scheduler_ns"] - waits[0] < (waits[1] - waits[0]) / 4


def test_fsync_runs_in_kworkers_that_a_weight_starves() -> None:
    good, bad = (
        cluster(str(SCENARIOS / f"{name}.toml"), duration="300ms", warmup="50ms").data
        for name in ("fsync", "fsync_one_bad_node")
    )
    assert all(n["page_cache"]["written_pages_per_s"] > 10_000 for n in good["nodes"])
    assert bad["produce"]["latency_ns"]["p999"] > good["produce"]["latency_ns"]["p999"]
    starved = bad["nodes"][1]["waits"][0]
    assert starved["waiter"].startswith("kworker")
    assert starved["cause"] == "weight"


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
        ("scenario.toml", "[node.n3]", '[node.n3]\ndisk = "vol7"', "no disk vol7"),
        ("scenario.toml", "replicas = 3", 'replicas = 3\ndurability = "fsnc"', "no such durability"),
        ("scenario.toml", "replicas = 3", 'replicas = 3\nheartbeat = "2s"', "less than the election timeout"),
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
