# SPDX-License-Identifier: GPL-2.0-or-later
"""wakepath new"""

from __future__ import annotations

from pathlib import Path

import click

from wakepath.errors import InputError
from wakepath.paths import check_writable, write_text
from wakepath.scenario import Options, Scenario

_TEMPLATE = """\
# A scenario of wakepath. Run it: wakepath run {file}
# `wakepath show {file}` prints every key that applies, `wakepath explain KEY` what one means.
title = "{title}"

[kernel]
version = "v6.1"            # a string; wakepath kernels lists them

[cgroup.kubepods]
cpu.weight = 1000           # cgroup v2; cpu.shares for v1

[workload.fio]              # fio's options, with fio's names and units
ioengine = "libaio"
rw = "randwrite"
bs = "4k"
direct = 1
iodepth = 128
iodepth_batch_submit = 128
iodepth_batch_complete_max = 128
cpus_allowed = "0"
cgroup = "kubepods"         # drop this line for the root group

[run]
duration = "1s"
warmup = "200ms"
"""

_EXTENDS = """\
# A scenario of wakepath that changes another one. Run it: wakepath run {file}
# What can be changed: wakepath show {file}; what a key means: wakepath explain KEY
extends = "{name}"
title = "{title}"

# [cgroup.kubepods]
# cpu.weight = 500
"""


@click.command("new")
@click.argument("file", metavar="FILE")
@click.option("--from", "source", metavar="NAME", help="Start from this scenario instead of a template.")
@click.option("--whole", is_flag=True, help="With --from: write out every key instead of extending NAME.")
@click.option("--force", is_flag=True, help="Replace FILE when it exists.")
def command(file: str, source: str | None, whole: bool, force: bool) -> int:
    """Start a scenario file."""
    write_new(file, source, whole, force)
    if file != "-":
        click.echo(f"{file} written; wakepath run {file}", err=True)
    return 0


def write_new(file: str, source: str | None, whole: bool, force: bool) -> None:
    check_writable(file)
    if Path(file).exists() and not force:
        raise InputError("exists already", file, suggestion="choose another name, or --force")
    title = Path(file).stem.replace("_", " ")
    if source is None:
        text = _TEMPLATE.format(file=file, title=title)
    else:
        scenario = Scenario.load(source)  # a wrong name is told now
        base = scenario.describe()["file"]
        if not whole and Path(base).suffix != ".toml":
            raise InputError(
                "only a scenario file can be extended", source, suggestion="add --whole to write it all out"
            )
        extends = str(Path(base).resolve())
        text = scenario.to_toml() if whole else _EXTENDS.format(file=file, name=extends, title=title)
    # What `new` writes must load: found here, not by the reader of the file.
    Scenario.from_toml(text, file, options=Options())
    write_text(file, text)
