#!/usr/bin/env bash
# Installs and builds what is needed, and measures what Holdfast costs: prints tables, and leaves
# JSON and plots in DIRECTORY, by default a fresh one. Some minutes, on a machine that does nothing
# else.
#
#   deploy/run_benchmarks.sh [DIRECTORY]
set -euo pipefail
directory=$(realpath -m "${1:-$(mktemp -d)}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Bazel wants to know both, and not every environment sets them.
export HOME=${HOME:-$(getent passwd "$EUID" | cut -d : -f 6)}
export USER=${USER:-$(id -un)}

deploy/install_packages.sh --bench
echo "Building (some minutes the first time) ..."
bazel build --ui_event_filters=-info --noshow_progress //tests/bench:service_benchmark

mkdir -p "$directory"
json=$directory/service_benchmark.json
rm -f "$json"
for where in --nopinned --pinned; do
  (cd bazel-bin/tests/bench/service_benchmark.runfiles/holdfast &&
    tests/bench/service_benchmark --json="$json" $where)
done
tests/bench/plot.py "$json" "$directory"
echo "Results: $directory"
