"""The plot of ``benchmarks.growth``."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # no window

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

COLOURS = {"heavy": "#c2410c", "steady": "#1d4ed8", "": "#3f3f46"}
COLUMNS = 4


def draw(found: Mapping[tuple[str, str], Mapping[int, float]], path: Path) -> None:
    """A panel for each call, a line for each user: milliseconds over the number of videos, both logarithmic."""
    names = list(dict.fromkeys(name for name, _ in found))
    rows = -(-len(names) // COLUMNS)
    figure, panels = plt.subplots(rows, COLUMNS, figsize=(12, 2.6 * rows), sharex=True, sharey=True, squeeze=False)
    for panel, name in zip(panels.flat, names, strict=False):
        _panel(panel, name, {user: line for (call, user), line in found.items() if call == name})
    for panel in list(panels.flat)[len(names) :]:
        panel.set_visible(False)
    for number, panel in enumerate(panels.flat):
        if number % COLUMNS == 0:
            panel.set_ylabel("ms of processor a call")
        if len(names) - COLUMNS <= number < len(names):
            panel.set_xlabel("videos in the table")
            panel.tick_params(labelbottom=True)
    panels.flat[0].margins(x=0.12)
    low, high = panels.flat[0].get_ylim()
    panels.flat[0].set_ylim(low / 1.8, high * 1.8)  # room for the numbers
    figure.suptitle("What a call costs as the table grows", x=0.01, ha="left", fontsize=13, fontweight="bold")
    figure.text(
        0.01,
        1 - 0.42 / figure.get_figheight(),
        "Our processor time and the database's together, medians. "
        "Blue: a user with 1,000 videos. Red: one with half of all videos, at most 100,000.",
        va="top",
        fontsize=10,
    )
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.5 / figure.get_figheight()))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(panel: Axes, name: str, lines: Mapping[str, Mapping[int, float]]) -> None:
    panel.set_title(name, fontsize=10, loc="left")
    panel.set_xscale("log")
    panel.set_yscale("log")
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    short = {1e4: "10 k", 1e5: "100 k", 1e6: "1 M"}
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short.get(value, f"{value:,.0f}")))
    panel.yaxis.set_major_formatter(plain)
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.grid(visible=True, which="major", color="#e4e4e7", linewidth=0.8)
    panel.spines[["top", "right"]].set_visible(False)
    ends = {user: list(line.values())[-1] for user, line in lines.items()}
    for user, line in lines.items():
        colour = COLOURS[user]
        panel.plot(list(line), list(line.values()), marker="o", markersize=4, linewidth=1.8, color=colour)
        above = ends[user] >= max(ends.values())
        panel.annotate(
            f"{ends[user]:.0f}" if ends[user] >= 10 else f"{ends[user]:.1f}",
            (list(line)[-1], ends[user]),
            xytext=(0, 6 if above else -13),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=colour,
        )
