# SPDX-License-Identifier: GPL-2.0-or-later
"""calibrate(): costs and device law from a recording of a machine, or from truth cases."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from wakepath.arguments import checked

# At the top, so that the module is there before the package binds the function of its name (wakepath/__init__.py).
from wakepath.calibrate import Fit
from wakepath.errors import InputError
from wakepath.paths import write_text

if TYPE_CHECKING:
    from wakepath.recorder.calibration import Calibration as FromRecording


@dataclass(frozen=True)
class Calibration:
    """A fit and what it made: `machine` is the text of a MACHINE.toml."""

    fit: Fit | FromRecording
    machine: str

    def save(self, path: str) -> None:
        write_text(path, self.machine)

    def report(self) -> str:
        if isinstance(self.fit, Fit):
            from wakepath.fit_text import fit_lines

            return fit_lines(self.fit)
        from wakepath.recorder.calibration import report_lines

        return "\n".join(report_lines(self.fit))

    def to_dict(self) -> dict[str, Any]:
        if isinstance(self.fit, Fit):
            return asdict(self.fit)
        return {"tables": self.fit.tables, "sources": self.fit.sources, "lacks": self.fit.lacks}


@checked
def calibrate(
    *inputs: str,
    out: str | None = None,
    kernel: str | None = None,
    platform: str | None = None,
    set: Sequence[str] = (),
    machine: str | None = None,
    device: bool | None = None,
    loss: str = "soft_l1",
    only: str | None = None,
    duration: str | None = None,
    warmup: str | None = None,
) -> Calibration:
    """Of a folder of `record`, a trace or a tarball of collect.sh: what it tells of that machine. Of truth cases:
    costs, and the device law where no case states it, fitted to their calibrate cases and nothing else."""
    from wakepath.commands.calibrate import calibrate_inputs, fit_recording, of_recording

    if not inputs:
        raise InputError("nothing to calibrate from", suggestion="a folder of wakepath record, or a CASES.jsonl file")
    if loss not in ("soft_l1", "linear"):
        raise InputError(f"no loss '{loss}'", suggestion="one of soft_l1, linear")
    values: dict[str, Any] = {
        "inputs": [str(path) for path in inputs],
        "only_kernel": kernel,
        "only_platform": platform,
        "sets": tuple(set),
        "machine": machine,
        "device": device,
        "duration": duration,
        "warmup": warmup,
        "only": only,
        "loss": loss,
    }
    if of_recording(values["inputs"]):
        from wakepath.recorder.calibration import machine_text

        with ExitStack() as stack:
            recording, outcome = fit_recording(values, stack)
            found = Calibration(outcome, machine_text(outcome, recording))
    else:
        found = Calibration(*calibrate_inputs(values))
    if out is not None:
        found.save(out)
    return found
