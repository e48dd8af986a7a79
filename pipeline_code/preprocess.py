"""Step `DataPreProcessing`: curated tables in, XGBoost's CSV out (label first, no header, blank = missing).

The curated tables are the preparation job's, but a pipeline can be started by hand on any URI, so every
value is checked against the contract here once more. Values pass through as the text they were: nothing is
fitted, and no number is reformatted. One row is held at a time.

    python3 preprocess.py --train DIR --validation DIR --train-output DIR --validation-output DIR
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:  # job.py says why there are two ways
    from . import job
else:
    import job

PROCESSING = Path("/opt/ml/processing")


def main(argv: Sequence[str] | None = None) -> int:
    return job.run(parser(), preprocess, argv)


def parser() -> job.Parser:
    parser = job.Parser("Check curated tables and write them as XGBoost reads them.")
    for channel in ("train", "validation"):
        parser.add_argument(f"--{channel}", type=Path, default=PROCESSING / "input" / channel)
        parser.add_argument(f"--{channel}-output", type=Path, default=PROCESSING / "output" / channel)
    parser.add_argument("--message-file", type=Path, help="where the reason of a failure is left")
    return parser


def preprocess(arguments: argparse.Namespace) -> None:
    contract = job.read_contract(arguments.contract)
    for channel, source, output in (
        ("train", arguments.train, arguments.train_output),
        ("validation", arguments.validation, arguments.validation_output),
    ):
        print(f"{channel}: reading {source}", flush=True)
        classes = convert(source, output / f"{channel}.csv", contract)
        shares = ", ".join(f"{count} of class {label:g}" for label, count in sorted(classes.items()))
        print(f"{channel}: wrote {classes.total()} rows, {shares}", flush=True)


def convert(source: Path, destination: Path, contract: job.Contract) -> Counter[float]:
    """Writes the tables in the folder `source` as one file; returns the number of rows of each class."""
    classes: Counter[float] = Counter()
    destination.parent.mkdir(parents=True, exist_ok=True)
    with destination.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for path in job.csv_files(source):
            for row in labelled_rows(path, contract):
                classes[float(row[0])] += 1
                writer.writerow(row)
    if not classes:
        raise job.EmptyTable(
            f"{source} has a header but no row: run the preparation job on a table with rows."
        )
    job.require_two_classes(set(classes), contract, source)
    return classes


def labelled_rows(path: Path, contract: job.Contract) -> Iterator[list[str]]:
    """The checked rows of one curated table: label, then the features in the contract's order."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, strict=True)
        try:
            header = next(reader, [])
            position = positions(header, contract, path)
            checks = [(position[column.name], column) for column in contract.columns]
            wanted = [position[column.name] for column in contract.labelled]
            for row in filter(None, reader):  # a blank line is no row
                check(row, len(header), checks, f"line {reader.line_num} of {path.name}")
                yield [row[index] for index in wanted]
        except (UnicodeDecodeError, csv.Error) as error:
            raise job.NotACsv(f"{path} is not UTF-8 text in CSV form: {error}.") from error


def positions(header: Sequence[str], contract: job.Contract, path: Path) -> dict[str, int]:
    """Where each column of the contract stands. Other columns are let be."""
    names = [column.name for column in contract.columns]
    missing = [name for name in names if name not in header]
    if missing:
        raise job.MissingColumn(
            f"{path} has no column {', '.join(missing)}: its header is {','.join(header)[:200]!r}. "
            "Publish the curated table again with the preparation job."
        )
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise job.DuplicateColumn(f"{path} has the column {', '.join(twice)} more than once.")
    return {name: header.index(name) for name in names}


def check(row: Sequence[str], width: int, checks: Sequence[tuple[int, job.Column]], where: str) -> None:
    """Raises `InvalidValue` for the first value of the row that the contract refuses."""
    if len(row) != width:
        raise job.InvalidValue(f"{where} has {len(row)} fields where the header has {width}.")
    for index, column in checks:
        objection = column.objection(row[index])
        if objection:
            raise job.InvalidValue(
                f"{column.name} {objection} in {where} (it reads {row[index][:40]!r}). "
                "Publish the curated table again with the preparation job."
            )


if __name__ == "__main__":
    sys.exit(main())
