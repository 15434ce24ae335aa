#!/usr/bin/env python3
"""Counts the test cases of a `bazel test` run: prints "PASSED FAILED".

Reads the output of Bazel on stdin for the targets and their outcomes, and each target's test.xml for
its cases, below bazel-testlogs or the folder that is given. A target that failed without a failed
case (a crash, a time-out, a build error) counts as one failed case.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree

# "//tests/worker:a_test   (cached) PASSED in 0.1s", "... FAILED TO BUILD", "... NO STATUS"
_OUTCOME = re.compile(r"^(//\S*:\S+)\s+(\(cached\) )?([A-Z][A-Z ]*[A-Z])(\s|$)")


def count_cases(logs, target):
    """Returns how many cases of `target` passed and failed. Skipped ones are neither."""
    passed = failed = 0
    folder = pathlib.Path(logs, *target[2:].split(":"))
    for report in folder.rglob("test.xml"):
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            if case.get("status") == "notrun" or case.get("result") in ("skipped", "suppressed"):
                continue
            if case.find("failure") is None and case.find("error") is None:
                passed += 1
            else:
                failed += 1
    return passed, failed


def main():
    logs = sys.argv[1] if len(sys.argv) > 1 else "bazel-testlogs"
    passed = failed = 0
    for line in sys.stdin:
        match = _OUTCOME.match(line)
        if not match:
            continue
        target, outcome = match.group(1), match.group(3)
        built = outcome not in ("FAILED TO BUILD", "NO STATUS")
        cases_passed, cases_failed = count_cases(logs, target) if built else (0, 0)
        if outcome not in ("PASSED", "FLAKY") and cases_failed == 0:
            cases_failed = 1
        passed += cases_passed
        failed += cases_failed
    print(passed, failed)


if __name__ == "__main__":
    main()
