# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # Who may serve an I/O
#
# A ublk device hands its requests to a program. For years a queue belonged to one thread of it: load on the CPUs of one
# queue kept one thread busy while the others slept. With per-I/O daemons (6.16) every slot, a queue and a tag, belongs
# to the thread that fetched it, so that the tags of a busy queue can be shared out. Measured: 15 % more IOPS with a
# second thread, where the author expected twice as many; and one version of the patch panicked at once. Both are here.

# %%
import matplotlib.pyplot as plt
import pandas as pd

import wakepath

queue = wakepath.Scenario.load("ublk_imbalance")
per_io = wakepath.Scenario.load("ublk_imbalance/per-io")
queue.diff(per_io)

# %% [markdown]
# One submitter on CPU 1, two queues, two threads:


# %%
def threads_of(**scenarios: wakepath.Scenario) -> pd.DataFrame:
    rows = []
    for name, scenario in scenarios.items():
        ublk = wakepath.run(scenario).data["ublk"]
        for thread in ublk["threads"]:
            rows.append(
                {
                    "daemons": name,
                    "thread": thread["comm"],
                    "tags": ", ".join(f"{q} {tags}" for q, tags in thread["tags"].items()),
                    "I/Os per s": round(thread["ios_per_s"]),
                    "CPU": round(thread["cpu_ns_per_s"] / 1e9, 3),
                    "limit": ublk["limit"],
                }
            )
    return pd.DataFrame(rows).set_index(["daemons", "thread"])


threads_of(queue=queue, per_io=per_io)

# %% [markdown]
# The second thread takes its half, and then *the submitter* takes a whole CPU: that caps the gain. The
# shorter batches cost as well: a plug of 32 requests is one task work for one thread, and 32 of one request each where
# neighbouring tags belong to different threads.
#
# ## The table in the commit's message
#
# Two queues of four tags, four threads:

# %%
threads_of(toy=wakepath.Scenario.load("ublk_imbalance/toy"))

# %% [markdown]
# ## Throughput against threads
#
# Three submitters on CPUs of one queue. With a thread for each queue more threads mean more queues, which these CPUs do
# not use; with per-I/O daemons each thread adds until another limit is met, which the result names.

# %%
hot = wakepath.Scenario.load("ublk_imbalance/hot-queue")
rows = []
for daemons, counts in {"queue": (2, 3, 4), "per I/O": (1, 2, 3, 4, 6, 8)}.items():
    for n in counts:
        sets = [f"ublk.threads={n}", f"ublk.server_cpus={list(range(8, 8 + n))}"]
        sets.append(f"ublk.queues={n}" if daemons == "queue" else "ublk.per_io_daemon=true")
        data = wakepath.run(hot.with_sets(*sets)).data
        cpu = [thread["cpu_ns_per_s"] / 1e9 for thread in data["ublk"]["threads"]]
        rows.append(
            {
                "daemons": daemons,
                "threads": n,
                "MIOPS": round(data["io"]["iops"] / 1e6, 2),
                "CPU of the threads": " ".join(f"{c:.2f}" for c in cpu),
                "limit": data["ublk"]["limit"],
            }
        )
table = pd.DataFrame(rows).set_index(["daemons", "threads"])
table

# %%
for daemons, part in table.groupby(level=0):
    plt.plot(part.index.get_level_values("threads"), part["MIOPS"], "o-", label=f"a thread per {daemons}")
plt.xlabel("server threads")
plt.ylabel("million I/Os per second")
plt.ylim(bottom=0)
plt.legend()
plt.show()

# %% [markdown]
# ## The race
#
# The seventh version of the series made batches by task but took the queue from the command that carries a batch. A run
# as it comes never meets it. Under other schedules that the kernel allows as well it breaks; what is left of the
# schedule is what it takes: a submitter that is moved to a CPU of the other queue while it holds a plug.

# %%
from wakepath.exploring import explore, text

race = wakepath.Scenario.load("ublk_dispatch_race")
print(text(explore(race, seeds=1000)))

# %% [markdown]
# The released version differs in one switch, and holds:

# %%
corrected = wakepath.Scenario.load("ublk_dispatch_race/corrected")
race.diff(corrected)

# %%
print(text(explore(corrected, seeds=100)))
