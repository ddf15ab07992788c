# SPDX-License-Identifier: GPL-2.0-or-later
"""Results and sweeps as xarray datasets: variables with `units` and `long_name`, varied keys and seeds as coordinates,
what was fixed as attributes of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wakepath.extras import need
from wakepath.keys import about, flat_keys
from wakepath.quantities import long_name_of, meaning_of, units_of

if TYPE_CHECKING:
    import xarray as xr

    from wakepath.result import Result
    from wakepath.scenario import Scenario
    from wakepath.sweeps import Sweep


def figure_attributes(name: str) -> dict[str, str]:
    found = {"units": units_of(name), "long_name": long_name_of(name)}
    meaning = meaning_of(name)
    return {**found, "description": meaning} if meaning else found


def fixed(scenario: Scenario, varied: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The scenario's keys that have one value, as attributes a netCDF file can hold; costs by their table's name."""
    from wakepath import _core

    found: dict[str, Any] = {"wakepath_version": _core.version}
    for key, value in flat_keys(scenario.keys).items():
        if key in (varied or {}) or (key.startswith("costs.") and key not in ("costs.name", "costs.source")):
            continue
        is_plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        found[key] = value if is_plain else str(value).lower() if isinstance(value, bool) else str(value)
    return found


def result_dataset(result: Result) -> xr.Dataset:
    xarray = need("xarray", "tables")
    row = result.to_pandas().iloc[0]
    from wakepath.scenario import Scenario

    variables = {
        str(name): ((), value, figure_attributes(str(name)))
        for name, value in row.items()
        if not str(name).startswith(("made_by.", "control.", "schema")) and not isinstance(value, str)
    }
    text = result.made_by.get("scenario")
    attributes = fixed(Scenario.from_toml(text)) if text else {}
    dataset: xr.Dataset = xarray.Dataset(variables, attrs={"status": result.status, **attributes})
    return dataset


def sweep_dataset(sweep: Sweep) -> xr.Dataset:
    """One dimension per varied key and `seed`; a point without a figure is NaN, `status` says why."""
    need("xarray", "tables")
    frame = sweep.to_pandas()
    keys = [*sweep.vary, "seed"]
    numeric = frame.select_dtypes("number").columns.difference(keys)
    names = [name for name in frame.columns if name in set(numeric)]
    indexed = frame.set_index(keys)[[*names, "status"]]
    dataset: xr.Dataset = indexed.to_xarray()
    for name in names:
        dataset[name].attrs.update(figure_attributes(str(name)))
    dataset["status"].attrs["long_name"] = "how the run ended"
    for key in sweep.vary:
        found = about(key)
        dataset[key].attrs.update({"long_name": found.get("doc", key), "units": found.get("unit", "") or "1"})
    dataset["seed"].attrs.update({"long_name": "seed of all random streams", "units": "1"})
    dataset.attrs.update(fixed(sweep.scenario, sweep.vary))
    return dataset
