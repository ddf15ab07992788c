# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutation testing of the fair class and the workqueues: would the unit tests notice a wrong rule?

A seeded sample of small changes (< becomes <=, && becomes ||, a constant one more, a statement left out ...) is
compiled into one binary, each behind a number; the unit tests run with one of them switched on after the other. One
that no test notices has survived. docs/reliability.md says which did and why.

`./test mutants`, or after it:
.venv/bin/python tests/mutants.py [--sample N] [--seed N] [--jobs N] [--minutes N] [--json FILE]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "single"
OUT = ROOT / "build" / "mutants"
FOLDERS = ("models/sched/fair", "models/workqueue")
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.txt"
TIMEOUT_S = 90
MUST_BE_KILLED = 0.95

SWAPS = {
    " < ": (" <= ", " >= "),
    " <= ": (" < ", " > "),
    " > ": (" >= ", " <= "),
    " >= ": (" > ", " < "),
    " == ": (" != ",),
    " != ": (" == ",),
    " && ": (" || ",),
    " || ": (" && ",),
    " + ": (" - ",),
    " - ": (" + ",),
    " * ": (" + ",),
    " / ": (" * ",),
    " >> ": (" << ",),
    " & ": (" | ",),
    "std::min(": ("std::max(",),
    "std::max(": ("std::min(",),
}
NUMBER = re.compile(r"(?<![\w.'])(\d+)(?![\w.'])")
NEGATED = re.compile(r"!(?=[\w(])")
TRUTH = re.compile(r"\b(true|false)\b")
HEADER = """#pragma once
// Which change is on; with WAKEPATH_MUTANT=-1 none is, and those that were passed are written to WAKEPATH_REACHED.
namespace wakepath_mutants {
extern int active;
extern unsigned char* reached;
}
inline bool wakepath_mutant(int n) {
  if (wakepath_mutants::reached != nullptr) wakepath_mutants::reached[n] = 1;
  return wakepath_mutants::active == n;
}
"""
MAIN = """#include <cstdio>
#include <cstdlib>
namespace wakepath_mutants {
constexpr int kMost = 100000;
unsigned char seen[kMost];
unsigned char* reached = nullptr;
void write() {
  std::FILE* f = std::fopen(std::getenv("WAKEPATH_REACHED"), "w");
  for (int i = 0; i < kMost; ++i) if (seen[i]) std::fprintf(f, "%d\\n", i);
  std::fclose(f);
}
int begin() {
  const char* which = std::getenv("WAKEPATH_MUTANT");
  if (which != nullptr && std::atoi(which) == -1) { reached = seen; std::atexit(write); }
  return which == nullptr ? -1 : std::atoi(which);
}
int active = begin();
}
"""


@dataclass
class Mutant:
    number: int
    file: str
    line: int
    start: int  # of the text it is in: an expression, or a statement to leave out
    end: int
    before: str
    after: str  # "": left out
    again: int = 0  # how often the same change of the same text came before in the file

    def words(self) -> str:
        what = f"`{self.before.strip()}` left out" if not self.after else f"`{self.before}` -> `{self.after}`"
        return f"{self.file}:{self.line} {what}"

    def key(self) -> str:
        """Its place without line numbers, so that it is found again when the file has changed elsewhere."""
        again = f" #{self.again}" if self.again else ""
        return f"{self.file} {' '.join(self.before.split())} => {' '.join(self.after.split())}{again}"


def blanked(text: str) -> str:
    """The text with comments, strings and preprocessor lines as spaces, so that every offset stays."""
    pattern = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'|^[ \t]*#[^\n]*", re.S | re.M)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def closing(text: str, at: int) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return -1


def until_semicolon(text: str, at: int) -> int:
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth < 0:
            return -1
        if depth == 0 and text[i] == ";":
            return i
    return -1


def expressions(code: str) -> Iterator[tuple[int, int]]:
    """Where an expression stands that can be put in parentheses."""
    for found in re.finditer(r"\b(?:if|while) \(", code):
        end = closing(code, found.end() - 1)
        begin = code.rfind(";", found.end(), end) + 1 or found.end()
        yield begin, end
    for found in re.finditer(r"\bfor \(([^;(){}]*);", code):
        end = until_semicolon(code, found.end())
        if end > 0:
            yield found.end(), end
    for found in re.finditer(r"\breturn (?=[^;{])|(?<=[\w\])]) [-+]?= (?=[^;{])", code):
        end = until_semicolon(code, found.end())
        if end > 0:
            yield found.end(), end


STATEMENT = re.compile(r"^[ ]{2,}((?:\+\+|--)?[\w.:>()*-]*[\w)\]](?:\(.*\)| [-+]?= [^;{}]*)?;)$", re.M)


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def mutants_of(name: str, text: str) -> list[Mutant]:
    code = blanked(text)
    out = []
    seen = set()
    for begin, end in expressions(code):
        part = code[begin:end]
        if not part.strip() or any(word in part for word in ("co_await", "[", "{", ";")) or (begin, end) in seen:
            continue
        if re.search(r"(?<![=!<>])=(?!=)", part) or "constexpr" in code[code.rfind("\n", 0, begin) : begin]:
            continue
        seen.add((begin, end))
        edits = []
        for old, news in SWAPS.items():
            at = part.find(old)
            while at >= 0:
                edits += [(at, old, new) for new in news]
                at = part.find(old, at + 1)
        edits += [(m.start(), m.group(), str(int(m.group()) + 1)) for m in NUMBER.finditer(part)]
        edits += [(m.start(), "!", "") for m in NEGATED.finditer(part)]
        edits += [(m.start(), m.group(), "false" if m.group() == "true" else "true") for m in TRUTH.finditer(part)]
        whole = text[begin:end]
        for at, old, new in edits:
            after = whole[:at] + new + whole[at + len(old) :]
            out.append(Mutant(0, name, line_of(text, begin + at), begin, end, whole, after))
    for found in STATEMENT.finditer(code):
        body = found.group(1)
        if body.startswith(("return", "break", "continue", "co_", "using", "case", "default")) or "co_await" in body:
            continue
        if re.match(r"(?:const |auto |std::|static |int |bool |[A-Z]\w*[&*]? )", body) and not body.startswith(
            "std::sort"
        ):
            continue
        begin, end = found.start(1), found.end(1)
        out.append(Mutant(0, name, line_of(text, begin), begin, end, text[begin:end], ""))
    return out


def with_mutants(text: str, chosen: list[Mutant]) -> str:
    places: dict[tuple[int, int], list[Mutant]] = {}
    for m in chosen:
        places.setdefault((m.start, m.end), []).append(m)
    # A statement that is left out may hold an expression that is changed: the inner one first, so widest last.
    pieces: list[tuple[int, int, str]] = []
    for (begin, end), here in sorted(places.items(), key=lambda item: item[0][1] - item[0][0]):
        inner = sorted((p for p in pieces if begin <= p[0] and p[1] <= end), reverse=True)
        original = text[begin:end]
        for b, e, new in inner:
            original = original[: b - begin] + new + original[e - begin :]
        pieces = [p for p in pieces if p not in inner]
        if not here[0].after:
            new = f"{{ if (!wakepath_mutant({here[0].number})) {original} }}"
        else:
            new = "".join(f"wakepath_mutant({m.number}) ? ({m.after}) : " for m in here) + f"({original})"
            new = f"({new})"
        pieces.append((begin, end, new))
    for begin, end, new in sorted(pieces, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def command_of(file: str) -> list[str]:
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        if entry["file"].endswith("/" + file) and "wakepath_models.dir" in entry["command"]:
            return shlex.split(entry["command"])
    raise SystemExit(f"{file} is not in build/single: ./test mutants builds it")


def compile_one(file: str, source: Path, output: Path) -> str:
    command = command_of(file)
    command[command.index("-o") + 1] = str(output)
    command[command.index("-c") + 1] = str(source)
    for flag in ("-MF", "-MT"):
        if flag in command:
            command[command.index(flag) + 1] = str(output) + ".d"
    command = [c for c in command if c not in ("-Werror", "-O3")] + [
        "-O1",
        "-w",
        "-include",
        str(OUT / "mutant.h"),
        f"-I{ROOT}",
    ]
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def build(chosen: list[Mutant], jobs: int) -> list[Mutant]:
    """Compiles every file with its mutants; those that do not compile are left out. Links build/mutants/unit."""
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "mutant.h").write_text(HEADER)
    (OUT / "main.cc").write_text(MAIN)
    files = sorted({m.file for m in chosen})

    def one(file: str) -> list[Mutant]:
        mine = [m for m in chosen if m.file == file]
        source = OUT / file.replace("/", "_")
        for _ in range(8):
            source.write_text(with_mutants((ROOT / file).read_text(encoding="utf-8"), mine))
            wrong = compile_one(file, source, source.with_suffix(".o"))
            if not wrong:
                return mine
            lines = {int(n) for n in re.findall(rf"{re.escape(source.name)}:(\d+):\d+: error", wrong)}
            left = [m for m in mine if not any(abs(m.line - n) <= m.before.count("\n") for n in lines)]
            if len(left) == len(mine):
                raise SystemExit(f"{file} does not compile:\n{wrong[:2000]}")
            mine = left
        raise SystemExit(f"{file}: too many mutants do not compile")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        kept = [m for part in pool.map(one, files) for m in part]
    subprocess.run(["c++", "-O1", "-c", str(OUT / "main.cc"), "-o", str(OUT / "main.o")], check=True)
    said = subprocess.run(
        ["ninja", "-C", str(BUILD), "-t", "commands", "-s", "wakepath_unit"], capture_output=True, text=True, check=True
    ).stdout
    link = next(line for line in said.splitlines() if " -o wakepath_unit" in line)
    words = shlex.split(link.split("&&")[1] if "&&" in link else link)
    at = words.index("-o")
    objects = [str(OUT / (file.replace("/", "_").removesuffix(".cc") + ".o")) for file in files]
    words[at + 1] = str(OUT / "unit")
    subprocess.run([*words[: at + 2], *objects, str(OUT / "main.o"), *words[at + 2 :]], cwd=BUILD, check=True)
    return kept


def run_tests(tag: str, mutant: int, reached: str = "") -> bool:
    """Whether the tests of one file pass."""
    env = dict(os.environ, WAKEPATH_MUTANT=str(mutant), WAKEPATH_REACHED=reached or "/dev/null")
    try:
        done = subprocess.run(
            [str(OUT / "unit"), "-#", "--abort", f"[#{tag}]"],
            env=env,
            cwd=ROOT,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def tests_by_mutant(tags: list[str], jobs: int, longest_s: float) -> dict[int, list[str]]:
    """Which files of tests pass each mutant's place, the quickest first; those that take longer are left out."""

    def one(tag: str) -> tuple[str, float, list[int]]:
        file = OUT / f"reached-{tag}"
        file.unlink(missing_ok=True)
        begin = time.monotonic()
        if not run_tests(tag, -1, str(file)):
            if time.monotonic() - begin >= TIMEOUT_S:
                return tag, math.inf, []
            raise SystemExit(f"{tag} fails without any mutant")
        return tag, time.monotonic() - begin, [int(n) for n in file.read_text().split()]

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        passes = sorted(pool.map(one, tags), key=lambda item: item[1])
    out: dict[int, list[str]] = {}
    for tag, took, numbers in passes:
        for n in numbers if took <= longest_s else ():
            out.setdefault(n, []).append(tag)
    return out


def judged_before(file: str) -> dict[str, str]:
    """Who killed what in an earlier run."""
    if not file or not Path(file).is_file():
        return {}
    return {row["key"]: row["killed_by"] for row in json.loads(Path(file).read_text(encoding="utf-8"))}


def sample(everything: list[Mutant], n: int, seed: int) -> list[Mutant]:
    """Each has a number of its own to be drawn by, so that a change of the source changes the sample only there."""
    seen: dict[str, int] = {}
    for m in everything:
        seen[m.key()] = again = seen.get(m.key(), -1) + 1
        m.again = again
    drawn = sorted(everything, key=lambda m: hashlib.sha256(f"{seed} {m.key()}".encode()).digest())[:n]
    return sorted(drawn, key=lambda m: (m.file, m.start, m.end, m.after))


def equivalents() -> dict[str, str]:
    """Mutants that change nothing anybody could see, with the reason: `place # reason` a line."""
    out = {}
    if EQUIVALENT.is_file():
        for row in EQUIVALENT.read_text(encoding="utf-8").splitlines():
            if row and not row.startswith("#"):
                place, _, why = row.partition(" # ")
                out[place] = why
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--longest", type=float, default=10.0, help="s a file of tests may take to be used")
    parser.add_argument("--tests", default="*", help="files of tests to use, as a shell pattern without _test.cc")
    parser.add_argument("--minutes", type=float, default=1e9, help="end after these; with --json the next run goes on")
    parser.add_argument("--json", default="", help="what was found; mutants that were killed before are not run again")
    args = parser.parse_args()
    everything = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.cc")):
            name = str(path.relative_to(ROOT))
            everything += mutants_of(name, path.read_text(encoding="utf-8"))
    chosen = sample(everything, args.sample, args.seed)
    for number, m in enumerate(chosen, 1):
        m.number = number
    kept = build(chosen, args.jobs)
    tags = sorted(p.stem for p in (ROOT / "tests" / "unit").glob(f"{args.tests}_test.cc"))
    reaching = tests_by_mutant(tags, args.jobs, args.longest)
    known = equivalents()

    found = judged_before(args.json)
    end = time.monotonic() + 60 * args.minutes

    def killer(m: Mutant) -> str | None:
        before = found.get(m.key())
        if before:
            return before
        if time.monotonic() > end:
            return None
        for tag in reaching.get(m.number, []):
            if not run_tests(tag, m.number):
                return tag
        return ""

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        killers = list(pool.map(killer, kept))
    if args.json:
        rows = [dict(vars(m), killed_by=by, key=m.key()) for m, by in zip(kept, killers, strict=True) if by is not None]
        Path(args.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    left = killers.count(None)
    kept, killers = (
        [m for m, by in zip(kept, killers, strict=True) if by is not None],
        [k for k in killers if k is not None],
    )
    survived = [m for m, by in zip(kept, killers, strict=True) if not by]
    equivalent = [m for m in survived if m.key() in known]
    alive = [m for m in survived if m.key() not in known]
    counted = len(kept) - len(equivalent)
    killed = counted - len(alive)
    print(f"{len(everything)} possible, {len(chosen)} drawn (seed {args.seed}), {len(kept)} compile")
    for m in alive:
        where = "reached by no test" if m.number not in reaching else f"passed {len(reaching[m.number])} files of tests"
        print(f"  survived: {m.words()} ({where})")
    print(f"{killed} of {counted} killed ({killed / counted:.1%}); {len(equivalent)} more change nothing")
    if left:
        print(f"{left} not looked at yet: the same command goes on where this one ended")
        return 3
    return 0 if killed >= MUST_BE_KILLED * counted and len(kept) >= min(300, args.sample) else 1


if __name__ == "__main__":
    sys.exit(main())
