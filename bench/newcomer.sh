#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The newcomer's path, timed: an empty virtual environment, `pip install .`, the five lines of docs/tutorial.md, a plot.
#
#   bench/newcomer.sh [FOLDER]      FOLDER is left as it is then: FOLDER/venv, first.py, loss.png
#
# The compiler's cache is left out, as a newcomer has none; WITH_CCACHE=1 uses it. pip may take packages from its own cache.
set -eu
root=$(cd -P "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
python=${PYTHON:-python3}
if [ $# -gt 0 ]; then
  folder=$1
  mkdir -p "$folder"
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
[ -n "${WITH_CCACHE:-}" ] || export CCACHE_DISABLE=1
export MPLBACKEND=Agg  # no display is asked for

now() { date +%s%N; }
seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", (to - from) / 1e9 }'; }

begin=$(now)
"$python" -m venv "$folder/venv"
made=$(now)
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --no-input -q "$root"
installed=$(now)
cd "$folder"
sed -n '/^```python$/,/^```$/{/^```/d;p};/^```$/q' "$root/docs/tutorial.md" >first.py
lines=$(grep -c . first.py)
venv/bin/python first.py
drawn=$(now)
test -s loss.png
echo "virtual environment $(seconds "$begin" "$made") s, pip install . $(seconds "$made" "$installed") s," \
  "$lines lines of Python to loss.png $(seconds "$installed" "$drawn") s; together $(seconds "$begin" "$drawn") s"
