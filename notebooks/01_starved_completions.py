# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # A pod loses 42 % of its IOPS
#
# A database moved into a pod: the same job, the same disk, 42 % of the IOPS gone and 2.3 times the context switches.
# What happens is between two tasks of one CPU: fio, and the kworker that completes its writes. This notebook asks who
# does what to whom, which knob restores the IOPS, and how far the answer can be trusted.

# %%
import matplotlib.pyplot as plt

import wakepath
from wakepath import plot

scenario = wakepath.Scenario.load("starved_completions", set=["run.duration=200ms", "run.warmup=100ms"])
scenario

# %%
result = wakepath.run(scenario, control=True, trace=True)
result

# %% [markdown]
# The job in the group, and beside it the same job outside (`result.control`). Where does the time of the CPU go, per
# I/O?

# %%
plot.waterfall(result)
plt.show()

# %% [markdown]
# More kernel time, and no idle left: each I/O pays for two more context switches. The timeline shows them: the kworker
# completes *one* write, wakes fio, and is preempted by that very wakeup; fio submits one write and sleeps; and so on.

# %%
plot.timeline(result, microseconds=60)
plt.show()

# %% [markdown]
# The cause is read off the decisions of the run, not off names: fio's group weighs 10240 in the root queue, the
# kworker 1024.

# %%
[row["text"] for row in result.pingpong]

# %% [markdown]
# ## Which weight, which kernel?
#
# Every point is run with the same seeds, so that a difference is not one of random streams.

# %%
weights = [1, 10, 30, 100, 130, 200, 300, 500, 1000, 3000, 10000]
sweep = wakepath.sweep(
    scenario,
    {"cgroup.kubepods.cpu.weight": weights, "kernel.version": ["v6.1", "v6.8", "v6.12", "v6.19"]},
    set=["run.duration=100ms", "run.warmup=50ms"],
)
plot.sweep(sweep, x="weight", hue="version")
plt.show()

# %%
table = sweep.to_pandas().pivot(index="cgroup.kubepods.cpu.weight", columns="kernel.version", values="io.iops")
table.round(-2)

# %% [markdown]
# ## What cures it
#
# Each of these is one line in the scenario: a knob, a patch, another kernel.

# %%
outside = result.control.io["iops"]
cures = {
    "as it is": [],
    "kworker reniced to -10": ["task.kworker.nice=-10"],
    "group at weight 100": ["cgroup.kubepods.cpu.weight=100"],
    "workqueue WQ_HIGHPRI": ["dio_wq.highpri=true"],
    "patch: overwrites end in the interrupt": ["kernel.switches.dio_write_complete_inline=true"],
}
for name, sets in cures.items():
    iops = wakepath.run(scenario.with_sets(*sets)).io["iops"]
    print(f"{name:40} {iops:9,.0f} IOPS, {100 * iops / outside:5.1f} % of those outside")

# %% [markdown]
# ## How far to trust it
#
# Errors on real kernels, of predictions that no fit has seen. Here the costs are estimates: trust the ratio.

# %%
truth = wakepath.truth()
plot.truth(truth[truth["platform"] == "qemu-icount"])
plt.show()
result.made_by["validity"]["nearest_truth"][0]
