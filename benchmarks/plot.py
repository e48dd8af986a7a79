"""`python plot.py <performance.json> <performance.svg>`: how time and memory grow with the table.

Runs in the environment of `requirements/bench.txt`, which has matplotlib, and imports nothing of the project.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "performance", "font.size": 9})

from matplotlib import pyplot as plt  # noqa: E402 - after the choice of what it draws with

Points = list[tuple[float, float]]
BLUE, RED, OLIVE, PURPLE, GREY = "#1a6faf", "#cf5c36", "#8a8a2e", "#7a5195", "#999999"
PREP = {  # member of a row's figures: label, colour, style
    "prepare": ("the job", BLUE, "-o"),
    "polars": ("plain Polars, the same result", RED, "-o"),
    "Polars": ("the tables alone: Polars", RED, ":o"),
    "DuckDB": ("… DuckDB", OLIVE, ":o"),
    "pandas": ("… pandas", PURPLE, ":o"),
}
BATCH = {
    "transform": ("transform job", BLUE, "-o"),
    "polars": ("plain Polars", RED, "-o"),
    "pandas": ("plain pandas", PURPLE, "-o"),
}


def main(source: str, target: str) -> None:
    found = [row["raw"] for row in json.loads(Path(source).read_text(encoding="utf-8"))["rows"]]
    sized = sorted((raw for raw in found if "rows" in raw), key=lambda raw: raw["rows"])
    prep, batch = ([raw for raw in sized if member in raw] for member in ("prepare", "transform"))
    figure, ((seconds, memory), (speed, peak)) = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
    for member, drawn in PREP.items():
        draw(seconds, [(raw["rows"], middle(raw[member], "seconds")) for raw in prep], drawn)
        draw(memory, [(raw["rows"], middle(raw[member], "mebibytes")) for raw in prep], drawn)
    for member, drawn in BATCH.items():
        draw(
            speed, [(raw["rows"], raw["rows"] / middle(raw[member], "seconds") / 1e6) for raw in batch], drawn
        )
        draw(peak, [(raw["rows"], middle(raw[member], "mebibytes")) for raw in batch], drawn)
    limit = [(raw["rows"], statistics.median(raw["inplace_predict"]) / 1e6) for raw in batch]
    draw(speed, limit, ("inplace_predict alone", GREY, ":"))
    titles = ("prep: seconds", "prep: peak MiB", "batch: million rows/s", "batch: peak MiB")
    for axes, title in zip((seconds, memory, speed, peak), titles, strict=True):
        axes.set(title=title, xscale="log", xlabel="rows")
        axes.set_yscale("log") if axes is seconds else axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    seconds.legend(fontsize=7)
    speed.legend(fontsize=7)
    figure.savefig(target, metadata={"Date": None})


def middle(usages: list[dict[str, float]], member: str) -> float:
    return statistics.median(usage[member] for usage in usages)


def draw(axes: Any, points: Points, drawn: tuple[str, str, str]) -> None:
    label, colour, style = drawn
    axes.plot(*zip(*points, strict=True), style, color=colour, label=label, markersize=3)


if __name__ == "__main__":
    main(*sys.argv[1:])
