#!/usr/bin/python3
"""Prints what the benchmarks found beside what we aim at, as a Markdown table.

  targets.py SERVICE_JSON FIGURES_JSON

SERVICE_JSON is of service_benchmark; FIGURES_JSON of start_benchmark and memory_benchmark.
Exits with an error if SERVICE_JSON lacks a run that is compared: all operations, 1 and 32 clients,
pinned and unpinned.
"""

import json
import sys

AT_MOST, AT_LEAST = "at most", "at least"


class Runs:
    """The records of service_benchmark."""

    def __init__(self, path):
        self.path = path
        with open(path) as file:
            self.records = json.load(file)

    def value(self, operation, clients, way, field, pinned=True):
        for record in self.records:
            where = (record["operation"], record["clients"], record["sessions"], record["way"])
            if where == (operation, clients, clients, way) and record["pinned"] == pinned:
                return record[field]
        place = "pinned" if pinned else "unpinned"
        sys.exit(f"ERROR: {self.path} has no {operation} by {way}, clients: {clients}, {place}")

    def ratio(self, operation, clients, other, field="p50_us", pinned=True):
        ours = self.value(operation, clients, "holdfast", field, pinned)
        return ours / self.value(operation, clients, other, field, pinned)


def service_rows(runs):
    step = "step_empty"
    yield "Step p50, 1 client, over the in-process service", AT_MOST, 1.6, "", runs.ratio(
        step, 1, "in_process")
    yield "Step p50, 1 client, over one hop to a worker", AT_MOST, 2.2, "", runs.ratio(
        step, 1, "direct")
    yield ("Steps per second, 32 clients, unpinned, over the in-process service", AT_LEAST, 1.0, "",
           runs.ratio(step, 32, "in_process", "calls_per_s", pinned=False))
    yield "front CPU per Step at 32 clients", AT_MOST, 22, "us", runs.value(
        step, 32, "holdfast", "front_cpu_us")
    yield "64 KiB replies, over one hop", AT_MOST, 2.6, "", runs.ratio("step_64KiB", 1, "direct")
    yield "4 MiB replies, over one hop", AT_MOST, 1.3, "", runs.ratio("step_4MiB", 1, "direct")


# Of what start_benchmark and memory_benchmark tell, those with a target.
def figure_rows(path):
    with open(path) as file:
        figures = [json.loads(line) for line in file]
    for figure in figures:
        if "target" in figure:
            yield (figure["figure"], figure["kind"], figure["target"], figure["unit"],
                   figure["value"])


def main():
    if len(sys.argv) != 3:
        sys.exit("ERROR: usage: targets.py SERVICE_JSON FIGURES_JSON")
    rows = list(service_rows(Runs(sys.argv[1]))) + list(figure_rows(sys.argv[2]))
    print("| figure | target | measured | |")
    print("| --- | --- | --- | --- |")
    for figure, kind, target, unit, value in rows:
        is_met = value <= target if kind == AT_MOST else value >= target
        unit = f" {unit}" if unit and unit != "/s" else unit
        verdict = "met" if is_met else "missed"
        print(f"| {figure} | {kind} {target:g}{unit} | {value:.3g}{unit} | {verdict} |")


main()
