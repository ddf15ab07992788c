# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath: predicts what the Linux scheduler does to I/O completions.

    import wakepath
    result = wakepath.run(wakepath.Scenario.load("starved_completions"), duration="1s")
    result.io["iops"], result.tasks.to_pandas()

Every command of the command line is a function here. Importing the package loads the C++ core and nothing heavy; pandas
and scipy come in where a table or a fit is asked for, xarray, Optuna, plotly and their like where they are used
(`wakepath.extras`). Whatever is the caller's mistake raises InputError with the command line's own text.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from wakepath import _core
from wakepath.calibrating import Calibration, calibrate
from wakepath.cluster import ClusterResult
from wakepath.compare import Comparison
from wakepath.cure import Cure
from wakepath.errors import InputError, LimitReachedError
from wakepath.exploring import Exploration
from wakepath.formats import convert
from wakepath.functions import (
    analyze,
    cluster,
    compare,
    cure,
    explain,
    explore,
    kernels,
    new,
    replay,
    scenarios,
    show,
    validate,
    verify,
)
from wakepath.on_this_machine import bench, check, record
from wakepath.records import Trace
from wakepath.replay import Replay
from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Scenario
from wakepath.sensitivity import Sensitivity, sensitivity
from wakepath.sweeps import Sweep, sweep
from wakepath.truth_table import truth
from wakepath.tuning import Tuning, tune

__version__: str = _core.version


def __getattr__(name: str) -> ModuleType:
    """`wakepath.plot`, `wakepath.report` and `wakepath.kubernetes` come in when they are asked for."""
    if name in ("plot", "report", "kubernetes"):
        return importlib.import_module(f"wakepath.{name}")
    raise AttributeError(f"module 'wakepath' has no attribute '{name}'")


__all__ = [
    "Calibration",
    "ClusterResult",
    "Comparison",
    "Cure",
    "Exploration",
    "InputError",
    "LimitReachedError",
    "Replay",
    "Result",
    "Scenario",
    "Sensitivity",
    "Sweep",
    "Trace",
    "Tuning",
    "__version__",
    "analyze",
    "bench",
    "calibrate",
    "check",
    "cluster",
    "compare",
    "convert",
    "cure",
    "explain",
    "explore",
    "kernels",
    "new",
    "record",
    "replay",
    "run",
    "scenarios",
    "sensitivity",
    "show",
    "sweep",
    "truth",
    "tune",
    "validate",
    "verify",
]
