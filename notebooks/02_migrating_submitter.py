# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # A lone writer that is pushed from CPU to CPU
#
# One fio, not pinned, on a machine that does nothing else, and it changes its CPU dozens of times a second. Nobody
# asked for that. The balancer did: which decision, and when?

# %%
import wakepath

scenario = wakepath.Scenario.load("migrating_submitter", set=["run.duration=1s", "run.warmup=200ms"])
result = wakepath.run(scenario)
print(f"{result.totals['migrations_per_s']:.0f} migrations a second")
result.data["migrations"]["by_cause"]

# %% [markdown]
# The causes are counted where the balancer decides. Active balance: a CPU with two tasks, of which neither may be
# moved (the kworker is bound, fio is running), looks overloaded four times in a row, and its stopper pushes fio away.
# The refusals before:

# %%
{name: value for name, value in result.data["migrations"]["balance"].items() if value}

# %% [markdown]
# ## The knob: wakeup granularity
#
# If the kworker may preempt fio at once, the queue is never two deep when the tick looks. The scheduler's default is 4
# ms; a tuned profile made it 15 ms.

# %%
sweep = wakepath.sweep(
    scenario,
    {"kernel.sched.wakeup_granularity_ns": ["1ms", "4ms", "8ms", "15ms"]},
    set=["run.duration=500ms"],
    seeds=2,
)
frame = sweep.to_pandas()
frame.groupby("kernel.sched.wakeup_granularity_ns", sort=False)[["totals.migrations_per_s", "io.iops"]].mean()

# %% [markdown]
# ## Who runs where
#
# The records of the run as columns: each `sched_migrate_task`, its task, from where to where. They are views on the
# simulator's own memory; nothing was copied.

# %%
moved = wakepath.run(scenario, duration="300ms", trace=True).trace["sched_migrate_task"].to_pandas()
moved[["ts_ns", "task_comm", "orig_cpu", "dest_cpu"]].head(8)
