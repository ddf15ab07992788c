# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of figures: those of truth cases, where a result holds them, and what each means.

A truth case counts what its platform could count: on a machine with several CPUs the switches and the idle share are
those of the CPU that fio was pinned to (tests/truth/README.md), on one CPU this is the same as the total.
"""

from __future__ import annotations

from typing import Any

# What a figure of wakepath.result/1 means, for `wakepath explain METRIC`.
RESULT_METRICS: dict[str, str] = {
    "schema": "What kind of file it is, with its version: wakepath.result/1.",
    "status": "finished, or what ended the run: limit, stopped (Ctrl-C), violation (a broken invariant).",
    "window_ns": "The measured time, over which rates and shares are; less than was asked for where a run ended early.",
    "warmup_ns": "The time before it that was asked for; nothing of it is counted.",
    "io.iops": "I/Os completed per second of the measured window, all workloads.",
    "io.completed": "I/Os completed in the measured window.",
    "io.jobs": "The same of each job, with the reads among its completed I/Os.",
    "io.io_submit_per_s": "Submitting calls per second: io_submit, io_uring_enter.",
    "io.io_getevents_per_s": "Calls of io_getevents per second (libaio).",
    "io.in_flight_at_end": "Requests that the device or its queue had when the window ended.",
    "io.deferred_to_workqueue": "Direct I/Os of the window that a worker of the dio workqueue completed.",
    "io.completed_in_interrupt": "Direct I/Os of the window that ended where the interrupt was taken.",
    "io.slat_ns": "fio's submission latency: from the start of io_submit to its return; mean and percentiles.",
    "io.clat_ns": "fio's completion latency: from submission's end to the event's reaping; mean and percentiles.",
    "io.lat_ns": "fio's total latency: slat + clat per I/O.",
    "totals.context_switches_per_s": "Switches between tasks per second on all CPUs, to and from idle included.",
    "totals.migrations_per_s": "Tasks moved to another CPU per second.",
    "migrations.count": "Moves of all tasks to another CPU in the window.",
    "migrations.per_s": "Moves of all tasks to another CPU per second.",
    "migrations.by_cause": "Moves by who made them: a wakeup's placement, or a balance of which kind.",
    "migrations.by_group": "The same for each class of tasks.",
    "migrations.ended_where_submitted": "I/Os that ended on the CPU which submitted them, of all.",
    "migrations.tasks": "Tasks that may be moved: counts, and why they moved or stayed, in words (text).",
    "migrations.tasks.causes": "Why a task moved, the most frequent cause first, with counts, shares and words.",
    "migrations.tasks.stayed": "The same of wakeups and balance passes that left it where it was.",
    "migrations.tasks.left_beside": "By cause: who else was on the CPU that the task was moved from.",
    "migrations.balance": "What the balancer found, refused and asked for, about any task.",
    "totals.interrupts_per_s": "Hardware interrupts per second, the scheduler's tick included.",
    "totals.wakeups_per_s": "try_to_wake_up calls per second that made a sleeping task runnable.",
    "cpus": "Of each CPU the shares of wall time (user, sys, irq, softirq, idle) and its rates.",
    "cpus.busy": "1 - idle of a CPU; user + sys + irq + softirq + idle = 1 of wall time.",
    "tasks": "Tasks that ran in the window: comm, tid, cgroup, the class they count in (group), and rates.",
    "tasks.cpu_ns_per_s": "CPU time charged to a task by the scheduler per second (interrupts that hit it included, "
    "unless kernel.irq_time_accounting). On an idle CPU it begins at the wakeup, before the CPU is awake, as in the "
    "kernel: the sum may be more than the CPUs were busy.",
    "tasks.voluntary_switches_per_s": "Switches away from the task because it slept.",
    "tasks.involuntary_switches_per_s": "Switches away from the task while runnable: preemption, or cond_resched.",
    "tasks.migrations_per_s": "Moves of the task to another CPU per second.",
    "tasks.wakeups_per_s": "Times per second it was asleep and was woken.",
    "tasks.run_delay_ns_per_s": "Time per second it was runnable and did not run, counted when it runs again.",
    "tasks.run_delay_ns": "Time from becoming runnable to running; percentiles.",
    "groups": "By class of tasks (fio, kworker, iou_wrk, ksoftirqd, the name of a program ...) the sums of tasks.",
    "groups.cpu_ns_per_s": "CPU time of a class of tasks: fio, kworker, ksoftirqd, other.",
    "cgroups": "cpu.stat of each group with a quota: nr_periods, nr_throttled, throttled_ns (over all CPUs, counted "
    "when a queue may go on).",
    "workqueue.items_per_s": "Work items run per second, all workqueues.",
    "workqueue.queued_per_s": "Work items queued per second.",
    "workqueue.activations_per_s": "Times per second a worker went from sleep to work.",
    "workqueue.items_per_activation": "Items a worker ran between two sleeps, on average; 0: none slept.",
    "workqueue.wakeups_per_s": "Wakeups of workers per second that made one runnable.",
    "workqueue.nop_wakeups_per_s": "Wakeups of workers that were awake already, per second.",
    "workqueue.workers": "Workers there are at the end; workers_created, workers_retired: in the window.",
    "workqueue.workers_created": "Workers made in the window.",
    "workqueue.workers_retired": "Workers that ended in the window, idle for dio_wq.idle_timeout.",
    "block.requests_per_s": "Requests completed per second by the block layer.",
    "block.doorbells_per_s": "Times per second the device was told of new requests.",
    "block.tag_waits_per_s": "Times per second a submitter waited for a free tag.",
    "block.ring_full_per_s": "Times per second a request found no room in the device's ring.",
    "page_cache": "Buffered I/O: pages and journal per second, fsync latency, writers' share of time throttled.",
    "programs": "Of programs that are lists of steps: passes in the window and the mean time of one (pass_ns).",
    "io_wq.queued_per_s": "Items queued to io-wq per second.",
    "io_wq.workers_created": "io-wq workers made in the window.",
    "io_wq.counts": "io-wq's decisions in the window, by where they were taken (docs/io-wq.md).",
    "io_wq.workers_created_per_s": "io-wq workers made per second, by the enqueuer or by task work of the submitter.",
    "io_wq.workers_exited_per_s": "io-wq workers that ended per second, after 5 s without work.",
    "io_wq.wakeups_without_work_per_s": "Times per second a worker was made or woken by somebody and took no item.",
    "io_wq.workers_peak": "Most live io-wq workers at once in the window.",
    "io_wq.workers_beyond_limit": "Most live workers beyond max_workers.",
    "io_wq.workers_live_mean": "Live io-wq workers, averaged over the window.",
    "io_wq.workers_idle_mean": "Those of them that waited for work, averaged over the window.",
    "io_wq.churn": "Where most workers found nothing to do: the cause and the two code paths that disagree, from the "
    "decisions at each request for a worker.",
    "pingpong": "Tasks that hand the CPU to each other in a cycle closed by a wakeup that preempts, and why.",
    "pingpong.cycle": "Tasks that hand the CPU to each other in turn.",
    "pingpong.switches_per_s": "Context switches per second that belong to the cycle.",
    "pingpong.text": "The cause in words.",
    "pingpong.share": "Part of all context switches that belong to the cycle.",
    "pingpong.cause": "Why, derived from the decisions of the run and not from names.",
    "engine.events": "Steps of the simulation, warm-up included; queue_events: those that went through its queue.",
    "engine.queue_events": "Events that went through the queue; the rest were run in line.",
    "engine.wall_s": "Real time of the run in seconds.",
    "engine.events_per_s": "engine.events per second of real time.",
    "engine.simulated_per_wall": "Simulated seconds per second of real time.",
    "io_uring.completed_per_s": "Completions posted per second, all rings.",
    "io_uring.enters_per_s": "io_uring_enter calls per second.",
    "io_uring.sleeps_per_s": "Times per second a task slept in io_uring_enter for completions.",
    "io_uring.punted_per_s": "Requests per second that went to io-wq because they might have blocked.",
    "io_uring.inline_per_s": "Requests per second that ended in the call that submitted them.",
    "io_uring.task_work_passes_per_s": "Passes over task work per second (rings without DEFER_TASKRUN).",
    "io_uring.local_work_passes_per_s": "Passes over a ring's own list per second (DEFER_TASKRUN).",
    "io_uring.polls_per_s": "Looks per second at polled queues (IOPOLL).",
    "ublk.dispatched_per_s": "Requests per second that reached the ublk server as a completion.",
    "ublk.task_works_per_s": "Task works per second that carried them, one batch each.",
    "ublk.ios_per_task_work": "Requests that one such task work carried on average.",
    "ublk.cross_llc_per_s": "Looks per second at a request whose submitter shares no last-level cache with the server.",
    "ublk.tag_waits_per_s": "Times per second a submitter slept for a tag of the ublk device.",
    "ublk.live": "Whether the device was in service at the end.",
    "ublk.committed_per_s": "Requests per second whose result the server handed back.",
    "ublk.largest_batch": "Most requests that one task work carried, in the whole run.",
    "ublk.get_data_per_s": "Commands per second by which the server asked for a write's data.",
    "ublk.aborted": "Requests that were ended with an error as the server went away, in the whole run.",
    "ublk.requeued": "Requests that waited for another server, in the whole run.",
    "ublk.reissued": "Requests given to a server a second time, in the whole run.",
    "ublk.in_flight_at_end": "Requests the device had when the window ended.",
    "ublk.queues": "The device's hardware queues: the CPUs that map to each, and the I/Os per second it had.",
    "ublk.threads": "The server's threads: slots and tags, I/Os per second, calls, sleeps and CPU time of each.",
    "ublk.errors": "Commands that the driver refused, with the error it returned.",
    "ublk.limit": "What keeps the device from more I/Os per second, from the run's own accounts.",
    "io_uring.cq_overflows": "Completions that found no room in a completion ring.",
}

# What moves a task to another CPU, as a result and the truth cases name it.
MOVERS = ("wakeup", "periodic", "newidle", "nohz", "active_balance")

# Metrics of truth cases, in the order they are printed, and what `explain` says of them.
TRUTH_METRICS: dict[str, str] = {
    "iops": "I/Os per second (io.iops).",
    "context_switches_per_s": "Context switches per second on the workload's CPU.",
    "fio_cpu_ns_per_s": "CPU time charged to fio, ns per second.",
    "kworker_cpu_ns_per_s": "CPU time charged to kworkers, ns per second.",
    "interrupts_per_s": "Hardware interrupts per second.",
    "fio_voluntary_per_s": "Times per second fio went to sleep.",
    "fio_involuntary_per_s": "Times per second fio was preempted.",
    "fio_run_delay_ns_per_s": "Time per second fio was runnable and did not run.",
    "kworker_run_delay_ns_per_s": "The same of kworkers.",
    "fio_migrations_per_s": "Moves of fio to another CPU per second.",
    "migrations_per_s": "Moves of all tasks to another CPU per second (several CPUs).",
    **{f"fio_{mover}_share": f"Share of fio's moves between CPUs that are {mover}'s." for mover in MOVERS},
    "idle": "Idle share of the workload's CPU; of cases but the recorder's, what no task is charged with.",
    "latency_p50_ns": "Median of fio's completion latency.",
    "latency_p99_ns": "99th percentile of fio's completion latency.",
    "io_wq_created": "io-wq workers made in the case's own window (io_wq.workers_created).",
    "io_wq_exited": "io-wq workers gone in it (io_wq.counts.exited).",
    "switches_per_io": "ublk cases: context switches on all CPUs, per I/O.",
    "cpu_ns_per_io": "ublk cases: CPU time charged to client and server together, per I/O.",
    "client.cpu_ns_per_io": "ublk cases: CPU time charged to fio, per I/O.",
    "server.cpu_ns_per_io": "ublk cases: CPU time charged to the server's threads, per I/O.",
}

# The two sides of a ublk case and the class of their tasks in a result.
SIDES = {"client": "fio", "server": "ublk"}

# What the issue and the design judge a model by; the others are printed for who wants to look further.
HEADLINE = ("iops", "context_switches_per_s", "fio_cpu_ns_per_s", "kworker_cpu_ns_per_s")

# Printed as points of the CPU, not in percent of the measured value, since they may be near zero.
ABSOLUTE = ("idle", "tasks.cpu_share", *(f"fio_{mover}_share" for mover in MOVERS))


def _cpu(data: dict[str, Any], cpu: int | None) -> dict[str, Any]:
    rows = data.get("cpus", [])
    if cpu is not None:
        for row in rows:
            if row.get("id") == cpu:
                return dict(row)
    return dict(rows[0]) if len(rows) == 1 else {}


def _tasks(data: dict[str, Any], group: str) -> list[dict[str, Any]]:
    """Tasks of a class; the core names it, an older or foreign result is read by comm."""
    return [t for t in data.get("tasks", []) if t.get("group", _class_of(t.get("comm", ""))) == group]


def _class_of(comm: str) -> str:
    return comm.split("/")[0].rstrip("0123456789")


def _sum(rows: list[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if isinstance(row.get(key), int | float)]
    return float(sum(values)) if values else None


def _bound_kworkers(data: dict[str, Any]) -> float:
    """The cases count a CPU's own kworkers: qemu-D-6.1-iowq-nf1-fsync1 has 2.9 ms/s, and its trace as much of the
    high-priority one and more again of kworker/u2:1."""
    unbound = [t for t in _tasks(data, "kworker") if t.get("comm", "").startswith("kworker/u")]
    total = data.get("groups", {}).get("kworker", {}).get("cpu_ns_per_s", 0.0)
    return float(total - (_sum(unbound, "cpu_ns_per_s") or 0.0))


def _uncharged(data: dict[str, Any], cpus: int) -> float:
    """The share of `cpus` CPUs that no task is charged with."""
    return max(0.0, 1.0 - (_sum(data.get("tasks", []), "cpu_ns_per_s") or 0.0) / 1e9 / cpus)


def truth_metrics(
    data: dict[str, Any],
    *,
    cpu: int | None,
    all_cpus: bool = False,
    at_device: bool = False,
    idle_is_uncharged: bool = False,
) -> dict[str, float]:
    """The figures of a result under the names of the truth cases; a figure the result lacks is left out.

    at_device: the case's rate counts requests of the device (buffered I/O), not I/Os of fio.
    idle_is_uncharged: what interrupts in idle take counts as idle in the case (Case.idle_is_uncharged).
    """
    row = _cpu(data, cpu)
    totals, groups = data.get("totals", {}), data.get("groups", {})
    fio = _tasks(data, "fio")
    clat = data.get("io", {}).get("clat_ns", {})
    found: dict[str, Any] = {
        "iops": data.get("block", {}).get("requests_per_s") if at_device else data.get("io", {}).get("iops"),
        "context_switches_per_s": totals.get("context_switches_per_s")
        if all_cpus or not row
        else row.get("context_switches_per_s"),
        "fio_cpu_ns_per_s": groups.get("fio", {}).get("cpu_ns_per_s"),
        "kworker_cpu_ns_per_s": _bound_kworkers(data),
        "interrupts_per_s": totals.get("interrupts_per_s"),
        "fio_voluntary_per_s": _sum(fio, "voluntary_switches_per_s"),
        "fio_involuntary_per_s": _sum(fio, "involuntary_switches_per_s"),
        "fio_run_delay_ns_per_s": _sum(fio, "run_delay_ns_per_s"),
        "kworker_run_delay_ns_per_s": _sum(_tasks(data, "kworker"), "run_delay_ns_per_s"),
        "fio_migrations_per_s": _sum(fio, "migrations_per_s"),
        "migrations_per_s": totals.get("migrations_per_s") if all_cpus else None,
        "idle": _uncharged(data, 1) if idle_is_uncharged and row else row.get("idle"),
        "latency_p50_ns": clat.get("p50"),
        "latency_p99_ns": clat.get("p99"),
        "io_wq_created": data.get("io_wq", {}).get("workers_created"),
        "io_wq_exited": data.get("io_wq", {}).get("counts", {}).get("exited"),
    }
    found.update(side_metrics(data) if data.get("ublk") else {})
    moves = data.get("migrations", {}).get("by_group", {}).get("fio", {})
    found.update(mover_shares({mover: moves.get(mover, 0) for mover in MOVERS}))
    return {k: float(v) for k, v in found.items() if isinstance(v, int | float)}


def mover_shares(moves: dict[str, int]) -> dict[str, float]:
    """The part of each mover in fio's moves; nothing where it never moved.

    Cases tell movers by the function that moved fio (rebalance_domains: periodic), which is the same on behalf of
    sleeping CPUs.
    """
    n = sum(moves.values())
    told = {**moves, "periodic": moves.get("periodic", 0) + moves.get("nohz", 0), "nohz": 0}
    return {f"fio_{mover}_share": told.get(mover, 0) / n for mover in MOVERS} if n else {}


def side_metrics(data: dict[str, Any]) -> dict[str, float | None]:
    """Client and server of a ublk device, per I/O as its truth cases have them."""
    iops = data.get("io", {}).get("iops") or 0.0
    cpus = data.get("cpus", [])
    found: dict[str, float | None] = {"idle": _uncharged(data, len(cpus)) if cpus else None}
    if not iops:
        return found
    found["switches_per_io"] = data["totals"]["context_switches_per_s"] / iops
    names = {
        "cpu_ns_per_io": "cpu_ns_per_s",
        "vol_per_io": "voluntary_switches_per_s",
        "invol_per_io": "involuntary_switches_per_s",
        "wait_ns_per_io": "run_delay_ns_per_s",
    }
    total = 0.0
    for side, group in SIDES.items():
        rows = _tasks(data, group)
        for name, key in names.items():
            found[f"{side}.{name}"] = (_sum(rows, key) or 0.0) / iops
        found[f"{side}.cpu_ns_per_s"] = _sum(rows, "cpu_ns_per_s")
        total += found[f"{side}.cpu_ns_per_io"] or 0.0
    found["cpu_ns_per_io"] = total
    return found


def task_metrics(data: dict[str, Any], names: list[str]) -> dict[str, float]:
    """Figures of scheduler experiments (sched.jsonl), one set per task: NAME.cpu_share and so on.

    The switches are those away from these tasks. A task that never ran has a row of zeros.
    """
    found: dict[str, float] = {"context_switches_per_s": 0.0}
    rows = {task.get("comm"): task for task in data.get("tasks", [])}
    for name in names:
        task = rows.get(name, {})
        found[f"{name}.cpu_share"] = task.get("cpu_ns_per_s", 0.0) / 1e9
        for kind in ("voluntary", "involuntary"):
            found[f"{name}.{kind}_per_s"] = float(task.get(f"{kind}_switches_per_s", 0.0))
            found["context_switches_per_s"] += found[f"{name}.{kind}_per_s"]
    return found
