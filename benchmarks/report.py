"""Puts the rows into `docs/performance.md`, between its two marks, and the raw figures beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Row

BEGIN, END = "<!-- begin: written by `make bench` -->", "<!-- end -->"
MARKS = {True: "met", False: "**not met**", None: ""}


def standing(document: Path) -> tuple[list[Row], str]:
    """The rows that a document has, and the machine they came from."""
    stands = json.loads(document.with_suffix(".json").read_text(encoding="utf-8"))
    return [Row(**row) for row in stands["rows"]], stands["machine"]


def write(document: Path, rows: Sequence[Row], machine: str) -> None:
    """Raises `ValueError` when the document has lost its marks."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} has no {BEGIN} … {END}")
    document.write_text(f"{before}{begin}\n\n{_table(rows, machine)}\n{end}{after}", encoding="utf-8")
    raw = {"machine": machine, "rows": [asdict(row) for row in rows]}
    document.with_suffix(".json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def _table(rows: Sequence[Row], machine: str) -> str:
    lines = [
        f"Machine: {machine}.",
        "",
        "| what | against | figure | target | |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {r.what} | {r.against} | {r.figure} | {r.target} | {MARKS[r.met]} |" for r in rows]
    return "\n".join(lines) + "\n"
