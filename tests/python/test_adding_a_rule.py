# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/adding-a-rule.md, executed: its patches on a copy of the tree, an incremental build, its test, its scenario."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pybind11
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-rule.md"
SWITCH = "protection_beats_lag"


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def apply(patch: str, tree: Path) -> str:
    """Puts the added lines of a patch after its context, wherever that stands now: line numbers of a page mean nothing.

    Context before and after the added lines must be found together, exactly once.
    """
    lines = patch.splitlines()
    name = next(line.removeprefix("+++ b/") for line in lines if line.startswith("+++ "))
    hunk = lines[next(i for i, line in enumerate(lines) if line.startswith("@@")) + 1 :]
    assert all(line[:1] in {" ", "+"} for line in hunk), f"{PAGE.name}: a patch only adds lines"
    before = "\n".join(line[1:] for line in hunk if line.startswith(" ")) + "\n"
    after = "\n".join(line[1:] for line in hunk) + "\n"
    file = tree / name
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{PAGE.name}: the context of the patch to {name} is not there once"
    file.write_text(text.replace(before, after), encoding="utf-8")
    return name


def test_the_rule_touches_three_places_and_they_are_there(tmp_path: Path) -> None:
    patches = blocks("diff")
    assert len(patches) == 3
    touched = []
    for patch in patches:
        name = re.search(r"^\+\+\+ b/(.*)$", patch, re.MULTILINE)
        assert name is not None
        target = tmp_path / name[1]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name[1], target)
        touched.append(apply(patch, tmp_path))
    assert touched == [
        "models/kernel/switches.def",
        "models/sched/fair/eevdf_rules.cc",
        "tests/unit/sched_switches_test.cc",
    ]


@dataclass
class Copy:
    tree: Path
    build: Path

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.tree, capture_output=True, text=True, check=False, env=self.environment()
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        # Paths below the copy are relative for ccache, so that what the real tree has compiled is found again.
        extra = {"CCACHE_BASEDIR": str(self.tree), "CCACHE_NOHASHDIR": "1", "PYTHONPATH": str(self.tree / "python")}
        return os.environ | extra

    def ninja(self, *targets: str) -> int:
        """Builds; the number of files that were compiled."""
        out = self.run("ninja", "-C", str(self.build), *targets)
        return len(re.findall(r"Building CXX object", out))

    def libraries_of_unit_tests(self) -> list[str]:
        """As CMake links them: ours relative to the build folder."""
        text = (self.build / "build.ninja").read_text(encoding="utf-8")
        rule = text[text.index("build wakepath_unit: CXX_EXECUTABLE_LINKER") :]
        return re.findall(r"LINK_LIBRARIES = (.*)", rule)[0].split()

    def wakepath(self, *arguments: str) -> str:
        return self.run(sys.executable, "-P", "-m", "wakepath", *arguments)

    def put_extension(self) -> None:
        for built in (self.build / "python").glob("_core*.so"):
            shutil.copy(built, self.tree / "python" / "wakepath")


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    tree = tmp_path / "tree"
    ignored = shutil.ignore_patterns("build", ".venv", ".git", "__pycache__", "_core*.so", "*.xz", "notebooks")
    shutil.copytree(ROOT, tree, ignore=ignored)
    yield Copy(tree, tree / "build" / "release")
    shutil.rmtree(tree)


def cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def run_delay(copy: Copy, value: str) -> int:
    out = copy.wakepath(
        "run", "rule.toml", "--set", f"kernel.switches.{SWITCH}={value}", "--json", "-", "--duration", "500ms"
    )
    result = json.loads(out[out.index("{") :])
    return int(next(t for t in result["tasks"] if t["comm"] == "wakee")["run_delay_ns"]["p99"])


def on_a_recording(copy: Copy, name: str) -> dict[str, Any]:
    """A command of the page that takes a recorded trace, which is not in the copy."""
    text = PAGE.read_text(encoding="utf-8").splitlines()
    command = next(line.split() for line in text if f" {name} tests/" in line)
    assert command[:2] == ["./wakepath", name]
    where = [str(ROOT / word) if word.startswith("tests/") else word for word in command[1:]]
    return dict(json.loads(copy.wakepath(*where, "--json", "-")))


def would_change(copy: Copy) -> None:
    """Which decisions of a recorded 6.12 the rule would change."""
    data = on_a_recording(copy, "verify")
    decisions = data["changed"]["decisions"]["wakeup_preemption"]
    assert 0 < decisions["would_change"] < decisions["n"]
    said = f"Of {decisions['n']} wakeups that both judge {decisions['would_change']} preempted and would not."
    assert said in PAGE.read_text(encoding="utf-8")
    rows = [row for row in data["changed"]["would_change"] if row["kind"] == "wakeup_preemption"]
    assert all(change["before"] == "preempts" for row in rows for change in row["first"])


def replayed(copy: Copy) -> None:
    """The recorded workload with the rule: fio is not preempted at each wakeup any more, so it switches less."""
    data = on_a_recording(copy, "replay")
    assert data["replay"]["sets"] == [f"kernel.switches.{SWITCH}=true"]
    assert abs(data["replay"]["unchanged_error"]["iops"]) <= 0.03
    before, after = (data[name]["totals"]["context_switches_per_s"] for name in ("untraced", "changed"))
    assert after < 0.9 * before


@pytest.mark.slow
def test_the_page_is_true(copy: Copy) -> None:
    unit = "CMakeFiles/wakepath_unit.dir/tests/unit"
    objects = [f"{unit}/main.cc.o", f"{unit}/sched_switches_test.cc.o"]
    copy.run(
        "cmake", "--preset", "release", "-DWAKEPATH_PYTHON=ON", "-DWAKEPATH_TESTS=ON",
        f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
    )  # fmt: skip
    everything = copy.ninja("_core", *objects)
    for patch in blocks("diff"):
        apply(patch, copy.tree)
    began, used = time.monotonic(), cpu_seconds()
    rebuilt = copy.ninja("_core", *objects)
    copy.put_extension()
    print(f"{rebuilt} of {everything} files again: {time.monotonic() - began:.0f} s, {cpu_seconds() - used:.0f} of CPU")
    rule = copy.tree / "models/sched/fair/eevdf_rules.cc"
    rule.write_text(rule.read_text(encoding="utf-8") + "\n// edited\n", encoding="utf-8")
    began = time.monotonic()
    assert copy.ninja("_core", *objects) == 1  # it and its neighbours of the folder
    print(f"one edited file: {time.monotonic() - began:.0f} s")

    (copy.tree / "rule.toml").write_text(blocks("toml")[0], encoding="utf-8")
    off, on = run_delay(copy, "false"), run_delay(copy, "true")
    assert off < 200_000
    assert on > 1_000_000
    vary = f"kernel.switches.{SWITCH}=false,true"
    copy.wakepath("sweep", "rule.toml", "--vary", vary, "--duration", "50ms", "--jobs", "1", "--csv", "sweep.csv")
    assert len((copy.tree / "sweep.csv").read_text(encoding="utf-8").splitlines()) == 3
    would_change(copy)
    replayed(copy)
    assert SWITCH in copy.wakepath("kernels", "v6.12")
    assert "not eligible" in copy.wakepath("explain", f"kernel.switches.{SWITCH}")

    program = str(copy.build / "rule_test")
    libraries = [str(copy.build / word) if word.startswith("lib") else word for word in copy.libraries_of_unit_tests()]
    copy.run("c++", "-o", program, *(str(copy.build / o) for o in objects), *libraries)
    assert "All tests passed" in copy.run(program)
