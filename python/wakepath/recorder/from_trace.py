# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel trace alone (perf, ftrace) as a recording: no probes and no windows, so most costs stay estimates. The CPU
and the interrupt that are looked at are those with the most completions.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from wakepath.errors import InputError
from wakepath.recorder.recording import Recording
from wakepath.recorder.trace_costs import number_in, records

NEEDED = {"block_rq_complete": "block:block_rq_complete", "block_rq_issue": "block:block_rq_issue"}


def trace_recording(trace: str, setting: dict[str, Any], kernel: str, notes: list[str]) -> Recording:
    if not kernel:
        raise InputError("does not say which kernel it is of", trace, suggestion="--kernel V")
    names: Counter[str] = Counter()
    completions: Counter[int] = Counter()
    irqs: Counter[tuple[int, int]] = Counter()
    last_irq: dict[int, int] = {}
    cpus = {0}
    for r in records(trace):
        names[r.name] += 1
        cpus.add(r.cpu)
        if r.name == "irq_handler_entry":
            last_irq[r.cpu] = number_in(r.text, r"irq=(\d+)") or 0
        elif r.name == "block_rq_complete":
            completions[r.cpu] += 1
            if r.cpu in last_irq:
                irqs[last_irq[r.cpu], r.cpu] += 1
    if not names:
        raise InputError("holds no record that can be read", trace, suggestion="ftrace text, perf script text")
    irq, irq_cpu = irqs.most_common(1)[0][0] if irqs else (None, None)
    cpu = irq_cpu if irq_cpu is not None else (completions.most_common(1)[0][0] if completions else 0)
    count = int(setting.get("cpus") or max(cpus) + 1)
    facts = {
        "kernel": {"release": kernel, "hz": setting.get("hz"), "preempt": setting.get("preempt")},
        "cpu": {"online": list(range(count)), "model": None, "virtual": None},
        "target": {
            "filesystem": setting.get("workload", {}).get("filesystem"),
            "irqs": [irq] if irq is not None else [],
            "irq_cpus": [cpu],
        },
        "unknown": ["cpu.topology", "target.queues", "target.driver"],
    }
    lacks = [{"part": what, "reason": "the trace has none", "remedy": ""} for n, what in NEEDED.items() if not names[n]]
    lacks += [{"part": "the recording", "reason": note, "remedy": ""} for note in notes]
    state = {"status": "complete", "parts": ["trace"], "lacks": lacks, "notes": []}
    return Recording(Path(trace), state, facts, traces=[Path(trace)])
