#!/usr/bin/env bash
# Runs the tests under the sanitizers: all under ASan and UBSan, the unit tests and the integration
# tests under TSan. Says "N passed, N failed" of each, and of all in its last line; exits 0 only if
# nothing failed.
#
#   deploy/run_sanitizers.sh [CONFIG [TEST...]]
#
# CONFIG, of .bazelrc, and TEST, as //tests/common/..., choose what to run. The first run builds
# everything once for each sanitizer; later ones only what has changed.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly quiet=(--noshow_progress --curses=no --color=no --ui_event_filters=-info)
readonly configs=(asan tsan tsan_grpc)
declare -A tests=(
  [asan]="//tests/..."
  [tsan]="//tests/common/... //tests/frontend/... //tests/worker:all"
  [tsan_grpc]="//tests/integration:all"
)
total_passed=0
total_failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

run_config() {
  local config=$1 status logs passed=0 failed=0
  read -ra targets <<<"${tests[$config]}"
  bazel test "${quiet[@]}" --keep_going --config="$config" "${targets[@]}" 2>&1 | tee "$output"
  # 0: all passed; 3: some failed; anything else: not all were run.
  status=${PIPESTATUS[0]}
  logs=$(bazel info --config="$config" bazel-testlogs 2>/dev/null)
  read -r passed failed < <(deploy/count_tests.py "$logs" <"$output")
  # Nothing can be said about the tests: that is a failure too.
  if ((status != 0 && failed == 0)) || ((passed + failed == 0)); then failed=$((failed + 1)); fi
  echo "$config: $passed passed, $failed failed"
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
}

if (($# > 0)); then
  config=$1
  shift
  if [[ ! -v tests[$config] ]]; then
    echo "CONFIG is \"$config\", must be one of: ${configs[*]}" >&2
    exit 2
  fi
  if (($# > 0)); then tests[$config]=$*; fi
  run_config "$config"
else
  deploy/install_packages.sh --tests || exit 1
  for config in "${configs[@]}"; do run_config "$config"; done
fi
echo "$total_passed passed, $total_failed failed"
exit $((total_failed > 0))
