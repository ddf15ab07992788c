# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording as a scenario: its programs and its device from the trace, what a trace cannot show from the setting.

From the trace: every task that does I/O as a loop with its depth, batches and how many completions it waits for; nice
values; the device law; what other threads ran; which records were written. From the setting: kernel, tunables, groups,
filesystem. A figure that the trace contradicts is the trace's.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wakepath import _core, device_law, replay_machine
from wakepath import recording as recording_file
from wakepath.errors import InputError
from wakepath.lockstep import read_setting
from wakepath.paths import read_text
from wakepath.scenario import toml_key

RECORDINGS = Path(__file__).resolve().parent / "recordings.toml"
# Threads that ran less than this part of a CPU are left out of a replay.
LEAST_SHARE = 0.0005
# One that never sleeps and ran this much spins; with less it was seen too briefly to say.
HOG_SHARE = 0.02
# The queue of a recording may be refilling when it begins: what is counted then is too little.
NEAR = 0.4
# Items for at least this share of the I/Os: they end in work items.
LEAST_ITEMS = 0.5
HIGH_WORKER = re.compile(r"kworker/\d+:\d+H")
LOOP_FUNCTION = re.compile(r"loop_(rootcg_)?workfn")  # drivers/block/loop.c
# A CPU that saw less than this part of what the busiest one did has no part in the I/Os.
OFTEN = 0.05
WHOLE_CASE = ("platform", "kernel", "id")
MACHINE_KEYS = ("cpus", "hz", "preempt", "irq_time_accounting", "sched", "cgroup", "cgroups")
# A machine that no platform file describes: --machine does, or MACHINE.
NO_PLATFORM, MACHINE = "recorded", "replayed"
GROUP_KEYS = ("weight", "shares", "idle")
WORKLOAD_KEYS = ("filesystem", "overwrite", "direct", "pinned_cpu")


@dataclass(frozen=True)
class Recording:
    """`case`: what is known beside the trace, in the form of a truth case; `where`: the file that says it; `closed`:
    files of the recorded machine that nobody there may set."""

    trace: str
    profile: dict[str, Any]
    case: dict[str, Any]
    where: str
    closed: tuple[str, ...] = ()

    @property
    def window_s(self) -> float:
        return float(self.profile["time"]["window_ns"]) / 1e9

    @property
    def tasks(self) -> list[dict[str, Any]]:
        return [t for t in self.profile["programs"]["tasks"] if t["submitted"] > 0]

    @property
    def ios(self) -> int:
        """I/Os that went through, as workers end them where they do, without workers as the device ends them.

        What the device has ended may wait for a worker for long, and a program that takes many at once does so a few
        times only in a short recording.
        """
        ended, items = int(self.profile["programs"]["completed"]), int(self.profile["time"]["units"]["items"])
        return min(ended, items) if items >= LEAST_ITEMS * ended else ended


def open_recording(trace: str, setting: str | None = None, kernel: str | None = None) -> Recording:
    """Reads the trace and finds its setting: given, beside it, or in a file of cases in the folder above."""
    case, where, profile, closed = _opened(trace, setting)
    if kernel is not None:
        case = {**case, "kernel": kernel}
    if "kernel" not in case:
        raise InputError(
            "no setting says which kernel was recorded",
            trace,
            suggestion="--kernel V, or --setting FILE (docs/commands.md)",
        )
    _check(profile["trace"], trace)
    return Recording(trace, profile, case, where, closed)


def _opened(trace: str, setting: str | None) -> tuple[dict[str, Any], str, dict[str, Any], tuple[str, ...]]:
    """What is known beside the trace, where that was found, the trace's profile, and what nobody may set there; a
    tarball has all of them."""
    with recording_file.open(trace) as opened:
        profile = json.loads(_core.profile(opened.trace))
        if setting is not None or opened.trace == trace:
            return *case_beside(trace, setting), profile, opened.closed
        case: dict[str, Any] = {"setting": opened.setting}
        if opened.kernel:
            case["kernel"] = opened.kernel
        return case, opened.setting_from or trace, profile, opened.closed


def _check(report: dict[str, Any], trace: str) -> None:
    from wakepath.trace_report import complaints

    if report["lost"]["places"] > 0:
        raise InputError("has lost records: a replay needs every one", trace)
    doubts = complaints(report)
    if doubts:
        raise InputError(f"is not in order: {doubts[0]}", trace)


def case_beside(trace: str, given: str | None) -> tuple[dict[str, Any], str]:
    if given:
        return _whole(given), given
    beside = Path(f"{trace}.setting.json")
    if beside.is_file():
        return _whole(str(beside)), str(beside)
    for file in sorted(Path(trace).resolve().parent.parent.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if Path(trace).name in line:
                case = json.loads(line)
                if Path(str(case.get("trace", ""))).name == Path(trace).name:
                    return case, f"{file}#{case['id']}"
    return {"setting": {}}, ""


def _whole(source: str) -> dict[str, Any]:
    """A case with what stands around its setting, where there is more than the setting."""
    setting = read_setting(source)
    name, _, wanted = source.partition("#")
    for line in [read_text(name), *read_text(name).splitlines()]:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get("setting"), dict) and wanted in ("", str(found.get("id"))):
            return {**found, "setting": setting}
    extra = {key: setting[key] for key in ("kernel", "platform") if isinstance(setting.get(key), str)}
    return {**extra, "setting": {k: v for k, v in setting.items() if k not in extra}}


def law_of(profile: dict[str, Any]) -> device_law.Law | None:
    """The device law that a profile shows."""
    programs = profile["programs"]
    begin, held = profile["trace"]["first_ts_ns"], programs["at_begin"]["in_device"]
    return device_law.fit_blocks(programs["requests"], programs["request_block"], begin, held)


def limit_of(profile: dict[str, Any], setting: dict[str, Any]) -> float | None:
    """I/Os per second that the device ends at most: as the trace shows it, else as the setting says."""
    law = law_of(profile)
    if law is not None and law.cap is not None:
        return law.cap
    device = setting.get("device")
    if isinstance(device, dict) and device.get("service_ns"):
        return 1e9 / float(device["service_ns"])
    return None


def record_costs(recording: Recording) -> tuple[dict[str, int], str]:
    """What writing a record cost the recorded kernel: measured for its platform, else the least seen between two."""
    table = tomllib.loads(RECORDINGS.read_text(encoding="utf-8"))
    version = str(recording.case["kernel"])
    known = table.get("io", {}).get(str(recording.case.get("platform", "")), {}).get(version)
    if known:
        return dict(known), "measured (recordings.toml)"
    if (counted := _counted_cost(recording)) is not None:
        return (
            {"trace_record": counted, "trace_record_sched": counted},
            "measured: CPU time an I/O while recorded and in the second before (collect.sh)",
        )
    shortest = recording.profile["shortest"]
    return (
        {"trace_record": int(shortest["plain_ns"]), "trace_record_sched": int(shortest["sched_ns"])},
        "at most: the least time between two kinds of records of this trace",
    )


def unrecorded_rates(recording: Recording) -> dict[str, float] | None:
    """I/Os and switches a second before the recorder was turned on, of a tarball that counted them."""
    counted = recording.case["setting"].get("unrecorded")
    if not counted or not counted["seconds"] or "programs" not in recording.profile:
        return None
    ios = sum(counted["ios"].get(device, 0) for device in recording.profile["programs"]["devices"])
    if not ios:
        return None
    return {"iops": ios / counted["seconds"], "context_switches_per_s": counted["switches"] / counted["seconds"]}


def io_cpus(recording: Recording) -> set[int]:
    """Where programs submit and where their I/Os end, without CPUs that saw few of them."""
    places = [*(t["cpus"] for t in recording.tasks), recording.profile["programs"]["completed_on"]]
    return {int(cpu) for n in places for cpu in n if n[cpu] >= OFTEN * max(n.values())}


def _counted_cost(recording: Recording) -> int | None:
    """What the CPUs of the I/Os took longer for one while they were recorded, over the records of one; never more than
    the least time between two records."""
    rates, profile = unrecorded_rates(recording), recording.profile
    if rates is None or recording.ios == 0:
        return None
    counted = recording.case["setting"]["unrecorded"]
    used = io_cpus(recording)
    own = [cpu["parts"] for cpu in profile["time"]["cpus"] if cpu["id"] in used]
    parts = [part for cpu in own for name, part in cpu.items() if name not in ("idle", "lost")]
    records = sum(part["records"] + part["sched_records"] for part in parts)
    before = sum(ns for cpu, ns in counted["busy_ns"].items() if int(cpu) in used)
    if not records or not before:
        return None
    longer = sum(part["ns"] for part in parts) / recording.ios - before / (rates["iops"] * counted["seconds"])
    shortest = profile["shortest"]
    least = min(int(shortest["plain_ns"]), int(shortest["sched_ns"]))
    return max(0, min(round(float(longer) * recording.ios / float(records)), least))


def _mode(pairs: list[list[int]]) -> int:
    return max(pairs, key=lambda p: p[1])[0] if pairs else 0


def depth_of(recording: Recording) -> int:
    """I/Os that each task keeps in flight when it waits.

    What was in flight at the first record is known where the worker idled once; else at least so much was, and the
    number of completions that the task asks for at once is taken where it is greater.
    """
    programs = recording.profile["programs"]
    begin, tasks = programs["at_begin"], recording.tasks
    base = begin["in_device"] + begin["waiting_for_worker"] + begin["unreaped"]
    found = max(1, round((base + sum(_mode(t["balance"]) for t in tasks)) / max(1, len(tasks))))
    workers = [t for t in programs["others"] if t["works"]]
    if workers and not any(t["turns"] for t in workers):
        found = max([found, *(n[0] for t in tasks for n in t["nr"])])
    # Who waits for so many, or hands in so many at once, has them.
    found = max([found, *(n[0] for t in tasks for key in ("min_nr", "submit_nr") for n in t[key])])
    # Who asks for about as many as it has in flight asks for all of them.
    asked = max((n[0] for t in tasks for n in t["nr"]), default=0)
    return asked if NEAR * asked <= found <= asked / NEAR else found


def workload(recording: Recording) -> dict[str, Any]:
    """The workload in the words of a truth case. All tasks alike: the one that submitted most says how."""
    tasks = recording.tasks
    if not tasks:
        raise InputError("no task in it submits I/O by io_submit or io_uring_enter: nothing to replay", recording.trace)
    programs = recording.profile["programs"]
    task = max(tasks, key=lambda t: int(t["submitted"]))
    depth = depth_of(recording)
    batches = [b for b in task["batch"] if b[0] <= depth]
    batch = _mode(batches) if batches else depth
    waits = [m for m in task["min_nr"] if m[0] > 0]
    given = recording.case["setting"].get("workload", {})
    out = {k: given[k] for k in WORKLOAD_KEYS if k in given}
    out["engine"] = task["engine"]
    out["rw"] = _rw(programs)
    out["bs"] = int(max(programs["bytes"].items(), key=lambda kv: kv[1])[0]) if programs["bytes"] else 4096
    out["iodepth"] = depth
    if task["engine"] == "io_uring":  # what it takes from its ring is not in a trace
        return {**out, **{k: given[k] for k in given if k.startswith("iodepth")}}
    out["iodepth_batch_submit"] = min(batch, depth)
    out["iodepth_batch_complete_min"] = min(depth, max((m[0] for m in waits), default=0))
    most = max((n[0] for n in task["nr"]), default=depth)
    out["iodepth_batch_complete_max"] = min(depth, most) if most > 0 else depth
    if len(tasks) > 1:
        out["numjobs"] = len(tasks)
    cpus = {int(c) for t in tasks for c in t["cpus"]}
    if "pinned_cpu" not in out and len(cpus) == 1:
        out["pinned_cpu"] = cpus.pop()
    return out


def _rw(programs: dict[str, Any]) -> str:
    share = programs["writes"] / max(1, programs["issued"])
    return "randwrite" if share > 0.99 else "randread" if share < 0.01 else "randrw"


def case_of(recording: Recording) -> dict[str, Any]:
    """The recording as a truth case whose workload was seen; the device follows as sets."""
    given = recording.case["setting"]
    setting = {k: given[k] for k in MACHINE_KEYS if k in given}
    if "cgroups" in setting:
        setting["cgroups"] = _groups(recording)
    setting["workload"] = workload(recording)
    setting["nice"] = {"fio": recording.tasks[0]["prio"] - 120, "kworker": _workers_nice(recording)}
    if isinstance(given.get("device"), str):
        setting["device"] = given["device"]
    return {
        "schema": "wakepath.truth/1",
        "id": str(recording.case.get("id", Path(recording.trace).name.split(".")[0])),
        "platform": str(recording.case.get("platform", NO_PLATFORM)),
        "kernel": str(recording.case["kernel"]),
        "role": "predict",
        "setting": setting,
        "measured": {},
    }


def _fair_workers(recording: Recording) -> list[dict[str, Any]]:
    return [t for t in recording.profile["programs"]["others"] if t["works"] and t["prio"] >= 100]


def _workers_nice(recording: Recording) -> int:
    """Of the worker that ended most I/Os; the kernel's own 0 where none was seen to."""
    most = max(_fair_workers(recording), key=lambda t: int(t["ended"]), default=None)
    return int(most["prio"]) - 120 if most and most["ended"] else 0


def _high_workers(recording: Recording) -> list[str]:
    """The pool of kblockd: it has the kernel's -20, unless somebody reniced it (or the platform says so)."""
    high = [t for t in _fair_workers(recording) if HIGH_WORKER.fullmatch(t["comm"])]
    most = max(high, key=lambda t: int(t["run_ns"]), default=None)
    return [f'task."kworker/*:*H".nice={most["prio"] - 120}'] if most and most["cpus"] else []


def _group_of(recording: Recording, pid: int) -> str:
    """The cgroup that the setting has for a task, "" for the root and where it says nothing of it."""
    for task in recording.case["setting"].get("tasks", []):
        if isinstance(task, dict) and task.get("tid") == pid:
            return str(task["cgroup"])
    return ""


def _groups(recording: Recording) -> dict[str, dict[str, Any]]:
    """Weights of the groups that the replayed tasks are in, and of those above: what a replay can compare."""
    given = recording.case["setting"]
    known = {**given.get("cgroups_above", {}), **given["cgroups"]}
    pids = [t["pid"] for t in recording.tasks] + [t["pid"] for t in _replayed(recording)]
    named = {_group_of(recording, pid) for pid in pids} | {g for g in known if "tasks" not in given}
    wanted = {str(p) for g in named if g for p in (PurePosixPath(g), *PurePosixPath(g).parents)} - {"."}
    return {g: {k: v for k, v in known.get(g, {}).items() if k in GROUP_KEYS} for g in sorted(wanted)}


@dataclass(frozen=True)
class Seen:
    """Sets that lay over the case what the trace shows of device, completions and other threads; and what was noted.

    loop_ns: what a request took of the worker of a loop device, records included; None: it is another device.
    """

    sets: tuple[str, ...]
    notes: tuple[str, ...]
    law: device_law.Law | None
    loop_ns: float | None = None


def seen(recording: Recording) -> Seen:
    programs = recording.profile["programs"]
    notes: list[str] = []
    loop = loop_ns(recording.profile)
    law = law_of(recording.profile) if loop is None else None
    sets: list[str] = []
    if loop is not None:
        sets += replay_machine.LOOP_SETS
    elif law is None:
        notes.append(
            "too few requests complete in the trace to tell the device's times: the setting's or platform's are used"
        )
    elif law.explained < device_law.EXPLAINED:
        notes.append(
            f"no law explains the device's times ({law.explained:.0%} within reach): "
            "the setting's or platform's is used"
        )
        law = None
    tags = recording.case["setting"].get("device")
    if isinstance(tags, dict) and "law" in tags and (law is None or not law.cap_seen):
        if law is not None:
            notes.append("the trace does not show what the device can do at most: the setting's law is used")
        names = {"law": "law", "service_ns": "service_ns", "latency_ns": "latency_ns", "grid_ns": "completion_grid_ns"}
        sets += [f"device.{ours}={tags[theirs]}" for ours, theirs in names.items() if theirs in tags]
    elif law is not None:
        sets += law.sets()
    if isinstance(tags, dict):
        if "hw_queue_depth" in tags:
            sets.append(f"block.queue_depth={tags['hw_queue_depth']}")
        if "copies_data" in tags:
            sets.append(f"device.copies_data={str(tags['copies_data']).lower()}")
    if any("null_cmd_timer_expired" in name for name in programs["completed_by"]):
        sets += ['block.driver="null_blk"', "block.virtual_timer_completion=true"]
    if "platform" not in recording.case:
        sets = replay_machine.kernel_sets(recording.case["setting"], str(recording.case["kernel"])) + sets
    sets += replay_machine.sets(recording.case["setting"], programs)
    mixed = programs["writes"] / max(1, programs["issued"])
    if 0.01 <= mixed <= 0.99:
        sets.append(f"workload.fio.rwmixread={round(100 * (1 - mixed))}")
    if group := _group_of(recording, max(recording.tasks, key=lambda t: int(t["submitted"]))["pid"]):
        sets.append(f"workload.fio.cgroup={json.dumps(group)}")
    if law is not None and law.law == "woken":
        sets += _server_cpu(recording)
    sets += _high_workers(recording) + _others(recording)
    return Seen(tuple(sets), tuple(notes), law, loop)


def loop_ns(profile: dict[str, Any]) -> float | None:
    """ns of a worker's time, records included, for each request of a loop device; None where there is none."""
    spent = sum(f["ns"] for name, f in profile["functions"].items() if LOOP_FUNCTION.fullmatch(name))
    ended = int(profile["programs"]["completed"])
    return spent / ended if spent and ended else None


def _server_cpu(recording: Recording) -> list[str]:
    """A loop device's requests are served by a worker of an unbound pool, which ends them on the CPU it runs on."""
    unbound = [t for t in _fair_workers(recording) if t["comm"].startswith("kworker/u") and t["cpus"]]
    most = max(unbound, key=lambda t: int(t["run_ns"]), default=None)
    return [f"block.irq_cpus=[{max(most['cpus'].items(), key=lambda kv: kv[1])[0]}]"] if most else []


def _works_for_a_ring(t: dict[str, Any]) -> bool:
    """A worker of a ring's io-wq: the model has its own. It issues requests without a call of its own, for the task
    that wakes it."""
    return bool(t["woken_by_ring"] > 0 and (t["issued"] > 0 or 2 * t["woken_by_ring"] > t["wakings"]))


def _replayed(recording: Recording) -> list[dict[str, Any]]:
    """The other threads that ran long enough to matter, without workers and ksoftirqd: the model has its own."""
    window = recording.profile["time"]["window_ns"]
    return [
        t
        for t in recording.profile["programs"]["others"]
        if not (t["works"] or t["pid"] == 0 or t["run_ns"] < LEAST_SHARE * window or not t["cpus"])
        and not t["comm"].startswith("ksoftirqd/")
        and (t["turns"] > 0 or t["run_ns"] >= HOG_SHARE * window)
        and not _works_for_a_ring(t)
    ]


def _others(recording: Recording) -> list[str]:
    """Every other thread that ran: as often, and as long, as it did."""
    window = recording.profile["time"]["window_ns"]
    sets: list[str] = []
    names = [t["comm"] for t in recording.profile["programs"]["others"]]
    for t in _replayed(recording):
        # A platform's own thread of that name gives way to the recorded one.
        alone = names.count(t["comm"]) == 1
        unique = str(t["comm"]) if alone else f"{t['comm']}-{t['pid']}"
        name = f"program.{toml_key(unique)}"
        cpu = int(max(t["cpus"].items(), key=lambda kv: kv[1])[0])
        sets += [f'{name}.kind="{"kthread" if t["turns"] else "hog"}"', f"{name}.cpu={cpu}"]
        if t["turns"]:
            sets.append(f"{name}.period={max(1, window // t['turns'])}ns")
            sets.append(f"{name}.run={max(1, t['run_ns'] // t['turns'])}ns")
        if group := _group_of(recording, t["pid"]):
            sets.append(f"{name}.cgroup={json.dumps(group)}")
        if t["prio"] < 100:
            sets += [f'{name}.policy="fifo"', f"{name}.rt_priority={max(1, 99 - t['prio'])}"]
        elif t["prio"] != 120:
            sets.append(f"{name}.nice={t['prio'] - 120}")
    return sets
