#!/usr/bin/env python3
"""Writes deploy/REFERENCE.md: each flag and each metric of the service, as the service says itself.

  deploy/reference.py [--check] [SERVICE]

SERVICE is a binary that was made with the worker SDK; default: the example's, in bazel-bin. --check
writes nothing: it fails, and tells the difference, if the file is not what would be written.
"""

import difflib
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).parent.parent
FILE = ROOT / "deploy" / "REFERENCE.md"
SERVICE = ROOT / "bazel-bin" / "worker" / "example" / "example_worker"

FLAG = re.compile(r"--(?P<name>\w+) \((?P<help>.*)\);\s+default: (?P<default>.*?);$", re.DOTALL)


def cell(text):
    """Text of several lines as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def flags_table(service):
    """The flags of the front, from its --help."""
    text = subprocess.run([service, "--help"], capture_output=True, text=True, check=False).stdout
    front = text.split("Flags from frontend/options.cc:\n")[1].split("\n\n")[0]
    rows = ["| flag | default | meaning |", "| --- | --- | --- |"]
    for entry in re.split(r"\n(?=    --)", front):
        flag = FLAG.match(entry.strip())
        if flag is None:
            sys.exit(f"deploy/reference.py cannot read the help on a flag:\n{entry}")
        default = flag["default"].strip('"')
        rows.append(f"| `--{flag['name']}` | {f'`{default}`' if default else ''} "
                    f"| {cell(flag['help'])} |")
    return rows


def scrape(service):
    """What /metrics says of a service that has just begun."""
    with tempfile.TemporaryDirectory() as directory:
        with subprocess.Popen([service, f"--working_dir={directory}"],
                              stdout=subprocess.DEVNULL) as process:
            try:
                port = pathlib.Path(directory, "metrics_port.txt")
                while process.poll() is None and not (port.exists() and port.read_text().strip()):
                    time.sleep(0.01)
                url = f"http://127.0.0.1:{port.read_text().strip()}/metrics"
                with urllib.request.urlopen(url, timeout=30) as reply:
                    return reply.read().decode()
            finally:
                process.terminate()


def metrics_table(service):
    """The metrics, from a scrape: all series are there from the start."""
    helps, types, labels = {}, {}, {}
    for line in scrape(service).splitlines():
        if line.startswith("# HELP "):
            _, _, name, text = line.split(" ", 3)
            helps[name] = text
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            types[name] = kind
        elif match := re.match(r"(\w+)\{(.*)\}", line):
            name = re.sub(r"_(bucket|sum|count)$", "", match[1])
            name = name if name in helps else match[1]
            found = re.findall(r'(\w+)="', match[2])
            labels.setdefault(name, []).extend(label for label in found if label != "le")
    rows = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for name, text in helps.items():
        names = ", ".join(f"`{label}`" for label in dict.fromkeys(labels.get(name, [])))
        rows.append(f"| `{name}` | {types[name]} | {names} | {cell(text)} |")
    return rows


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    paths = [argument for argument in arguments if argument != "--check"]
    service = pathlib.Path(paths[0] if paths else SERVICE).resolve()
    text = "\n".join([
        "# Reference: flags and metrics", "",
        "Written by `deploy/reference.py`, out of what the service says itself. The flags are those of",
        "`holdfast` and of each binary that was made with the worker SDK.", "",
        "## Flags", "", *flags_table(service), "",
        "## Metrics", "", *metrics_table(service), ""
    ])
    if not check:
        FILE.write_text(text)
        return
    difference = list(difflib.unified_diff(FILE.read_text().splitlines(), text.splitlines(),
                                           "deploy/REFERENCE.md", "the service", lineterm=""))
    if difference:
        print("\n".join(difference))
        sys.exit("deploy/REFERENCE.md is out of date: run deploy/reference.py")


if __name__ == "__main__":
    main()
