#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs all tests and style checks. The last line is
# "N passed, N failed", where each GoogleTest case and each style check counts one; the exit code is
# 0 only if nothing failed.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Bazel wants to know both, and a bare CI job sets neither.
export HOME=${HOME:-$(getent passwd "$EUID" | cut -d : -f 6)}
export USER=${USER:-$(id -un)}

readonly quiet=(--noshow_progress --curses=no --color=no --ui_event_filters=-info)
passed=0
failed=0

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
bazel build "${quiet[@]}" //... || give_up "bazel build //..."

output=$(mktemp)
trap 'rm -f "$output"' EXIT

bazel test "${quiet[@]}" --keep_going //... 2>&1 | tee "$output"
# 0: all passed; 3: some failed; anything else: not all were run.
status=${PIPESTATUS[0]}
counts=$(deploy/count_tests.py <"$output") || give_up "deploy/count_tests.py"
read -r passed failed <<<"$counts"
if ((status != 0 && failed == 0)); then give_up "bazel test //... (exit code $status)"; fi

deploy/check_style.sh 2>&1 | tee "$output"
status=${PIPESTATUS[0]}
passed=$((passed + $(grep -c '^PASS style: ' "$output")))
style_failed=$(grep -c '^FAIL style: ' "$output")
failed=$((failed + style_failed))
if ((status != 0 && style_failed == 0)); then give_up "deploy/check_style.sh (exit code $status)"; fi
finish
