#!/usr/bin/env bash
# Builds the fuzz targets and runs each for some seconds, two or more at a time.
#
#   deploy/run_fuzzers.sh [SECONDS [TARGET...]]
#
# One line per target, "PASS fuzz: ..." or "FAIL fuzz: ...", the latter after the target's last
# words and the path of the input that shows it. Exits 1 if a target fails. What was found to be
# worth trying is kept in Bazel's output for the next run: fuzz/TARGET/corpus.
# shellcheck disable=SC2016  # An argument for xargs.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

seconds=${1:-10}
readonly quiet=(--noshow_progress --curses=no --color=no --ui_event_filters=-info)
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "SECONDS is \"$seconds\", must be a number > 0" >&2
  exit 2
fi
shift

bazel build "${quiet[@]}" --config=fuzz //tests/fuzz:all || exit 2
binaries=$(bazel info --config=fuzz bazel-bin 2>/dev/null)/tests/fuzz
state=$(bazel info output_path 2>/dev/null)/fuzz
targets=("$@")
if ((${#targets[@]} == 0)); then
  mapfile -t targets < <(cd tests/fuzz && printf '%s\n' *_fuzzer.cc | sed 's/\.cc$//')
fi

run_one() {
  local target=$1 folder=$state/$1 status=0 seeds=()
  mkdir -p "$folder/corpus" "$folder/seeds"
  "$binaries/make_seeds" "$target" "$folder/seeds" || status=1
  seeds=("$folder/seeds")
  [[ -d tests/fuzz/corpus/$target ]] && seeds+=("tests/fuzz/corpus/$target")
  if ((status == 0)); then
    "$binaries/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
      -print_final_stats=1 -artifact_prefix="$folder/" "$folder/corpus" "${seeds[@]}" \
      >"$folder/log" 2>&1 || status=1
  fi
  if ((status == 0)); then
    local -r rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$folder/log")
    echo "PASS fuzz: $target, $rate a second"
    return 0
  fi
  {
    tail -n 40 "$folder/log"
    echo "The input: $(sed -n 's/.*Test unit written to //p' "$folder/log" | tail -n 1)"
    echo "FAIL fuzz: $target"
  } >"$folder/failure"
  cat "$folder/failure"  # At once, for others write, too.
  return 1
}
export -f run_one
export seconds binaries state

export ASAN_OPTIONS=detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export ASAN_SYMBOLIZER_PATH=/usr/lib/llvm-19/bin/llvm-symbolizer
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'run_one "$0"' || exit 1
