#!/usr/bin/env bash
# Installs what is missing, builds everything, runs all tests, fuzzes for a while, checks the files
# that deploy it and the style. The last line is "N passed, N failed", where each GoogleTest case, each
# fuzz target and each check counts one; the exit code is 0 only if nothing failed.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Bazel wants to know both, and a bare CI job sets neither.
export HOME=${HOME:-$(getent passwd "$EUID" | cut -d : -f 6)}
export USER=${USER:-$(id -un)}

readonly quiet=(--noshow_progress --curses=no --color=no --ui_event_filters=-info)
passed=0
failed=0

# Adds what the command "$@" says of the checks of kind $1, "PASS kind: ..." or "FAIL kind: ...".
run_checks() {
  local kind=$1 status checks_failed
  shift
  "$@" 2>&1 | tee "$output"
  status=${PIPESTATUS[0]}
  checks_failed=$(grep -c "^FAIL $kind: " "$output")
  passed=$((passed + $(grep -c "^PASS $kind: " "$output")))
  failed=$((failed + checks_failed))
  if ((status != 0 && checks_failed == 0)); then give_up "$* (exit code $status)"; fi
}

# Where the time goes.
tell_time() { echo "== $1: done $SECONDS s after the start"; }

finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

# Nothing can be said about the tests: that is a failure too.
give_up() {
  echo "FAIL $1"
  failed=$((failed + 1))
  finish
}

deploy/install_packages.sh --tests || give_up "deploy/install_packages.sh"
tell_time packages
bazel build "${quiet[@]}" //... || give_up "bazel build //..."
tell_time build

output=$(mktemp)
trap 'rm -f "$output"' EXIT

bazel test "${quiet[@]}" --keep_going //... 2>&1 | tee "$output"
# 0: all passed; 3: some failed; anything else: not all were run.
status=${PIPESTATUS[0]}
counts=$(deploy/count_tests.py <"$output") || give_up "deploy/count_tests.py"
read -r passed failed <<<"$counts"
if ((status != 0 && failed == 0)); then give_up "bazel test //... (exit code $status)"; fi
tell_time tests

run_checks fuzz deploy/run_fuzzers.sh 10
tell_time fuzzers
run_checks deploy deploy/test_manifests.sh
tell_time manifests
run_checks style deploy/check_style.sh
tell_time style
finish
