# shellcheck shell=bash
# ./secateur test: builds, runs every test, checks formatting and the reference, runs cppcheck and clang-tidy, and adds it all up.
#
# Each part writes its counts into build/test-report/NN-name.json (by summarise.py, which prints the table at the end),
# so that a part that fails keeps none of the later ones from being run and counted.

test_usage() {
  cat <<'TEXT'
./secateur test [--quick] [--only PATTERN] [--no-cuda] [--preset PRESET] [--gpu]

  --quick           unit and kernel tests of the cpu build, the formatting and the reference; nothing else
  --only PATTERN    only tests whose name contains PATTERN (GoogleTest's wildcards * and ? may be used); nothing else
  --no-cuda         leave out the build with CUDA and its tests
  --preset PRESET   build and run every test of one preset (asan, say); nothing else. coverage ends with a table of
                    the lines and branches that were run, by folder
  --gpu             on a machine with a GPU: the tests that need one, secateur selftest on it, and that again under
                    each tool of compute-sanitizer; nothing else

Without options: the cpu build with its unit, kernel and integration tests, the cuda build with the tests that differ
there (they say SKIPPED where there is no GPU), clang-format, Doxygen, cppcheck, clang-tidy. The exit code is 0 only if nothing failed.
TEXT
}

run_tests() {
  local quick=no only='' cuda=yes gpu=no preset='' label filter=''
  while (($# > 0)); do
    case "$1" in
      --quick) quick=yes ;;
      --only)
        only="${2:?--only takes a pattern}"
        shift
        ;;
      --no-cuda) cuda=no ;;
      --gpu) gpu=yes ;;
      --preset)
        preset="${2:?--preset takes a name}"
        check_preset "$preset"
        shift
        ;;
      --help | -h)
        test_usage
        return 0
        ;;
      *) die "test does not know $1; see ./secateur test --help" ;;
    esac
    shift
  done
  [[ $gpu == no || ($quick == no && $cuda == yes && -z $only$preset) ]] || die "--gpu goes with no other option"
  [[ $gpu == no ]] || has_gpu || die "no GPU is seen here (nvidia-smi -L): there is nothing for --gpu to run on"
  [[ $preset != cuda-release ]] || die "cuda-release is built without tests; use --preset cuda"

  ensure_setup tests
  REPORT="$ROOT/build/test-report"
  rm -rf "$REPORT"
  mkdir -p "$REPORT"
  trap 'say "Interrupted."; exit 130' INT
  if [[ -n $only ]]; then filter="*$only*"; fi

  if [[ $gpu == yes ]]; then
    gpu_parts
    python3 "$LAUNCHER/summarise.py" table "$REPORT"
    return
  fi
  if build_part "${preset:-cpu}"; then
    if [[ -n $only || -n $preset ]]; then
      if [[ $preset == coverage ]]; then forget_coverage; fi
      ctest_part "${preset:-cpu}" "tests (${preset:-cpu})" "unit and kernel tests" '' '' "$filter"
      if [[ $preset == coverage ]]; then coverage_part; fi
    else
      for label in unit kernel integration; do
        [[ $quick == yes && $label == integration ]] && continue
        ctest_part cpu "$label tests" "$([[ $label == integration ]] && echo integration || echo 'unit and kernel tests')" \
          "$label"
      done
    fi
  fi
  if [[ -z $only && -z $preset ]]; then
    if [[ $quick == no && $cuda == yes ]]; then cuda_parts; fi
    format_part
    reference_part
    if [[ $quick == no ]]; then
      cppcheck_part
      tidy_part
    fi
  fi

  local options=()
  [[ -n $only ]] && options+=(--require-tests "$only")
  python3 "$LAUNCHER/summarise.py" table "$REPORT" "${options[@]}"
}

# record NAME BUDGET SECONDS PASSED FAILED SKIPPED [NOTE]: a part that is not a GoogleTest program.
record() { python3 "$LAUNCHER/summarise.py" record "$REPORT" "$@"; }

build_part() {
  local preset="$1" started=$SECONDS
  heading "== build ($preset)"
  if try_build "$preset" all; then
    record "build ($preset)" builds "$((SECONDS - started))" 1 0 0
  else
    record "build ($preset)" builds "$((SECONDS - started))" 0 1 0 "see build/$preset/build.log"
    return 1
  fi
}

# ctest_part PRESET NAME BUDGET LABEL [EXCLUDE-NAMES] [FILTER] [ONLY-NAMES]
ctest_part() {
  local preset="$1" name="$2" budget="$3" label="$4" exclude="${5:-}" filter="${6:-}" names="${7:-}"
  local folder="$ROOT/build/$preset" options=() started=$SECONDS log status=0
  log="$REPORT/${name//[^a-zA-Z0-9]/-}.log"
  [[ -n $label ]] && options+=(--label-regex "^$label\$")
  [[ -n $exclude ]] && options+=(--exclude-regex "$exclude")
  [[ -n $names ]] && options+=(--tests-regex "$names")
  heading "== $name"
  rm -rf "$folder/test-results"
  mkdir -p "$folder/test-results"
  if [[ -n $filter ]]; then export GTEST_FILTER="$filter"; fi
  ctest --test-dir "$folder" --parallel 2 --output-on-failure --no-tests=ignore \
    --output-junit "$folder/test-results/ctest.junit" "${options[@]}" >"$log" 2>&1 || status=$?
  unset GTEST_FILTER
  python3 "$LAUNCHER/summarise.py" collect "$REPORT" "$name" "$budget" "$((SECONDS - started))" "$folder/test-results" \
    "$status"
  # The output of what failed, without the hundreds of lines about what passed in the same program.
  if ((status != 0)); then
    # A RUN line is held back until what follows is not OK: after a crash it is the only sign of which test it was.
    awk '/^\[ RUN / {run = $0; next} /^\[ +OK \]/ {run = ""; next} /^\[-+\]|^$/ {next}
         {if (run) print run; run = ""; print}' "$log" | tail -n 150 >&2
    say "(the whole output: ${log#"$ROOT"/})"
  fi
}

# The cuda build, and of its tests those that say something new: programs that the cpu build does not have, and tests
# with a GPU in their name.
cuda_parts() {
  local reason='' shared only_there
  if ! find_nvcc >/dev/null; then
    reason="no nvcc"
  elif ! find_cudnn_header >/dev/null; then
    reason="no cuDNN 9"
  fi
  if [[ -n $reason ]]; then
    warn "SKIPPED: the cuda build ($reason)"
    record "build (cuda)" builds 0 0 0 1 "$reason"
    return
  fi
  build_part cuda || return 0
  # The executor's programs know nothing of the preset.
  shared="$(comm -12 <(ctest_names cpu) <(ctest_names cuda) | grep -v '^simt_' | paste -sd '|')"
  only_there="$(comm -13 <(ctest_names cpu) <(ctest_names cuda) | paste -sd '|')"
  if [[ -n $shared ]]; then
    gpu_tests_part "^($shared)\$"
  fi
  if [[ -n $only_there ]]; then
    ctest_part cuda "tests of the cuda build" "unit and kernel tests" '' '' '' "^($only_there)\$"
  fi
}

# What only a GPU can show.
gpu_parts() {
  local program="$ROOT/build/cuda/bin/secateur" sanitizer tool
  build_part cuda || return 0
  gpu_tests_part
  command_part selftest "$program" selftest --device cuda
  sanitizer="$(dirname "$(find_nvcc)")/compute-sanitizer"
  for tool in memcheck racecheck initcheck synccheck; do
    if [[ -x $sanitizer ]]; then
      command_part "compute-sanitizer $tool" "$sanitizer" --tool "$tool" --error-exitcode 1 \
        "$program" selftest --device cuda --quick
    else
      record "compute-sanitizer $tool" rest 0 0 0 1 "no $sanitizer"
    fi
  done
}

gpu_tests_part() {
  ctest_part cuda "tests with a GPU" "unit and kernel tests" '' '' '*cuda*:*Cuda*:*CUDA*:*Gpu*:*gpu*' "${1:-}"
}

# command_part NAME PROGRAM...: passes where the program ends with 0.
command_part() {
  local name="$1" started=$SECONDS log status=0
  shift
  log="$REPORT/${name// /-}.log"
  heading "== $name"
  "$@" >"$log" 2>&1 || status=$?
  tail -n 20 "$log" >&2
  if ((status == 0)); then
    record "$name" rest "$((SECONDS - started))" 1 0 0
  else
    record "$name" rest "$((SECONDS - started))" 0 1 0 "exit code $status, see ${log#"$ROOT"/}"
  fi
}

# What instrumented programs have counted is added to what they find.
forget_coverage() { find "$ROOT/build/coverage" -name '*.gcda' -delete; }

# By folder, what of the project the tests have run.
coverage_part() {
  local started=$SECONDS log="$REPORT/coverage.log" file="$ROOT/build/coverage/coverage.json"
  heading "== coverage"
  if ! have gcovr; then
    warn "SKIPPED: the table of coverage (no gcovr; ./secateur setup --all installs it)"
    record coverage rest 0 0 0 1 "no gcovr"
  elif python3 "$LAUNCHER/coverage.py" measure "$ROOT" "$ROOT/build/coverage" "$file" >"$log" 2>&1 &&
    python3 "$LAUNCHER/coverage.py" table "$file"; then
    record coverage rest "$((SECONDS - started))" 1 0 0 "${file#"$ROOT"/}"
  else
    tail -n 20 "$log" >&2
    record coverage rest "$((SECONDS - started))" 0 1 0 "see ${log#"$ROOT"/}"
  fi
}

ctest_names() {
  ctest --test-dir "$ROOT/build/$1" --show-only=json-v1 2>/dev/null |
    python3 -c 'import json, sys; print("\n".join(sorted(t["name"] for t in json.load(sys.stdin)["tests"])))'
}

# Files of the project of the given endings, committed or new, but nothing that git ignores.
project_files() {
  if have git && git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
    (cd "$ROOT" && git ls-files --cached --others --exclude-standard -- "$@" | sort -u |
      while IFS= read -r file; do [[ -e $file ]] && printf '%s\n' "$file"; done)
  else
    local options=() ending
    for ending in "$@"; do options+=(-o -name "$ending"); done
    (cd "$ROOT" && find . \( -path ./build -o -path ./.deps -o -path ./runs \) -prune -o -type f \
      \( "${options[@]:1}" \) -print | sed 's,^\./,,' | sort)
  fi
}

format_part() {
  local started=$SECONDS files log="$REPORT/format.log"
  heading "== formatting"
  mapfile -t files < <(project_files '*.h' '*.cpp' '*.cu' '*.cuh')
  ((${#files[@]} > 0)) || return 0
  if (cd "$ROOT" && printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P 2 clang-format --dry-run -Werror) >"$log" 2>&1; then
    record formatting rest "$((SECONDS - started))" 1 0 0
  else
    sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: code should be.*/\1/p' "$log" | sort | uniq -c | head -n 40 >&2
    say "(lines that clang-format would change, by file; clang-format -i FILE does it)"
    record formatting rest "$((SECONDS - started))" 0 1 0 "clang-format -i would change files"
  fi
}

# Public headers whose comments contradict what they describe: parameters that are not there, broken markup.
reference_part() {
  local started=$SECONDS log="$REPORT/reference.log"
  heading "== reference of the public headers"
  if (cd "$ROOT" && doxygen docs/Doxyfile) >"$log" 2>&1; then
    record reference rest "$((SECONDS - started))" 1 0 0
  else
    head -n 40 "$log" >&2
    record reference rest "$((SECONDS - started))" 0 1 0 "doxygen docs/Doxyfile gives warnings"
  fi
}

# Findings that are wrong are listed in cppcheck.suppressions with the reason. Results are kept by file in build/cppcheck.
cppcheck_part() {
  local started=$SECONDS log="$REPORT/cppcheck.log"
  heading "== cppcheck"
  mkdir -p "$ROOT/build/cppcheck"
  if (cd "$ROOT" && cppcheck --std=c++20 --language=c++ --enable=warning,performance,portability --error-exitcode=1 \
    --quiet -j 2 --template='{file}:{line}: {message} [{id}]' --cppcheck-build-dir=build/cppcheck \
    --suppressions-list=cmake/launcher/cppcheck.suppressions \
    -I engine/include -I models/include -I data/include -I kernels/include engine models data apps) >"$log" 2>&1; then
    record cppcheck rest "$((SECONDS - started))" 1 0 0
  else
    head -n 40 "$log" >&2
    record cppcheck rest "$((SECONDS - started))" 0 1 0 "see ${log#"$ROOT"/}"
  fi
}

tidy_part() {
  local started=$SECONDS status=0
  heading "== clang-tidy"
  project_files '*.cpp' | grep -E '^(engine|models|data|apps|tests)/' |
    python3 "$LAUNCHER/tidy.py" "$ROOT" "$ROOT/build/cpu" "$REPORT/tidy.json" >&2 || status=$?
  if [[ -r $REPORT/tidy.json ]]; then
    python3 "$LAUNCHER/summarise.py" tidy "$REPORT" "$((SECONDS - started))" "$REPORT/tidy.json"
  else
    record clang-tidy rest "$((SECONDS - started))" 0 1 0 "did not run (exit code $status)"
  fi
}
