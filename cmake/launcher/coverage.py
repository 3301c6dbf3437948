"""Adds up by folder what the tests of an instrumented build have run: lines and branches, from gcovr's summary.

  measure ROOT BUILD FILE [GCOVR]    have gcovr read what the tests left in BUILD and write its summary (JSON)
  table   FILE [FOLDER]              print the table of a summary; with FOLDER the files of that folder, most missed first

Branches that only an exception takes are left out (--exclude-throw-branches): every call has one.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys

PARTS = ("engine", "data", "models", "apps", "kernels")
COUNTS = ("line_total", "line_covered", "branch_total", "branch_covered")


def measure(root, build, file, gcovr="gcovr"):
    filters = [option for part in PARTS for option in ("--filter", f"{re.escape(os.path.join(root, part))}/")]
    command = [gcovr, "--root", root, "--object-directory", build, *filters, "--exclude-throw-branches", "-j", "2",
               "--json-summary-pretty", "--json-summary", file, build]
    # Of a template's instances a line counts once, as in versions that know no other way. No errors are a function that
    # a macro makes at several lines, and a loop that runs more often than gcovr believes (2^32 times).
    known = subprocess.run([gcovr, "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--merge-lines", "--merge-mode-functions=separate", "--gcov-suspicious-hits-threshold=0"):
        if option.split("=")[0] in known:
            command.insert(1, option)
    return subprocess.run(command, check=False).returncode


def folder_of(path):
    """engine/include/secateur/prune/x.h and engine/prune/x/y.cpp are both engine/prune; back ends stand alone."""
    parts = list(pathlib.PurePosixPath(path).parts[:-1])
    if parts[1:3] == ["include", "secateur"]:
        parts[1:3] = []
    if parts[0] in ("data", "models", "kernels"):
        return parts[0]
    return "/".join(parts[:3] if parts[1:2] == ["backend"] else parts[:2])


def share(covered, total):
    return f"{covered:,} of {total:,}".rjust(18) + (f"{100 * covered / total:7.1f} %" if total else " " * 9)


def print_table(rows):
    print(f"{'':<44}{'lines':>27}{'branches':>27}")
    for name, counts in rows:
        lines = share(counts["line_covered"], counts["line_total"])
        print(f"{name:<44}{lines}{share(counts['branch_covered'], counts['branch_total'])}")


def table(file, folder=None):
    files = json.loads(pathlib.Path(file).read_text())["files"]
    if folder:
        files = [entry for entry in files if folder_of(entry["filename"]) == folder]
        files.sort(key=lambda entry: entry["line_covered"] - entry["line_total"])
        print_table([(entry["filename"], entry) for entry in files])
        return 0 if files else 1
    folders = collections.defaultdict(collections.Counter)
    for entry in files:
        for name in (folder_of(entry["filename"]), "total"):
            folders[name].update({key: entry[key] for key in COUNTS})
    total = folders.pop("total", None)
    if total is None:
        print("no file of the project was run")
        return 1
    print_table([*sorted(folders.items()), ("total", total)])
    return 0


if __name__ == "__main__":
    sys.exit({"measure": measure, "table": table}[sys.argv[1]](*sys.argv[2:]))
