# SPDX-License-Identifier: GPL-2.0-or-later
"""A tarball of calibration/record/collect.sh: its trace as a file, and the setting that its files tell.

A setting has the keys of a truth case's (tests/truth/README.md): cpus, hz, preempt, sched, cgroups with the tasks in
them, nice, and the machine's own files under "machine". What the tarball does not tell is left out and named in notes.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from wakepath.errors import InputError
from wakepath.recorder.facts import vcpu_pack

FORMAT = "wakepath.collect/1"
MAX_BYTES = 4 << 30  # of one member; more is no recording
DEFAULT_SHARES, DEFAULT_WEIGHT = 1024, 100
TICK_NS = 10_000_000  # of /proc/stat: USER_HZ


def is_tarball(path: str) -> bool:
    """By content: a packed or plain tar, whatever its name. No other format that we read passes for one."""
    try:
        return Path(path).is_file() and tarfile.is_tarfile(path)
    except (OSError, EOFError):
        return False


def comm_of(name: str) -> str:
    """The comm that a trace has. /proc adds to a worker's what it is doing: kworker/0:1H-kblockd."""
    if name.startswith("kworker/") and ":" in name:
        name = name.partition("-")[0]
    return name.encode()[:15].decode(errors="ignore")


def _counters(files: dict[str, str]) -> tuple[float, dict[str, int], int, dict[str, int]]:
    """Seconds since boot, ns that each CPU was busy (by its ticks), switches, I/Os ended by "major,minor"."""
    uptime = float(files["/proc/uptime"].split()[0])
    busy = {}
    for line in files["/proc/stat"].splitlines():
        if re.match(r"cpu\d", line):  # user nice system idle iowait irq softirq steal
            name, *ticks = line.split()
            user, nice, system, _, _, irq, softirq = map(int, ticks[:7])
            busy[name.removeprefix("cpu")] = (user + nice + system + irq + softirq) * TICK_NS
    switches = re.findall(r"^ctxt (\d+)", files["/proc/stat"], re.M)[0]
    disks = [line.split() for line in files["/proc/diskstats"].splitlines()]
    ios = {f"{d[0]},{d[1]}": int(d[3]) + int(d[7]) for d in disks if len(d) > 7}
    return uptime, busy, int(switches), ios


class Collected:
    """The members of a tarball, unpacked into a folder: text files whole, the recording beside them."""

    def __init__(self, path: str, folder: str) -> None:
        self.path = path
        self.folder = Path(folder)
        self.notes: list[str] = []
        self._unpack()
        self.manifest = dict(line.split(" ", 1) for line in self.text("manifest.txt").splitlines() if " " in line)
        if self.manifest.get("format") != FORMAT:
            raise InputError(
                "is a tarball, but none of calibration/record/collect.sh",
                path,
                suggestion=f"no {FORMAT} in its manifest",
            )

    def _unpack(self) -> None:
        try:
            with tarfile.open(self.path) as tar:
                for member in tar:
                    name = Path(*Path(member.name).parts[1:])
                    if not member.isfile() or ".." in name.parts or name.is_absolute() or member.size > MAX_BYTES:
                        continue
                    target = self.folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source = tar.extractfile(member)
                    assert source is not None
                    with target.open("wb") as out:
                        while chunk := source.read(1 << 20):
                            out.write(chunk)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise InputError(f"is a damaged tarball: {error}", self.path, suggestion="fetch it again") from None
        except Exception as error:  # zlib.error, lzma.LZMAError
            if type(error).__name__ not in ("error", "LZMAError"):
                raise
            raise InputError(f"is a damaged tarball: {error}", self.path, suggestion="fetch it again") from None

    def text(self, name: str) -> str:
        file = self.folder / name
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    def values(self, name: str) -> dict[str, str]:
        """FILE -> what it held, of a file of "== FILE" sections."""
        found: dict[str, str] = {}
        for section in re.split(r"^== ", self.text(name), flags=re.M)[1:]:
            head, _, body = section.partition("\n")
            found[head] = body.strip("\n")
        return found

    def closed(self) -> tuple[str, ...]:
        """The scheduler's files that are there and that even root was not let read: no line of a shell sets them."""
        root = self.manifest.get("user") == "0"
        files = self.values("sched.txt").items()
        return tuple(file for file, held in files if root and file.startswith("/sys/kernel/debug/sched/") and not held)

    def trace(self) -> str:
        """The recording as a file for the core, "" when there is none."""
        for name in ("trace.dat", "trace.perf.txt.gz", "trace.txt.gz"):
            if (self.folder / name).is_file():
                return str(self.folder / name)
        if (self.folder / "ftrace" / "header_page").is_file():
            from wakepath.raw_pages import assemble

            return str(assemble(self))
        return ""

    def setting(self) -> dict[str, Any]:
        release = self.manifest.get("release", "")
        out: dict[str, Any] = {"kernel": release}
        if self.manifest.get("cpus", "").isdecimal():
            out["cpus"] = int(self.manifest["cpus"])
        config = dict(line.split("=", 1) for line in self.text("config.txt").splitlines() if "=" in line)
        if config.get("CONFIG_HZ", "").isdecimal():
            out["hz"] = int(config["CONFIG_HZ"])
        else:
            self.notes.append("HZ is not told: no kernel configuration could be read on the machine")
        if preempt := self._preempt(config):
            out["preempt"] = preempt
        out["irq_time_accounting"] = config.get("CONFIG_IRQ_TIME_ACCOUNTING") == "y"
        out["sched"] = self._tunables()
        if self.values("sched.txt").get("/proc/sys/kernel/sched_autogroup_enabled", "").strip() == "1":
            out["sched_autogroup_enabled"] = True
        if pack := vcpu_pack(self.values("kernel.txt").get("/proc/cmdline", "")):
            out["switches"] = {"sched_vcpu_pack": str(pack)}
        tasks = self.tasks()
        if out.get("sched_autogroup_enabled") and not any(t["autogroup"] for t in tasks):
            self.notes.append(
                "autogroups are on, but this collect.sh did not read whose: tasks of the root group compete as "
                "sessions, `verify` takes each for itself"
            )
        groups = {path: group for path, group in self._groups().items() if "weight" in group or "shares" in group}
        for task in tasks:  # a group without a weight of its own competes as a part of the next above that has one
            while task["cgroup"] and task["cgroup"] not in groups:
                task["cgroup"] = task["cgroup"].rpartition("/")[0]
        used = {t["cgroup"] for t in tasks}
        out["cgroups"] = {path: group for path, group in groups.items() if path in used}
        above = {str(parent) for path in used for parent in PurePosixPath(path).parents} - {"."}
        out["cgroups_above"] = {path: group for path, group in groups.items() if path in above - used}
        out["tasks"] = [
            {"name": t["comm"], "tid": t["tid"], "cgroup": t["cgroup"]} for t in tasks if t["cgroup"] in out["cgroups"]
        ]
        out["pinned"] = _pinned(tasks)
        if out.get("sched_autogroup_enabled"):
            out["autogroups"] = _autogroups([t for t in tasks if t["cgroup"] not in out["cgroups"]])
        out["nice"] = {t["comm"]: t["nice"] for t in tasks if t["nice"] != 0}
        out["unrecorded"] = self.unrecorded()
        out["machine"] = {name: self.values(f"{name}.txt") for name in ("block", "irq", "topology", "workqueue")}
        out["machine"]["mounts"] = self.values("kernel.txt").get("/proc/mounts", "")
        return out

    def unrecorded(self) -> dict[str, Any]:
        """What the machine did in the second before it was recorded: time, busy CPUs, switches, I/Os by device.

        {} where the tarball is of a collect.sh that did not count it.
        """
        before, after = (self.values(f"unrecorded-{when}.txt") for when in ("before", "after"))
        try:
            (t0, busy0, switches0, ios0), (t1, busy1, switches1, ios1) = (_counters(f) for f in (before, after))
        except (KeyError, ValueError, IndexError):
            return {}
        return {
            "seconds": t1 - t0,
            "busy_ns": {cpu: ns - busy0.get(cpu, 0) for cpu, ns in busy1.items()},
            "switches": switches1 - switches0,
            "ios": {name: n - ios0.get(name, 0) for name, n in ios1.items() if n > ios0.get(name, 0)},
        }

    def _preempt(self, config: dict[str, str]) -> str:
        """The model in force: debugfs says it, else the command line, else the configuration's default."""
        said = self.values("sched.txt").get("/sys/kernel/debug/sched/preempt", "")
        if found := re.search(r"\((\w+)\)", said):
            return found[1]
        line = self.values("kernel.txt").get("/proc/cmdline", "")
        if found := re.search(r"(?:^| )preempt=(\w+)", line):
            return found[1]
        for key, name in (
            ("CONFIG_PREEMPT_LAZY", "lazy"),
            ("CONFIG_PREEMPT", "full"),
            ("CONFIG_PREEMPT_VOLUNTARY", "voluntary"),
            ("CONFIG_PREEMPT_NONE", "none"),
        ):
            if config.get(key) == "y":
                return name
        self.notes.append("the preemption model is not told")
        return ""

    def _tunables(self) -> dict[str, int]:
        from wakepath.lockstep import TUNABLES

        found = {}
        for file, text in self.values("sched.txt").items():
            name = Path(file).name.removeprefix("sched_")
            if name in TUNABLES and text.strip().isdecimal():
                found[name] = int(text)
        if not found:
            self.notes.append("slices and granularities are not told (debugfs is not mounted, or no root): defaults")
        return found

    def _hierarchy(self) -> tuple[str, str]:
        """(v1|v2, mount point) of the cgroup hierarchy that has the CPU weights."""
        fallback = ("", "")
        files = self.values("cgroups.txt")
        for head in files:
            if not head.startswith("hierarchy "):
                continue
            _, kind, place = head.split(" ", 2)
            key = "cpu.shares" if kind == "v1" else "cpu.weight"
            if any(file.startswith(place + "/") and file.endswith("/" + key) for file in files):
                return kind, place
            if kind == "v2":
                fallback = (kind, place)
        return fallback

    def _groups(self) -> dict[str, dict[str, Any]]:
        """Path below the root -> its weight, limit and CPUs. The root group has no entry."""
        kind, place = self._hierarchy()
        groups: dict[str, dict[str, Any]] = {}
        if not kind:
            self.notes.append("no cgroup hierarchy with CPU weights was found")
            return groups
        for file, text in self.values("cgroups.txt").items():
            if not file.startswith(place + "/"):
                continue
            group, _, key = file[len(place) + 1 :].rpartition("/")
            if not group:
                continue
            value = text.strip()
            entry = groups.setdefault(group, {})
            if key in ("cpu.shares", "cpu.weight") and value.isdecimal():
                entry["shares" if key == "cpu.shares" else "weight"] = int(value)
            elif key == "cpu.idle" and value == "1":
                entry["idle"] = True
            elif key == "cpu.max" and not value.startswith("max"):
                entry["max"] = value
            elif key in ("cpu.cfs_quota_us", "cpu.cfs_period_us") and value.lstrip("-").isdecimal():
                entry[key.removeprefix("cpu.")] = int(value)
            elif key in ("cpuset.cpus.effective", "cpuset.effective_cpus"):
                entry["cpus"] = value
        for entry in groups.values():
            quota, period = entry.pop("cfs_quota_us", -1), entry.pop("cfs_period_us", 100_000)
            if quota > 0:
                entry["max"] = f"{quota} {period}"
        return groups

    def tasks(self) -> list[dict[str, Any]]:
        """Every thread that was there before or after: tid, comm, nice, its group below the root of the hierarchy."""
        kind, place = self._hierarchy()
        controller = Path(place).name
        found: dict[int, dict[str, Any]] = {}
        for name in ("tasks-before.txt", "tasks.txt"):
            for line in self.text(name).splitlines():
                fields = line.split("\t", 6)
                if len(fields) != 7 or not fields[0].isdecimal():
                    continue
                group = ""
                autogroup, autogroup_nice, cpus = "", "0", ""
                for entry in fields[5].split(" "):
                    number, controllers, path = (*entry.split(":", 2), "", "")[:3]
                    if number == "autogroup":
                        autogroup, autogroup_nice = path.strip("/"), controllers
                        continue
                    if number == "cpus":
                        cpus = path
                        continue
                    if (
                        (kind == "v2" and number == "0")
                        or (kind == "v1" and controller in controllers.split(","))
                        or (kind == "v1" and "cpu" in controllers.split(","))
                    ):
                        group = path.strip("/")
                found[int(fields[0])] = {
                    "tid": int(fields[0]),
                    "nice": int(fields[2]) if fields[2].lstrip("-").isdecimal() else 0,
                    "policy": fields[3],
                    "cgroup": group,
                    "cpus": cpus,
                    "autogroup": autogroup,
                    "autogroup_nice": int(autogroup_nice) if autogroup_nice.lstrip("-").isdecimal() else 0,
                    "comm": comm_of(fields[6]),
                }
        return list(found.values())


def _autogroups(tasks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Sessions of tasks that are in no cgroup with a weight: name -> nice value, comms."""
    out: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if task["autogroup"]:
            group = out.setdefault(task["autogroup"], {"nice": task["autogroup_nice"], "tasks": []})
            group["tasks"].append(task["comm"])
    return out


def _pinned(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Comms all of whose tasks may use one CPU, the same: [{"tasks": [comm], "cpu"}]."""
    cpus: dict[str, set[str]] = {}
    for task in tasks:
        cpus.setdefault(task["comm"], set()).add(task["cpus"])
    found: dict[int, list[str]] = {}
    for comm, lists in cpus.items():
        if len(lists) == 1 and (only := next(iter(lists))).isdecimal():
            found.setdefault(int(only), []).append(comm)
    return [{"tasks": comms, "cpu": cpu} for cpu, comms in sorted(found.items())]
