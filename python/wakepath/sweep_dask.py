# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of a sweep on the workers of a Dask cluster. A worker that dies costs the runs it had under way, which Dask
gives to another; every row that came back is in the store.

Few runs are handed out at a time, so that neither the scheduler nor this process holds what is done. The workers need
the same version of wakepath: results are equal bytes only then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wakepath import _core
from wakepath.errors import InputError
from wakepath.extras import need

if TYPE_CHECKING:
    from wakepath.sweeps import Point

WAIT_S = 20
PER_THREAD = 4  # runs handed out for each thread of the cluster: one runs, the others wait at the worker
RETRIES = 10


def connect(address: str) -> Any:
    distributed = need("distributed", "dask")
    try:
        return distributed.Client(address, timeout=WAIT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"no Dask scheduler answers there: {said}", address, suggestion="dask scheduler prints its address"
        ) from None


def version_of_worker() -> str:
    return _core.version


def run_text(text: str, name: str, point: Point) -> dict[str, Any]:
    """One point on a worker, from the scenario's text."""
    from wakepath.scenario import Scenario
    from wakepath.sweeps import run_point

    return run_point(Scenario.from_toml(text, name), point, lambda share: True)


def check_workers(client: Any) -> None:
    if not client.nthreads():
        raise InputError("the cluster has no worker", suggestion="dask worker ADDRESS starts one")
    for where, version in client.run(version_of_worker, on_error="return").items():
        if version != _core.version:
            raise InputError(
                f"the worker has wakepath {version!s}, this is {_core.version}",
                str(where),
                suggestion="install the same version there",
            )


def map_points(
    client: Any, text: str, name: str, points: Sequence[Point], take: Callable[[dict[str, Any]], None]
) -> None:
    """Run the points anywhere in the cluster and give each row to `take` as it comes."""
    distributed = need("distributed", "dask")
    check_workers(client)
    todo: Iterator[Point] = iter(points)
    window = max(2, PER_THREAD * sum(client.nthreads().values()))

    def submit(point: Point) -> Any:
        return client.submit(run_text, text, name, point, pure=False, retries=RETRIES)

    under_way = distributed.as_completed(
        [submit(p) for _, p in zip(range(window), todo, strict=False)], loop=client.loop
    )
    try:
        for future in under_way:
            take(future.result())
            future.release()
            following = next(todo, None)
            if following is not None:
                under_way.add(submit(following))
    finally:
        client.cancel(list(under_way.futures))
