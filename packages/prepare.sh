# SPDX-License-Identifier: GPL-2.0-or-later
# Prepares a machine for ./wakepath and ./test: Debian packages, .venv, the release build. Sourced, never run.
#
# Everything is said on stderr; stdout belongs to the command that follows. What will be installed is listed before it
# is. apt is called on Debian only and only for what a probe does not find. One preparation runs at a time (flock on
# build/.lock). Stamps say what is done: .venv/.wakepath/{origin,run.sum,test.sum} and build/.ready-run, whose time is
# the start of the last good build, so that a source saved during that build is newer than it.
#
# Needs: $root, the folder of the checkout.

venv=$root/.venv
marks=$venv/.wakepath
release=$root/build/release
os_release=${WAKEPATH_OS_RELEASE:-/etc/os-release}
# Where ccache is used, what one checkout has compiled serves the next: paths below it are hashed as relative ones.
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$root}" CCACHE_NOHASHDIR="${CCACHE_NOHASHDIR:-1}"

say() { printf 'wakepath: %s\n' "$*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }

# Quiet unless it fails: a log file, its end shown on failure; a terminal sees it all.
logged() {  # logged NAME COMMAND...
  local log=$root/build/$1.log
  shift
  if [ -t 2 ]; then "$@" >&2 </dev/null; return; fi
  "$@" >"$log" 2>&1 </dev/null || { tail -n 40 "$log" >&2; return 1; }
}

# --- is it there? ---------------------------------------------------------------------------------------------------

python_serves() {
  "$1" -c '
import os, sys, sysconfig, venv, ensurepip
fits = sys.version_info >= (3, 11) and os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
sys.exit(not fits)' >/dev/null 2>&1 </dev/null
}

base_python() {  # the python3 first on PATH when it serves, else the system's
  local candidate
  for candidate in ${WAKEPATH_PYTHON:+"$WAKEPATH_PYTHON"} python3 /usr/bin/python3; do
    if python_serves "$candidate"; then
      "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))' </dev/null
      return
    fi
  done
  return 1
}

any_command() {
  local name
  for name in ${1//|/ }; do command -v "$name" >/dev/null 2>&1 && return; done
  return 1
}

any_header() {
  local name
  command -v c++ >/dev/null 2>&1 || return 1
  for name in ${1//|/ }; do
    printf '#include <%s>\n' "$name" | c++ -std=c++20 -x c++ -M - >/dev/null 2>&1 && return
  done
  return 1
}

is_there() {  # is_there PACKAGE PROBE
  case $2 in
    python) [ -n "${base:=$(base_python)}" ] && return ;;
    command:*) any_command "${2#command:}" && return ;;
    header:*) any_header "${2#header:}" && return ;;
    installed) ;;  # nothing to look for but the package itself
    *) fail "packages/: the probe '$2' of $1 is unknown" ;;
  esac
  # The interpreter's packages count by what they give; others may be installed where no probe can see, as headers are
  # before there is a compiler.
  [ "$2" != python ] && [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages() {  # of the list files given
  local package probe rest base=''
  cat "$@" | while read -r package probe rest; do
    case $package in ''|'#'*) continue ;; esac
    is_there "$package" "$probe" || printf '%s\n' "$package"
  done
}

# --- make it so -----------------------------------------------------------------------------------------------------

install_packages() {  # of the list files given
  local missing as_root=
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if ! grep -qx 'ID="\?debian"\?' "$os_release" 2>/dev/null || ! command -v apt-get >/dev/null 2>&1; then
    say "this is not Debian: nothing is installed. What is missing, by the names of Debian's packages:"
    fail "  $missing" 2
  fi
  say "Debian packages to install: $missing"
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
      fail "neither root nor sudo; run as root: apt-get install --no-install-recommends $missing" 2
    fi
    as_root="sudo -n"
    if [ -t 2 ]; then as_root=sudo; fi  # it may ask for a password
  fi
  local apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600"
  # shellcheck disable=SC2086  # words on purpose
  { logged apt-update $apt update || say "apt-get update failed; trying with the lists there are"; }
  # shellcheck disable=SC2086
  logged apt-install $apt install --no-install-recommends $missing || fail "apt-get install failed"
  missing=$(missing_packages "$@" | tr '\n' ' ')
  [ -z "$missing" ] || fail "still missing after the installation: $missing"
}

install_optional() {  # install_optional WHAT-NEEDS-IT LIST: what cannot be installed is said, and does not stop anything
  local missing
  missing=$(missing_packages "$2" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  (install_packages "$2") || say "going on without; $1 need: $missing"
}

pins() { cat "$@" | grep '==' | LC_ALL=C sort; }

sum_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

make_venv() {
  local base origin
  base=$(base_python) || fail "no Python 3.11 or later that can make virtual environments" 2
  origin="$root $("$base" -VV | tr '\n' ' ') $base"
  if [ -x "$venv/bin/python" ] && [ "$(cat "$marks/origin" 2>/dev/null)" = "$origin" ]; then return; fi
  say "making .venv with $base"
  # Another interpreter or a moved checkout: what is in there would not run.
  local clear=
  if [ -L "$venv" ]; then rm "$venv"  # a link to another checkout's: that one keeps its own
  elif [ -d "$marks" ]; then clear=--clear; fi
  logged venv "$base" -m venv $clear "$venv" || fail "python -m venv failed"
  mkdir -p "$marks"
  rm -f "$marks"/*.sum "$root/build/.ready-run"
  "$venv/bin/python" - "$root/python" <<'PY'
import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_paths()["purelib"], "wakepath.pth").write_text(sys.argv[1] + "\n")
PY
  printf '#!/bin/sh\nexec "$(dirname "$0")/python" -P -m wakepath "$@"\n' >"$venv/bin/wakepath"
  chmod +x "$venv/bin/wakepath"
  printf '%s\n' "$origin" >"$marks/origin"
}

install_pins() {  # install_pins run|test; test includes extra.txt, which commands ask for (python/wakepath/extras.py)
  local sum lacking
  local lists=("$root/requirements/run.txt")
  if [ "$1" = test ]; then lists+=("$root/requirements/extra.txt" "$root/requirements/test.txt"); fi
  sum=$(sum_of "${lists[@]}")
  [ "$(cat "$marks/$1.sum" 2>/dev/null)" != "$sum" ] || return 0
  "$venv/bin/python" -m pip --disable-pip-version-check freeze --all 2>/dev/null | LC_ALL=C sort >"$marks/have"
  lacking=$(pins "${lists[@]}" | LC_ALL=C comm -23 - "$marks/have" | tr '\n' ' ')
  if [ -n "$lacking" ]; then
    say "Python packages to install into .venv: $lacking"
    logged pip "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --progress-bar off \
      --prefer-binary -r "$root/requirements/$1.txt" || fail "pip install failed"
  fi
  printf '%s\n' "$sum" >"$marks/$1.sum"
}

configure_release() {  # configure_release [-DNAME=VALUE...]
  if [ -f "$release/CMakeCache.txt" ] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$release/CMakeCache.txt"; then
    rm -rf "$release"  # of a checkout that was moved or copied
  fi
  (cd "$root" && logged configure cmake --preset release -DWAKEPATH_PYTHON=ON -DPython_EXECUTABLE="$venv/bin/python" \
    -Dpybind11_DIR="$("$venv/bin/python" -m pybind11 --cmakedir)" "$@") || fail "cmake failed"
}

build_release() {  # build_release [TARGET...]: _core and the targets given, the extension put beside the package
  local target built name
  touch "$root/build/.ready-run.new"
  say "building (build/release)"
  for target in _core "$@"; do
    logged "build-$target" cmake --build "$release" --target "$target" --parallel "$(nproc)" || fail "the build failed"
  done
  rm -f "$root/python/wakepath/"_core*.so.part
  for built in "$release"/python/_core*.so; do
    name=$root/python/wakepath/${built##*/}
    cmp -s "$built" "$name" || { cp "$built" "$name.part" && mv -f "$name.part" "$name"; }  # running programs keep theirs
  done
  mv "$root/build/.ready-run.new" "$root/build/.ready-run"
}

# --- the entries ------------------------------------------------------------------------------------------------

is_ready_to_run() {
  [ -f "$root/build/.ready-run" ] && [ -x "$venv/bin/python" ] || return 1
  case $(cat "$marks/origin" 2>/dev/null) in "$root "*) ;; *) return 1 ;; esac
  local newer
  newer=$(cd "$root" && find CMakeLists.txt CMakePresets.json cmake sim models python/bindings requirements packages \
    -newer build/.ready-run -print -quit) && [ -z "$newer" ]
}

one_at_a_time() {  # one_at_a_time FUNCTION: in a subshell under the lock
  mkdir -p "$root/build"
  (
    if command -v flock >/dev/null 2>&1; then
      flock -n 9 || { say "another preparation is under way, waiting for it"; flock 9; }
    fi
    "$1" 9>&-
  ) 9>"$root/build/.lock" </dev/null >&2
}

prepare_run() {
  is_ready_to_run && return  # done by whoever held the lock before
  install_packages "$root/packages/debian-run.txt"
  install_optional "some trace formats" "$root/packages/debian-formats.txt"
  make_venv
  install_pins run
  configure_release
  build_release
}

prepare_record() { install_optional "record and check" "$root/packages/debian-record.txt"; }

prepare_test() {
  install_packages "$root/packages"/debian-{run,record,test,formats}.txt
  make_venv
  install_pins run
  install_pins test
  configure_release -DWAKEPATH_TESTS=ON -DWAKEPATH_BENCH=ON
  build_release all
}
