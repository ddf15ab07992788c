# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath run"""

from __future__ import annotations

import sys
from typing import Any

import click

from wakepath.commands._options import scenario_from, scenario_options
from wakepath.errors import LimitReachedError
from wakepath.formats import check_suffix
from wakepath.paths import check_writable, write_text
from wakepath.progress import Bar
from wakepath.result import Result
from wakepath.runner import run
from wakepath.scenario import Scenario


@click.command("run")
@scenario_options
@click.option(
    "--samples", "draws", metavar="N", type=int, help="Run N times with costs drawn from what is known of them."
)
@click.option(
    "--json", "json_file", metavar="FILE|-", help="Write the result (wakepath.result/1); - is standard output."
)
@click.option(
    "--trace",
    metavar="FILE",
    help="Write the window's records: .txt ftrace, .pftrace Perfetto, .dat trace-cmd, .parquet; .xz, .gz, .zst pack.",
)
@click.option("--fio-json", metavar="FILE", help="Write the jobs as fio's --output-format=json+ would.")
@click.option("--report", metavar="FILE.html", help="Write a page for a browser.")
@click.option("--deterministic", is_flag=True, help="Leave out what depends on this machine's speed.")
@click.option(
    "--control/--no-control", default=True, help="Also run a grouped workload in the root group. Default: on."
)
def command(**values: Any) -> int:
    """Simulate SCENARIO and say how many IOPS there are, with how many context switches, and why.

    A workload in a weighted cgroup is run once more in the root group, to tell what the group costs.
    """
    from wakepath.summary import summary

    for output in (values["json_file"], values["trace"], values["fio_json"], values["report"]):
        check_writable(output)
    if values["trace"]:
        check_suffix(values["trace"])
    scenario = scenario_from(values)
    bar = Bar("simulating")
    try:
        result = run(
            scenario,
            control=values["control"],
            trace=values["trace"],
            fio_json=values["fio_json"],
            progress=bar,
        )
    finally:
        bar.close()
    if values["draws"]:
        _add_intervals(result, scenario, values)
    if values["json_file"]:
        write_text(values["json_file"], result.to_json(deterministic=values["deterministic"]))
    if values["report"]:
        from wakepath.report import html

        write_text(values["report"], html(result))
    out = sys.stderr if values["json_file"] == "-" else sys.stdout
    # Clean JSON on standard output: what people read goes elsewhere then.
    print(summary(result), file=out, end="")
    if "intervals" in result.data:
        from wakepath.intervals import interval_lines

        print("\n" + "\n".join(interval_lines(result.data["intervals"])), file=out)
    if result.status == "violation":
        broken = result.data["violation"]
        print(f"wakepath: invariant {broken['rule']} broke: {broken['text']}", file=sys.stderr)
        return 1
    if result.status == "limit":
        raise LimitReachedError(
            f"limit reached: {result.data.get('limit', '')}; the figures cover what was simulated until then"
        )
    return 130 if result.status == "stopped" else 0


def _add_intervals(result: Result, scenario: Scenario, values: dict[str, Any]) -> None:
    """90 % intervals: the scenario again with other costs, as far as they are known (wakepath.intervals)."""
    from wakepath.intervals import intervals

    bar = Bar("samples")
    try:
        result.data["intervals"] = intervals(
            scenario, values["machine"], values["draws"], lambda n: bar(n / values["draws"])
        )
    finally:
        bar.close()
