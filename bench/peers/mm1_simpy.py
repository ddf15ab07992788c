# SPDX-License-Identifier: GPL-2.0-or-later
"""M/M/1 by two processes of SimPy, the twin of mm1.cc: mm1_simpy.py CUSTOMERS [SEED]."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Generator
from typing import Any

import simpy

LOAD = 0.9


def arrive(env: Any, queue: Any, n: int, draw: random.Random) -> Generator[Any, Any, None]:
    for _ in range(n):
        yield env.timeout(draw.expovariate(LOAD))
        yield queue.put(env.now)


def serve(env: Any, queue: Any, n: int, draw: random.Random, total: list[float]) -> Generator[Any, Any, None]:
    for _ in range(n):
        arrived = yield queue.get()
        yield env.timeout(draw.expovariate(1.0))
        total[0] += env.now - arrived


def main() -> int:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    env = simpy.Environment()
    queue = simpy.Store(env)
    total = [0.0]
    env.process(arrive(env, queue, n, random.Random(seed)))
    env.process(serve(env, queue, n, random.Random(seed + 1), total))
    began = time.process_time_ns()
    env.run()
    print(f"{(time.process_time_ns() - began) / n:.3f} {n} {total[0] / n:.9g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
