"""Adds up what the parts of `./secateur test` found. Each part is one JSON file in a report folder.

  record  FOLDER NAME BUDGET SECONDS PASSED FAILED SKIPPED [NOTE]   write down a part
  collect FOLDER NAME BUDGET SECONDS RESULTS STATUS                 write down a ctest run from GoogleTest's XML files
  tidy    FOLDER SECONDS FILE                                       write down what tidy.py counted
  table   FOLDER [--require-tests PATTERN]                          print the table; exit code 1 if anything failed
"""

import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

# Minutes that each kind of part may take on two cores, first build of a fresh clone included.
BUDGETS = {"builds": 25, "unit and kernel tests": 15, "integration": 10, "rest": 10}


def write_part(folder, name, budget, seconds, passed, failed, skipped, note="", **more):
    folder = pathlib.Path(folder)
    part = {"name": name, "budget": budget, "seconds": float(seconds), "passed": int(passed), "failed": int(failed),
            "skipped": int(skipped), "note": note, **more}
    index = len(list(folder.glob("part-*.json")))
    (folder / f"part-{index:02d}.json").write_text(json.dumps(part))


def read_gtest(path):
    """Counts one program: (passed, failed, reasons of skipped tests, [(seconds, name)])."""
    passed, failed, reasons, times = 0, 0, [], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None:
            failed += 1
        elif skipped is not None:
            # The first line is the place, the second what the test says.
            lines = (skipped.get("message") or "").strip().splitlines()
            reasons.append(lines[1] if len(lines) > 1 else (lines[0] if lines else "no reason given"))
        elif case.get("status") == "run":
            passed += 1
        times.append((float(case.get("time") or 0), name))
    return passed, failed, reasons, times


def collect(folder, name, budget, seconds, results, status):
    results = pathlib.Path(results)
    passed = failed = 0
    reasons, times, broken = collections.Counter(), [], []
    junit = results / "ctest.junit"
    cases = list(ElementTree.parse(junit).getroot().iter("testcase")) if junit.exists() else []
    for case in cases:
        program, outcome = case.get("name"), case.get("status")
        xml = results / f"{program}.xml"
        try:
            counts = read_gtest(xml) if xml.exists() else None
        except ElementTree.ParseError:
            counts = None  # the program died while it wrote
        if counts is not None:
            passed += counts[0]
            failed += counts[1]
            reasons.update(counts[2])
            times += counts[3]
        if outcome == "fail" and (counts is None or counts[1] == 0):
            failed += 1  # crashed, timed out, or a sanitizer spoke after the last test
            broken.append(program)
        elif counts is None and outcome == "run":
            passed += 1
        elif counts is None and outcome not in ("fail", "run"):
            reasons[f"{program}: {outcome}"] += 1
    if int(status) != 0 and failed == 0:
        failed = 1
        broken.append("ctest itself")
    note = f"died: {', '.join(broken)}" if broken else ""
    times.sort(reverse=True)
    for reason, count in reasons.most_common():
        print(f"SKIPPED {count}: {reason}")
    slow = [f"{name} {seconds:.1f} s" for seconds, name in times[:3] if seconds >= 5]
    if slow:
        print(f"slowest: {', '.join(slow)}")
    print(f"{name}: {passed} passed, {failed} failed, {sum(reasons.values())} skipped in {float(seconds):.0f} s")
    write_part(folder, name, budget, seconds, passed, failed, sum(reasons.values()), note)


def tidy(folder, seconds, path):
    counts = json.loads(pathlib.Path(path).read_text())
    note = f"{counts['cached']} from the cache" if counts["cached"] else ""
    if counts["left"]:
        note = f"{counts['left']} files not looked at in the time allowed"
    failed, skipped = counts["failed"], counts["left"]
    write_part(folder, "clang-tidy", "rest", seconds, counts["clean"], failed, skipped, note)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def table(folder, pattern):
    parts = [json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("part-*.json"))]
    total = collections.Counter()
    spent = collections.Counter()
    print(f"\n{'part':<26}{'time':>8}{'passed':>9}{'failed':>9}{'skipped':>9}")
    for part in parts:
        print(f"{part['name']:<26}{clock(part['seconds']):>8}{part['passed']:>9}{part['failed']:>9}"
              f"{part['skipped']:>9}  {part['note']}".rstrip())
        spent[part["budget"]] += part["seconds"]
        for key in ("seconds", "passed", "failed", "skipped"):
            total[key] += part[key]
    print(f"{'total':<26}{clock(total['seconds']):>8}{total['passed']:>9}{total['failed']:>9}{total['skipped']:>9}")
    for kind, seconds in spent.items():
        if seconds > 60 * BUDGETS[kind]:
            print(f"over its time: {kind} took {clock(seconds)} of {BUDGETS[kind]} minutes")
    tests = sum(part["passed"] + part["failed"] + part["skipped"] for part in parts
                if not part["name"].startswith("build"))
    if pattern and tests == 0:
        print(f"no test has {pattern} in its name")
        total["failed"] += 1
    print(f"\n{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


def main():
    word, arguments = sys.argv[1], sys.argv[2:]
    if word == "table":
        pattern = arguments[2] if arguments[1:2] == ["--require-tests"] else ""
        return table(arguments[0], pattern)
    {"record": write_part, "collect": collect, "tidy": tidy}[word](*arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
