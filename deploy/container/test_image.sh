#!/usr/bin/env bash
# Builds the image and runs it for real, with podman: hardened, with a session whose worker is
# killed, a scrape, a health check, and a stop. One line per check, "PASS container: ..." or
# "FAIL container: ...", the latter after what is wrong; the last line is "N passed, N failed". Exits
# 1 if a check fails. Leaves nothing behind. Half an hour on two cores, most of it for compiling.
#
#   deploy/container/test_image.sh
#
# Installs podman and what else it needs; for root or with sudo, on Debian 12. Environment:
#   BASE_IMAGE   the base, as the Dockerfile says; by default one is made of the machine's own Debian
#                mirror, so that no image is pulled
#   BAZEL_CACHE  a directory for Bazel's disk cache, kept: the next build is one of minutes
#   BAZEL_FLAGS  further flags of Bazel's in the build stage
#   STORAGE      a directory for images, kept: unchanged stages are not built again. By default a
#                fresh one, which is removed
# shellcheck disable=SC2016,SC2317  # Arguments for others; functions that others call.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

readonly container=holdfast-test
readonly user=10001
passed=0
failed=0
directory=$(mktemp -d)
readonly directory
storage=$(realpath -m "${STORAGE:-$directory/storage}")
readonly storage
readonly CONTAINERS_CONF=$directory/containers.conf

as_root=(env CONTAINERS_CONF="$CONTAINERS_CONF" DEBIAN_FRONTEND=noninteractive)
if ((EUID != 0)); then as_root=(sudo "${as_root[@]}"); fi
readonly as_root

# In a store of its own: what else the machine has in images and containers is not ours.
podman() {
  "${as_root[@]}" podman --root "$storage/images" --runroot "$storage/run" \
    --network-config-dir "$storage/networks" "$@"
}

# Reports the check `$1`; it failed if there is any output in `$2`.
report() {
  if [[ -z $2 ]]; then
    echo "PASS container: $1"
    passed=$((passed + 1))
  else
    printf '%s\nFAIL container: %s\n' "$2" "$1"
    failed=$((failed + 1))
  fi
}

clean_up() {
  podman rm --force --time 0 "$container" >/dev/null 2>&1
  if [[ -z ${STORAGE:-} ]]; then podman rmi --all --force >/dev/null 2>&1; fi
  podman network prune --force >/dev/null 2>&1
  "${as_root[@]}" umount -q "$storage/images/overlay" 2>/dev/null
  "${as_root[@]}" rm -rf "$directory"
}
trap clean_up EXIT

finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

# Nothing more can be said.
give_up() {
  report "$1" "${2:-It cannot be done.}"
  finish
}

# Seconds since the time `$1`.
since() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f", to - from }'; }

# Whether the command "${@:2}" succeeds within `$1` seconds, tried again and again.
within() {
  local -r end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.05
  done
}

# ---- what is needed ----

install_tools() {
  local missing=() package
  for package in podman buildah runc netavark aardvark-dns iptables mmdebstrap curl; do
    [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] ||
      missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# runc and cgroupfs: crun and systemd want more of a machine than many CI machines are.
cat >"$CONTAINERS_CONF" <<'END'
[containers]
default_ulimits=["nofile=16384:16384","nproc=32768:32768"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[network]
network_backend="netavark"
END

# A slim Debian 12 out of the machine's own sources, as the image of that name: no documentation.
make_base() {
  local sources include=()
  sources=$(apt-get indextargets --format 'deb $(SITE) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep ' bookworm' | sort -u)
  [[ -n $sources ]] || sources='deb http://deb.debian.org/debian bookworm main'
  if [[ $sources == *https://* ]]; then include=(--include=ca-certificates); fi
  "${as_root[@]}" mmdebstrap --quiet --variant=minbase "${include[@]}" \
    --dpkgopt=force-unsafe-io \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
    --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/locale/* "$1"/usr/share/man/*' \
    --customize-hook='printf "path-exclude=/usr/share/%s/*\n" doc info locale man \
      >"$1/etc/dpkg/dpkg.cfg.d/slim"' \
    bookworm "$directory/base.tar" <<<"$sources" &&
    podman import --change 'CMD ["bash"]' "$directory/base.tar" localhost/debian:bookworm-slim &&
    rm "$directory/base.tar"
}

install_tools >"$directory/log" 2>&1 || give_up "install podman" "$(<"$directory/log")"
base=${BASE_IMAGE:-localhost/debian:bookworm-slim}
if [[ -z ${BASE_IMAGE:-} ]] && ! podman image exists "$base"; then
  make_base >"$directory/log" 2>&1 || give_up "make a base image" "$(tail -n 20 "$directory/log")"
fi

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
  --read-only --tmpfs="/run/holdfast:rw,noexec,nosuid,nodev,size=512m,mode=1777"
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
    give_up "$1 is ready" "$(podman logs "$container" 2>&1; podman inspect "$container")"
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
  podman rm "$container" >/dev/null
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
recoveries=$(metric 'holdfast_recoveries_total{outcome="ok"}')
report "/metrics counts the recovery" "$( ((recoveries > 0)) || metrics_of | grep recover)"

report "podman healthcheck run finds it alive" "$(podman healthcheck run "$container" 2>&1)"
report "nothing in it has a capability, or may gain privileges" "$(
  podman exec "$container" bash -c 'cat /proc/[0-9]*/status' |
    grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Uid)' | sort -u |
    grep -vE "^(Cap...:.0{16}|NoNewPrivs:.1|Uid:(.$user){4})\$"
)"
report "its root is read-only, and the user's directories are not" "$(
  podman exec "$container" bash -c '! touch /etc/x /usr/x /x 2>/dev/null && touch /tmp/x' 2>&1 ||
    echo "touch: $?"
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

report "nothing is left" "$(
  podman ps --all --quiet
  pgrep --list-full -f "^[^ ]*conmon .*$storage/|^[^ ]*/usr/bin/holdfast "
)"
finish
