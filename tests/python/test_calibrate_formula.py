# SPDX-License-Identifier: GPL-2.0-or-later
"""The fit on a formula whose costs are known, and its blindness to predict cases."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import fake_core
from wakepath.calibrate import Problem, calibration_cases, figures_of, fit, fits_for, scaled
from wakepath.errors import InputError
from wakepath.fit_text import fit_lines
from wakepath.machine_file import toml_value
from wakepath.scenario import Options
from wakepath.truth import Case, _case
from wakepath.validate import Validation, as_json, predict_cases
from wakepath.validate_text import text

TRUE = ("costs.tick=1300", "costs.rq_end=1500", "costs.work_begin=1900")


@pytest.fixture(autouse=True)
def formula(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_core.install(monkeypatch)


def cases(sets: tuple[str, ...] = TRUE) -> list[Case]:
    made = [fake_core.case(f"cal-{d}", role="calibrate", depth=d) for d in (1, 4, 32)]
    made += [fake_core.case(f"in-{d}", depth=d, weight=1000) for d in (1, 4, 32)]
    return [_case(fake_core.measured_by(sets, c)) for c in made]


def test_recovers_what_the_figures_determine() -> None:
    found = fit(Problem(cases(), Options()))
    scale = dict(zip((p.key for p in found.parameters), found.scales, strict=True))
    assert scale["costs.work_begin"] == pytest.approx(1.9, rel=0.03)
    # tick and rq_end act through their sum only: the sum is found, the split is the table's.
    assert 3000 * scale["costs.tick"] + 2000 * scale["costs.rq_end"] == pytest.approx(3 * 1300 + 1500, rel=0.02)
    assert found.determined == 2
    assert not found.complaints
    assert max(found.after.values()) < 0.01
    assert "costs.trace_record" not in scale
    assert "costs.unfelt" not in scale, "a cost that no case feels has nothing to be fitted to"


def test_is_deterministic() -> None:
    first, second = (fit(Problem(cases(), Options())) for _ in range(2))
    assert first.scales == second.scales
    assert fit_lines(first) == fit_lines(second)


def test_a_value_outside_physics_is_reported() -> None:
    found = fit(Problem(cases(("costs.work_begin=60000",)), Options()))
    assert any("costs.work_begin" in line for line in found.complaints)
    assert "OUTSIDE PHYSICS" in fit_lines(found)


def test_never_sees_a_predict_case() -> None:
    everything = cases()
    held_out = [c for c in everything if c.role == "predict"]
    assert {c.role for c in calibration_cases(everything)} == {"calibrate"}
    with pytest.raises(AssertionError, match="a fit must not see it"):
        figures_of(held_out[0])
    with pytest.raises(InputError, match="no case has the role calibrate"):
        Problem(held_out, Options())
    # Whatever is measured in predict cases, the fit is the same.
    altered = [c if c.role == "calibrate" else _case({**c.raw, "measured": {"iops": 1.0}}) for c in everything]
    assert fit(Problem(everything, Options())).scales == fit(Problem(altered, Options())).scales


def test_device_times_are_fitted_where_no_case_states_the_law() -> None:
    def vague(raw: dict[str, Any]) -> dict[str, Any]:
        return {**raw, "setting": {**raw["setting"], "device": "one queue"}}

    made = [vague(fake_core.case(f"cal-{d}", role="calibrate", depth=d)) for d in (1, 4, 32)]
    known = [_case(fake_core.measured_by(("device.latency_ns=140000",), c)) for c in made]
    found = fit(Problem(known, Options()))
    scale = dict(zip((p.key for p in found.parameters), found.scales, strict=True))
    assert scale["device.latency_ns"] == pytest.approx(1.4, rel=0.03)
    assert any(line.startswith("device.latency_ns=") for line in found.sets)


def test_fit_then_predict_and_report() -> None:
    everything = cases()
    found = fits_for(everything, Options())
    sets = {key: outcome.sets for key, outcome in found.items()}
    validation = Validation(rows=predict_cases(everything, options=Options(), fits=sets))
    data = as_json(validation, version="0", fits=sets)
    assert data["summary"]["predict"]["iops"]["mape"] < 1
    assert data["summary"]["predict"]["iops"]["n"] == 3
    assert set(data["cases"][0]) >= {"id", "role", "ok", "metrics"}
    assert set(data["cases"][0]["metrics"]["iops"]) >= {"measured", "predicted", "error", "low", "high"}
    assert validation.held
    said = text(validation, all_metrics=False)
    for case in everything:
        assert case.id in said
    assert "Kendall tau" in said


def test_scaled_quantities_read_back_as_toml() -> None:
    base = {"ns": 100, "low": 50, "high": 150, "quantiles": [1, 2, 3]}
    assert scaled({**base, "kind": "constant"}, 1.25) == "125"
    for kind in ("uniform", "exponential", "quantiles"):
        assert tomllib.loads("x = " + scaled({**base, "kind": kind}, 2.0))["x"]


def test_toml_values_round_trip(tmp_path: Path) -> None:
    values = {"a": 1, "b": 1.5, "c": 'x"y', "d": [1, 2], "e": {"f": True, "with space": "g"}}
    assert tomllib.loads("\n".join(f"{k} = {toml_value(v)}" for k, v in values.items())) == values
