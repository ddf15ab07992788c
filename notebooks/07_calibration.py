# %% [markdown]
# <!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# # Calibration: costs from measured runs, checked on runs they have not seen
#
# Costs are data. A fit sees the cases marked `calibrate`, and no others; the rest is predicted. Here a real 6.1 kernel
# in an emulator was measured in a group and outside; the fit sees runs outside only, and the group is the prediction.

# %%
import json
from pathlib import Path

import pandas as pd

import wakepath

root = next(p for p in (Path.cwd(), *Path.cwd().parents) if (p / "tests" / "truth").is_dir())
lines = (root / "tests" / "truth" / "qemu.jsonl").read_text().splitlines()
cases = [json.loads(line) for line in lines]
some = [c for c in cases if c["kernel"] == "6.1" and c["id"].startswith("qemu-A-6.1-")]
few = [c for c in some if c["role"] == "calibrate"][:6]
unseen = [c for c in some if c["role"] == "predict"][:8]
folder = Path("build-notebook")
folder.mkdir(exist_ok=True)
file = folder / "cases.jsonl"
file.write_text("".join(json.dumps(c) + "\n" for c in few + unseen))
pd.Series([c["role"] for c in few + unseen]).value_counts()

# %%
machine = wakepath.calibrate(str(file), out=str(folder / "machine.toml"), duration="60ms", warmup="20ms")
print("\n".join(machine.report().splitlines()[:12]))

# %% [markdown]
# The machine file holds platform, costs and device law; every command takes it (`--machine`). The cases the fit has
# not seen:

# %%
from wakepath.patterns import cost_sets

costs = cost_sets(str(folder / "machine.toml"))
validation = wakepath.validate(str(file), set=costs, role="predict", duration="200ms")
frame = validation.to_pandas()
shown = frame[frame["metric"].isin(["iops", "context_switches_per_s"])]
shown = shown.assign(error=(100 * shown["error"]).round(1))
shown.pivot(index="id", columns="metric", values=["measured", "predicted", "error"])

# %% [markdown]
# ## This machine
#
# `record` probes the machine that it runs on: system calls, switches, io_uring, the disk, windows of fio. Here in its
# short form, some 20 s; three minutes give narrower intervals. What may not be recorded is named. `calibrate` makes a
# machine file of it, with draws of what is known, and `samples` of a run say how far the answer depends on the rest.

# %%
recording = mine = None
try:
    recording = wakepath.record(str(folder / "recording"), target=str(folder), quick=True)
    mine = wakepath.calibrate(str(folder / "recording"), out=str(folder / "mine.toml"))
except wakepath.InputError as error:  # no disk that can be named, no compiler, ...
    print("not on this machine:", error)
if recording:
    print(", ".join(recording["parts"]), *(f"\nlacks {row['part']}: {row['reason']}" for row in recording["lacks"]))
if mine:
    print("\n".join(mine.report().splitlines()[-6:]))

# %%
if mine:
    line = "fio --name=w --ioengine=libaio --direct=1 --rw=randwrite --bs=4k --iodepth=32 --size=1g --cpus_allowed=0"
    sets = ["cgroup.g.cpu.weight=1000", "workload.w.cgroup=g", "run.duration=100ms"]
    job = wakepath.Scenario.from_fio(line, set=sets, machine=str(folder / "mine.toml"))
    data = wakepath.run(job, control=True, samples=8)
    print(f"{data.io['iops']:,.0f} IOPS inside, {data.control.io['iops']:,.0f} outside")

# %% [markdown]
# `wakepath.check("machine.toml", target=FOLDER)` then predicts settings that were held out and measures them: five
# minutes, and not done here.

# %%
import shutil

shutil.rmtree(folder)
