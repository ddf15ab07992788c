#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# collect.sh: what wakepath needs to know of a machine, in one tarball: kernel, cgroups, scheduler and block settings,
# interrupts, topology, and some seconds of scheduler and I/O events. Plain sh; nothing is installed, built or changed.
#
# It reads, with one exception that is undone at the end (also after Ctrl-C): recording turns tracepoints on, in a trace
# instance of its own (tracefs) or through trace-cmd or perf where asked for. Command lines and environments of processes
# are not read; names (comm), priorities and cgroups of tasks are.
#
# On a Kubernetes node without a login (the node's root must be entered, as only it has its tools and its cgroups):
#   kubectl debug node/NODE -it --profile=sysadmin --image=busybox -- \
#     chroot /host sh -c "$(cat calibration/record/collect.sh)" collect.sh -o /tmp/node.tar.gz
# and fetch /tmp/node.tar.gz with `kubectl cp` from the debug pod (/host/tmp/node.tar.gz).
# Then: wakepath analyze node.tar.gz; wakepath verify node.tar.gz; wakepath convert node.tar.gz OUT.pftrace
set -u
LC_ALL=C
export LC_ALL

seconds=5
limit_mb=64
how=auto
out=
dry=
usage() {
  cat <<'EOT'
usage: collect.sh [-o FILE.tar.gz] [-s SECONDS] [-l MB] [-t auto|tracefs|trace-cmd|perf|none] [-n]

  -o FILE   the tarball; default wakepath-HOST-DATE.tar.gz in the current folder
  -s N      seconds of events (default 5)
  -l MB     at most so much memory for events, all CPUs together, and so much of them on disk (default 64)
  -t TOOL   auto: tracefs by itself, else perf; trace-cmd: by that tool; none: no events, settings only
  -n        say what would be done, and how much it would cost, and stop
Must be run as root for events and for most settings; without, it takes what it may read and says what it could not.
EOT
}
while [ $# -gt 0 ]; do
  case $1 in
    -o|-s|-l|-t)
      [ $# -ge 2 ] || { usage >&2; exit 2; }
      case $1 in -o) out=$2 ;; -s) seconds=$2 ;; -l) limit_mb=$2 ;; -t) how=$2 ;; esac
      shift ;;
    -n) dry=1 ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done
for number in "$seconds" "$limit_mb"; do
  case $number in ''|*[!0-9]*|0) echo "collect.sh: '$number' is no positive number" >&2; exit 2 ;; esac
done
case $how in auto|tracefs|trace-cmd|perf|none) ;; *) echo "collect.sh: no tool '$how'" >&2; usage >&2; exit 2 ;; esac

host=$(cat /proc/sys/kernel/hostname 2>/dev/null || echo machine)
name=wakepath-$host-$(date +%Y%m%d-%H%M%S)
[ -n "$out" ] || out=$name.tar.gz
cpus=$(grep -c '^cpu[0-9]' /proc/stat)

# --- what can be recorded, and what it costs ---------------------------------------------------------------------------

tracefs=
for candidate in /sys/kernel/tracing /sys/kernel/debug/tracing; do
  if [ -w "$candidate/instances" ] && [ -d "$candidate/events" ]; then tracefs=$candidate; break; fi
done
has() { command -v "$1" >/dev/null 2>&1; }
if [ "$how" = auto ]; then
  if [ -n "$tracefs" ]; then how=tracefs  # needs no tool, and writes nothing but its own instance
  elif has perf; then how=perf
  else how=none; fi
fi
case $how in
  trace-cmd|perf) has "$how" || { echo "collect.sh: $how is not there" >&2; exit 2; } ;;
esac
case $how in
  tracefs|trace-cmd) [ -n "$tracefs" ] || { echo "collect.sh: no tracefs that may be written (root? mount -t tracefs nodev /sys/kernel/tracing)" >&2; exit 2; } ;;
esac

# Each value as a line "== FILE" and what it holds (at most 64 KiB).
values() {
  for file in "$@"; do
    if [ -f "$file" ] && [ -r "$file" ]; then
      echo "== $file"
      head -c 65536 "$file" 2>/dev/null
      echo
    fi
  done
}

counter() { sed -n "s/^$1 \([0-9]*\).*/\1/p" /proc/stat; }
# One second without a recorder: what the recorded seconds are held beside.
unrecorded() { values /proc/uptime /proc/diskstats /proc/stat; }
unrecorded_before=$(unrecorded)
switches=$(counter ctxt) interrupts=$(counter intr)
sleep 1
unrecorded_after=$(unrecorded)
switches=$(( $(counter ctxt) - switches )) interrupts=$(( $(counter intr) - interrupts ))
# A switch brings a waking, a wakeup and two accountings with it, an interrupt its end and a softirq's three records.
events=$(( switches * 5 + interrupts * 4 ))
mb=$(( events * seconds * 48 / 1000000 + 1 ))
[ "$mb" -le "$limit_mb" ] || mb=$limit_mb
echo "collect.sh: $host, $(uname -r), $cpus CPUs: $switches switches and $interrupts interrupts in a second" >&2
if [ "$how" = none ]; then
  echo "collect.sh: no events will be recorded (-t none, or no tracefs and no perf); settings only, under 10 s" >&2
else
  echo "collect.sh: $seconds s of events with $how: about $events a second, $mb MB of at most $limit_mb MB;" >&2
  echo "collect.sh: cost while it records: about $(( events / 10000 / cpus ))% of each CPU (1 us an event), $limit_mb MB of memory" >&2
fi
[ -z "$dry" ] || exit 0

work=$(mktemp -d "${TMPDIR:-/tmp}/wakepath.XXXXXX") || exit 1
dir=$work/$name
mkdir "$dir" || exit 1
cats=
done_with() {
  for pid in $cats; do kill "$pid" 2>/dev/null; done
  instance=$tracefs/instances/wakepath-$$
  if [ -n "$tracefs" ] && [ -d "$instance" ]; then
    echo 0 >"$instance/tracing_on"
    echo 0 >"$instance/events/enable"
    rmdir "$instance" 2>/dev/null || { sleep 1; rmdir "$instance"; }
  fi
  rm -rf "$work"
}
trap done_with EXIT
trap 'exit 130' INT TERM HUP

# --- settings ----------------------------------------------------------------------------------------------------------

echo "$unrecorded_before" >"$dir/unrecorded-before.txt"
echo "$unrecorded_after" >"$dir/unrecorded-after.txt"

{
  echo "format wakepath.collect/1"
  echo "host $host"
  echo "date $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "release $(uname -r)"
  echo "version $(uname -v)"
  echo "machine $(uname -m)"
  echo "cpus $cpus"
  echo "user $(id -u)"
  echo "recorder $how"
  echo "seconds $seconds"
} >"$dir/manifest.txt"

values /proc/cmdline /proc/version /proc/mounts /proc/filesystems >"$dir/kernel.txt"
{
  if [ -r /proc/config.gz ] && has zcat; then zcat /proc/config.gz
  elif [ -r "/boot/config-$(uname -r)" ]; then cat "/boot/config-$(uname -r)"
  elif [ -r "/lib/modules/$(uname -r)/config" ]; then cat "/lib/modules/$(uname -r)/config"
  fi
} 2>/dev/null | grep -E '^CONFIG_(HZ|PREEMPT|NO_HZ|SCHED|FAIR_GROUP|CFS_BANDWIDTH|RT_GROUP|IRQ_TIME|VIRT_CPU|HIGH_RES|BLK_WBT|TRACE)' >"$dir/config.txt"

{
  values /proc/sys/kernel/sched_* /sys/kernel/debug/sched/* /proc/sys/kernel/timer_migration
  values /sys/kernel/debug/sched_features
} >"$dir/sched.txt"

{
  values /sys/devices/system/cpu/online /sys/devices/system/cpu/possible /sys/devices/system/cpu/isolated
  values /sys/devices/system/cpu/nohz_full /sys/devices/system/cpu/smt/active
  for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
    values "$cpu"/topology/core_id "$cpu"/topology/physical_package_id "$cpu"/topology/die_id \
      "$cpu"/topology/thread_siblings_list "$cpu"/topology/core_cpus_list "$cpu"/cpufreq/scaling_governor
    for cache in "$cpu"/cache/index*; do values "$cache"/level "$cache"/type "$cache"/size "$cache"/shared_cpu_list; done
  done
  values /sys/devices/system/node/node*/cpulist /sys/devices/system/node/node*/distance
} >"$dir/topology.txt"

{
  for disk in /sys/block/*; do
    case $disk in */ram*|*/zram*) continue ;; esac
    case $disk in */loop*) [ -e "$disk/loop/backing_file" ] || continue ;; esac
    values "$disk"/dev "$disk"/size "$disk"/device/queue_depth
    for key in scheduler rq_affinity nr_requests nomerges io_poll io_poll_delay write_cache rotational \
      logical_block_size physical_block_size max_sectors_kb wbt_lat_usec iostats; do
      values "$disk/queue/$key"
    done
    values "$disk"/mq/*/cpu_list "$disk"/mq/*/nr_tags
  done
} >"$dir/block.txt"

{
  values /proc/irq/default_smp_affinity
  for irq in /proc/irq/[0-9]*; do values "$irq"/smp_affinity_list "$irq"/effective_affinity_list; done
} >"$dir/irq.txt"

values /sys/devices/virtual/workqueue/cpumask /sys/module/workqueue/parameters/* /sys/bus/workqueue/devices/*/cpumask \
  /sys/bus/workqueue/devices/*/nice /sys/bus/workqueue/devices/*/affinity_scope /sys/bus/workqueue/devices/*/max_active \
  >"$dir/workqueue.txt"

# Mount points of the cgroup hierarchies that govern CPUs: "v2 PATH", "v1 PATH".
hierarchies() {
  while read -r _ place type options _; do
    case $type,$options, in
      cgroup2,*) [ ! -f "$place/cgroup.controllers" ] || echo "v2 $place" ;;
      cgroup,*,cpu,*|cgroup,cpu,*|cgroup,*,cpuset,*|cgroup,cpuset,*) echo "v1 $place" ;;
    esac
  done </proc/mounts | sort -u
}
hierarchies | while read -r kind place; do
  echo "== hierarchy $kind $place"
  echo
  find "$place" -type d 2>/dev/null | head -n 20000 | while read -r group; do
    for key in cpu.weight cpu.weight.nice cpu.idle cpu.max cpu.max.burst cpu.shares cpu.cfs_quota_us \
      cpu.cfs_period_us cpu.cfs_burst_us cpu.stat cpuset.cpus cpuset.cpus.effective cpuset.effective_cpus cgroup.type; do
      if [ -r "$group/$key" ]; then
        echo "== $group/$key"
        cat "$group/$key" 2>/dev/null
        echo
      fi
    done
  done
done >"$dir/cgroups.txt"

# tid pid nice policy rt_priority cgroup-lines comm, tabs between; after the cgroups "autogroup:NICE:/autogroup-N" where
# the session has one, "cpus::LIST", the CPUs it may use; without a process for each of thousands of threads.
tasks() {
  set -f
  tab=$(printf '\t')
  for process in $(ls /proc | grep '^[0-9]'); do
    for tid in $(ls "/proc/$process/task" 2>/dev/null); do
      { read -r line <"/proc/$process/task/$tid/stat"; } 2>/dev/null || continue
      comm=${line#*\(}
      comm=${comm%\)*}
      # shellcheck disable=SC2086  # words on purpose; fields from the third on
      set -- ${line##*\) }
      groups=
      while read -r group; do groups="$groups${groups:+ }$group"; done 2>/dev/null <"/proc/$process/task/$tid/cgroup"
      if { read -r session _ nice; } 2>/dev/null <"/proc/$process/autogroup"; then
        groups="$groups${session:+ autogroup:$nice:$session}"
      fi
      while read -r key value; do
        case $key in Cpus_allowed_list:) groups="$groups cpus::$value"; break ;; esac
      done 2>/dev/null <"/proc/$process/task/$tid/status"
      echo "$tid$tab$process$tab${17}$tab${39}$tab${38}$tab$groups$tab$comm"
    done
  done 2>/dev/null
  set +f
}

snapshot() {
  values /proc/schedstat /proc/stat /proc/interrupts /proc/softirqs /proc/diskstats /proc/vmstat /proc/loadavg \
    /proc/uptime /proc/pressure/cpu /proc/pressure/io >"$dir/$1.txt"
}

# --- events ------------------------------------------------------------------------------------------------------------

wanted="sched/sched_switch sched/sched_waking sched/sched_wakeup sched/sched_wakeup_new sched/sched_migrate_task
sched/sched_stat_runtime sched/sched_process_fork sched/sched_process_exit
workqueue/workqueue_queue_work workqueue/workqueue_activate_work workqueue/workqueue_execute_start workqueue/workqueue_execute_end
block/block_rq_issue block/block_rq_complete irq/irq_handler_entry irq/irq_handler_exit
irq/softirq_raise irq/softirq_entry irq/softirq_exit
irq_vectors/local_timer_entry irq_vectors/local_timer_exit irq_vectors/reschedule_entry irq_vectors/reschedule_exit
timer/hrtimer_expire_entry timer/hrtimer_expire_exit
syscalls/sys_enter_io_submit syscalls/sys_exit_io_submit syscalls/sys_enter_io_getevents syscalls/sys_exit_io_getevents
syscalls/sys_enter_io_uring_enter syscalls/sys_exit_io_uring_enter
io_uring/io_uring_submit_req io_uring/io_uring_submit_sqe io_uring/io_uring_queue_async_work io_uring/io_uring_complete
io_uring/io_uring_cqring_wait io_uring/io_uring_task_work_run io_uring/io_uring_local_work_run io_uring/io_uring_task_add"

present() {  # of the wanted tracepoints
  for event in $wanted; do [ ! -d "$tracefs/events/$event" ] || echo "$event"; done
}

record_tracefs() {
  instance=$tracefs/instances/wakepath-$$
  mkdir "$instance" || return 1
  echo 0 >"$instance/tracing_on"
  echo $(( limit_mb * 1024 / cpus )) >"$instance/buffer_size_kb"
  mkdir "$dir/ftrace"
  for event in $(present); do
    echo 1 >"$instance/events/$event/enable" 2>/dev/null || continue
    mkdir -p "$dir/ftrace/events/$event"
    cat "$tracefs/events/$event/format" >"$dir/ftrace/events/$event/format"
  done
  cat "$instance/trace_clock" >"$dir/ftrace/trace_clock"
  cat "$tracefs/events/header_page" >"$dir/ftrace/header_page"
  cat "$tracefs/events/header_event" >"$dir/ftrace/header_event"
  echo 1 >"$instance/tracing_on"
  sleep "$seconds"
  echo 0 >"$instance/tracing_on"
  cat "$tracefs/saved_cmdlines" >"$dir/ftrace/saved_cmdlines" 2>/dev/null
  grep -E ' [tT] ' /proc/kallsyms 2>/dev/null | grep -v '^0* ' | gzip -c >"$dir/ftrace/kallsyms.gz"
  # A reader of trace_pipe_raw waits for more at the end: each is stopped when its file has stopped growing.
  for buffer in "$instance"/per_cpu/cpu*; do
    cat "$buffer/stats" >"$dir/ftrace/${buffer##*/}.stats"
    cat "$buffer/trace_pipe_raw" >"$dir/ftrace/${buffer##*/}.raw" &
    cats="$cats $!"
  done
  before=-1
  while :; do
    sleep 1
    now=$(cat "$dir"/ftrace/*.raw | wc -c)
    [ "$now" != "$before" ] || break
    before=$now
  done
  for pid in $cats; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  cats=
}

record_trace_cmd() {
  set --
  for event in $(present); do set -- "$@" -e "$(echo "$event" | tr / :)"; done
  trace-cmd record -q -B "wakepath-$$" -b $(( limit_mb * 1024 / cpus )) -m $(( limit_mb * 1024 / cpus )) \
    -o "$work/trace.dat" "$@" sleep "$seconds" >"$dir/recorder.txt" 2>&1 && mv "$work/trace.dat" "$dir/trace.dat"
}

record_perf() {
  list=
  perf list tracepoint 2>/dev/null | sed -n 's/^ *\([a-z_]*:[a-z_0-9]*\) .*/\1/p' | sort -u >"$work/there"
  for event in $wanted; do
    event=$(echo "$event" | tr / :)
    if grep -qxF "$event" "$work/there"; then list="$list${list:+,}$event"; fi
  done
  perf record -q -a -m 4096 --max-size="${limit_mb}M" -e "$list" -o "$work/perf.data" -- sleep "$seconds" >"$dir/recorder.txt" 2>&1 || return 1
  perf script --ns --show-lost-events -F comm,tid,cpu,time,event,trace -i "$work/perf.data" 2>>"$dir/recorder.txt" | gzip -c >"$dir/trace.perf.txt.gz"
}

tasks >"$dir/tasks-before.txt"
snapshot before
recorded=yes
case $how in
  tracefs) record_tracefs || recorded=no ;;
  trace-cmd) record_trace_cmd || recorded=no ;;
  perf) record_perf || recorded=no ;;
  none) recorded=no; sleep "$seconds" ;;
esac
snapshot after
tasks >"$dir/tasks.txt"
echo "recorded $recorded" >>"$dir/manifest.txt"
[ "$recorded" = yes ] || [ "$how" = none ] || echo "collect.sh: $how recorded no events; its words are in recorder.txt of the tarball" >&2

tar -C "$work" -czf "$work/out.tar.gz" "$name" && cat "$work/out.tar.gz" >"$out" || { echo "collect.sh: cannot write $out" >&2; exit 1; }
echo "collect.sh: $out, $(( $(wc -c <"$out") / 1024 )) KiB" >&2
