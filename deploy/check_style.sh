#!/usr/bin/env bash
# Checks the style of all source files: one line per check, "PASS style: ..." or "FAIL style: ...",
# the latter after what is wrong. Exits 1 if a check fails.
#
# clang-tidy takes a second per file. A file that passed is not looked at again until it, a header of
# ours that it includes, a .proto file or the configuration changes: .cache/tidy/ has a file for each
# such state, named after its hash. It may be deleted at any time.
# shellcheck disable=SC2016,SC2317  # Functions and arguments for xargs.
# shellcheck disable=SC2046,SC2086,SC2089,SC2090  # No name of ours, and no compiler flag, has a space.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly max_lines=500
failures=0

# All files of the given name patterns, without what Bazel and the caches made.
find_files() {
  local names=() pattern
  for pattern in "$@"; do names+=(-o -name "$pattern"); done
  find . -name .git -prune -o -name .cache -prune -o -path './bazel-*' -prune -o \
    -type f \( "${names[@]:1}" \) -printf '%P\n' | sort
}

# Reports the check `$1`; it failed if there is any output in `$2`.
report() {
  if [[ -z $2 ]]; then
    echo "PASS style: $1"
  else
    printf '%s\nFAIL style: %s\n' "$2" "$1"
    failures=$((failures + 1))
  fi
}

mapfile -t headers < <(find_files '*.h')
mapfile -t sources < <(find_files '*.cc')
mapfile -t protos < <(find_files '*.proto')
mapfile -t others < <(find_files '*.sh' '*.py' '*.bzl' '*.bazel' 'WORKSPACE' '.bazelrc')
code=("${headers[@]}" "${sources[@]}" "${protos[@]}")

report "clang-format" "$(clang-format --dry-run -Werror "${code[@]}" 2>&1)"

report "no tabs" "$(grep -Hn $'\t' "${code[@]}" "${others[@]}")"

report "no trailing space" "$(grep -HnE '[[:space:]]+$' "${code[@]}" "${others[@]}")"

report "at most $max_lines lines" "$(
  wc -l "${code[@]}" "${others[@]}" |
    awk -v max=$max_lines '$2 != "total" && $1 > max { print $2 ": " $1 " lines" }'
)"

report "include guards" "$(
  for header in "${headers[@]}"; do
    guard=HOLDFAST_$(tr 'a-z/.-' 'A-Z___' <<<"$header")_
    found=$(grep -xE "#(ifndef|define|endif  //) $guard" "$header" | cut -d ' ' -f 1 | tr -d '\n')
    [[ $found == "#ifndef#define#endif" ]] || echo "$header: the include guard must be $guard"
  done
)"

# ---- clang-tidy ----

# Headers that are not ours, generated ones too, are "system" headers: no warnings out of them.
readonly common_flags='-std=c++17 -I. -isystem bazel-bin -DHOLDFAST_CLANG="clang-19"'
readonly own_flags="$common_flags -isystem /usr/lib/llvm-19/include"
export flags="$own_flags -include-pch .cache/tidy/system_headers.pch"
export plugin_flags="$common_flags -fno-rtti -isystem /usr/lib/llvm-14/include"

# Prints the file `$1` and the files of ours that it includes, directly or not.
with_own_includes() {
  local -A seen=()
  local queue=("$1") file include
  while ((${#queue[@]} > 0)); do
    file=${queue[-1]}
    unset 'queue[-1]'
    [[ ! -f $file || -v seen[$file] ]] && continue
    seen[$file]=1
    while read -r include; do
      queue+=("$include")
    done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
  done
  printf '%s\n' "${!seen[@]}" | sort
}
export -f with_own_includes

tidy_one() {
  local hash passed output
  [[ $1 == "$plugin_source" ]] && flags=$plugin_flags
  hash=$(cat <(echo "$tidy_setup") $(with_own_includes "$1") | sha256sum | cut -d ' ' -f 1)
  passed=.cache/tidy/$hash
  [[ -e $passed ]] && return
  if output=$(timeout 300 clang-tidy-14 "--load=$plugin" --quiet \
    "--header-filter=/(common|frontend|tests|worker)/" "$1" -- $flags 2>&1); then
    touch "$passed"
  else
    grep -v ' warnings generated' <<<"$1: clang-tidy fails or takes too long"$'\n'"$output"
  fi
}
export -f tidy_one

export plugin_source=deploy/tidy/own_code_only.cc
export plugin=.cache/tidy/own_code_only.so
tidy_setup=$(
  clang-tidy-14 --version
  declare -f tidy_one
  echo "$flags"
  cat .clang-tidy deploy/tidy/* "${protos[@]}"
)
export tidy_setup

mkdir -p .cache/tidy
if [[ ! -e bazel-bin/proto/compiler_gym_service.pb.h ]]; then
  bazel build --ui_event_filters=-info //proto/... || exit 1
fi
if [[ ! $plugin -nt $plugin_source ]]; then
  clang-14 $plugin_flags -shared -fPIC "$plugin_source" -o "$plugin" || exit 1
fi
clang-14 $own_flags -x c++-header -fpch-instantiate-templates deploy/tidy/system_headers.h \
  -o .cache/tidy/system_headers.pch || exit 1

# The plugin hides system headers; what is ours it must not hide.
mkdir -p .cache/common
echo 'struct Header { Header(int); };' >.cache/common/bad.h
printf '%s\n' '#include "bad.h"' 'struct Source { Source(int); };' >.cache/common/bad.cc
report "clang-tidy finds what is bad" "$(
  found=$(tidy_one .cache/common/bad.cc | grep -c 'google-explicit-constructor')
  ((found == 2)) || echo "clang-tidy finds $found of the 2 bad constructors in .cache/common/"
)"

report "clang-tidy" "$(
  printf '%s\0' "${sources[@]}" |
    xargs -0 -n 1 -P "$(nproc)" bash -c 'tidy_one "$0"'
)"

exit $((failures > 0))
