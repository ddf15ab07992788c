# SPDX-License-Identifier: GPL-2.0-or-later
"""truth(): every truth case as a tidy table: measured, predicted, the two naive baselines, a row per case and metric.

What ships is truth_table.csv.xz, the predictions of this version made once by docs/make_truth.py.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wakepath.arguments import checked
from wakepath.errors import InputError
from wakepath.truth import Case, read_cases

if TYPE_CHECKING:
    import pandas as pd

    from wakepath.validate import Validation

TABLE = Path(__file__).resolve().parent / "truth_table.csv.xz"
SETTING = ("engine", "rw", "depth", "min_nr", "weight", "cpus")
AS_SHIPPED = "as they ship"
FITTED = "fitted to the calibrate cases of its file"
FIGURES = ("measured", "predicted", "error", "nothing_changes", "formula", "low", "high")


def setting_of(case: Case) -> dict[str, Any]:
    workload = case.setting.get("workload") or {}
    return {
        "engine": workload.get("engine"),
        "rw": workload.get("rw"),
        "depth": case.depth if workload else None,
        "min_nr": case.min_nr if workload else None,
        "weight": case.weight,
        "cpus": case.setting.get("cpus", 1),
    }


def rows_of(validation: Validation) -> list[dict[str, Any]]:
    """A row per case and metric; a case that could not be run has its measured figures and the failure."""
    rows = []
    for row in validation.rows:
        case = row.case
        head = {"id": case.id, "platform": case.platform, "kernel": case.kernel, "role": case.role, **setting_of(case)}
        if row.failure:
            rows += [{**head, "metric": k, "measured": v, "failure": row.failure} for k, v in case.measured.items()]
        for name, m in row.metrics.items():
            rows.append(
                {
                    **head,
                    "metric": name,
                    "measured": m.measured,
                    "predicted": m.predicted,
                    "error": m.error,
                    "nothing_changes": m.baselines.get("nothing_changes"),
                    "formula": m.baselines.get("formula"),
                    "low": m.low,
                    "high": m.high,
                    "noise": m.noise,
                    "failure": "",
                }
            )
    return rows


def frame_of(validation: Validation) -> pd.DataFrame:
    import pandas as pd

    columns = ["id", "platform", "kernel", "role", *SETTING, "metric", *FIGURES, "noise", "failure"]
    return pd.DataFrame(rows_of(validation), columns=columns).assign(costs=AS_SHIPPED)


@checked
def truth(*files: str, calibrate: bool = True, duration: str | None = None) -> pd.DataFrame:
    """Every truth case, a row per metric: id, platform, kernel, role, the setting, measured, predicted, both baselines.

    `costs` says where the costs of a prediction are from; no fit ever saw a predict case. `failure`: why a case could
    not be run. Without `files`: the table that ships, `attrs["version"]` says of which version. With files: they are
    predicted now, after a fit to each file's calibrate cases (`calibrate=False`: with the costs as they ship).
    """
    if not files:
        return _shipped().copy()
    import pandas as pd

    return pd.concat([_of_file(str(file), calibrate, duration) for file in files], ignore_index=True)


@functools.cache
def _shipped() -> pd.DataFrame:
    import pandas as pd

    if not TABLE.is_file():
        raise InputError(
            "no table of truth cases ships with this build", suggestion="wakepath.truth(FILE...) predicts now"
        )
    with_version = pd.read_csv(TABLE, dtype={"kernel": str, "failure": str}, keep_default_na=True)
    frame = with_version.drop(columns="version")
    frame["failure"] = frame["failure"].fillna("")
    frame.attrs["version"] = str(with_version["version"].iloc[0])
    return frame


def _of_file(file: str, calibrate: bool, duration: str | None) -> pd.DataFrame:
    from wakepath.functions import validate

    cases = read_cases(file)
    fitted = calibrate and any(case.role == "calibrate" and not case.tasks for case in cases)
    frame = frame_of(validate(file, calibrate_from=[file] if fitted else [], duration=duration))
    return frame.assign(costs=FITTED) if fitted else frame
