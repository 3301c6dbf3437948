# shellcheck shell=bash
# What Secateur needs from the system, how its presence is seen, and how it is installed.

# Debian package | what shows that it is there | what it is for
# A path may hold * ; a name without / is a command. Several are separated by spaces: any one of them will do.
NEEDED=(
  "g++|g++ ${CXX:-c++}|C++20 compiler (GCC 12 or newer)"
  "cmake|cmake|build system (3.24 or newer; else taken from PyPI)"
  "ninja-build|ninja|build tool"
  "ccache|ccache|compiler cache: later builds take seconds"
  "python3|python3|unpacks oneDNN, sums up test results"
  "libhdf5-dev|hdf5.h hdf5/serial/hdf5.h|HDF5: checkpoints"
  "libfmt-dev|fmt/format.h|fmt: formatted text"
  "libcli11-dev|CLI/CLI.hpp|CLI11: the command line"
  "libtomlplusplus-dev|toml++/toml.h|toml++: recipes"
  "nlohmann-json3-dev|nlohmann/json.hpp|JSON: run logs and --json"
  "libjpeg-dev|jpeglib.h|libjpeg-turbo: JPEG images"
  "libpng-dev|png.h|libpng: PNG images"
  "zlib1g-dev|zlib.h|zlib: compressed variables of MATLAB files"
  "libxxhash-dev|xxhash.h|xxHash: checksums"
  "libgtest-dev|gtest/gtest.h|GoogleTest: the tests"
  "libbenchmark-dev|benchmark/benchmark.h|Google Benchmark: measurements of the operations"
)
NEEDED_FOR_TESTS=(
  "clang-format|clang-format|checks the formatting"
  "clang-tidy|clang-tidy|static analysis"
  "cppcheck|cppcheck|static analysis that looks for other mistakes"
  "doxygen|doxygen|makes the reference of the public headers"
  "libopenmpi-dev|mpicc mpi.h x86_64-linux-gnu/mpi/mpi.h|MPI: training in several processes (left out where it is missing)"
  "openmpi-bin|mpirun|starts several processes (tests of MPI say SKIPPED without it)"
)
# Named by setup, installed with --all. Nothing fails without them.
OPTIONAL=(
  "mold|mold|links several times faster"
  "git|git|the commit in version and checkpoints"
  "gcovr|gcovr|the table of ./secateur test --preset coverage"
  "librsvg2-bin|rsvg-convert|figures of the experiments as PNG beside SVG"
)

MINIMUM_CMAKE=3.24

# True if one of the probes of a table line finds something.
is_present() {
  local probe folder folders
  # The last ones: where the user points the compiler.
  IFS=: read -r -a folders <<<"/usr/include:/usr/local/include:/usr/include/x86_64-linux-gnu:${CONDA_PREFIX:-/usr}/include:${CPATH:-}:${CPLUS_INCLUDE_PATH:-}"
  for probe in $1; do
    if [[ $probe == *.h || $probe == *.hpp ]]; then
      for folder in "${folders[@]}"; do
        [[ -n $folder && -e $folder/$probe ]] && return 0
      done
    elif have "$probe"; then
      return 0
    fi
  done
  return 1
}

# Prints the table lines of which nothing is there.
missing_of() {
  local line probes
  for line in "$@"; do
    probes="${line#*|}"
    is_present "${probes%%|*}" || printf '%s\n' "$line"
  done
}

onednn_present() {
  [[ -r $(deps_folder)/onednn/lib/cmake/dnnl/dnnl-config.cmake || -n ${DNNL_DIR:-} ]]
}

# Needed by one test of the cuda build only, which says SKIPPED without them.
cuda_tools_present() {
  local nvcc
  nvcc="$(find_nvcc)" || return 0
  [[ -x $(dirname "$nvcc")/cuobjdump && -x $(dirname "$nvcc")/nvdisasm ]] ||
    { have cuobjdump && have nvdisasm; } || [[ -x $(deps_folder)/cuda-tools/bin/nvdisasm ]]
}

system_cmake_version() { cmake --version 2>/dev/null | awk 'NR == 1 {print $3}'; }

cmake_present() {
  [[ -x $(deps_folder)/cmake/bin/cmake ]] && return 0
  local version
  version="$(system_cmake_version)"
  [[ -n $version ]] && at_least "$version" "$MINIMUM_CMAKE"
}

# pip itself is needed only as long as something is to be fetched with it.
# A python3 of the user's own may lack it where Debian's, which python3-pip is for, has it.
find_pip_python() {
  local candidate
  for candidate in python3 /usr/bin/python3; do
    if have "$candidate" && "$candidate" -m pip --version >/dev/null 2>&1; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  return 1
}

# Sets MISSING to table lines. $1: tests, to look for the tools of ./secateur test as well; all: the optional parts too.
collect_missing() {
  local scope="${1:-}" table=("${NEEDED[@]}")
  if [[ $scope == tests || $scope == all ]]; then table+=("${NEEDED_FOR_TESTS[@]}"); fi
  if [[ $scope == all ]]; then table+=("${OPTIONAL[@]}"); fi
  mapfile -t MISSING < <(missing_of "${table[@]}")
  if ! { onednn_present && cmake_present; } && ! find_pip_python >/dev/null; then
    MISSING+=("python3-pip|pip|fetches what is taken from PyPI")
  fi
}

# Quick when nothing is missing: looks for some files and starts no process. Else runs setup, which asks.
ensure_setup() {
  collect_missing "${1:-}"
  if ((${#MISSING[@]} == 0)) && onednn_present && cmake_present && { [[ -z ${1:-} ]] || cuda_tools_present; }; then
    use_own_cmake
    return 0
  fi
  setup_missing no "${1:-}"
}

use_own_cmake() {
  local own
  own="$(deps_folder)/cmake/bin"
  if [[ -x $own/cmake ]]; then PATH="$own:$PATH"; fi
}

setup() {
  local yes=no scope=tests
  while (($# > 0)); do
    case "$1" in
      --yes | -y) yes=yes ;;
      --all) scope=all ;;
      *) die "setup knows --yes and --all, not $1" ;;
    esac
    shift
  done
  collect_missing "$scope"
  setup_missing "$yes" "$scope"
  say_optional_parts
  say "Everything that Secateur needs is there. Next: ./secateur demo"
}

# Says what is missing, asks, installs. Returns only if everything needed is there.
setup_missing() {
  local yes="$1" scope="$2" line packages=() from_pypi=()
  if yes_by_environment; then yes=yes; fi
  for line in "${MISSING[@]}"; do packages+=("${line%%|*}"); done
  onednn_present || from_pypi+=("oneDNN 3.2 (39 MB, into $(deps_folder)/onednn): the CPU's convolutions")
  if have cmake && ! cmake_present; then
    from_pypi+=("CMake 3.31 (27 MB, into $(deps_folder)/cmake): $(system_cmake_version) is older than $MINIMUM_CMAKE")
  fi
  if [[ $scope == tests || $scope == all ]] && ! cuda_tools_present; then
    from_pypi+=("cuobjdump and nvdisasm (5 MB, into $(deps_folder)/cuda-tools): checks the kernels' machine code")
  fi
  if ((${#packages[@]} + ${#from_pypi[@]} > 0)); then
    is_debian_12 || warn "Tried on Debian 12; untried on this system ($(system_name))."
    heading "Missing:"
    for line in "${MISSING[@]}"; do printf '  %-22s %s\n' "${line%%|*}" "${line##*|}" >&2; done
    for line in "${from_pypi[@]}"; do printf '  %-22s %s\n' "from PyPI:" "$line" >&2; done
    install_packages "$yes" "${packages[@]}"
    install_from_pypi "$yes" "$scope"
  fi
  use_own_cmake
  MISSING=()
}

# One line that a person may copy, for when we may not install.
install_line() {
  local sudo=''
  ((EUID == 0)) || sudo='sudo '
  printf '%sapt-get update && %sapt-get install -y --no-install-recommends %s' "$sudo" "$sudo" "$*"
}

confirm() {
  local answer
  [[ -t 0 ]] || return 1
  read -r -p "$1 [Y/n] " answer || return 1
  [[ -z $answer || $answer == [yY]* ]]
}

install_packages() {
  local yes="$1" sudo=()
  shift
  (($# > 0)) || return 0
  if ! have apt-get; then
    say "There is no apt-get here. Install what these Debian packages hold with your own package manager:"
    say "  $*"
    exit 1
  fi
  if ((EUID != 0)); then
    if ! have sudo || { [[ ! -t 0 ]] && ! sudo -n true 2>/dev/null; }; then
      say "Not allowed to install packages here. This line would install them:"
      say "  $(install_line "$@")"
      exit 1
    fi
    sudo=(sudo)
  fi
  if [[ $yes != yes ]] && ! confirm "Install them now with apt-get?"; then
    say "This line installs them:"
    say "  $(install_line "$@")"
    exit 1
  fi
  local log="$ROOT/build/setup.log"
  mkdir -p "$ROOT/build"
  say "Installing with apt-get (log: build/setup.log) ..."
  if ! { "${sudo[@]}" apt-get update &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "apt-get failed; the whole log is build/setup.log. The line was: $(install_line "$@")"
  fi
}

# Fetches pinned wheels, whose SHA-256 pip verifies, and unpacks them into the folder of dependencies.
install_from_pypi() {
  local yes="$1" scope="$2" cuda_tools=no
  if [[ $scope == tests || $scope == all ]] && ! cuda_tools_present; then cuda_tools=yes; fi
  if onednn_present && cmake_present && [[ $cuda_tools == no ]]; then return 0; fi
  if ! onednn_present && [[ $(uname -m) != x86_64 ]]; then
    die "oneDNN for GCC's OpenMP comes as a wheel for x86_64 only, and this is $(uname -m). Build oneDNN 3 with" \
      "DNNL_CPU_RUNTIME=OMP and set DNNL_DIR to the folder of its dnnl-config.cmake."
  fi
  if [[ $yes != yes ]] && ! confirm "Fetch it from PyPI now?"; then
    # Nothing but one test is lost without the tools.
    if onednn_present && cmake_present; then return 0; fi
    say "This line unpacks it: ./secateur setup --yes"
    exit 1
  fi
  onednn_present || fetch_wheels onednn "oneDNN 3.2"
  cmake_present || fetch_wheels cmake "CMake 3.31"
  if [[ $cuda_tools == yes ]]; then
    (fetch_wheels cuda-tools "cuobjdump and nvdisasm") || warn "Going on without them."
  fi
}

fetch_wheels() {
  local name="$1" title="$2" folder log="$ROOT/build/setup.log"
  folder="$(deps_folder)/$name"
  mkdir -p "$(deps_folder)" "$ROOT/build"
  say "Fetching $title from PyPI ..."
  if ! "$(find_pip_python)" "$LAUNCHER/fetch_wheels.py" "$LAUNCHER/$name.requirements" "$folder" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    die "could not fetch $title from PyPI (log: build/setup.log). Without a network: unpack the wheels named in" \
      "cmake/launcher/$name.requirements into $folder by hand"
  fi
}

say_optional_parts() {
  local line nvcc header
  local absent
  absent="$(missing_of "${OPTIONAL[@]}")"
  if [[ -n $absent ]]; then
    heading "Optional, not installed (./secateur setup --all installs them):"
    while IFS= read -r line; do printf '  %-22s %s\n' "${line%%|*}" "${line##*|}" >&2; done <<<"$absent"
  fi
  if ! nvcc="$(find_nvcc)"; then
    say "No CUDA toolkit (nvcc): Secateur is built for the CPU only. It can do everything there, but real training runs"
    say "take hours where a GPU takes minutes. Setup never installs CUDA: https://developer.nvidia.com/cuda-downloads"
  elif ! header="$(find_cudnn_header)"; then
    say "CUDA is there ($nvcc) but cuDNN 9 is not: the CUDA back end cannot be built. Set CUDNN_ROOT if it is elsewhere."
  elif ! has_gpu; then
    say "CUDA and cuDNN are there (${header%/*}), but no GPU: the CUDA back end can be built, not run."
  fi
}

doctor_before_build() {
  local line state probes nvcc
  heading "Secateur is not built yet; this is what the launcher sees (after a build, doctor says more)"
  printf '%-24s %s%s\n' "system" "$(system_name)" "$(is_debian_12 || printf ' (untried; Debian 12 was)')"
  printf '%-24s %s\n' "compiler" "$("${CXX:-c++}" --version 2>/dev/null | head -n 1 || echo missing)"
  printf '%-24s %s\n' "cmake" "$(system_cmake_version || true)"
  for line in "${NEEDED[@]}" "${NEEDED_FOR_TESTS[@]}" "${OPTIONAL[@]}"; do
    probes="${line#*|}"
    if is_present "${probes%%|*}"; then state=found; else state=missing; fi
    printf '%-24s %-8s %s\n' "${line%%|*}" "$state" "${line##*|}"
  done
  if onednn_present; then state=found; else state=missing; fi
  printf '%-24s %-8s %s\n' "oneDNN 3.2" "$state" "the CPU's convolutions (${DNNL_DIR:-$(deps_folder)/onednn})"
  if nvcc="$(find_nvcc)"; then
    printf '%-24s %s\n' "CUDA" "$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p') ($nvcc)"
  else
    printf '%-24s %s\n' "CUDA" "no nvcc: only the CPU back end can be built"
  fi
  printf '%-24s %s\n' "cuDNN" "$(find_cudnn_header || echo 'not found')"
  printf '%-24s %s\n' "GPU" "$(nvidia-smi -L 2>/dev/null | head -n 1 | grep . || echo 'none seen (nvidia-smi)')"
}
