#!/usr/bin/python3
"""Draws what service_benchmark measured: plot.py JSON DIRECTORY writes two SVGs there."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # After the choice of what to draw with.
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, NullLocator

# In this order, each with its name and colour (of Okabe and Ito, told apart by all).
WAYS = {
    "holdfast": ("Holdfast", "#d55e00"),
    "direct": ("worker alone", "#0072b2"),
    "in_process": ("in-process gRPC", "#009e73"),
    "ping_pong": ("socket ping-pong", "#777777"),
}
PLACES = {True: "all on one CPU", False: "on all CPUs"}
# Of an ever larger observation.
STEPS = ("step", "step_64KiB", "step_4MiB")

plt.rcParams.update({
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "svg.fonttype": "none",
})


def column(records, key):
    """Returns a column of microseconds, in seconds."""
    return [r[key] * 1e-6 for r in records]


def rows(records, **wanted):
    """Returns the records that have these values."""
    return [r for r in records if all(r[key] == value for key, value in wanted.items())]


def show_ticks(axis, values, label):
    """Has the logarithmic axis name just these values."""
    axis.set_major_locator(FixedLocator(values))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(label))


def bytes_label(value, _):
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if value >= size:
            return f"{value / size:.0f} {unit}"
    return f"{value:.0f} B"


def finish(figure, axes, title, path):
    handles, labels = axes.get_legend_handles_labels()
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=13)
    figure.legend(handles, labels, loc="lower center", ncol=len(labels))
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path)
    plt.close(figure)


def plot_latency(records, path):
    """The latency of a step against the number of clients."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.8), sharey=True)
    for axes, (pinned, place) in zip(panels, PLACES.items()):
        steps = [r for r in rows(records, operation="step", pinned=pinned)
                 if r["clients"] == r["sessions"]]
        for way, (name, color) in WAYS.items():
            line = sorted(rows(steps, way=way), key=lambda r: r["clients"])
            clients = [r["clients"] for r in line]
            axes.plot(clients, column(line, "p50_us"), "o-", color=color, ms=4, label=name)
            axes.plot(clients, column(line, "p99_us"), ":", color=color, lw=1.2)
        axes.set(title=place, xscale="log", yscale="log", xlabel="clients, each with a session")
        show_ticks(axes.xaxis, sorted({r["clients"] for r in steps}), lambda x, _: f"{x:.0f}")
        axes.yaxis.set_major_formatter(EngFormatter("s"))
    panels[0].set_ylabel("time of a step: p50, dotted p99")
    finish(figure, panels[0], "Latency of a step of one action and a small observation", path)


def plot_cost(records, path):
    """Latency and CPU time of a step against the size of its reply."""
    figure, panels = plt.subplots(2, 2, figsize=(10, 8), sharex=True, sharey="row")
    for (latency, cpu), (pinned, place) in zip(panels.T, PLACES.items()):
        steps = [r for name in STEPS
                 for r in rows(records, operation=name, pinned=pinned, clients=1, sessions=1)]
        for way, (name, color) in WAYS.items():
            line = rows(steps, way=way)
            sizes = [r["reply_bytes"] for r in line]
            latency.plot(sizes, column(line, "p50_us"), "o-", color=color, ms=4, label=name)
            front = column(line, "front_cpu_us")
            total = [a + b for a, b in zip(front, column(line, "worker_cpu_us"))]
            cpu.plot(sizes, total, "o-", color=color, ms=4)
            if way == "holdfast":
                cpu.plot(sizes, front, "--", color=color, lw=1.2,
                         label="Holdfast's front alone")
        latency.set(title=place, xscale="log", yscale="log")
        cpu.set(xscale="log", yscale="log", xlabel="size of the reply")
        show_ticks(cpu.xaxis, sorted({r["reply_bytes"] for r in steps}), bytes_label)
        for axes in (latency, cpu):
            axes.yaxis.set_major_formatter(EngFormatter("s"))
        cpu.legend(loc="upper left")
    panels[0][0].set_ylabel("time of a step, p50")
    panels[1][0].set_ylabel("CPU time of a step, front and worker")
    finish(figure, panels[0][0], "Cost of a step against the size of its reply, one client", path)


def main():
    records = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    directory = pathlib.Path(sys.argv[2])
    plot_latency(records, directory / "latency.svg")
    plot_cost(records, directory / "reply_size.svg")


if __name__ == "__main__":
    main()
