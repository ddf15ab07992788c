# SPDX-License-Identifier: GPL-2.0-or-later
"""cluster(): many nodes on a SimGrid platform, in a process of their own (one SimGrid engine a process).

The program `wakepath_cluster` does the work; it is built where SimGrid is found, and lies beside the package when
installed, below build/release in a checkout.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath import building
from wakepath.errors import InputError
from wakepath.paths import scenario_dirs

if TYPE_CHECKING:
    import pandas as pd

_PACKAGE = Path(__file__).resolve().parent
_INSTALL = "install it: apt-get install libsimgrid-dev, then run this again"


class ClusterResult:
    """What a fleet did. `data` is the JSON as `wakepath cluster --json` writes it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @property
    def missing(self) -> int:
        """Acknowledged records that the log does not hold any more; anything but 0 is a defect of the protocol."""
        return int(self.data.get("produce", {}).get("missing", 0))

    def to_json(self, deterministic: bool = False) -> str:
        data = dict(self.data)
        if deterministic:
            data["engine"] = {k: v for k, v in data["engine"].items() if k != "threads" and not k.endswith("wall_s")}
            data["nodes"] = [_without_speed(n) for n in data["nodes"]]
        return json.dumps(data, indent=2) + "\n"

    def to_pandas(self) -> pd.DataFrame:
        """One tidy row a node: rates, and its parts of the mean and of the slowest hundredth (ns)."""
        import pandas as pd

        rows = []
        times: dict[str, Any] = self.data.get("where_time_went", {})
        for i, node in enumerate(self.data["nodes"]):
            row = {"node": node["name"], "host": node["host"], "up": node["up"], "boots": node["boots"]}
            row["appended_per_s"] = node["appended_per_s"]
            row["context_switches_per_s"] = node.get("totals", {}).get("context_switches_per_s")
            for part in ("all", "slowest_1_percent") if times else ():
                for key, value in times[part]["nodes"][i].items():
                    if key != "name":
                        row[f"{part}.{key}"] = value
            rows.append(row)
        return pd.DataFrame(rows)


def _without_speed(node: dict[str, Any]) -> dict[str, Any]:
    speed = ("wall_s", "events_per_s", "simulated_per_wall")
    if "engine" not in node:
        return node
    return {**node, "engine": {k: v for k, v in node["engine"].items() if k not in speed}}


def cluster(
    file: str,
    *,
    sets: Iterable[str] = (),
    machine: str | None = None,
    kernel: str | None = None,
    seed: int | str | None = None,
    duration: str | None = None,
    warmup: str | None = None,
    progress: Callable[[float], Any] | None = None,
    alone: bool = False,
    threads: int | None = None,
) -> ClusterResult:
    """Simulate a cluster file. Wrong input raises InputError with file and line.

    alone: afterwards run every node again by itself with what reached it. It must do the same; what that takes is
    `data["engine"]["alone_wall_s"]`, so what the coupling costs is `wall_s` over it.
    threads: that many advance the nodes, in the fleet and alone; by default as many as there are CPUs that this process
    may use. Their number changes no result.
    """
    request: dict[str, Any] = {
        "file": file,
        "sets": list(sets),
        "search_dirs": scenario_dirs(),
        "machine": machine,
        "kernel": kernel,
        "seed": None if seed is None else str(seed),
        "duration": duration,
        "warmup": warmup,
        "progress": progress is not None,
        "alone": alone,
    }
    if threads is not None:
        request["threads"] = threads
    said: list[str] = []
    with subprocess.Popen(
        [str(program())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        listener = threading.Thread(target=_listen, args=(child.stderr, said, progress))
        listener.start()
        try:
            child.stdin.write(json.dumps(request))
            child.stdin.close()
            text = child.stdout.read()
        except BaseException:
            child.kill()
            raise
        finally:
            listener.join()
        status = child.wait()
    if status == 0:
        return ClusterResult(json.loads(text))
    raise _error(file, status, said)


def program() -> Path:
    """Where wakepath_cluster is; built first in a checkout that lacks it, where SimGrid is installed."""
    places = [folder / "wakepath_cluster" for folder in (_PACKAGE, building.RELEASE / "python")]

    def is_there() -> bool:
        return any(place.is_file() for place in places)

    if building.can_build():
        building.build("wakepath_cluster", is_there)
    elif not is_there():
        raise InputError("this installation was built without SimGrid", "cluster", suggestion=_INSTALL)
    for place in places:
        if place.is_file():
            return place
    raise InputError("SimGrid is not installed", "cluster", suggestion=_INSTALL)


def _listen(stream: Any, said: list[str], progress: Callable[[float], Any] | None) -> None:
    for line in stream:
        if line.startswith('{"progress"') and progress is not None:
            progress(json.loads(line)["progress"])
        else:
            said.append(line.rstrip("\n"))


def _error(file: str, status: int, said: list[str]) -> Exception:
    for line in said:
        if line.startswith('{"error"'):
            e = json.loads(line)["error"]
            return InputError(e["message"], e["file"], e["line"], e["suggestion"])
    # SimGrid ends the process over some platforms; what it says names its reason on the line of the level.
    for line in said:
        if "CRITICAL]" in line or "ERROR]" in line:
            return InputError("SimGrid: " + line.split("]", 2)[-1].strip(), file, suggestion="mend the platform")
    return RuntimeError(f"wakepath_cluster ended with status {status}: {' '.join(said[-3:])}")
