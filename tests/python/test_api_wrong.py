# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input from Python, of any kind: one exception type, one line, and the text of the command line; and every command
is a function with types."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wakepath as wp
from wakepath import InputError, Scenario, _core
from wakepath.cli import COMMANDS, group, status_of

NAME = "starved_completions/qemu-6.1"
PARTS = {"workload.NAME": "workload.fio", "cgroup.PATH": "cgroup.kubepods", "task.GLOB": "task.fio"}
# Options that only say where output goes, that a function gives back instead, or that are another spelling of it.
OUTPUT = {
    "json_file",
    "report",
    "report_file",
    "csv_file",
    "deterministic",
    "help",
    "all_metrics",
    "metrics",
    "trace",
    "since",
}
OTHER_NAME = {
    "sets": "set",
    "only_kernel": "kernel",
    "only_platform": "platform",
    "draws": "samples",
    "no_pairs": "pairs",
}


def key_names() -> list[str]:
    found = []
    for row in _core.list_keys():
        key = row["key"]
        for pattern, name in PARTS.items():
            key = key.replace(pattern, name)
        if key == key.lower() or "." in key:
            found.append(key)
    return found


KEYS = key_names()
ANY_VALUE = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=12),
    st.sampled_from(
        ["5", "5s", "-1us", "1..2", "6.1", "true", "[1, 2]", '"', "{}", "=", "#", "0x10", "1e400", "libaio"]
    ),
    st.lists(st.one_of(st.integers(), st.text(max_size=4)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(object),
)


@st.composite
def keys(draw: st.DrawFn) -> str:
    """A key of the schema, often mistyped by a letter."""
    key = draw(st.sampled_from(KEYS))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(key) - 1))
        key = key[:at] + draw(st.sampled_from(["", "x", ".", "é"])) + key[at + 1 :]
    return key


def command_line(*words: str) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        status = status_of(list(words))
    return status, said.getvalue()


def refused(call: Callable[[], Any]) -> InputError | None:
    """What the call says against it; anything but an InputError comes through."""
    try:
        call()
    except InputError as error:
        return error
    return None


@settings(max_examples=300, deadline=None)
@given(keys(), st.text(max_size=12).filter(str.isprintable))
def test_a_set_line_is_taken_or_refused_with_the_text_of_the_command_line(key: str, value: str) -> None:
    line = f"{key}={value}"
    status, said = command_line("show", NAME, f"--set={line}")
    error = refused(lambda: Scenario.load(NAME, set=[line]))
    assert (status, said) == ((2, f"wakepath: {error}\n") if error else (0, ""))


@settings(max_examples=400, deadline=None)
@given(keys(), ANY_VALUE)
def test_any_value_of_any_key_is_taken_or_an_input_error(key: str, value: Any) -> None:
    scenario = Scenario.load(NAME)
    before = scenario.to_toml()
    error = refused(lambda: scenario.__setitem__(key, value))
    if error:
        assert "\n" not in str(error)
        assert scenario.to_toml() == before
    else:
        assert Scenario.from_toml(scenario.to_toml()) == scenario  # what was taken can be written and read


FUNCTIONS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (wp.run, {"scenario": NAME}),
    (wp.sweep, {"scenario": NAME, "vary": {"workload.fio.iodepth": [3]}}),
    (wp.tune, {"scenario": NAME, "params": {"task.kworker.nice": "-1..1"}, "maximize": "io.iops"}),
    (wp.sensitivity, {"scenario": NAME, "params": {"task.kworker.nice": "-1..1"}}),
    (wp.validate, {"calibrate_from": []}),
    (wp.compare, {"a": ["run.seed=1"], "b": ["run.seed=2"]}),
    (wp.cure, {"what": NAME}),
    (wp.explore, {"scenario": NAME}),
    (wp.verify, {"trace": "no/such/trace"}),
    (wp.replay, {"trace": "no/such/trace"}),
    (wp.analyze, {"trace": "no/such/trace"}),
    (wp.convert, {"source": "no/such/trace", "out": "x.txt"}),
    (wp.show, {"scenario": NAME}),
    (wp.cluster, {"scenario": "replicated_log"}),
    (wp.check, {"machine": "no/such/machine.toml"}),
    (wp.record, {"out": ""}),
    (wp.bench, {"scenario": NAME}),
]
NAMED = {
    "scenario", "what", "set", "a", "b", "duration", "warmup", "kernel", "seed", "seeds", "jobs", "trials", "fresh",
    "vary", "params", "machine", "setting", "out", "target", "size", "storage", "samples", "repeats", "first_seed",
    "calibrate_from", "maximize", "subject_to", "method", "role", "beside", "source", "trace", "cases", "measured",
}  # fmt: skip
WRONG_FOR_ALL = [object(), 1.5j, b"x", [object()], {1: 2}]


@pytest.mark.parametrize(("function", "good"), FUNCTIONS, ids=lambda x: getattr(x, "__name__", ""))
def test_any_argument_of_a_wrong_kind_is_an_input_error(function: Callable[..., Any], good: dict[str, Any]) -> None:
    looked_at = 0
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in NAMED or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        for wrong in WRONG_FOR_ALL:
            with pytest.raises(InputError) as caught:
                function(**{**good, name: wrong})
            assert "\n" not in str(caught.value)
        looked_at += 1
    assert looked_at


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: wp.run(NAME, duration=5), ("run", NAME, "--duration", "5")),  # type: ignore[arg-type]
        (lambda: wp.run(NAME, warmup=""), ("run", NAME, "--warmup", "")),
        (lambda: wp.run(NAME, seed=-1), ("run", NAME, "--seed", "-1")),
        (lambda: wp.run("starved_completion"), ("run", "starved_completion")),
        (lambda: wp.show(NAME, kernel="v9.9"), ("show", NAME, "--kernel", "v9.9")),
        (
            lambda: wp.sweep(NAME, {"workload.fio.iodepth": "1..2"}),
            ("sweep", NAME, "--vary", "workload.fio.iodepth=1..2"),
        ),
        (lambda: wp.analyze("no/such"), ("analyze", "no/such")),
        (lambda: wp.convert("no/such", "x.foo"), ("convert", "no/such", "x.foo")),
        (lambda: wp.validate("no/such.jsonl"), ("validate", "no/such.jsonl")),
        (lambda: wp.cluster("no/such"), ("cluster", "no/such")),
        (lambda: wp.record(""), ("record",)),
        (lambda: wp.record("out", size="1x"), ("record", "--out", "out", "--size", "1x")),
        (lambda: wp.check("no/such.toml"), ("check", "no/such.toml")),
        (lambda: wp.check(__file__, seconds=0.01), ("check", __file__, "--seconds", "0.01")),
        (lambda: wp.new("no/such/x.toml"), ("new", "no/such/x.toml")),
        (lambda: wp.bench("no_such"), ("bench", "--scenario", "no_such")),
        (lambda: wp.explain("iodepht"), ("explain", "iodepht")),
        (lambda: wp.kernels("v9.9"), ("kernels", "v9.9")),
    ],
    ids=lambda x: " ".join(x[:2]) if isinstance(x, tuple) else "",
)
def test_the_text_is_the_command_lines(call: Callable[[], Any], words: tuple[str, ...]) -> None:
    status, said = command_line(*words)
    assert status == 2
    with pytest.raises(InputError) as caught:
        call()
    # Ranges name the option on one side and the parameter on the other.
    assert said.replace("--vary ", "vary ").replace("=1..2:", ":") == f"wakepath: {caught.value}\n".replace(
        "=1..2:", ":"
    )


def test_a_time_that_cannot_be_read_is_one_error_of_a_validation() -> None:
    cases = Path(__file__).parent.parent / "truth" / "host.jsonl"
    with pytest.raises(InputError, match="5s"):
        wp.validate(str(cases), duration="5")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_function_with_types(name: str) -> None:
    function = getattr(wp, name)
    assert name in wp.__all__
    assert function.__doc__
    assert callable(function)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


ONLY_THERE = {
    "tune": {"sensitivity", "walks"},  # wakepath.sensitivity
    "record": {"how", "script"},  # texts: wakepath.record_how
    "cure": {"top"},
    "analyze": {"pattern"},
    "scenarios": {"names"},
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_takes_its_function_takes(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    function = inspect.signature(getattr(wp, name)).parameters
    has_scenario = "scenario" in function
    through_scenario = {"machine", "kernel", "duration", "warmup", "seed", "samples", "fio"} if has_scenario else set()
    asked = {p.name for p in command.params if p.name} - OUTPUT - ONLY_THERE.get(name, set())
    taken = {OTHER_NAME.get(option, option) for option in asked} - through_scenario
    assert taken - set(function) == set()


def test_types_can_be_looked_up() -> None:
    hints = get_type_hints(wp.run)
    assert hints["return"] is wp.Result
