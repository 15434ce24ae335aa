#!/usr/bin/env bash
# Runs the unit for real: under a systemd of its own, process 1 of a container, with a session whose
# worker is killed, a front that is killed, one that hangs, and a stop. One line per check,
# "PASS systemd: ..." or "FAIL systemd: ...", the latter after what is wrong; the last line is
# "N passed, N failed". Exits 1 if a check fails. Leaves nothing behind. A few minutes.
#
#   deploy/systemd/test_unit.sh
#
# Installs podman and what else it needs; for root or with sudo, on Debian 12. The service is that of
# bazel-bin. Environment: BASE_IMAGE, STORAGE, see ../container/podman.sh.
# shellcheck disable=SC2016,SC2317  # Arguments for others; functions that others call.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

readonly kind=systemd
# shellcheck source=deploy/container/podman.sh
source deploy/container/podman.sh
readonly container=holdfast-systemd
readonly programs=(frontend/holdfast worker/llvm/llvm_worker tests/container/session_client)
for program in "${programs[@]}"; do
  [[ -x bazel-bin/$program ]] && continue
  bazel build --ui_event_filters=-info --noshow_progress //frontend:holdfast \
    //worker/llvm:llvm_worker //tests/container:session_client || exit 1
done
prepare binutils

# ---- a machine with the unit ----

# With the libraries that the unit's file names.
libraries=$(sed -nE 's/^# +apt-get install (lib.*)/\1/p' deploy/systemd/holdfast.service)
cat >"$directory/Dockerfile" <<END
FROM $base
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
  --no-install-recommends systemd procps $libraries && rm -rf /var/lib/apt/lists/*
END
podman build --network=host --format docker -t localhost/systemd "$directory" \
  >"$directory/log" 2>&1 || give_up "an image with systemd is built" "$(tail -n 20 "$directory/log")"

# systemd needs the rights of root for what it takes away from the unit.
podman run --detach --name "$container" --systemd=always --privileged \
  --stop-signal=SIGRTMIN+3 localhost/systemd /lib/systemd/systemd >"$directory/log" 2>&1 ||
  give_up "a container with systemd runs" "$(<"$directory/log")"

# In the container.
inside() { podman exec "$container" "$@"; }
install_unit() {
  inside mkdir -p /usr/local/lib/holdfast /run/systemd/system/holdfast.service.d || return
  local program
  for program in "${programs[@]}"; do
    strip --strip-debug -o "$directory/program" "bazel-bin/$program" &&
      chmod 755 "$directory/program" &&
      podman cp "$directory/program" "$container:/usr/local/bin/$(basename "$program")" || return
  done
  inside mv /usr/local/bin/llvm_worker /usr/local/lib/holdfast/ &&
    podman cp deploy/systemd/holdfast.service "$container:/etc/systemd/system/holdfast.service" &&
    podman cp tests/container/program.ll "$container:/program.ll" &&
    inside systemctl daemon-reload
}
# "degraded" is fine, too: a container is no machine, and units of Debian's may see that.
within 30 inside bash -c '[[ $(systemctl is-system-running) =~ running|degraded ]]' ||
  give_up "systemd has started" "$(podman logs "$container" 2>&1)"
install_unit >"$directory/log" 2>&1 || give_up "the unit is installed" "$(<"$directory/log")"

# ---- the unit ----

show() { inside systemctl show --property "$1" --value holdfast; }
is_ready() { [[ $(show StatusText) == ready ]]; }
journal() { inside journalctl --unit holdfast --no-pager --lines 50; }

report "systemctl start, which waits for READY=1" "$(
  inside systemctl start holdfast 2>&1 || journal
)"
report "its status is \"ready\"" "$(within 20 is_ready || show StatusText)"
# The processes whose command line begins with the pattern `$1`, as the container counts them.
processes() {
  inside bash -c 'for file in /proc/[0-9]*/cmdline; do
    if [[ $(tr "\0" " " <"$file") =~ ^($1) ]]; then echo "$file"; fi
  done' processes "$1" 2>/dev/null | cut -d / -f 3
}
readonly worker='/usr/local/lib/holdfast/llvm_worker --holdfast_role=worker'
report "what systemd takes away, front, spawner and workers do not have" "$(
  mapfile -t all < <(processes "/usr/local/bin/holdfast |holdfast-spawner |$worker")
  ((${#all[@]} >= 4)) || echo "There are ${#all[@]} processes."
  for process in "${all[@]}"; do
    status=$(inside cat "/proc/$process/status")
    # A dynamic user's number is above all others.
    for line in 'Cap(Prm|Eff|Bnd|Amb):.0+$' 'NoNewPrivs:.1' 'Seccomp:.2' 'Uid:.6[1-5]...'; do
      grep -qE "^$line" <<<"$status" || printf 'Not %s:\n%s\n' "$line" "$status"
    done
  done
)"

coproc client {
  podman exec --interactive "$container" session_client --service=127.0.0.1:50051 \
    --program=/program.ll --pause 2>&1
}
# shellcheck disable=SC2154  # Set by coproc.
client_id=$client_PID
read -r -t 60 line <&"${client[0]}"
read -r -t 60 line <&"${client[0]}"
mapfile -t victims < <(processes "$worker")
inside bash -c 'kill -9 "$@"' kill "${victims[@]}" >"$directory/log" 2>&1
echo >&"${client[1]}"
line=$(timeout 60 cat <&"${client[0]}")
wait "$client_id"
code=$?
report "a session goes on after kill -9 of ${#victims[@]} workers ($line)" "$(
  ((code == 0 && ${#victims[@]} > 0)) || { cat "$directory/log" && echo "$line" && journal; }
)"

report "systemctl reload does no harm" "$(
  front=$(show MainPID)
  inside systemctl reload holdfast 2>&1
  if [[ $(show MainPID) != "$front" ]] || ! is_ready; then journal; fi
)"

# Whether there is a front, ready, that is not process `$1`.
is_started_anew() { [[ $(show MainPID) != "$1" && $(show MainPID) != 0 ]] && is_ready; }
scratch() { inside bash -c 'ls -d /var/lib/holdfast/holdfast-scratch-* | wc -l'; }

front=$(show MainPID)
inside systemctl kill --kill-whom=main --signal=KILL holdfast
report "a front that is killed is started anew, and leaves no scratch data" "$(
  within 30 is_started_anew "$front" || journal
  [[ $(scratch) == 1 ]] || echo "There are $(scratch) directories of scratch data."
)"

# A drop-in, so that we need not wait a minute.
inside bash -c 'printf "[Service]\nWatchdogSec=6\n" \
  >/run/systemd/system/holdfast.service.d/watchdog.conf && systemctl daemon-reload &&
  systemctl restart holdfast' >"$directory/log" 2>&1 || give_up "restart" "$(<"$directory/log")"
front=$(show MainPID)
is_heard_since() { [[ $(show WatchdogTimestampMonotonic) != "$1" ]]; }
report "one that lives says so to the watchdog" "$(
  for ((i = 0; i < 3; i++)); do
    within 20 is_heard_since "$(show WatchdogTimestampMonotonic)" || journal
  done
  [[ $(show MainPID) == "$front" ]] || journal
)"
inside systemctl kill --kill-whom=main --signal=STOP holdfast
report "one that hangs is ended by the watchdog, and started anew" "$(
  within 60 is_started_anew "$front" || journal
)"

start=$EPOCHREALTIME
inside systemctl stop holdfast >"$directory/log" 2>&1
report "systemctl stop drains, after $(since "$start") s" "$(
  [[ $(show Result) == success && $(show ExecMainStatus) == 0 ]] || journal
  # No pipe: grep would not read it to its end.
  grep -q 'draining' <<<"$(journal)" || echo "It did not drain: $(journal)"
  [[ $(inside bash -c 'ls -d /var/lib/holdfast/holdfast-scratch-*' 2>/dev/null) == '' ]] ||
    echo "There is scratch data."
)"

podman stop --time 20 "$container" >/dev/null 2>&1
finish
