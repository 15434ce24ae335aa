#!/usr/bin/env bash
# Installs the Debian 12 packages that Holdfast builds and runs with; with --tests or --bench, those
# that only the tests or the benchmarks need, too.
#
# Idempotent: asks dpkg first, and touches the network only if something is missing.
set -euo pipefail

packages=(
  # Build: compiler, Bazel and the rule sets that WORKSPACE refers to.
  g++ python3 bazel-bootstrap bazel-platforms bazel-rules-java bazel-rules-proto bazel-skylib
  # Libraries. LLVM's static archives need the last four to link.
  libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc libabsl-dev libuv1-dev
  prometheus-cpp-dev libcivetweb-dev libspdlog-dev libgtest-dev libgmock-dev
  nlohmann-json3-dev pkg-config
  llvm-19-dev libzstd-dev libz3-dev libxml2-dev zlib1g-dev
  # Run time: clang-19 turns C benchmarks into bitcode; the demo shows metrics with curl.
  clang-19 curl
)
if [[ ${1:-} == --tests ]]; then
  # Style checks, sanitizers, Prometheus and its tools, opt-19, programs to hunt for crashes with; a
  # browser, a balancer, networks and names of their own.
  packages+=(
    clang-format clang-tidy-14 libclang-14-dev llvm-14-dev clang-14 libclang-rt-14-dev prometheus
    prometheus-alertmanager llvm-19 csmith libcsmith-dev chromium haproxy iproute2 dnsmasq-base
    # deploy/test_manifests.sh: systemd-analyze, docker-compose, kubectl, npm.
    systemd docker-compose
  )
  # Wherever these came from.
  command -v kubectl >/dev/null || packages+=(kubernetes-client)
  command -v npm >/dev/null || packages+=(nodejs npm)
fi
if [[ ${1:-} == --bench ]]; then
  packages+=(python3-matplotlib)
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
  [[ $status == ii* ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

sudo=()
if ((EUID != 0)); then
  sudo=(sudo)
fi
echo "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q
"${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
