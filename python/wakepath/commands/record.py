# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath record"""

from __future__ import annotations

import sys
from typing import Any

import click

from wakepath.on_this_machine import record
from wakepath.progress import Bar


@click.command("record")
@click.option("--target", metavar="FILE|DEVICE", help="What is measured on: a new file, a folder, or a block device.")
@click.option("--out", metavar="DIR", help="Where the recording goes: a new or empty folder.")
@click.option("--quick", is_flag=True, help="Some 20 seconds in place of three minutes; wider intervals.")
@click.option("--read-only", is_flag=True, help="Only read. For a file or device with data.")
@click.option("--overwrite-data", is_flag=True, help="The file or device may be written over, whatever it holds.")
@click.option("--size", metavar="SIZE", help="Of the test file. Default 512M, 64M with --quick.")
@click.option("--how", is_flag=True, help="Say how to record on a machine without wakepath, which may not be changed.")
@click.option("--script", is_flag=True, help="Print collect.sh itself, to be piped to a shell there.")
def command(**values: Any) -> int:
    """Probe this machine: costs of system calls, switches, io_uring, the device, and windows of fio.

    At most three minutes. Everything that is changed on the way (a trace instance, a cgroup, a test file) is removed
    again. `wakepath calibrate DIR` makes a machine file of it.
    """
    if values["how"] or values["script"]:
        from wakepath.record_how import collect_script, how_text

        print(how_text() if values["how"] else collect_script(), end="")
        return 0
    bar = Bar("recording")
    last = [""]

    def report(what: str, share: float) -> None:
        if what != last[0]:
            last[0] = what
            bar.label = f"recording, {what}"
        bar(share)

    try:
        state = record(
            values["out"] or "",
            target=values["target"] or ".",
            quick=values["quick"],
            read_only=values["read_only"],
            overwrite_data=values["overwrite_data"],
            size=values["size"],
            progress=report,
        )
    finally:
        bar.close()
    print("\n".join(summary_lines(state, values["out"])), file=sys.stdout)
    return 0


def summary_lines(state: dict[str, Any], out: str) -> list[str]:
    lines = [f"recorded in {state['took_s']} s: {', '.join(state['parts'])}"]
    for lack in state["lacks"]:
        remedy = f" ({lack['remedy']})" if lack["remedy"] else ""
        lines.append(f"  not recorded: {lack['part']}: {lack['reason']}{remedy}")
    lines += [f"  note: {note}" for note in state["notes"]]
    return [*lines, f"next: wakepath calibrate {out} --out machine.toml"]
