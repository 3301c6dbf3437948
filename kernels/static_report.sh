#!/usr/bin/env bash
# What the compiler made of each kernel, without a GPU: registers, spills, stack and shared memory for sm_80, sm_86 and
# sm_90, and how many 16-byte global loads and tensor-core instructions its PTX holds.
#
#   kernels/static_report.sh [--table FILE] [source.cu ...]
#
# Prints (or writes) a Markdown table. Fails where a kernel spills, keeps a stack frame, or needs more registers or
# static shared memory than the bounds below, or where tensor-core code has no tensor-core instruction.
set -euo pipefail

max_registers=128         # two blocks of 256 threads a multiprocessor
max_shared=$((24 * 1024))
architectures="80 86 90"

root="$(cd "$(dirname "$0")" && pwd)"
table=/dev/stdout
if [[ "${1:-}" == "--table" ]]; then
  table="$2"
  shift 2
fi
sources=("$@")
[[ ${#sources[@]} -gt 0 ]] || sources=("$root"/src/*.cu)
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

flags=()
for architecture in $architectures; do
  flags+=(-gencode "arch=compute_$architecture,code=sm_$architecture")
done
for source in "${sources[@]}"; do
  name="$(basename "$source" .cu)"
  nvcc -std=c++20 "${flags[@]}" -I"$root/include" -I"$root/src" -c "$source" -o "$work/$name.o" -Xptxas -v \
    2> "$work/$name.log"
  nvcc -std=c++20 -arch=compute_90 -I"$root/include" -I"$root/src" -ptx "$source" -o "$work/$name.ptx"
done

# One line a kernel and architecture out of ptxas's report: name, file, architecture, registers, shared, stack, spills.
for log in "$work"/*.log; do
  c++filt < "$log" | awk -v file="$(basename "$log" .log)" '
    /Compiling entry function/ {
      match($0, /for .sm_[0-9]+/); architecture = substr($0, RSTART + 5, RLENGTH - 5)
      match($0, /function .[^(]*(\(anonymous namespace\)[^(]*)?/); kernel = substr($0, RSTART + 10, RLENGTH - 10)
      gsub(/secateur::kernels::|\(anonymous namespace\)::|void |__nv_|__/, "", kernel); gsub(/ /, "", kernel)
    }
    /bytes stack frame/ { stack = $1; spills = $5 + $9 }
    /Used [0-9]+ registers/ {
      match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5); shared = 0
      if (match($0, /[0-9]+ bytes smem/)) shared = substr($0, RSTART, RLENGTH) + 0
      print kernel, file, architecture, registers, shared, stack, spills
    }'
done | sort > "$work/kernels.txt"

{
  echo "| kernel | architecture | registers | static shared bytes | stack bytes | spilled bytes |"
  echo "|---|---|---|---|---|---|"
  awk '{ printf "| %s | %s | %s | %s | %s | %s |\n", $1, $3, $4, $5, $6, $7 }' "$work/kernels.txt"
  echo
  echo "| source | 16-byte global loads in PTX | 16-byte global stores | tensor-core instructions |"
  echo "|---|---|---|---|"
  for ptx in "$work"/*.ptx; do
    printf '| %s | %s | %s | %s |\n' "$(basename "$ptx" .ptx)" \
      "$(grep -cE 'ld\.global(\.nc)?\.v4\.[bfsu]32' "$ptx" || true)" \
      "$(grep -cE 'st\.global\.v4\.[bfsu]32' "$ptx" || true)" \
      "$(grep -cE 'wmma\.mma|mma\.sync' "$ptx" || true)"
  done
} > "$table"

awk -v registers="$max_registers" -v shared="$max_shared" '
  $4 > registers { print $1 " (" $3 ") needs " $4 " registers"; bad = 1 }
  $5 > shared { print $1 " (" $3 ") needs " $5 " bytes of static shared memory"; bad = 1 }
  $6 > 0 || $7 > 0 { print $1 " (" $3 ") has a stack frame of " $6 " bytes and spills " $7 " bytes"; bad = 1 }
  END { if (NR == 0) { print "no kernel found"; bad = 1 } exit bad }' "$work/kernels.txt" >&2
if [[ -e "$work/pairwise_correlation.ptx" ]] && ! grep -qE 'wmma\.mma|mma\.sync' "$work/pairwise_correlation.ptx"; then
  echo "pairwise_correlation holds no tensor-core instruction" >&2
  exit 1
fi
