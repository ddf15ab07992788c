# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # Workers that are made to find nothing
#
# io_uring hands what would block to worker threads. On some kernels they come and go for ever: made, woken, nothing to
# do, gone. Throughput hides it; the CPU time pays it. Two patches ended it, one after the other.

# %%
import pandas as pd

import wakepath

files = {"before": "scenario", "0b2b066f8a85": "after-0b2b066f8a85", "then 9d83e1f05c98": "after-9d83e1f05c98"}
rows = []
for name, file in files.items():
    where = "worker_churn" if file == "scenario" else f"worker_churn/{file}"
    data = wakepath.run(where, duration="6s").data
    io_wq = data["io_wq"]
    rows.append(
        {
            "kernel": name,
            "IOPS": data["io"]["iops"],
            "made per s": io_wq["workers_created_per_s"],
            "woken for nothing per s": io_wq["wakeups_without_work_per_s"],
            "most at once": io_wq["workers_peak"],
            "churn": io_wq["churn"],
        }
    )
pd.DataFrame(rows).set_index("kernel")

# %% [markdown]
# The IOPS do not move: nobody would have seen it in a benchmark. What the patches differ in is one switch of the model
# each:

# %%
before, after = (wakepath.Scenario.load(name) for name in ("worker_churn", "worker_churn/after-9d83e1f05c98"))
before.diff(after)

# %%
print(wakepath.explain("io_wq.churn"))
