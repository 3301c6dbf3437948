# shellcheck shell=bash
# Configures and builds a preset, with a line of progress on a terminal and a few plain lines elsewhere.

PRESETS=(cpu cuda cuda-release asan tsan coverage)

check_preset() {
  local preset
  for preset in "${PRESETS[@]}"; do [[ $preset == "$1" ]] && return 0; done
  die "no preset $1; there are: ${PRESETS[*]}"
}

# cuda-release where a GPU, nvcc and cuDNN are all there; SECATEUR_PRESET overrides.
default_preset() {
  if [[ -n ${SECATEUR_PRESET:-} ]]; then
    check_preset "$SECATEUR_PRESET"
    printf '%s' "$SECATEUR_PRESET"
  elif [[ -e /dev/nvidiactl || -e /dev/dxg ]] && find_nvcc >/dev/null && find_cudnn_header >/dev/null &&
    { [[ -x $ROOT/build/cuda-release/bin/secateur ]] || has_gpu; }; then
    # nvidia-smi can take seconds; a build that is there shows that it was asked before.
    printf 'cuda-release'
  else
    printf 'cpu'
  fi
}

# Runs cmake if the preset is not configured yet, or was configured for another copy of the tree.
configure() {
  local preset="$1" folder="$ROOT/build/$1" log="$ROOT/build/$1/configure.log" home options=()
  if [[ -r $folder/CMakeCache.txt ]]; then
    home="$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt")"
    [[ $home == "$ROOT" && -r $folder/build.ninja ]] && return 0
    rm -rf "$folder/CMakeCache.txt" "$folder/CMakeFiles"
  fi
  mkdir -p "$folder"
  [[ -n ${SECATEUR_DEPS:-} ]] && options+=("-DSECATEUR_DEPS=$SECATEUR_DEPS")
  [[ -n ${DNNL_DIR:-} ]] && options+=("-DDNNL_DIR=$DNNL_DIR")
  # Compilers that this was not tried with know new warnings; they must not keep a user from building.
  is_debian_12 || options+=(-DSECATEUR_WERROR=OFF)
  say "Configuring the $preset build ..."
  if ! (cd "$ROOT" && cmake --preset "$preset" "${options[@]}") >"$log" 2>&1; then
    sed -n '/CMake Error/,$p' "$log" | head -n 30 >&2
    rm -f "$folder/CMakeCache.txt"
    die "configuring failed; the whole log is build/$preset/configure.log"
  fi
}

# build_targets PRESET [TARGET...]: configure and build; exits with the errors shown if that fails.
build_targets() {
  try_build "$@" && return 0
  exit 1
}

# The same, but returns 1 on failure.
try_build() {
  local preset="$1" folder="$ROOT/build/$1" log="$ROOT/build/$1/build.log" jobs status=0 started=$SECONDS
  shift
  configure "$preset"
  jobs="$(parallel_jobs)"
  trap 'printf "%s" "$CLEAR" >&2; say "Interrupted. The next build goes on from here."; exit 130' INT
  # One build at a time in a folder: a second launcher waits for the first.
  exec 9>"$folder/.lock"
  if have flock && ! flock --nonblock 9; then
    say "Another build of $preset is running; waiting for it ..."
    flock 9
  fi
  ninja -C "$folder" -j "$jobs" -k 0 "$@" 9>&- 2>&1 | show_progress "$preset" "$log" "$jobs" || status=$?
  exec 9>&-
  trap - INT
  if ((status != 0)); then
    say "Building $preset failed after $(minutes $((SECONDS - started))):"
    show_errors "$log"
    say "The whole log is build/$preset/build.log"
    return 1
  fi
}

# Compiler errors with the lines after them, or else the end of the log.
show_errors() {
  if grep -q -E '^FAILED: |error:' "$1"; then
    grep -E -A 6 'error:|undefined (reference|symbol)' "$1" | head -n 40 >&2
    grep '^FAILED: ' "$1" | head -n 10 >&2
  else
    tail -n 30 "$1" >&2
  fi
}

# Reads what ninja says, writes it to a log, shows where it stands. "[12/140] Building CXX object ..." is a step.
show_progress() {
  local preset="$1" log="$2" jobs="$3" line started=$SECONDS last=-1000 total=0 columns
  local line_before='' worked=no
  columns="$( (tput cols || echo 80) 2>/dev/null)"
  : >"$log"
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    line_before="$line"
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*)$ ]] || continue
    if ((BASH_REMATCH[2] > total)); then
      ((total >= 20)) || announce_build "$preset" "${BASH_REMATCH[2]}" "$jobs"
      total=${BASH_REMATCH[2]}
    fi
    # Looking up the commit and copying are nothing to talk about.
    [[ ${BASH_REMATCH[3]} == @(Building|Linking)* ]] || continue
    worked=yes
    line="[${BASH_REMATCH[1]}/$total] $(minutes $((SECONDS - started))) $(shorten_step "${BASH_REMATCH[3]}")"
    if [[ -t 2 ]]; then
      printf '%s%s' "$CLEAR" "${line:0:columns-1}" >&2
    elif ((SECONDS - last >= 30)); then
      say "  $line"
      last=$SECONDS
    fi
  done
  [[ $worked == no ]] || printf '%s' "$CLEAR" >&2
  # ninja's last words tell whether it reached the end.
  [[ $worked == no || $line_before == *"ninja: "* ]] || say "Built $preset in $(minutes $((SECONDS - started)))"
}

# About how long: a step was seen to take 2 to 3 seconds of one core, most of them for reading standard headers.
announce_build() {
  local preset="$1" steps="$2" jobs="$3" seconds
  ((steps >= 20)) || return 0
  seconds=$((steps * 3 / jobs))
  say "Building $preset: $steps steps, $jobs at once; the first time about $((seconds / 60 + 1)) min, later seconds."
}

# "Building CXX object engine/CMakeFiles/secateur_engine.dir/core/shape.cpp.o" -> "compiling core/shape.cpp"
shorten_step() {
  local step="$1"
  case "$step" in
    Building*object*) step="compiling ${step##*.dir/}" && printf '%s' "${step%.o}" ;;
    Linking*) printf 'linking %s' "${step##* }" ;;
    *) printf '%s' "$step" ;;
  esac
}
