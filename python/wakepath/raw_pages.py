# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of ftrace's ring buffer, as collect.sh takes them from trace_pipe_raw, put together as a trace.dat (version 6).

The pages stay as they are: a trace.dat is the formats of the tracepoints, names of functions and tasks, and then these
pages, each CPU's from a page boundary on. Stamps are then whole ns, and taking them cost the machine next to nothing.
"""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wakepath.collected import Collected

PAGE = 4096


def assemble(collected: Collected) -> Path:
    folder = collected.folder / "ftrace"
    out = collected.folder / "assembled.dat"
    raws = {int(match[1]): file for file in folder.glob("cpu*.raw") if (match := re.match(r"cpu(\d+)\.raw", file.name))}
    cpus = max(raws, default=-1) + 1
    head = _head(collected, folder) + struct.pack("<I", cpus) + b"options  \0\0\0" + b"flyrecord\0"
    offset = -(-(len(head) + 16 * cpus) // PAGE) * PAGE
    places, data = b"", []
    for cpu in range(cpus):
        size = raws[cpu].stat().st_size // PAGE * PAGE if cpu in raws else 0
        places += struct.pack("<QQ", offset, size)
        offset += size
        if size:
            data.append((raws[cpu], size))
    with out.open("wb") as file:
        file.write((head + places).ljust(-(-(len(head) + 16 * cpus) // PAGE) * PAGE, b"\0"))
        for raw, size in data:
            with raw.open("rb") as source:
                while size > 0 and (chunk := source.read(min(size, 1 << 20))):
                    file.write(chunk)
                    size -= len(chunk)
    return out


def _sized(form: str, data: bytes) -> bytes:
    return struct.pack(form, len(data)) + data


def _head(collected: Collected, folder: Path) -> bytes:
    systems = sorted(path for path in (folder / "events").iterdir() if path.is_dir())
    head = b"\x17\x08\x44tracing6\0" + struct.pack("<BBI", 0, 8, PAGE)
    head += b"header_page\0" + _sized("<Q", (folder / "header_page").read_bytes())
    head += b"header_event\0" + _sized("<Q", (folder / "header_event").read_bytes())
    head += struct.pack("<II", 0, len(systems))
    for system in systems:
        formats = sorted(system.glob("*/format"))
        head += system.name.encode() + b"\0" + struct.pack("<I", len(formats))
        for file in formats:
            head += _sized("<Q", file.read_bytes())
    symbols = folder / "kallsyms.gz"
    head += _sized("<I", gzip.decompress(symbols.read_bytes()) if symbols.is_file() else b"")
    return head + struct.pack("<I", 0) + _sized("<Q", _comms(collected, folder))


def _comms(collected: Collected, folder: Path) -> bytes:
    """Names of tasks: those that stood in /proc before and after, and over them the kernel's own table."""
    comms = {str(task["tid"]): task["comm"] for task in collected.tasks()}
    file = folder / "saved_cmdlines"
    for line in (file.read_text(errors="replace") if file.is_file() else "").splitlines():
        pid, _, comm = line.partition(" ")
        comms[pid] = comm
    return "".join(f"{pid} {comm}\n" for pid, comm in comms.items() if pid.isdecimal()).encode()
