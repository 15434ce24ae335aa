#!/usr/bin/env bash
# Hunts for crashes of LLVM, and shows what becomes of one: a report that is listed, replayed,
# reduced, and turned into a command line for opt-19, which is checked to crash, too.
#
#   deploy/hunt.sh [--seed=N] [--want=N] [--time_limit=D] [--programs=N] [--keep=DIR]
#
# Ends with 1 if nothing was found, or if opt-19 took a crash that comes each time. --keep: where
# the reports stay; by default they are removed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Bazel wants to know both, and not every environment sets them.
export HOME=${HOME:-$(getent passwd "$EUID" | cut -d : -f 6)}
export USER=${USER:-$(id -un)}

seed=1 want=3 time_limit=30s programs=8 keep=
for argument in "$@"; do
  case $argument in
    --seed=* | --want=* | --time_limit=* | --programs=* | --keep=*)
      name=${argument%%=*}
      declare "${name#--}=${argument#*=}"
      ;;
    *)
      sed -n '2,/^set/s/^#\( \|$\)//p' "${BASH_SOURCE[0]}" >&2
      exit 2
      ;;
  esac
done

deploy/install_packages.sh
deploy/install_packages.sh --tests
bazel build --ui_event_filters=-info --noshow_progress \
  //frontend:holdfast //frontend/holdfastctl //worker/llvm:llvm_worker //tests/hunt:llvm_hunt
ctl=$PWD/bazel-bin/frontend/holdfastctl/holdfastctl

# What a worker may take, while it is hunted and while it is replayed.
limits=(--step_timeout=5s --worker_memory_limit_bytes=2147483648)
# How often a report is replayed. A crash that comes each time must come in opt-19, too.
runs=3
# Seconds. A hang is what takes longer.
opt_timeout=20

directory=$(mktemp -d)
reports=$directory/reports
if [[ -n $keep ]]; then
  mkdir -p "$keep"
  reports=$(realpath "$keep")
fi
service=
stop_service() {
  if [[ -n $service ]]; then
    kill -TERM "$service" 2>/dev/null || true
    wait "$service" || true
    service=
  fi
}
trap 'stop_service; rm -rf "$directory"' EXIT

echo "== $programs programs of csmith, from seed $seed"
mkdir "$directory/programs"
for ((i = 0; i < programs; i++)); do
  program=$directory/programs/$((seed + i))
  (cd "$directory" && csmith --seed $((seed + i)) --output "$program.c")
  # As the LLVM worker compiles C; here, because only we know where csmith.h is.
  clang-19 -w -I/usr/include/csmith -O1 -funroll-loops -Xclang -disable-llvm-passes -emit-llvm \
    -c "$program.c" -o "$program.bc"
done

bazel-bin/frontend/holdfast --worker="$PWD/bazel-bin/worker/llvm/llvm_worker" \
  --listen="unix:$directory/socket" --metrics_listen= --working_dir="$directory/service" \
  --crash_report_dir="$reports" "${limits[@]}" &
service=$!
until [[ -s $directory/service/pid.txt ]]; do
  kill -0 "$service" 2>/dev/null || exit 1
  sleep 0.05
done

echo "== Random passes, until there are $want reports, for at most $time_limit"
bazel-bin/tests/hunt/llvm_hunt --service="unix:$directory/socket" --reports="$reports" \
  --want="$want" --time_limit="$time_limit" --seed="$seed" "$directory"/programs/*.bc
stop_service

echo "== holdfastctl list"
"$ctl" list "$reports"

# How the opt-19 command `$1` ends in the directory `$2`: crash (by a signal, or with LLVM's last
# words), hang, or neither.
end_of() {
  local command=$1 exit_code=0
  (
    cd "$2" || exit
    ulimit -c 0
    # The shell itself stays, to keep to itself what it says of signals.
    timeout "$opt_timeout" bash -c "$command || exit \$?"
  ) 2>"$directory/opt.txt" || exit_code=$?
  if ((exit_code >= 128)) || { ((exit_code == 1)) && grep -q 'LLVM ERROR' "$directory/opt.txt"; }
  then
    echo crash
  elif ((exit_code == 124)); then
    echo hang
  else
    echo "exit code $exit_code"
  fi
}

found=0 deterministic=0 confirmed=0 contradicted=0
shopt -s nullglob
for report in "$reports"/*.crash; do
  name=$(basename "$report" .crash)
  [[ $name == *-reduced ]] && continue
  found=$((found + 1))
  echo "== holdfastctl replay $name"
  "$ctl" replay "$report" --runs=$runs "${limits[@]}" | tee "$directory/replay.txt" || true
  echo "== holdfastctl reduce $name"
  "$ctl" reduce "$report" --runs=$runs --time_limit=20s "${limits[@]}" |
    tee "$directory/reduce.txt" || true
  command=$(sed -n 's/^  \(opt-19 .*\)/\1/p' "$directory/reduce.txt")
  [[ -n $command ]] || continue
  work=$directory/opt-$name
  mkdir "$work"
  cp "$reports/$name-reduced.bc" "$work"
  is_deterministic=0
  # A hang is no crash, and what is too large for a worker need not be for opt-19.
  if grep -q "in $runs of $runs runs" "$directory/replay.txt" &&
    grep -Eq 'killed by signal|exited with' "$directory/replay.txt"; then
    is_deterministic=1
    deterministic=$((deterministic + 1))
  fi
  end=$(end_of "$command" "$work")
  echo "opt-19 ends with: $end" \
    "$(grep -m 1 -E 'LLVM ERROR|Assertion|Stack dump' "$directory/opt.txt" || true)"
  if [[ $end == crash ]]; then
    confirmed=$((confirmed + 1))
  elif ((is_deterministic)); then
    contradicted=$((contradicted + 1))
    echo "... although $name comes each time"
  fi
done

echo "$found found, $deterministic of them crashes that come each time;" \
  "opt-19 crashes on $confirmed, but not on $contradicted that it should"
((found > 0 && contradicted == 0))
