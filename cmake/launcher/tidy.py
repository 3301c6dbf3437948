"""Runs clang-tidy over the files named on standard input, two at once, and remembers which were clean.

A file that was clean stays so until it, a header of the project that it includes, its compile command or .clang-tidy
changes: the hash of all these is the name of an empty file in the cache (SECATEUR_TIDY_CACHE, else
~/.cache/secateur/tidy), so that a fresh clone does not begin anew. Files changed since the last commit come first.
After SECATEUR_TIDY_MINUTES (default 8) no new file is begun; what was left is counted, not hidden.

usage: tidy.py ROOT BUILD RESULT < files
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT, BUILD, RESULT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
CACHE = pathlib.Path(os.environ.get("SECATEUR_TIDY_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "secateur/tidy")
LIMIT = 60 * float(os.environ.get("SECATEUR_TIDY_MINUTES", "8"))


def compile_commands():
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    return {os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT): entry for entry in entries}


def dependencies():
    """Project headers that each source includes, from ninja's own log of the last build."""
    listing = subprocess.run(["ninja", "-C", str(BUILD), "-t", "deps"], capture_output=True, text=True).stdout
    result = {}
    for block in listing.split("\n\n"):
        paths = [line.strip() for line in block.splitlines()[1:]]
        inside = []
        for path in paths:
            path = os.path.relpath(os.path.join(BUILD, path), ROOT)
            if not path.startswith((".." + os.sep, "build" + os.sep, ".deps" + os.sep)):
                inside.append(path)
        if inside:
            result[inside[0]] = inside
    return result


def fingerprint(source, command, headers, version):
    digest = hashlib.sha256(version.encode())
    for text in shlex.split(command):
        digest.update(text.replace(str(ROOT), "").encode() + b"\0")
    for path in sorted({source, ".clang-tidy", *headers}):
        digest.update(path.encode() + b"\0" + (ROOT / path).read_bytes())
    return digest.hexdigest()


def changed_files():
    git = ["git", "-C", str(ROOT)]
    names = subprocess.run([*git, "diff", "--name-only", "HEAD"], capture_output=True, text=True).stdout.split()
    names += subprocess.run([*git, "diff", "--name-only", "HEAD~1", "HEAD"], capture_output=True, text=True).stdout.split()
    return set(names)


# libstdc++ has std::source_location only for compilers with a built-in that clang 14 lacks.
SOURCE_LOCATION = """#pragma once
#include <cstdint>
namespace std {
struct source_location {
  static constexpr source_location current(const char* file = __builtin_FILE(),
                                           const char* function = __builtin_FUNCTION(),
                                           uint_least32_t line = __builtin_LINE()) noexcept {
    return {file, function, line};
  }
  constexpr const char* file_name() const noexcept { return file_; }
  constexpr const char* function_name() const noexcept { return function_; }
  constexpr uint_least32_t line() const noexcept { return line_; }
  constexpr uint_least32_t column() const noexcept { return 0; }
  const char* file_ = "";
  const char* function_ = "";
  uint_least32_t line_ = 0;
};
}  // namespace std
"""


def substitute_headers(version):
    """A folder of headers that clang cannot take from GCC as they are."""
    folder = BUILD / "tidy-include"
    folder.mkdir(exist_ok=True)
    # clang comes without omp.h; GCC's uses a form of the malloc attribute that clang cannot read.
    where = subprocess.run(["c++", "-print-file-name=include/omp.h"], capture_output=True, text=True).stdout.strip()
    if os.path.isabs(where):
        header = pathlib.Path(where).read_text()
        (folder / "omp.h").write_text(re.sub(r"__malloc__ \(omp_free\)", "__malloc__", header))
    found = re.search(r"version (\d+)", version)
    if found and int(found.group(1)) < 16:
        (folder / "source_location").write_text(SOURCE_LOCATION)
    return folder


def check(source, extra):
    command = ["clang-tidy", "--quiet", "-p", str(BUILD), *extra, str(ROOT / source)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    output = done.stdout.replace(f"{ROOT}/", "").strip()
    if done.returncode != 0 and not output:
        output = done.stderr.strip()[-2000:]
    return done.returncode == 0 and not re.search(r"(warning|error): ", output), output


def main():
    started = time.monotonic()
    commands, includes, changed = compile_commands(), dependencies(), changed_files()
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, text=True).stdout
    extra = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-error",
             f"--extra-arg=-isystem{substitute_headers(version)}"]
    CACHE.mkdir(parents=True, exist_ok=True)
    counts = {"clean": 0, "failed": 0, "left": 0, "cached": 0}
    work = []
    for source in [line.strip() for line in sys.stdin if line.strip() in commands]:
        stamp = CACHE / fingerprint(source, commands[source]["command"], includes.get(source, []), version)
        if stamp.exists():
            counts["clean"] += 1
            counts["cached"] += 1
        else:
            work.append((source, stamp))
    work.sort(key=lambda item: (item[0] not in changed, item[0]))

    def run(item):
        if time.monotonic() - started > LIMIT:
            return item, None, ""
        return item, *check(item[0], extra)

    with concurrent.futures.ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        for done, ((source, stamp), clean, output) in enumerate(pool.map(run, work), 1):
            if clean is None:
                counts["left"] += 1
            elif clean:
                counts["clean"] += 1
                stamp.touch()
            else:
                counts["failed"] += 1
                print(f"{source}:\n{output}\n", flush=True)
            if clean is not None and done % 20 == 0:
                print(f"  {done}/{len(work)} files, {time.monotonic() - started:.0f} s", flush=True)
    if counts["left"]:
        print(f"  {counts['left']} files were not looked at within {LIMIT / 60:.0f} minutes")
    RESULT.write_text(json.dumps(counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
