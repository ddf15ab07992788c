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
# On a machine of your own: `wakepath record` measures it where liburing and perf are allowed, `wakepath calibrate`
# fits, and `wakepath check` predicts settings that were held out and measures them.

# %%
import shutil

shutil.rmtree(folder)
