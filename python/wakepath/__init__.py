# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath: predicts what the Linux scheduler does to I/O completions.

    import wakepath
    result = wakepath.run(wakepath.Scenario.load("starved_completions"), duration="1s")
    result.io["iops"], result.tasks.to_pandas()

Importing the package loads the C++ core and nothing heavy; pandas and scipy come in where a table or a fit
is asked for.
"""

from wakepath import _core
from wakepath.errors import InputError, LimitReachedError
from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Scenario
from wakepath.sweeps import Sweep, sweep

__version__: str = _core.version

__all__ = ["InputError", "LimitReachedError", "Result", "Scenario", "Sweep", "__version__", "run", "sweep"]
