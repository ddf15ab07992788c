# SPDX-License-Identifier: GPL-2.0-or-later
"""Every code block of README.md, docs/ and the scenarios' pages runs: Python as it stands, page by page; a scenario's
keys over a scenario; commands too, but that what they simulate is made short and words such as TRACE stand for files
that are there. What is not run is listed here line by line with its reason, and the list is checked both ways. The site
is built strictly."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import wakepath
from doc_blocks import ALL, PAGES, ROOT, Block
from wakepath.cli import status_of
from wakepath.truth import read_cases

plt.switch_backend("Agg")
TRACE = ROOT / "tests" / "truth" / "traces" / "A-6.1-d71k-q128-m1-w1000.txt.xz"
CASE = f"{ROOT}/tests/truth/qemu.jsonl#qemu-A-6.1-d71k-q128-m1-w1000"

AS_ROOT = "records the kernel of a real machine, as root"
# Blocks that show something, or are no commands of wakepath: page and how they begin, and what keeps them true.
SHOWN = {
    ("README.md", "a weighted cgroup starves"): "test_readme_shows_what_the_command_prints",
    ("docs/architecture.md", "scenario ──►"): "a drawing",
    ("docs/accuracy.md", "iops                     mean distance"): "measured on a machine: printed by check",
    (
        "docs/ublk.md",
        "fio-205     [010]",
    ): "records of a broken schedule, cut down: tests/python/test_explore.py has their like",
    ("docs/several-cpus.md", "why: fio moved"): "printed by run: tests/python/test_migration_causes.py",
    ("docs/measured-vm.md", "I=/sys/kernel/tracing"): AS_ROOT,
    ("scenarios/starved_completions/README.md", "row               role"): "written by docs/make_starved.py",
    ("scenarios/caller_completes/README.md", "row                 role"): "written by docs/make_caller_completes.py",
}
ADDING = "executed by tests/python/test_adding_a_rule.py"
MACHINE = "minutes on a real disk; tests/python/test_record.py and test_recorder.py do it in seconds"
WRITES = "writes a page or a table of this repository from minutes of runs; its tests read what was written"
NOT_RUN = {
    "./wakepath run rule.toml*": ADDING,
    "./wakepath verify tests/truth/traces/A-6.12-*protection_beats_lag=true": ADDING,
    "./wakepath replay tests/truth/traces/A-6.12-*protection_beats_lag=true": ADDING,
    "./wakepath record --target *": MACHINE,
    "./wakepath calibrate DIR *": MACHINE,
    "./wakepath check *": MACHINE,
    "python3 docs/make_accuracy.py *": WRITES,
    ".venv/bin/python docs/make_truth.py": WRITES,
    "python -m wakepath.validity *": WRITES,
    "cmake --build build/release --target iowq_probe": "a part of the build",
    "calibration/iowq_probe/measure.py *": AS_ROOT,
    'build/release/wakepath_unit "[[]#io_wq_host_test[]]"': "the step `unit` of ./test",
    ".venv/bin/python -m pytest tests/python/test_worker_churn.py": "the step `python` of ./test",
    "taskset -c 1 fio *": AS_ROOT,
    **dict.fromkeys(("uname -r", "cat /sys/fs/cgroup/*", "grep *", "ps -eLo *"), "test_the_five_lines_only_read"),
}
# What a reader fills in, and what is there for it in the test's folder.
FILLED = {
    "SCENARIO...": "starved_completions/qemu-6.1",
    "SCENARIO": "starved_completions/qemu-6.1",
    "KEY=VALUE": "task.kworker.nice=-10",
}
SHORT = {"run": 20, "sweep": 20, "tune": 20, "compare": 20}
INLINE_PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/howto-sre.md",
    "docs/howto-kernel.md",
    "docs/howto-tuning.md",
    "docs/is-this-your-problem.md",
    "docs/commands.md",
]
INLINE_LONG = {"validate", "calibrate", "bench"}
PLACEHOLDER = re.compile(
    r"\b(?:SCENARIO|TRACE|FILE|FOLDER|CASES|KEY|METRIC|ADDRESS|DIR|JOB|RESULT|MACHINE|NAME)\b|…|\.\.\.|node\.toml"
)


def is_listed(line: str) -> bool:
    return any(fnmatch.fnmatchcase(line, pattern) for pattern in NOT_RUN)


def is_shown(block: Block) -> bool:
    return any(block.page == page and block.text.startswith(begin) for page, begin in SHOWN)


def python_blocks(page: str) -> list[Block]:
    return [block for block in ALL if block.page == page and block.kind == "python"]


COMMANDS = [(block, line) for block in ALL if block.kind == "commands" for line in block.lines() if not is_listed(line)]


def test_no_block_is_left_out() -> None:
    """Each is of a kind that is run here or elsewhere by name; no entry of the lists is stale."""
    for block in ALL:
        if block.kind == "other":
            assert is_shown(block) or all(map(is_listed, block.lines())), f"{block.place}: what is it?\n{block.text}"
        if block.kind == "diff":
            assert block.page == "docs/adding-a-rule.md", block.place
    for block, line in COMMANDS:
        assert re.match(r"(?:\./)?wakepath |sh calibration/record/collect\.sh -n", line), f"{block.place}: {line}"
    for page, begin in SHOWN:
        assert any(b.page == page and b.text.startswith(begin) for b in ALL), f"{page}: no block begins '{begin}'"
    lines = [line for block in ALL for line in block.lines()]
    for pattern in NOT_RUN:
        assert any(fnmatch.fnmatchcase(line, pattern) for line in lines), f"no block has {pattern}"


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)])
def test_python_blocks(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for block in python_blocks(page):
        exec(compile("\n" * (block.line - 1) + block.text, str(ROOT / page), "exec"), space)
    plt.close("all")


def test_the_newcomers_first_block_is_five_lines_and_a_plot() -> None:
    first = python_blocks("docs/tutorial.md")[0]
    lines = [line for line in first.text.splitlines() if line.strip()]
    assert len(lines) == 5
    assert "savefig" in first.text


@pytest.mark.parametrize("block", [b for b in ALL if b.kind == "toml"], ids=lambda b: b.place)
def test_keys_of_scenarios(block: Block) -> None:
    if block.page == "docs/adding-a-rule.md":
        assert "rule.toml" in (ROOT / block.page).read_text(encoding="utf-8")  # executed there
        return
    base = "starved_completions" if "cgroup.kubepods" in block.text else "starved_completions/qemu-6.1"
    text = f'extends = "{wakepath.Scenario.load(base).describe()["file"]}"\n\n{block.text}\n'
    scenario = wakepath.Scenario.from_toml(text + '[run]\nduration = "20ms"\nwarmup = "5ms"\n', block.place)
    assert wakepath.run(scenario).status == "finished"


def shortened(line: str) -> list[str]:
    """The words of a command line, its options in brackets left out, filled in and made short."""
    plain = re.sub(r"\s*\[--[^\]]*\](?:\.\.\.)?", "", line).removeprefix("./").removeprefix("wakepath ")
    for side, value in (("--a KEY=V", "--a workload.fio.iodepth=8"), ("--b KEY=V", "--b workload.fio.iodepth=16")):
        plain = re.sub(rf"{side}(?!\w)", value, plain)
    words = [FILLED.get(word, word) for word in shlex.split(plain)]
    command = words[0]
    if command in SHORT and not (command == "compare" and "--a" not in words):
        words = [w for i, w in enumerate(words) if "--duration" not in (w, words[max(0, i - 1)])]
        words += ["--duration", f"{SHORT[command]}ms", "--warmup", "5ms"]
    if command == "tune" and "--sensitivity" not in words:
        words += ["--trials", "4", "--fresh", "2"]
    if command == "cure":
        words += ["--seeds", "1", "--no-pairs"]
    if command == "validate":
        words = [w for i, w in enumerate(words) if "--calibrate-from" not in (w, words[i - 1])]  # fits have own tests
        words += ["--duration", "20ms", "--warmup", "5ms"]
        if words[1].endswith(".jsonl"):
            words += ["--only", {"qemu": "-6.1-d50k-q1-", "sched": "6.1-duty300", "host": "qd1-"}.get(
                Path(words[1]).stem, "-6.1-"
            )]  # fmt: skip
    return words


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the repository's, with a recording, two traces and a machine file under a reader's names."""
    for name in ("scenarios", "tests", "calibration", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(TRACE, tmp_path / "TRACE.xz")
    subprocess.run(["xz", "-d", str(tmp_path / "TRACE.xz")], check=True)
    (tmp_path / "TRACE.setting.json").write_text(case_text(), encoding="utf-8")
    shutil.copy(ROOT / "scenarios/platforms/qemu-icount-6.1-fitted.toml", tmp_path / "machine.toml")
    for name, weight in (("A", 100), ("B", 1000)):
        sets = [f"cgroup.kubepods.cpu.weight={weight}", "run.duration=20ms", "run.warmup=5ms"]
        wakepath.run(wakepath.Scenario.load("starved_completions/qemu-6.1", set=sets), trace=str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def case_text() -> str:
    file, _, name = CASE.partition("#")
    return json.dumps(next(case.raw for case in read_cases(file) if case.id == name))


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=[f"{block.place}: {line[:50]}" for block, line in COMMANDS])
def test_commands_of_blocks(block: Block, line: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if line.startswith("sh "):
        assert subprocess.run(shlex.split(line), capture_output=True, check=False).returncode == 0
        return
    words = shortened(line)
    status = status_of(words)
    # Rows of a validation that is made short may lie outside their ranges.
    said = capfd.readouterr().err
    assert status in ((0, 1) if words[0] == "validate" else (0,)), f"{block.place}: {line}\n{said}"
    assert "not run" not in said


def inline_commands(page: str) -> list[str]:
    """Of code within a sentence. Forms of a command, with words to be filled in, are no calls."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"`(?:\./)?wakepath ([a-z][^`\n]*)", text)
    return [line.strip() for line in found if not PLACEHOLDER.search(line) and line.split()[0] not in INLINE_LONG]


INLINE = [(page, line) for page in INLINE_PAGES for line in inline_commands(page)]


@pytest.mark.parametrize(("page", "line"), INLINE, ids=[f"{page}: {line[:50]}" for page, line in INLINE])
def test_commands_within_sentences(page: str, line: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = status_of(shortened(line))
    assert status == 0, f"{page}: wakepath {line}\n{capfd.readouterr().err}"


def test_readme_shows_what_the_command_prints(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shown = next(b for b in ALL if b.page == "README.md" and b.text.startswith("a weighted cgroup starves")).text
    capfd.readouterr()
    assert status_of(["run", "scenarios/starved_completions"]) == 0
    printed = capfd.readouterr().out

    number = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")

    def fixed(text: str) -> str:
        """Without what depends on the speed of this machine, and the errors of nearest cases (of a validation)."""
        unlike = r"; [\d,]+ events, .*|(?<=trust: nearest checked case ).*"
        return "\n".join(re.sub(unlike, "", line).rstrip() for line in text.strip().splitlines())

    def words(text: str) -> list[str]:
        return number.sub("#", fixed(text)).split()

    assert words(shown) == words(printed)
    figures = [[float(found.replace(",", "")) for found in number.findall(fixed(text))] for text in (shown, printed)]
    assert figures[0] == pytest.approx(figures[1], rel=0.01)


def test_the_five_lines_only_read() -> None:
    (block, *_) = [b for b in ALL if b.page == "docs/is-this-your-problem.md" and b.language == "sh"]
    lines = block.text.splitlines()
    assert len(lines) == 5
    done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in lines:
        assert line.split()[0] in {"uname", "cat", "grep", "ps"}
        assert ">" not in line


def test_the_site_builds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    names = [name for name in wakepath.__all__ if not name.startswith("_")]
    for name in [
        *(f"wakepath.{name}" for name in names),
        "wakepath.plot.waterfall",
        "wakepath.kubernetes.kubepods_weight",
    ]:
        assert f'id="{name}"' in reference, name
    assert not re.search(r'(?:src|href)="https?://(?!github|kubernetes|lore|docs|www|lwn)[^"]*\.(?:js|css)"', reference)
