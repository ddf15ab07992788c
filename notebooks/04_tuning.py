# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # Tuning the scheduler: granularity against latency and IOPS
#
# Which knob matters, and what should I set? First sensitivity over the whole range of each knob, then a search, then a
# judgement on seeds the search never saw. A setting that is better only by luck is called equal.

# %%
import matplotlib.pyplot as plt

import wakepath
from wakepath import plot

scenario = wakepath.Scenario.load("starved_completions", set=["run.duration=100ms", "run.warmup=50ms"])
knobs = {
    "kernel.sched.wakeup_granularity_ns": "0..20000000",
    "kernel.sched.min_granularity_ns": "100000..10000000:log",
    "kernel.sched.latency_ns": "1000000..40000000:log",
    "task.kworker.nice": "-20..19",
}
wakepath.sensitivity(scenario, knobs, "io.iops", samples=6)

# %% [markdown]
# ## One objective: IOPS

# %%
found = wakepath.tune(scenario, knobs, maximize="io.iops", trials=60)
found

# %%
plot.tuning(found)
plt.show()

# %% [markdown]
# The bar for this case: within 2 % of the IOPS outside the group.

# %%
outside = wakepath.run("starved_completions/root", duration="100ms", warmup="50ms").io["iops"]
best = found.best.differences[0]
print(f"{100 * best.after / outside:.1f} % of the IOPS outside, {found.verdict}")

# %% [markdown]
# ## Without the nice value: the scheduler's own knobs only, IOPS against latency
#
# Base slice and granularity trade latency against switches. With several objectives the answer is a front.

# %%
eevdf = scenario.with_sets("kernel.version=v6.12")
front = wakepath.tune(
    eevdf,
    {"kernel.sched.base_slice_ns": "100000..20000000:log", "workload.fio.iodepth": "16..128:log"},
    maximize="io.iops",
    minimize="io.clat_ns.p99",
    trials=40,
    fresh=4,
)
front

# %% [markdown]
# ## A knob that does nothing is said to do nothing

# %%
wakepath.tune(
    wakepath.Scenario.load("starved_completions/root", set=["run.duration=50ms", "run.warmup=20ms"]),
    {"kernel.sched.latency_ns": "1000000..40000000:log"},
    maximize="io.iops",
    trials=8,
    fresh=4,
).verdict
