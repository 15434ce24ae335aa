#!/usr/bin/env bash
# Builds the image and runs it for real, with podman: hardened, with a session whose worker is
# killed, a scrape, a health check, and a stop. One line per check, "PASS container: ..." or
# "FAIL container: ...", the latter after what is wrong; the last line is "N passed, N failed". Exits
# 1 if a check fails. Leaves nothing behind. Half an hour on two cores, most of it for compiling.
#
#   deploy/container/test_image.sh
#
# Installs podman and what else it needs; for root or with sudo, on Debian 12. Environment:
#   BASE_IMAGE, STORAGE  the base; a directory for images, to be kept: see podman.sh
#   BAZEL_CACHE          a directory for Bazel's disk cache, to be kept: the next build takes minutes
#   BAZEL_FLAGS          further flags of Bazel's in the build stage
# shellcheck disable=SC2016,SC2317  # Arguments for others; functions that others call.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

readonly kind=container
# shellcheck source=deploy/container/podman.sh
source deploy/container/podman.sh
readonly container=holdfast-test
readonly user=10001
prepare curl procps python3-yaml

# ---- the build ----

version=$(sed -n 's/.*kVersion\[\] = "\(.*\)";/\1/p' common/version.h)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
cache=()
flags=${BAZEL_FLAGS:-}
if [[ -n ${BAZEL_CACHE:-} ]]; then
  mkdir -p "$BAZEL_CACHE"
  cache=(--volume "$(realpath "$BAZEL_CACHE"):/cache")
  flags+=" --disk_cache=/cache"
fi

# Builds the image `$1`, with the further arguments.
build() {
  podman build --network=host --format docker -f deploy/container/Dockerfile -t "$1" \
    "${cache[@]}" --build-arg BASE_IMAGE="$base" --build-arg BAZEL_FLAGS="$flags" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" "${@:2}" .
}

for image in holdfast holdfast-clang; do
  start=$EPOCHREALTIME
  arguments=()
  if [[ $image == holdfast-clang ]]; then arguments=(--build-arg EXTRA_PACKAGES=clang-19); fi
  echo "Building $image ..."
  build "localhost/$image" "${arguments[@]}" >"$directory/log" 2>&1 ||
    give_up "$image is built" "$(tail -n 50 "$directory/log")"
  size=$(podman image inspect --format '{{.Size}}' "localhost/$image")
  report "$image is built: $((size / 1000000)) MB, in $(since "$start") s" ""
  report "the labels of $image say what it is" "$(
    labels=$(podman image inspect --format \
      '{{range $name, $value := .Labels}}{{$name}}={{$value}}{{"\n"}}{{end}}' "localhost/$image")
    [[ -n $version ]] || echo "There is no version in common/version.h."
    for label in title=Holdfast description="Compiler services that survive their compilers" \
      licenses=Apache-2.0 base.name="$base" version="$version" revision="$revision"; do
      grep -qxF "org.opencontainers.image.$label" <<<"$labels" ||
        printf 'Not %s:\n%s\n' "$label" "$labels"
    done
  )"
done
copy_client() {
  build localhost/holdfast-client --target client &&
    podman create --name "$container" localhost/holdfast-client none &&
    podman cp "$container":/session_client "$directory/" && podman rm "$container"
}
copy_client >"$directory/log" 2>&1 ||
  give_up "a client to test with is built" "$(tail -n 50 "$directory/log")"

# ---- a hardened run ----

readonly hardened=(
  --read-only --read-only-tmpfs=false
  --tmpfs="/run/holdfast:rw,noexec,nosuid,nodev,size=512m,mode=1777"
  --tmpfs="/tmp:rw,noexec,nosuid,nodev,size=256m,mode=1777" --cap-drop=ALL
  --security-opt=no-new-privileges --memory=2g --pids-limit=2048 --user="$user:$user"
  --publish 127.0.0.1::50051 --publish 127.0.0.1::9464
)
metrics_of() { curl -sS --fail --max-time 5 "http://$metrics/metrics"; }
is_ready() { curl -sS --fail --max-time 5 "http://$metrics/readyz"; }

# The value of the series `$1`, 0 if there is none.
metric() { metrics_of | awk -v name="$1" '$1 == name { value = $2 } END { print value + 0 }'; }

# Runs the image `$1` hardened, with the flags "${@:2}", until it is ready. Sets `started`, and
# where it serves: `service`, `metrics`.
start_container() {
  started=$EPOCHREALTIME
  podman run --detach --name "$container" "${hardened[@]}" "localhost/$1" "${@:2}" \
    >"$directory/log" 2>&1 || give_up "$1 runs hardened" "$(<"$directory/log")"
  service=$(podman port "$container" 50051)
  metrics=$(podman port "$container" 9464)
  within 60 is_ready ||
    give_up "$1 is ready" "$(podman logs "$container" 2>&1; podman ps --all)"
  report "$1 runs hardened and is ready after $(since "$started") s" ""
}

# SIGTERM, as a deployment does; then the container goes.
stop_container() {
  local start=$EPOCHREALTIME code
  podman stop --time 60 "$container" >/dev/null 2>&1
  code=$(podman inspect --format '{{.State.ExitCode}}' "$container")
  report "$1 ends on SIGTERM with 0, after $(since "$start") s" "$(
    [[ $code == 0 ]] || { podman logs --tail 20 "$container" 2>&1; echo "Exit code $code"; }
  )"
  podman rm "$container" >/dev/null 2>&1
}

# Process ids of workers, as the container counts them.
workers() { podman top "$container" pid args | awk '/llvm_worker/ && !/--worker=/ { print $1 }'; }

start_container holdfast
podman top "$container" pid ppid user args

coproc client {
  exec "$directory/session_client" --service="$service" --program=tests/container/program.ll \
    --pause 2>&1
}
# shellcheck disable=SC2154  # Set by coproc.
client_id=$client_PID
read -r -t 60 line <&"${client[0]}"
report "a session has its first answer $(since "$started") s after podman run" "$(
  [[ $line == started:* ]] || echo "$line"
)"
read -r -t 60 line <&"${client[0]}"
[[ $line == paused* ]] || give_up "the session pauses" "$line"

mapfile -t victims < <(workers)
podman exec "$container" bash -c 'kill -9 "$@"' kill "${victims[@]}" >"$directory/log" 2>&1
echo >&"${client[1]}"
line=$(timeout 60 cat <&"${client[0]}")
wait "$client_id"
code=$?
report "the session goes on after kill -9 of ${#victims[@]} workers ($line)" "$(
  ((code == 0 && ${#victims[@]} > 0)) || { cat "$directory/log"; workers; echo "$line"; }
)"
recoveries=$(metric 'holdfast_recoveries_total{outcome="restored"}')
report "/metrics counts the recovery" "$( ((recoveries > 0)) || metrics_of | grep recover)"

is_healthy() { podman healthcheck run "$container"; }
report "podman healthcheck run finds it alive" "$(is_healthy 2>&1 || echo "It does not.")"
report "nothing in it has a capability, or may gain privileges" "$(
  podman exec "$container" bash -c 'cat /proc/[0-9]*/status' |
    grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Uid)' | sort -u |
    grep -vE "^(Cap...:.0{16}|NoNewPrivs:.1|Uid:(.$user){4})\$"
)"
report "its root is read-only, and the user's directories are not" "$(
  podman exec "$container" bash -c '! touch /etc/x /usr/x /x 2>/dev/null && touch /tmp/x' 2>&1 ||
    echo "touch: $?"
)"
# Sends the signal `$1` to the front, the child of tini.
signal_front() {
  podman exec "$container" bash -c 'kill "-$1" $(</proc/1/task/1/children)' kill "$1"
}
report "podman healthcheck run finds out that it hangs" "$(
  signal_front STOP
  if is_healthy >/dev/null 2>&1; then echo "It does not."; fi
  signal_front CONT
)"
# The spawner reaps workers; what nobody waits for falls to process 1.
report "process 1 reaps an orphan" "$(
  podman exec "$container" bash -c '
    orphan=$(sleep 600 >/dev/null 2>&1 & echo "$!")
    read -ra stat <"/proc/$orphan/stat"
    [[ ${stat[3]} == 1 ]] || echo "Its parent is ${stat[3]}."
    kill "$orphan"
    for ((i = 0; i < 100; i++)); do
      [[ -e /proc/$orphan ]] || exit 0
      sleep 0.05
    done
    grep -E "^(Name|State|PPid):" "/proc/$orphan/status"' 2>&1 || echo "podman exec: $?"
)"
report "it leaves no zombie" "$(podman top "$container" pid state args | awk '$2 == "Z"')"
stop_container holdfast

# ---- programs in C ----

start_container holdfast-clang
report "holdfast-clang compiles the C programs that come with it" "$(
  "$directory/session_client" --service="$service" --benchmark=benchmark://holdfast-v0/sorting \
    >"$directory/log" 2>&1 || { cat "$directory/log"; podman logs --tail 20 "$container" 2>&1; }
)"
stop_container holdfast-clang

# ---- as a pod ----

# The StatefulSet's pod, as Kubernetes would make it, without what podman does not know: probes, and
# the variable in an argument. Its ports are on loopback, at any.
pod_of_stateful_set() {
  /usr/bin/python3 - <<'END'
import socket, yaml

with open("deploy/kubernetes/stateful_set.yaml") as file:
    template = next(yaml.safe_load_all(file))["spec"]["template"]
container = template["spec"]["containers"][0]
for probe in "startupProbe", "livenessProbe", "readinessProbe":
    del container[probe]
container["image"] = "localhost/holdfast"
container["args"] = [arg.replace("$(POD_NAME)", "holdfast-0") for arg in container["args"]]
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in container["ports"]]
for port, free in zip(container["ports"], sockets):
    port.update(hostIP="127.0.0.1", hostPort=free.getsockname()[1])
template["metadata"]["name"] = "holdfast-0"
print(yaml.dump({"apiVersion": "v1", "kind": "Pod", **template}))
END
}
pod_of_stateful_set >"$directory/pod.yaml" 2>"$directory/log" &&
  podman play kube "$directory/pod.yaml" >>"$directory/log" 2>&1
service=$(podman port holdfast-0-holdfast 50051)
metrics=$(podman port holdfast-0-holdfast 9464)
report "the pod of the StatefulSet runs, and serves a session" "$(
  if ! within 60 is_ready || ! "$directory/session_client" --service="$service" \
    --program=tests/container/program.ll >>"$directory/log" 2>&1; then
    cat "$directory/log"
    podman logs holdfast-0-holdfast 2>&1
  fi
)"
podman pod rm --force --time 30 holdfast-0 >/dev/null 2>&1

report "nothing is left" "$(
  podman ps --all --quiet
  pgrep --list-full -f "^[^ ]*conmon .*$storage/|^[^ ]*/usr/bin/holdfast "
)"
finish
