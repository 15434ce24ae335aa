# For tests that run containers with podman, from the repository's root; to be sourced. Needs root or
# sudo, on Debian 12.
#
# All is in a store of its own, for what else the machine has in images and containers is not ours:
# below $STORAGE, which is kept, so that unchanged stages are not built again, or in a fresh directory,
# which is removed. $BASE_IMAGE is the base of all images, as the Dockerfile says; by default one is
# made of the machine's own Debian mirror, so that no image is pulled.
# shellcheck shell=bash disable=SC2016,SC2317  # Arguments for others; functions that others call.

passed=0
failed=0
directory=$(mktemp -d)
storage=$(realpath -m "${STORAGE:-$directory/storage}")
base=${BASE_IMAGE:-localhost/debian:bookworm-slim}
readonly directory storage base

# runc and cgroupfs: crun and systemd want more of a machine than many CI machines have.
cat >"$directory/containers.conf" <<'END'
[containers]
default_ulimits=["nofile=16384:16384","nproc=32768:32768"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[network]
network_backend="netavark"
END

as_root=(env CONTAINERS_CONF="$directory/containers.conf" DEBIAN_FRONTEND=noninteractive)
if ((EUID != 0)); then as_root=(sudo "${as_root[@]}"); fi
readonly as_root

podman() {
  "${as_root[@]}" podman --root "$storage/images" --runroot "$storage/run" \
    --network-config-dir "$storage/networks" "$@"
}

clean_up() {
  podman rm --all --force --time 0 >/dev/null 2>&1
  if [[ -z ${STORAGE:-} ]]; then podman rmi --all --force >/dev/null 2>&1; fi
  # What an interrupted build has mounted.
  findmnt --raw --noheadings --output TARGET | grep "^$storage/" | sort -r |
    "${as_root[@]}" xargs --no-run-if-empty umount --lazy
  "${as_root[@]}" rm -rf "$directory"
}
trap clean_up EXIT

# Reports the check `$1` of the kind $kind; it failed if there is any output in `$2`.
report() {
  if [[ -z $2 ]]; then
    echo "PASS ${kind:?}: $1"
    passed=$((passed + 1))
  else
    printf '%s\nFAIL %s: %s\n' "$2" "${kind:?}" "$1"
    failed=$((failed + 1))
  fi
}

finish() {
  echo "$passed passed, $failed failed"
  exit $((failed > 0))
}

# Nothing more can be said: the check `$1` failed, for the reason `$2`.
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

# Installs podman and the packages "$@".
install_tools() {
  local missing=() package
  for package in podman buildah catatonit runc netavark aardvark-dns iptables mmdebstrap "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] ||
      missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  "${as_root[@]}" apt-get update -q &&
    "${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# A slim Debian 12, like the image of that name: without documentation, and quick to install into.
make_base() {
  local sources include=usr-is-merged
  sources=$(apt-get indextargets --format 'deb $(SITE) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | grep ' bookworm' | sort -u)
  if [[ -z $sources ]]; then
    echo "apt knows of no source of Debian 12: run apt-get update" >&2
    return 1
  fi
  if [[ $sources == *https://* ]]; then include+=,ca-certificates; fi
  # Merged from the start: or a package does that, which brings all of Perl.
  "${as_root[@]}" mmdebstrap --quiet --variant=minbase --include="$include" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --dpkgopt=force-unsafe-io \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
    --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/locale/* "$1"/usr/share/man/*' \
    --customize-hook='printf "path-exclude=/usr/share/%s/*\n" doc info locale man \
      >"$1/etc/dpkg/dpkg.cfg.d/slim"' \
    bookworm "$directory/base.tar" <<<"$sources" &&
    podman import --change 'CMD ["bash"]' "$directory/base.tar" "$base" &&
    rm "$directory/base.tar"
}

# Installs podman and the packages "$@", and makes a base. Ends the test if it cannot.
prepare() {
  install_tools "$@" >"$directory/log" 2>&1 || give_up "install podman" "$(<"$directory/log")"
  if [[ -n ${BASE_IMAGE:-} ]] || podman image exists "$base"; then return; fi
  echo "Making a base image ..."
  make_base >"$directory/log" 2>&1 || give_up "make a base image" "$(tail -n 20 "$directory/log")"
}
