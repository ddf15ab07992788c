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
        ('"loop": -1', '"loop": 7', 10, "ends after 7 loops"),
        ('"cpus": [1]', '"cpus": [0, 1]', 10, "may use several CPUs"),
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
