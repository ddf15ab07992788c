# SPDX-License-Identifier: GPL-2.0-or-later
"""rt-app files as scenarios: what maps is run, what does not is refused with its name and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wakepath import Scenario, run
from wakepath.scenario import Options

Call = Callable[..., Any]

# The form of rt-app's own doc/examples: comments, a key twice, phases, settings of the tool itself.
FILE = """{
  /* a periodic task
     beside a spinning one */
  "tasks": {
    "thread0": {
      "instance": 2, "cpus": [0], "priority": 0,
      "phases": { "light": { "loop": 10, "run": 1000, "run": 500, "timer": { "ref": "tick", "period": 10000 } } }
    },
    "spin": { "cpus": [0], "run": -1, "priority": 5 },
    "duty": { "cpus": [1], "loop": -1, "run1": 2000, "sleep": 6000 } // three quarters idle
  },
  "global": { "duration": 1, "calibration": "CPU0", "default_policy": "SCHED_OTHER", "pi_enabled": false }
}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    file = tmp_path / "job.json"
    file.write_text(FILE)
    return file


def test_tasks_take_the_time_their_file_says(job: Path) -> None:
    result = run(Scenario.load(str(job), options=Options(kernel="6.12")), duration="400ms", warmup="100ms")
    busy = {task["comm"]: task["cpu_ns_per_s"] / 1e9 for task in result.data["tasks"]}
    assert busy["thread0-0"] == pytest.approx(0.15, rel=0.05)  # 1.5 ms every 10 ms
    assert busy["thread0-1"] == pytest.approx(0.15, rel=0.05)
    assert busy["spin"] == pytest.approx(0.70, rel=0.05)  # what they leave of CPU 0
    assert busy["duty"] == pytest.approx(0.25, rel=0.05)


def test_the_command_line_takes_it(wakepath: Call, job: Path) -> None:
    said = wakepath("run", str(job), "--kernel", "6.12", "--duration", "50ms", "--warmup", "10ms")
    assert said.status == 0, said.err


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('"run": 1000', '"iorun": 1000', 7, "'iorun' is not modelled"),
        ('"sleep"', '"slep"', 10, "did you mean sleep?"),
        ('"run1": 2000', '"run1": -5', 10, "no positive number"),
        ('"loop": -1', '"loop": 0', 10, "is no number of loops"),
        ('"cpus": [1]', '"cpus": [0, "b"]', 10, "are no CPUs"),
        ('"SCHED_OTHER"', '"SCHED_OTHERS"', 12, "did you mean SCHED_OTHER?"),
        ("/* a periodic", "/ a periodic", 2, "is not JSON"),
    ],
)
def test_what_does_not_map_is_one_line(wakepath: Call, job: Path, old: str, new: str, line: int, what: str) -> None:
    job.write_text(FILE.replace(old, new))
    said = wakepath("run", str(job))
    assert said.status == 2
    assert what in said.err
    assert f"{job}:{line}: " in said.err
    assert len(said.err.splitlines()) == 1


PHASES = """{
  "tasks": {
    "phased": {
      "cpus": [0], "loop": -1,
      "phases": {
        "busy": { "loop": 4, "run": 2000, "sleep": 2000 },
        "calm": { "loop": 2, "run": 1000, "timer": { "ref": "t", "period": 12000 } }
      }
    },
    "ends": { "cpus": [1], "loop": 5, "run": 1000, "sleep": 1000 }
  }
}
"""


def test_phases_follow_each_other_with_their_loops(tmp_path: Path) -> None:
    """8 ms of 16, then 2 of 13: the timer, whose time passed while the task was busy, begins anew and sleeps once. The
    other task runs 5 ms in all, and is never seen again."""
    file = tmp_path / "phases.json"
    file.write_text(PHASES)
    options = Options(kernel="6.12", duration="800ms", warmup="0ms")
    result = run(Scenario.load(str(file), options=options))
    busy = {task["comm"]: task["cpu_ns_per_s"] / 1e9 for task in result.data["tasks"]}
    assert busy["phased"] == pytest.approx(10 / 29, rel=0.05)
    assert busy["ends"] * 0.8 == pytest.approx(0.005, rel=0.1)


AFFINITIES = """{
  "tasks": {
    "wanders": {
      "loop": -1,
      "phases": {
        "left":  { "cpus": [0], "loop": 5, "run": 1000, "sleep": 1000 },
        "right": { "cpus": [3], "loop": 5, "run": 1000, "sleep": 1000 }
      }
    },
    "both": { "cpus": [1, 2], "run": -1, "priority": 5 },
    "second": { "cpus": [1], "run": -1 }
  }
}
"""


def test_tasks_go_where_their_phase_may_run(tmp_path: Path) -> None:
    """One is on the other CPU every 10 ms; one that may use two leaves the one that is taken."""
    file = tmp_path / "affinities.json"
    file.write_text(AFFINITIES)
    options = Options(kernel="6.12", duration="390ms", warmup="5ms")
    result = run(Scenario.load(str(file), options=options))
    tasks = {task["comm"]: task for task in result.data["tasks"]}
    assert len(result.data["cpus"]) == 4
    assert tasks["wanders"]["migrations_per_s"] == pytest.approx(100, rel=0.15)
    causes = {cause["cause"] for row in result.data["migrations"]["tasks"] for cause in row["causes"]}
    assert "affinity" in causes
    assert tasks["both"]["cpu_ns_per_s"] / 1e9 == pytest.approx(1, rel=0.02)  # CPU 2 is its own
    assert tasks["both"]["migrations_per_s"] < 5
    assert tasks["second"]["migrations_per_s"] == 0


LOCKS = """{
  "tasks": {
    "first":  { "cpus": [0], "lock": "m", "run": 3000, "unlock": "m", "sleep": 1000 },
    "second": { "cpus": [1], "lock": "m", "run": 3000, "unlock": "m", "sleep": 1000 },
    "waits":  { "cpus": [2], "lock": "n", "wait": { "ref": "c", "mutex": "n" }, "unlock": "n", "run": 500 },
    "tells":  { "cpus": [3], "run": 2000, "lock": "n", "signal": "c", "unlock": "n", "sleep": 8000 },
    "hands":  { "cpus": [4], "run": 1000, "resume": "takes", "suspend": "" },
    "takes":  { "cpus": [5], "suspend": "", "run": 1000, "resume": "hands" }
  }
}
"""


def test_mutexes_conditions_and_resumes_make_tasks_wait_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "locks.json"
    file.write_text(LOCKS)
    result = run(Scenario.load(str(file), options=Options(kernel="6.12", duration="800ms", warmup="100ms")))
    busy = {task["comm"]: task["cpu_ns_per_s"] / 1e9 for task in result.data["tasks"]}
    # One at a time holds the mutex; without it each would run three quarters.
    assert busy["first"] + busy["second"] == pytest.approx(1, rel=0.05)
    assert busy["waits"] == pytest.approx(0.05, rel=0.1)  # as often as it is told
    assert busy["tells"] == pytest.approx(0.2, rel=0.05)
    assert busy["hands"] == pytest.approx(0.5, rel=0.05)  # they take turns
    assert busy["takes"] == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('"lock": "m", "run": 3000, "unlock": "m", "sleep": 1000 },', '"barrier": "b", "run": 1 },', 3, "'barrier'"),
        ('"wait": { "ref": "c", "mutex": "n" }', '"wait": "c"', 5, "names nothing"),
        ('"resume": "takes"', '"resume": "nobody"', 0, "'nobody', which is no program of steps"),
    ],
)
def test_steps_that_do_not_map_are_one_line(
    wakepath: Call, tmp_path: Path, old: str, new: str, line: int, what: str
) -> None:
    file = tmp_path / "locks.json"
    file.write_text(LOCKS.replace(old, new))
    said = wakepath("run", str(file), "--kernel", "6.12")
    assert said.status == 2
    assert what in said.err
    assert f"{file}:{line}: " in said.err if line else str(file) in said.err
    assert len(said.err.splitlines()) == 1
