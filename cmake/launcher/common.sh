# shellcheck shell=bash
# Messages and small questions about the machine. What the launcher itself says goes to stderr, so that the output of
# the program can be piped on.

# shellcheck disable=SC2034  # read by the files that source this one
if [[ -t 2 ]]; then
  BOLD=$'\033[1m' RED=$'\033[31m' YELLOW=$'\033[33m' PLAIN=$'\033[0m' CLEAR=$'\r\033[K'
else
  BOLD='' RED='' YELLOW='' PLAIN='' CLEAR=''
fi

say() { printf '%s\n' "$*" >&2; }
heading() { printf '%s%s%s\n' "$BOLD" "$*" "$PLAIN" >&2; }
warn() { printf '%s%s%s\n' "$YELLOW" "$*" "$PLAIN" >&2; }
die() {
  printf '%ssecateur: %s%s\n' "$RED" "$*" "$PLAIN" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# 75 -> 1:15
minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# True if version $1 is at least $2.
at_least() { [[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

yes_by_environment() { [[ ${CI:-} == true || ${CI:-} == 1 || ${SECATEUR_YES:-} == 1 ]]; }

# The folder of oneDNN, and of CMake where the system's is too old.
deps_folder() { printf '%s' "${SECATEUR_DEPS:-$ROOT/.deps}"; }

system_name() {
  local name=''
  # shellcheck source=/dev/null
  [[ -r /etc/os-release ]] && name="$(. /etc/os-release && printf '%s' "${PRETTY_NAME:-}")"
  printf '%s' "${name:-$(uname -sr)}"
}

# The one system that this was tried on.
is_debian_12() {
  # shellcheck source=/dev/null
  [[ -r /etc/os-release ]] && (. /etc/os-release && [[ ${ID:-} == debian && ${VERSION_ID:-} == 12 ]])
}

# Compilers at once: all cores, but no more than one for each 1.5 GB of memory.
parallel_jobs() {
  local cores kilobytes by_memory
  if [[ -n ${SECATEUR_JOBS:-} ]]; then
    printf '%s' "$SECATEUR_JOBS"
    return
  fi
  cores="$(nproc 2>/dev/null || echo 2)"
  kilobytes="$(awk '/^MemAvailable/ {print $2}' /proc/meminfo 2>/dev/null || true)"
  by_memory=$((${kilobytes:-4000000} / 1500000))
  ((by_memory > 0)) || by_memory=1
  printf '%s' "$((cores < by_memory ? cores : by_memory))"
}

find_nvcc() {
  local candidate
  for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" \
    /usr/local/cuda/bin/nvcc; do
    if [[ -n $candidate && -x $candidate ]]; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  return 1
}

find_cudnn_header() {
  local nvcc toolkit='' candidate
  nvcc="$(find_nvcc)" && toolkit="$(dirname "$(dirname "$(readlink -f "$nvcc")")")"
  for candidate in "${CUDNN_ROOT:-/nonexistent}/include" "$toolkit/include" "$toolkit/targets/x86_64-linux/include" \
    /usr/include /usr/include/x86_64-linux-gnu /usr/local/include; do
    if [[ -r $candidate/cudnn_version.h ]]; then
      printf '%s' "$candidate/cudnn_version.h"
      return 0
    fi
  done
  return 1
}

has_gpu() { have nvidia-smi && nvidia-smi -L 2>/dev/null | grep -q '^GPU '; }
