# SPDX-License-Identifier: GPL-2.0-or-later
# The steps of ./test: each function is run in its own shell, errexit on, from the root of the checkout.
# They use $root, $venv, $release, $slow, $arguments and the functions of packages/prepare.sh.

# Files of the repository, the ones not added yet included, by pattern. In an unpacked archive: by find.
sources() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
  else
    local pattern
    for pattern in "$@"; do find . -path ./build -prune -o -path ./.venv -prune -o -name "${pattern##*/}" -type f -print; done
  fi
}

build_preset() {  # build_preset NAME [-DNAME=VALUE...]: configured and built in build/NAME
  local name=$1
  shift
  logged "configure-$name" cmake --preset "$name" "$@"
  logged "build-$name" cmake --build "build/$name" --parallel "$(nproc)"
}

step_unit() {
  ctest --test-dir "$release" --output-on-failure --no-tests=error -j "$(nproc)"
}

step_python() {
  local select=(-m "not slow")
  if [ -n "$slow" ]; then select=(); fi
  "$venv/bin/python" -m pytest -n "$(nproc)" --dist loadgroup "${select[@]}" "${arguments[@]}"
}

step_lint() {  # every tool speaks before the step fails
  local file wrong=0
  while read -r file; do
    if ! "$venv/bin/clang-format" "$file" | cmp -s - "$file"; then
      echo "$file: not as clang-format would have it"
      wrong=1
    fi
  done < <(sources '*.h' '*.cc')
  "$venv/bin/ruff" check . || wrong=1
  "$venv/bin/ruff" format --check . || wrong=1
  "$venv/bin/mypy" || wrong=1
  "$venv/bin/mypy" bench || wrong=1
  [ $wrong -eq 0 ] || fail "./test format repairs what tools can repair"
}

step_format() {
  sources '*.h' '*.cc' | xargs -r -d '\n' "$venv/bin/clang-format" -i
  "$venv/bin/ruff" check --fix --quiet .
  "$venv/bin/ruff" format .
}

step_tidy() {
  logged configure-dev cmake --preset dev -DWAKEPATH_PYTHON=OFF
  sources 'sim/*.cc' 'models/*.cc' | xargs -r -d '\n' -n 4 -P "$(nproc)" clang-tidy -p build/dev --quiet
}

step_asan() {
  build_preset asan
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    ctest --test-dir build/asan --output-on-failure --no-tests=error -j "$(nproc)"
}

step_tsan() {
  build_preset tsan
  ctest --test-dir build/tsan --output-on-failure --no-tests=error -j "$(nproc)"
}

# The package over an extension of another build: build/NAME/package/wakepath, links to the real files but for _core.
package_with() {
  local folder=build/$1/package/wakepath file
  rm -rf "$folder"
  mkdir -p "$folder"
  for file in python/wakepath/*; do
    case ${file##*/} in _core*.so) ;; *) ln -s "$root/$file" "$folder/" ;; esac
  done
  cp build/"$1"/python/_core*.so "$folder/"
}

# Each reader for some seconds (WAKEPATH_FUZZ_SECONDS, default 20) from its kept corpus; what is found goes to build/fuzz.
# WAKEPATH_FUZZ_SECONDS=3600 ./test fuzz searches longer. A new input worth keeping: copy it to tests/fuzz/corpus/NAME.
step_fuzz() {
  local pair target corpus
  logged configure-fuzz cmake --preset fuzz
  logged build-fuzz cmake --build build/fuzz --target fuzz --parallel "$(nproc)"
  for pair in trace_text:ftrace trace_text:perf trace_text:blkparse trace_binary:perfetto scenario_toml:toml fio_job:fio; do
    target=${pair%:*} corpus=${pair#*:}
    mkdir -p "build/fuzz/found/$corpus"
    say "fuzz $corpus"
    build/fuzz/fuzz_"$target" -max_total_time="${WAKEPATH_FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=1500 \
      -max_len=20000 -verbosity=0 -print_final_stats=1 -close_fd_mask=0 -artifact_prefix="build/fuzz/$corpus-" \
      "build/fuzz/found/$corpus" "tests/fuzz/corpus/$corpus"
  done
}

step_bytes() {
  local build python=(-DWAKEPATH_PYTHON=ON -DWAKEPATH_TESTS=OFF -DPython_EXECUTABLE="$venv/bin/python"
    -Dpybind11_DIR="$("$venv/bin/python" -m pybind11 --cmakedir)" -DCMAKE_BUILD_TYPE=Release)
  build_preset release
  build_preset o0 "${python[@]}"
  build_preset clang "${python[@]}"
  for build in release o0 clang; do package_with "$build"; done
  "$venv/bin/python" -P tests/same_bytes.py release o0 clang
}

step_wheel() {
  local folder
  folder=$(mktemp -d)
  # shellcheck disable=SC2064  # the folder of now
  trap "rm -rf '$folder'" EXIT
  WITH_CCACHE=1 PYTHON=$(base_python) "$root/bench/newcomer.sh" "$folder"
  cd "$folder"
  venv/bin/wakepath scenarios
  venv/bin/wakepath run starved_completions --duration 50ms --warmup 10ms --json "$folder/result.json"
  venv/bin/python -c 'import json, sys; assert json.load(open(sys.argv[1]))["io"]["iops"] > 0' "$folder/result.json"
}

step_consumer() {
  local prefix=$root/build/consumer/prefix
  rm -rf build/consumer
  logged install cmake --install "$release" --prefix "$prefix" --component devel
  logged consumer cmake -G Ninja -S tests/cmake_consumer -B build/consumer/build -DCMAKE_PREFIX_PATH="$prefix"
  logged consumer-build cmake --build build/consumer/build
  build/consumer/build/consumer
}

step_ratchet() {
  logged build-ratchet cmake --build "$release" --target wakepath_ratchet --parallel "$(nproc)"
  "$venv/bin/python" bench/ratchet/count.py
}

step_mutants() {
  logged configure-single cmake --preset single
  logged build-single cmake --build build/single --target wakepath_unit --parallel "$(nproc)"
  "$venv/bin/python" tests/mutants.py --json build/mutants.json
}
