# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # Kubernetes: from nodes and pods to weights to IOPS
#
# Who writes which level? The kubelet writes `kubepods.slice`, the slices of the QoS classes and those of pods; the
# container runtime writes the containers. Siblings compete with siblings: kworkers are tasks of the root, so that
# **only `kubepods.slice` competes with them**. Its weight depends on the size of the node, by one of three rules.

# %%
import matplotlib.pyplot as plt
import pandas as pd

import wakepath
from wakepath import plot
from wakepath.kubernetes import RULES, kubepods_weight, pod_weight

nodes = [(2, 0), (4, 0), (8, 0), (12, 0), (16, 8), (32, 2), (64, 0), (64, 32), (128, 0)]
weights = pd.DataFrame(
    [{"CPUs": c, "reserved": r, **{rule: kubepods_weight(c, r, rule) for rule in RULES}} for c, r in nodes]
).set_index(["CPUs", "reserved"])
weights

# %% [markdown]
# Row K1 of the published figures: the linear rule gives 313 for 8 CPUs and 2500 for 64. Which CPUs count is not said
# alike: 313 is reported of a node of 16 with 8 reserved (the allocatable ones), 2500 of one of 64 with 32 reserved (all
# of them; its allocatable ones would give 1250). One rule cannot give both.

# %%
assert kubepods_weight(8) == kubepods_weight(16, 8) == 313
assert kubepods_weight(64) == 2500
assert kubepods_weight(64, 32) == 1250

# %% [markdown]
# Pods in, weights out: a pod's slice has its own weight, of the CPUs that it asks for. It competes with other pods, and
# not with kworkers.

# %%
requests = {"database": 8, "cache": 2, "web": 0.5, "batch": 0.1}
pd.DataFrame(
    [
        {"pod": pod, "CPUs asked for": c, **{rule: pod_weight(c, rule) for rule in RULES[:2]}}
        for pod, c in requests.items()
    ]
).set_index("pod")

# %% [markdown]
# ## What a weight costs, by kernel
#
# The starved completions: a pod that owns a CPU writes at the device's rate.

# %%
scenario = wakepath.Scenario.load("kubernetes_weights", set=["run.duration=100ms", "run.warmup=50ms"])
key = 'cgroup."kubepods.slice".cpu.weight'
steps = sorted({1, 20, 39, 60, 100, 150, 300, *weights.to_numpy().ravel().tolist()})
kernels = ["v5.4", "v6.1", "v6.6", "v6.8", "v6.12", "v6.18", "v6.19"]
sweep = wakepath.sweep(scenario, {key: steps, "kernel.version": kernels})
plot.sweep(sweep, x=key, hue="kernel.version")
plt.show()

# %% [markdown]
# IOPS lost by node, rule and kernel, in percent of the same kernel's IOPS in the root group:

# %%
iops = sweep.to_pandas().pivot(index=key, columns="kernel.version", values="io.iops")
root = {
    kernel: wakepath.run(scenario.with_sets(f"kernel.version={kernel}", 'workload.fio.cgroup=""')).io["iops"]
    for kernel in kernels
}
rows = []
for (cpus, reserved), row in weights.iterrows():
    for rule in RULES:
        lost = {kernel: round(100 * (1 - iops.loc[row[rule], kernel] / root[kernel])) for kernel in kernels}
        rows.append({"CPUs": cpus, "reserved": reserved, "rule": rule, "weight": row[rule], **lost})
pd.DataFrame(rows).set_index(["CPUs", "reserved", "rule"])

# %% [markdown]
# ## The pod's and the container's own weights do nothing to the kworker

# %%
for weight in (1, 39, 10000):
    changed = scenario.with_sets(f'cgroup."kubepods.slice/pod/container".cpu.weight={weight}')
    print(f"container at {weight:5}: {wakepath.run(changed).io['iops']:9,.0f} IOPS")

# %% [markdown]
# ## system.slice
#
# The same job as a systemd service, at systemd's default weight of 100, and with the weight raised as people do:

# %%
service = wakepath.Scenario.load("kubernetes_weights/system-slice", set=["run.duration=100ms", "run.warmup=50ms"])
for weight in (100, 200, 1000):
    raised = service.with_sets(f'cgroup."system.slice".cpu.weight={weight}')
    print(f"system.slice at {weight:4}: {wakepath.run(raised).io['iops']:9,.0f} IOPS")

# %% [markdown]
# ## What cures it on a 64-CPU node
#
# A rule, a weight, a kernel, a nice value:

# %%
big = scenario.with_sets(f"{key}=2500")
cures = {
    "linear rule, 6.1": [],
    "rule of PR #139807": [f"{key}={kubepods_weight(64, 0, 'relative')}"],
    "weight 100 by hand": [f"{key}=100"],
    "kworkers reniced to -20": ["task.kworker.nice=-20"],
    "kernel 6.12": ["kernel.version=v6.12"],
    "kernel 6.19": ["kernel.version=v6.19"],
}
for name, sets in cures.items():
    data = wakepath.run(big.with_sets(*sets))
    print(f"{name:26} {data.io['iops']:9,.0f} IOPS {data.totals['context_switches_per_s']:9,.0f} switches/s")
