# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recording would have done without the switches of its ping-pong: its replay, without what recording cost, with
what makes them taken away.

What makes them is taken away where the setting has it: programs in a group with a weight of its own run beside their
workers; of tasks that were reniced one takes the other's nice; and where all weigh the same, a wakeup does not preempt.
Depth, batches, the device's grid and its limit then say what follows, which no arithmetic on one trace can.
"""

from __future__ import annotations

from wakepath.errors import InputError
from wakepath.runner import run, weighted_groups
from wakepath.scenario import Scenario, toml_key

DURATION = "400ms"
# A longer recording takes longer to be replayed than anybody waits for an analysis; `replay` takes any.
MOST_NS = 20_000_000_000


def without_switches(trace: str, setting: str | None) -> tuple[float, str] | None:
    """I/Os a second, and what was taken away; None where the recording cannot be replayed."""
    from wakepath.replay import Source
    from wakepath.replay_source import open_recording

    try:
        recording = open_recording(trace, setting)
        if recording.profile["time"]["window_ns"] > MOST_NS:
            return None
        source = Source(recording)
        source.fit()
        scenario = source.scenario(traced=False, duration=DURATION)
        sets, said = taken_away(scenario)
        return float(run(scenario.with_sets(*sets)).io["iops"]), said
    except InputError:
        return None


def taken_away(scenario: Scenario) -> tuple[list[str], str]:
    describe = scenario.describe()
    jobs = describe["workloads"]
    groups = weighted_groups(describe)
    if groups:
        return [f'workload.{toml_key(job["name"])}.cgroup=""' for job in jobs], f"outside of {', '.join(groups)}"
    nice = {int(job.get("nice", 0)) for job in jobs}
    if len(nice) == 1 and nice != {0}:
        return [f"task.kworker.nice={nice.pop()}"], "the workers as nice as the program"
    return ["kernel.sched.features.WAKEUP_PREEMPTION=false"], "no wakeup preempts"
