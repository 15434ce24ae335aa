#!/usr/bin/env bash
# Installs and builds what is needed, and measures what Holdfast costs: prints tables, and leaves
# JSON and plots in DIRECTORY, by default a fresh one. A quarter of an hour, on a machine that does nothing
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
bazel build --ui_event_filters=-info --noshow_progress \
  //tests/bench:service_benchmark //tests/bench:start_benchmark //tests/bench:memory_benchmark

mkdir -p "$directory"
service=$directory/service_benchmark.json
figures=$directory/figures.json
rm -f "$service" "$figures"

# Runs the benchmark "$1" with its flags, where it finds its files.
run() {
  (cd "bazel-bin/tests/bench/$1.runfiles/holdfast" && "tests/bench/$1" "${@:2}")
}

run service_benchmark --json="$service"
run service_benchmark --json="$service" --pinned
run start_benchmark --json="$figures"
run memory_benchmark --json="$figures"
tests/bench/plot.py "$service" "$directory"
tests/bench/targets.py "$service" "$figures" | tee "$directory/targets.md"
echo "Results: $directory"
