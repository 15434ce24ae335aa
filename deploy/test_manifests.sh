#!/usr/bin/env bash
# Checks the files that deploy Holdfast with the tools that know their formats: the systemd unit, the
# Kubernetes manifests, HAProxy's configuration, the Compose file. One line per check,
# "PASS deploy: ..." or "FAIL deploy: ...", the latter after what is wrong. Exits 1 if a check fails.
# Nothing is deployed: see container/test_image.sh.
#
#   deploy/test_manifests.sh
#
# What checks Kubernetes objects comes from npm, by kubernetes/validate/package-lock.json, and is kept
# in .cache/.
# shellcheck disable=SC2016  # Arguments of others.
set -uo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

failures=0
directory=$(mktemp -d)
readonly directory
trap 'rm -rf "$directory"' EXIT

# Reports the check `$1`; it failed if there is any output in `$2`.
report() {
  if [[ -z $2 ]]; then
    echo "PASS deploy: $1"
  else
    printf '%s\nFAIL deploy: %s\n' "$2" "$1"
    failures=$((failures + 1))
  fi
}

# What the command "$@" says if it fails, or that it has failed.
complaint_of() { { "$@" >/dev/null; } 2>&1 || echo "$1 fails (exit code $?)"; }

# ---- flags ----

readonly unit=deploy/systemd/holdfast.service
readonly pods=deploy/kubernetes/stateful_set.yaml
readonly compose=deploy/compose/compose.yaml
readonly image=deploy/container/Dockerfile
readonly service=bazel-bin/frontend/holdfast
readonly worker=bazel-bin/worker/llvm/llvm_worker
if [[ ! -x $service || ! -x $worker ]]; then
  bazel build --ui_event_filters=-info --noshow_progress //frontend:holdfast \
    //worker/llvm:llvm_worker || exit 1
fi

# The flags that the file `$1` gives to the service. Those of others have a dot or a hyphen.
flags_in() {
  sed -n '/^ENTRYPOINT/,$p; /^ExecStart/,/[^\]$/p; /^ *- --/p' "$1" |
    grep -oE -- '--[a-z_]+(=[^ ",]+)?([ ",]|$)' | tr -d ' ",' | sed 's/\$(POD_NAME)/holdfast-0/'
}

# Starts the service with these flags, but for where it is and serves, and ends it.
try_flags_in() {
  local flags pid code=0
  mapfile -t flags < <(flags_in "$1")
  ((${#flags[@]} > 0)) || echo "no flags were found"
  timeout 60 "$service" "${flags[@]}" --worker="$worker" --listen=127.0.0.1:0 --metrics_listen=127.0.0.1:0 \
    --working_dir="$directory/service" --session_drain_timeout=0 >"$directory/log" 2>&1 &
  pid=$!
  until [[ -s $directory/service/port.txt ]] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  kill -TERM "$pid" 2>/dev/null
  wait "$pid" || code=$?
  ((code == 0)) || cat "$directory/log"
  rm -rf "$directory/service"
}
for file in "$unit" "$pods" "$compose" "$image"; do
  report "the service starts with the flags of $file" "$(try_flags_in "$file")"
done

# The flag `$2` in the file `$1`, as "5m" or "10s", in seconds.
seconds_of() {
  local -r value=$(grep -oE -- "--$2=[0-9]+[ms]" "$1" | cut -d = -f 2)
  case $value in
    *m) echo $((${value%m} * 60)) ;;
    *s) echo "${value%s}" ;;
    *) echo 1000000 ;;
  esac
}
report "there is time to drain before the service is killed" "$(
  while read -r file setting; do
    given=$(grep -oE "${setting}[0-9]+" "$file" | grep -oE '[0-9]+$')
    needed=$(($(seconds_of "$file" session_drain_timeout) + $(seconds_of "$file" drain_timeout)))
    ((${given:-0} >= needed + 10)) ||
      echo "$file: ${setting}${given:-} is less than 10 s more than a drain, $needed s"
  done <<END
$unit TimeoutStopSec=
$pods terminationGracePeriodSeconds:[ ]
$compose stop_grace_period:[ ]
END
)"

# ---- systemd ----

# As it is, but for the binary, which is not installed here.
sed "s,^ExecStart=[^ ]*,ExecStart=$(realpath "$service")," "$unit" >"$directory/holdfast.service"
report "systemd-analyze verify" "$(
  complaint_of systemd-analyze verify --recursive-errors=no "$directory/holdfast.service"
)"
sed 's/^KillMode=/KillMod=/' "$directory/holdfast.service" >"$directory/misspelt.service"
report "systemd-analyze verify finds what is misspelt" "$(
  found=$(systemd-analyze verify --recursive-errors=no "$directory/misspelt.service" 2>&1)
  [[ $found == *"Unknown key 'KillMod'"* ]] || echo "$found"
)"
# From 0, for no access to anything, to 10; ten times as much for --threshold.
exposure=$(systemd-analyze security --offline=true --threshold=20 "$unit" 2>&1)
code=$?
report "systemd-analyze security: $(grep -o 'Overall exposure.*: [0-9.]*' <<<"$exposure")" "$(
  ((code == 0)) || grep -v '^✓' <<<"$exposure"
)"

# ---- Kubernetes ----

readonly tools=$PWD/.cache/kubernetes
install_validator() {
  local -r state=$(cat deploy/kubernetes/validate/* | sha256sum)
  [[ $(cat "$tools/state" 2>/dev/null) == "$state" ]] && return
  rm -rf "$tools" && mkdir -p "$tools" && cp deploy/kubernetes/validate/* "$tools" &&
    npm ci --prefix "$tools" --no-audit --no-fund --ignore-scripts && echo "$state" >"$tools/state"
}
validate() { node "$tools/validate.js"; }
check_references() { node "$tools/references.js"; }

install_validator >"$directory/log" 2>&1 || report "npm ci" "$(<"$directory/log")"
for folder in deploy/kubernetes deploy/kubernetes/{balancer,monitoring}; do
  objects=$directory/$(basename "$folder").yaml
  report "kubectl kustomize $folder" "$(kubectl kustomize "$folder" 2>&1 >"$objects")"
  { cat "$objects" && echo ---; } >>"$directory/all.yaml"
done
deploy/kubernetes/monitoring/prometheus_rule.sh >>"$directory/all.yaml"
found=$(validate <"$directory/all.yaml" 2>&1)
code=$?
report "$(wc -l <<<"$found") Kubernetes objects are valid" "$( ((code == 0)) || echo "$found")"

# Each in an object of its own, for one that has no model is not looked at further.
sed 's/sessionAffinityConfig:/sessionAffinityConfig_:/; s/replicas: .*/replicas: some/; /maxReplicas:/d' \
  "$directory/all.yaml" >"$directory/wrong.yaml"
report "what is misspelt, wrong or missing in Kubernetes objects is found" "$(
  found=$(validate <"$directory/wrong.yaml" 2>&1)
  for field in sessionAffinityConfig_ replicas maxReplicas; do
    [[ $found == *"$field"* ]] || printf '%s\n%s is not found\n' "$found" "$field"
  done
)"

report "Kubernetes objects fit together, and only clients and balancers get to the fronts" "$(
  check_references <"$directory/all.yaml" 2>&1 || echo "references.js fails"
)"
# Each mistake by itself: what is looked for, and how it is made.
report "what does not fit together is found" "$(
  while IFS='|' read -r message mistake; do
    found=$(sed "$mistake" "$directory/all.yaml" | check_references 2>&1)
    [[ $found == *"$message"* ]] || printf '%s\n%s is not found\n' "$found" "$mistake"
  done <<'END'
no such Namespace|/^kind: Namespace/,/^---/s/name: .*/name: other/
not "restricted"|0,/runAsNonRoot:/s/runAsNonRoot: true/runAsNonRoot: false/
no port metric|s/targetPort: metrics/targetPort: metric/
lets no balancer|/^kind: Deployment/,/^---/s/holdfast-balancer: "true"/other: "true"/
lets anybody|s/holdfast-client: "true"/{}/
fronts' names|/FRONTS_DOMAIN/,/value/s/holdfast-fronts/holdfast-front/
the fronts|s/maxReplicas: .*/maxReplicas: 13/
END
)"

# ---- HAProxy ----

# Also with warnings, as of a machine without DNS.
check_haproxy() {
  local found
  found=$(env "${@:2}" haproxy -c -f "$1" 2>&1) || echo "$found"
}
readonly balancer=deploy/haproxy/haproxy.cfg
sed -n '/^  haproxy.cfg: |/,/^kind:/{/^  haproxy.cfg\|^kind:/d; s/^    //; p}' \
  "$directory/balancer.yaml" >"$directory/haproxy.cfg"
report "haproxy -c, with addresses" "$(
  check_haproxy "$balancer" FRONT_0=127.0.0.1 FRONT_1=127.0.0.2 FRONT_2=127.0.0.3
)"
report "haproxy -c, with names, as the ConfigMap has it" "$(
  domain=$(sed -n '/FRONTS_DOMAIN/,/value:/s/.*value: //p' "$directory/balancer.yaml")
  check_haproxy "$directory/haproxy.cfg" FRONTS_DOMAIN="$domain"
  diff "$directory/haproxy.cfg" "$balancer"
)"
report "HAProxy keeps connections for as long as the service keeps idle sessions" "$(
  idle=$(sed -nE 's/^\| `--session_idle_timeout` \| `([^`]+)` .*/\1/p' deploy/REFERENCE.md)
  for side in client server; do
    grep -qx "    timeout $side ${idle:-unknown}" "$balancer" || echo "not timeout $side $idle"
  done
)"
sed 's/use-server/use-servers/' "$balancer" >"$directory/misspelt.cfg"
report "haproxy -c finds what is misspelt" "$(
  found=$(check_haproxy "$directory/misspelt.cfg")
  [[ $found == *"unknown keyword 'use-servers'"* ]] || echo "$found"
)"

# ---- Compose ----

report "docker-compose config" "$(complaint_of docker-compose -f "$compose" config)"
sed 's/read_only:/read_onli:/' "$compose" >"$directory/compose.yaml"
report "docker-compose config finds what is misspelt" "$(
  found=$(docker-compose -f "$directory/compose.yaml" config 2>&1)
  [[ $found == *read_onli* ]] || echo "$found"
)"
report "what the Compose file mounts is there" "$(
  cd deploy/compose || exit
  sed -nE 's/^ *- (\.[^:]*):.*/\1/p' compose.yaml | while read -r path; do
    [[ -f $path ]] || echo "$path is not"
  done
)"

exit $((failures > 0))
