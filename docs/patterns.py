# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes docs/patterns.md: the traces of docs/patterns.toml beside their simulated twins.

.venv/bin/python docs/patterns.py
"""

from __future__ import annotations

from pathlib import Path

from wakepath.patterns import compare, markdown, read_list

HERE = Path(__file__).resolve().parent
HEAD = """# The same event pattern: simulated beside real

Made by `docs/patterns.py` from `docs/patterns.toml`; `tests/python/test_patterns.py` checks it.

Real traces of the emulated platform (50 ms each) beside the same case simulated with the fitted costs, every record
charged what it costs the recorded kernel, traced for 500 ms after 0.2 s of warm-up. "Simulated windows" are the least
and greatest value over the ten windows of 50 ms in it: how far chance carries a trace as short as the real one.
`transitions.A>B.S.share` is the share of the switches that go from A to B with A left in state S (R runnable, R+
preempted in the kernel, S sleeping, I idle worker). Transitions of less than 1 % of the switches on both sides are left
out. The tolerance is {tolerance:.0f} %.

`untraced` rows are the measured rates of the case beside a run without record costs: where these are off while the
traced rates agree, the costs of path and of records are wrong in opposite directions.

The costs are fitted to the figures of cases marked `calibrate`, never to these traces; the root case is one of them,
the two weighted ones are predictions.
"""


def main() -> None:
    tolerance, patterns = read_list(HERE / "patterns.toml")
    sections = [markdown(p, compare(p), tolerance) for p in patterns]
    text = "\n".join([HEAD.format(tolerance=tolerance * 100), *sections])
    (HERE / "patterns.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
