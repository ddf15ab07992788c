# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # A patch idea, judged before it is written
#
# Every rule that differs between kernels is a switch; "6.1 plus this one rule" is one line. A patch idea is judged
# twice: which of the decisions of a *recorded* kernel would have been others (`verify` with `set`), and what it does
# to the workload (`run`).

# %%
from pathlib import Path

import pandas as pd

import wakepath

root = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "tests" / "truth").is_dir())
truth = root / "tests" / "truth"
trace = str(truth / "traces" / "A-6.1-d36k-q128-m1-w1000.txt.xz")
setting = str(truth / "qemu.jsonl") + "#qemu-A-6.1-d36k-q128-m1-w1000"
plain = wakepath.verify(trace, kernel="6.1", setting=setting)
pd.DataFrame(plain["agreement"]).T[["n", "equal", "equal_share", "naive_share"]]

# %% [markdown]
# The model decides as that 6.1 did. Now two ideas: the group at the default weight, and a wakeup granularity of 20 ms.
# Which of the recorded decisions would have been others?

# %%
ideas = {
    "weight 100": "cgroup.fio.cpu.weight=100",
    "granularity 20 ms": "kernel.sched.wakeup_granularity_ns=20000000",
}
rows = []
for name, line in ideas.items():
    try:
        found = wakepath.verify(trace, kernel="6.1", setting=setting, set=[line])["changed"]["decisions"]
    except wakepath.InputError as error:
        print(error)
        continue
    for kind, row in found.items():
        rows.append({"idea": name, "decision": kind, "judged": row["n"], "would change": row["would_change"]})
pd.DataFrame(rows).set_index(["idea", "decision"])

# %% [markdown]
# The weight changes nearly every wakeup, a coarser granularity next to none: fio's weight makes its lag too large for
# it. And on the workload, patches beside it, with the same seeds on both sides: a difference is called clear when it is
# more than chance.

# %%
scenario = wakepath.Scenario.load("starved_completions", set=["run.duration=200ms", "run.warmup=100ms"])
ideas = {
    "coarse wakeups": "kernel.sched.wakeup_granularity_ns=20ms",
    "complete in the interrupt": "kernel.switches.dio_write_complete_inline=true",
    "obey min_nr": "kernel.switches.aio_obey_min_nr=true",
}
found = {name: wakepath.compare(scenario, b=[line], seeds=3).to_pandas() for name, line in ideas.items()}
rows = pd.concat(found, names=["6.1 and", "row"]).reset_index(level=0).set_index(["6.1 and", "metric"])
rows[rows["clear"]][["a", "b", "difference"]].round(3)
