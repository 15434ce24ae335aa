#!/usr/bin/env bash
# Installs and builds what is needed, starts the service with the LLVM worker, and lets a small client
# search for the pass sequence that leaves the fewest instructions of a C program. Arguments go to the
# client: deploy/demo.sh --seed=7 --program=my.c (see bazel-bin/worker/llvm/demo/llvm_search --help).
set -euo pipefail
start_directory=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Bazel wants to know both, and not every environment sets them.
export HOME=${HOME:-$(getent passwd "$EUID" | cut -d : -f 6)}
export USER=${USER:-$(id -un)}

deploy/install_packages.sh
echo "Building (some minutes the first time) ..."
bazel build --ui_event_filters=-info --noshow_progress \
  //frontend:holdfast //worker/llvm:llvm_worker //worker/llvm/demo:llvm_search

directory=$(mktemp -d)
service=
finish() {
  if [[ -n $service ]]; then
    kill -TERM "$service" 2>/dev/null || true
    wait "$service" || true
  fi
  rm -rf "$directory"
}
trap finish EXIT

bazel-bin/frontend/holdfast --worker=bazel-bin/worker/llvm/llvm_worker --working_dir="$directory" &
service=$!
until [[ -s $directory/port.txt ]]; do
  kill -0 "$service" 2>/dev/null || exit 1
  sleep 0.05
done
metrics=127.0.0.1:$(<"$directory/metrics_port.txt")

repository=$PWD
cd "$start_directory" # Where the user's own --program is.
"$repository/bazel-bin/worker/llvm/demo/llvm_search" \
  --service="127.0.0.1:$(<"$directory/port.txt")" --metrics_address="$metrics" \
  --program="$repository/worker/llvm/benchmarks/programs/compressor.c" "$@"

echo
echo "From http://$metrics/metrics, before the service stops:"
curl -s "http://$metrics/metrics" |
  grep -E '^holdfast_(worker_failures_total|recoveries_total|worker_starts_total|rpcs_total\{.*Step)' |
  grep -v ' 0$' | sed 's/^/  /'
