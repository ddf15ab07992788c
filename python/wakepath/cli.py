# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: `wakepath COMMAND`. A command's module is imported when it is called, so that starting is fast.

Exit status: 0 success, 1 a check did not hold, 2 wrong input, 3 a limit was reached, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, TextIO

import click

from wakepath.errors import InputError, LimitReachedError, closest

# Commands and the line that --help shows without importing them.
COMMANDS = {
    "run": "simulate a scenario: IOPS, switches, CPU, and why",
    "sweep": "many runs over values of keys and seeds",
    "tune": "the setting that is best for a metric, and which knob did it",
    "validate": "predictions beside what real kernels did",
    "record": "probe this machine: costs, device, windows of fio",
    "calibrate": "fit costs and device law from a recording or truth cases",
    "check": "predict held-out settings of this machine, then measure them",
    "verify": "the scheduler model's decisions beside a recorded kernel's",
    "explore": "many schedules that the kernel allows: does an invariant break, does the answer hold?",
    "cluster": "many nodes on a SimGrid platform: a replicated log's tail, and who makes it",
    "analyze": "who switches to whom and why, in a simulated or a real trace",
    "compare": "what changed between two traces, results or settings",
    "cure": "try the known levers and rank what restores performance",
    "convert": "a trace between formats: ftrace text, Perfetto, trace-cmd, Parquet",
    "replay": "the workload of a recording, run again as it was and with changes",
    "show": "a scenario, resolved: every key with its value",
    "explain": "what a scenario key or a metric means",
    "new": "start a scenario file",
    "scenarios": "list the scenarios that come with wakepath",
    "kernels": "kernel versions, and the switches of one",
    "bench": "speed of the engine and of a whole simulation",
}


class LazyGroup(click.Group):
    """Sub-commands are modules of wakepath.commands with a `command` in them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"wakepath.commands.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = closest(name, list(COMMANDS))
            raise InputError(f"no such command '{name}'", suggestion=f"did you mean {near}?" if near else "see --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    help="Print the version.",
    callback=lambda ctx, param, value: _print_version(ctx, value),
)
def group() -> None:
    """Predict what the Linux scheduler does to I/O completions: how many IOPS a workload loses, who ping-pongs with
    whom, and which knob, patch or kernel version cures it.

    A SCENARIO is a file, a folder, a name of `wakepath scenarios`, a fio job (JOB.fio), pasted shell lines (FILE.sh),
    or a result to repeat (RESULT.json).
    """


def _print_version(ctx: click.Context, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from wakepath import __version__

        click.echo(f"wakepath {__version__}")
        ctx.exit()


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and leave with its status. One line on stderr says what is wrong."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller (`>&-`): nobody wants to read it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    sys.exit(status_of(sys.argv[1:] if arguments is None else arguments))


def status_of(arguments: list[str]) -> int:
    try:
        # Not group.main(): it leaves with 1, a check that did not hold, where the reader of our output left.
        with group.make_context("wakepath", [*arguments] or ["--help"]) as context:  # it takes words off the list
            returned: Any = group.invoke(context)
        sys.stdout.flush()
        return returned if isinstance(returned, int) else 0
    except InputError as error:
        return _say(str(error), 2)
    except LimitReachedError as error:
        return _say(str(error), 3)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "wakepath"
        return _say(f"{error.format_message()} (see {where} --help)", 2)
    except click.ClickException as error:
        return _say(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped", 130)
    except BrokenPipeError:  # the reader of our output left (`| head`): nothing to say
        _forget(sys.stdout)
        return 0
    except OSError as error:  # a full disk, a folder that went away while we ran
        _forget(sys.stdout)
        return _say(f"{error.filename or 'standard output'}: {error.strerror or error}", 2)


def _forget(stream: TextIO) -> None:
    """What could not be written must not be tried again at exit, which would change the status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say(text: str, status: int) -> int:
    try:
        print(f"wakepath: {' '.join(text.split())}", file=sys.stderr)
    except OSError:
        _forget(sys.stderr)
    return status
