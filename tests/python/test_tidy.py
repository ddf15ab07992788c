# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of the house that a machine can check: licences, sizes, layers, pins, links, self-contained headers."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
CODE = {".h", ".cc", ".py", ".sh", ".cmake"}
SCRIPTS = {"wakepath", "test", ".ci/run", "requirements/renew", "CMakeLists.txt"}

# What a layer may include, by the folder a path begins with.
LAYERS = {
    "sim/engine/": ("sim/engine/",),
    "sim/trace/": ("sim/engine/", "sim/trace/"),
    "sim/analysis/": ("sim/engine/", "sim/trace/", "sim/analysis/"),
    "models/": ("sim/", "models/"),
}


def repository_files() -> list[Path]:
    """Tracked files and new ones that are not ignored; in an unpacked archive, all but what the build makes."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        names = [name for name in done.stdout.decode().split("\0") if name]
    else:
        made = {"build", ".venv", "__pycache__"}
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if not made & set(p.relative_to(ROOT).parts)]
    return sorted(path for name in names if (path := ROOT / name).is_file())


FILES = repository_files()


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_code(path: Path) -> bool:
    if name_of(path).startswith(("tests/data/", "tests/truth/", "tests/fuzz/corpus/")):
        return False  # input of tests, shell lines among it
    return path.suffix in CODE or name_of(path) in SCRIPTS or path.name == "CMakeLists.txt"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_every_source_says_its_licence() -> None:
    lacking = [
        name_of(path)
        for path in FILES
        if is_code(path)
        and not any("SPDX-License-Identifier: GPL-2.0-or-later" in line for line in text_of(path).splitlines()[:3])
    ]
    assert lacking == []


def test_files_are_small() -> None:
    sizes = {name_of(path): len(text_of(path).splitlines()) for path in FILES if is_code(path)}
    assert {name: lines for name, lines in sizes.items() if lines >= MAX_FILE_LINES} == {}


def python_functions(path: Path) -> list[tuple[str, int]]:
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def cpp_functions(path: Path) -> list[tuple[str, int]]:
    """Functions of formatted code: a line that opens a body at the indent where a later line closes it."""
    found: list[tuple[str, int]] = []
    lines = text_of(path).splitlines()
    opening = re.compile(
        r"^( {0,2})(?! )(?!.*\b(?:namespace|class|struct|union|enum|extern|TEST_CASE)\b.*\{$).*\)[^;{]*\{$"
    )
    for number, line in enumerate(lines):
        if match := opening.match(line):
            closing = match[1] + "}"
            end = next((n for n in range(number + 1, len(lines)) if lines[n].startswith(closing)), number)
            found.append((line.strip(), end - number + 1))
    return found


def test_functions_are_small() -> None:
    long = []
    for path in FILES:
        if path.suffix == ".py":
            functions = python_functions(path)
        elif path.suffix in {".h", ".cc"}:
            functions = cpp_functions(path)
        else:
            continue
        long += [f"{name_of(path)}: {name}: {lines} lines" for name, lines in functions if lines > MAX_FUNCTION_LINES]
    assert long == []


def test_no_file_names_a_path_of_one_machine() -> None:
    # Put together here so that this file passes its own check.
    pattern = re.compile(rb"(?<![\w.*])/(?:" + b"|".join([b"wo" + b"rk", b"ro" + b"ot"]) + rb")/[\w.]")
    hits = [name_of(path) for path in FILES if pattern.search(path.read_bytes())]
    assert hits == []


def test_headers_are_guarded() -> None:
    headers = [path for path in FILES if path.suffix == ".h"]
    assert [name_of(path) for path in headers if "#pragma once" not in text_of(path)] == []


def test_layers_depend_downwards_only() -> None:
    wrong = []
    for path in FILES:
        allowed = next((ok for folder, ok in LAYERS.items() if name_of(path).startswith(folder)), None)
        if allowed is None or path.suffix not in {".h", ".cc"}:
            continue
        for included in re.findall(r'^#include "([^"]+)"', text_of(path), re.M):
            if not included.startswith(allowed):
                wrong.append(f"{name_of(path)} includes {included}")
    assert wrong == []


def test_results_use_no_libm_and_no_standard_distributions() -> None:
    """Their last bits differ between machines and compilers (design 3.2); sqrt is exact by IEEE 754."""
    banned = re.compile(
        r"std::\w+_distribution\b|std::(?:pow|exp|exp2|expm1|log|log2|log10|log1p|sin|cos|tan|cbrt|hypot|erf|tgamma)\("
        r"|#include <random>"
    )
    wrong = [
        f"{name_of(path)}: {match[0]}"
        for path in FILES
        if path.suffix in {".h", ".cc"} and name_of(path).startswith(("sim/", "models/"))
        for match in banned.finditer(re.sub(r"//.*", "", text_of(path)))
    ]
    assert wrong == []


def test_the_version_is_the_same_everywhere() -> None:
    match = re.search(r"project\(wakepath VERSION ([0-9.]+)", text_of(ROOT / "CMakeLists.txt"))
    assert match is not None
    assert f"version: {match[1]}\n" in text_of(ROOT / "CITATION.cff")
    assert match[1] in text_of(ROOT / "CHANGELOG.md")


def pins(name: str) -> dict[str, str]:
    lines = text_of(ROOT / "requirements" / name).splitlines()
    return dict(line.replace("_", "-").lower().split("==") for line in lines if "==" in line)


def test_python_packages_are_pinned() -> None:
    for name in ("run.txt", "extra.txt", "test.txt"):
        for line in text_of(ROOT / "requirements" / name).splitlines():
            assert re.fullmatch(r"#.*|-r (run|extra)\.txt|[\w.-]+==[\w.]+", line), f"{name}: {line}"
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    everything = pins("run.txt") | pins("test.txt")
    for requirement in project["build-system"]["requires"]:
        package, version = requirement.split("==")
        assert everything[package] == version
    for requirement in project["project"]["dependencies"]:
        assert re.split(r"[<>=]", requirement)[0] in pins("run.txt") | pins("extra.txt")
    for requirement in (name for names in project["project"]["optional-dependencies"].values() for name in names):
        assert re.split(r"[<>=\[]", requirement)[0].lower() in pins("extra.txt")


def test_imports_are_declared() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    declared = {re.split(r"[<>=]", requirement)[0] for requirement in project["project"]["dependencies"]}
    optional = {name for names in project["project"].get("optional-dependencies", {}).values() for name in names}
    declared |= {re.split(r"[<>=\[]", name)[0] for name in optional}
    declared |= {"distributed"}  # of dask[distributed]
    unknown = set()
    for path in FILES:
        if not name_of(path).startswith("python/wakepath/") or path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(text_of(path))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            tops = {name.split(".")[0] for name in names}
            unknown |= {f"{name_of(path)}: {top}" for top in tops - sys.stdlib_module_names - declared - {"wakepath"}}
    assert unknown == set()


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for path in FILES:
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text_of(path)):
            if not (path.parent / target).exists():
                broken.append(f"{name_of(path)}: {target}")
    assert broken == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["sim", "models"])
def test_headers_stand_alone(folder: str) -> None:
    """Every header compiles by itself: users include what they need in any order."""
    broken = []
    for path in FILES:
        if path.suffix != ".h" or not name_of(path).startswith(folder + "/"):
            continue
        command = [
            "c++",
            "-std=c++20",
            "-fsyntax-only",
            "-x",
            "c++",
            "-I",
            str(ROOT),
            "-include",
            str(path),
            "/dev/null",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            broken.append(f"{name_of(path)}:\n{done.stderr[:500]}")
    assert broken == []
