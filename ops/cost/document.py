"""The section of docs/performance.md on cost and shape at each size, written by the code that computes it.

python -m ops.cost.document           writes it
python -m ops.cost.document --check   fails when it is not what the computation gives
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from ops.cost import scale
from ops.cost.assumptions import assumption_file
from ops.cost.estimate import BATCH_INFERENCE
from ops.cost.facts import Facts
from ops.cost.prices import Prices
from ops.cost.scale import Limit, Part
from ops.names import ROOT, project_file

FILE = ROOT / "docs" / "performance.md"
BEGIN = "<!-- begin: written by `python -m ops.cost.document` -->"
END = "<!-- end: ops.cost.document -->"
SIZES = {"10³": 1e3, "10⁶": 1e6, "10⁹": 1e9}
SHOWN = (
    "glue_start_seconds",
    "polars_rows_a_second",
    "spark_rows_a_second_a_vcpu",
    "source_bytes_a_second",
    "job_start_seconds",
    "preprocess_rows_a_second",
    "train_rows_a_second",
    "train_bytes_a_row",
    "transform_rows_a_second",
    "check_rows_a_second",
)


def main(arguments: Sequence[str]) -> int:
    text = FILE.read_text(encoding="utf-8")
    wanted = with_section(text)
    if "--check" in arguments:
        return int(text != wanted)
    FILE.write_text(wanted, encoding="utf-8")
    return 0


def with_section(text: str) -> str:
    """The document with the present computation between its marks. What is around them stays."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{section()}\n{END}{after}"


def section() -> str:
    prices = Prices(str(project_file()["region"]))
    parts = {name: scale.parts(rows, prices) for name, rows in SIZES.items()}
    lines = [
        f"Prices of {prices.date} in {prices.region}, on demand, no free tiers; `titanic cost --rows 1e9` "
        "prints the same.",
        "",
        *_shapes(parts),
        "",
        "Limits of the project as it is, the narrowest first:",
        "",
        *_limits(scale.limits(Facts(), prices)),
        "",
        "What it rests on, besides the prices:",
        "",
        *_assumptions(),
    ]
    return "\n".join(lines) + "\n"


def _shapes(parts: dict[str, list[Part]]) -> Iterator[str]:
    yield "| rows | run | on | largest file, payloads | transitions | minutes | dollars | first limit |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for size, of_size in parts.items():
        for part in of_size:
            yield f"| {' | '.join([size, *_cells(part)])} |"


def _cells(part: Part) -> list[str]:
    times = f"{part.runs} x " if part.runs > 1 else ""
    threads = part.facts.train_threads
    trained = f"; trained by {threads} threads" if threads > 1 else ""
    transform = f", {part.payloads:,} payloads" if part.kind == BATCH_INFERENCE else ""
    return [
        f"{times}{part.kind.replace('_', ' ')}",
        "; ".join(f"{name} {machine}" for name, machine in part.machines.items()) + trained,
        f"{part.file_mb:,.1f} MB{transform}",
        f"{part.runs * part.cost.transitions:,}",
        f"{part.seconds / 60:,.0f}",
        f"{part.usd:.2f}",
        part.broken[0].what if part.broken else f"none below {part.most_rows / 1e6:,.0f} million rows",
    ]


def _limits(limits: Sequence[Limit]) -> Iterator[str]:
    yield "| million rows | of | limit | what moves it |"
    yield "| --- | --- | --- | --- |"
    for limit in limits:
        of = limit.of.replace("_", " ")
        yield f"| {limit.most_rows / 1e6:,.0f} | {of} | {limit.what} | {limit.setting} |"


def _assumptions() -> Iterator[str]:
    known = assumption_file()
    yield "| figure | | from |"
    yield "| --- | --- | --- |"
    for name in SHOWN:
        each = known[name]
        yield f"| {each['value']:,} | {each['unit']} | {each['why']} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
