"""The data contract: what a table must look like, read once by the job and checked against itself.

Another table means another file in `contracts/`, no code. `prepare.py` reads it for cleaning, encoding
and splitting; the golden rows are for whoever asks a served model a question with a known answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from glue_jobs.errors import InvalidContract

ColumnType = Literal["integer", "number", "category"]
COLUMN_TYPES = ("integer", "number", "category")
EXPECTATIONS = ("below", "above")


@dataclass(frozen=True)
class Column:
    """One column of the raw table and, encoded as a number, of the curated one."""

    name: str
    type: ColumnType
    nullable: bool
    minimum: float | None
    maximum: float | None
    allowed: tuple[int, ...]
    encoding: Mapping[str, int]


@dataclass(frozen=True)
class GoldenRow:
    """An encoded row in feature order whose score must lie `expect` (below or above) the threshold."""

    name: str
    features: tuple[float | None, ...]
    expect: str
    threshold: float


@dataclass(frozen=True)
class Contract:
    """A whole contract. `load_contract` is the way to get one: it has then been checked."""

    name: str
    version: int
    id: str
    target: str
    columns: tuple[Column, ...]
    features: tuple[str, ...]
    missing_values: tuple[str, ...]
    maximum_quarantine_fraction: float
    validation_fraction: float
    golden_rows: tuple[GoldenRow, ...]

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def curated_columns(self, *, with_target: bool) -> tuple[Column, ...]:
        """Columns of the curated table in its order: id, target (training only), features."""
        target = (self.target,) if with_target else ()
        return tuple(self.column(name) for name in (self.id, *target, *self.features))


def load_contract(path: Path) -> Contract:
    """Read and check a contract file.

    Raises:
        InvalidContract: no such file, not JSON, or a statement that cannot hold.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidContract(f"cannot read {path}: {error.strerror}; pass --contract a file") from error
    except ValueError as error:
        raise InvalidContract(f"{path.name} is not JSON: {error}") from error
    return parse_contract(document)


def parse_contract(document: object) -> Contract:
    """Check a contract document; the first thing wrong with it is raised as `InvalidContract`."""
    reader = _Reader("contract", document)
    contract = Contract(
        name=reader.text("name"),
        version=reader.integer("version"),
        id=reader.text("id"),
        target=reader.text("target"),
        columns=tuple(_column(item) for item in reader.items("columns")),
        features=tuple(reader.texts("features")),
        missing_values=tuple(reader.texts("missing_values")),
        maximum_quarantine_fraction=reader.number("maximum_quarantine_fraction"),
        validation_fraction=reader.number("validation_fraction"),
        golden_rows=tuple(_golden_row(item) for item in reader.items("golden_rows")),
    )
    reader.finish()
    _check_names(contract)
    _check_roles(contract)
    _check_missing_values(contract)
    _check_fractions(contract)
    _check_golden_rows(contract)
    return contract


def _column(reader: _Reader) -> Column:
    column = Column(
        name=reader.text("name"),
        type=cast(ColumnType, reader.choice("type", COLUMN_TYPES)),
        nullable=reader.boolean("nullable"),
        minimum=reader.optional_number("minimum"),
        maximum=reader.optional_number("maximum"),
        allowed=reader.integers("allowed"),
        encoding=reader.encoding("encoding"),
    )
    reader.finish()
    _check_column(column)
    return column


def _golden_row(reader: _Reader) -> GoldenRow:
    row = GoldenRow(
        name=reader.text("name"),
        features=reader.numbers_or_null("features"),
        expect=reader.choice("expect", EXPECTATIONS),
        threshold=reader.number("threshold"),
    )
    reader.finish()
    return row


def _check_column(column: Column) -> None:
    is_category = column.type == "category"
    _require(
        bool(column.encoding) == is_category, f"column {column.name}: a category, and only it, is encoded"
    )
    codes = list(column.encoding.values())
    _require(len(set(codes)) == len(codes), f"column {column.name}: two categories share a code")
    _require(
        not (is_category and (column.allowed or column.minimum is not None or column.maximum is not None)),
        f"column {column.name}: a category's encoding is its range; drop allowed, minimum and maximum",
    )
    _require(
        not (column.allowed and column.type == "number"), f"column {column.name}: allowed is for integers"
    )
    if column.minimum is not None and column.maximum is not None:
        _require(column.minimum <= column.maximum, f"column {column.name}: minimum is above maximum")


def _check_names(contract: Contract) -> None:
    names = [column.name for column in contract.columns]
    _require(len(set(names)) == len(names), "two columns have the same name")
    used = [contract.id, contract.target, *contract.features]
    _require(len(set(used)) == len(used), "a column is named twice among id, target and features")
    _require(bool(contract.features), "features is empty")
    for name in used:
        _require(name in names, f"{name!r} is used but is not among the columns")
    for name in names:
        _require(name in used, f"column {name!r} is neither id, target nor feature: drop it")


def _check_roles(contract: Contract) -> None:
    identity, target = contract.column(contract.id), contract.column(contract.target)
    counts_up = identity.minimum is not None and identity.minimum >= 0
    _require(
        identity.type == "integer" and not identity.nullable and counts_up,
        f"the id {identity.name} must be a non-nullable integer with a minimum of 0 or more",
    )
    _require(
        target.type == "integer" and not target.nullable and len(set(target.allowed)) == 2,
        f"the target {target.name} must be a non-nullable integer with two allowed values",
    )


def _check_missing_values(contract: Contract) -> None:
    for column in contract.columns:
        both = [category for category in column.encoding if category in contract.missing_values]
        _require(not both, f"column {column.name}: {', '.join(both)} is a category and a missing value")


def _check_fractions(contract: Contract) -> None:
    _require(0 < contract.validation_fraction < 1, "validation_fraction must lie between 0 and 1")
    _require(
        0 <= contract.maximum_quarantine_fraction <= 1, "maximum_quarantine_fraction must lie within 0 to 1"
    )


def _check_golden_rows(contract: Contract) -> None:
    for row in contract.golden_rows:
        _require(
            len(row.features) == len(contract.features),
            f"golden row {row.name!r} has {len(row.features)} values for {len(contract.features)} features",
        )
        _require(0 < row.threshold < 1, f"golden row {row.name!r}: the threshold must lie between 0 and 1")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InvalidContract(otherwise)


class _Reader:
    """Takes typed members out of one JSON object; `finish` refuses what nobody took."""

    def __init__(self, where: str, document: object) -> None:
        _require(isinstance(document, dict), f"{where} must be a JSON object")
        self._where = where
        self._members = dict(cast(dict[str, Any], document))

    def finish(self) -> None:
        _require(not self._members, f"{self._where} has unknown members: {', '.join(self._members)}")

    def text(self, key: str) -> str:
        value = self._take(key)
        self._expect(isinstance(value, str) and bool(value), key, "text")
        return str(value)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        self._expect(value in choices, key, f"one of {', '.join(choices)}")
        return value

    def boolean(self, key: str) -> bool:
        value = self._take(key)
        self._expect(isinstance(value, bool), key, "true or false")
        return bool(value)

    def integer(self, key: str) -> int:
        value = self._take(key)
        self._expect(_is_integer(value), key, "an integer")
        return cast(int, value)

    def number(self, key: str) -> float:
        value = self._take(key)
        self._expect(_is_number(value), key, "a number")
        return cast(float, value)

    def optional_number(self, key: str) -> float | None:
        return self.number(key) if key in self._members else None

    def texts(self, key: str) -> list[str]:
        return cast(list[str], self._list(key, lambda item: isinstance(item, str), "a list of texts"))

    def integers(self, key: str) -> tuple[int, ...]:
        """Empty when absent."""
        if key not in self._members:
            return ()
        return tuple(self._list(key, _is_integer, "a list of integers"))

    def numbers_or_null(self, key: str) -> tuple[float | None, ...]:
        return tuple(self._list(key, lambda item: item is None or _is_number(item), "a list of numbers"))

    def encoding(self, key: str) -> Mapping[str, int]:
        """Category to code; empty when absent."""
        value = self._members.pop(key, {})
        self._expect(isinstance(value, dict), key, "an object of category: code")
        self._expect(all(map(_is_integer, value.values())), key, "an object of category: integer code")
        return dict(value)

    def items(self, key: str) -> Iterable[_Reader]:
        found = self._list(key, lambda item: isinstance(item, dict), "a list of objects")
        return [_Reader(f"{key}[{index}]", item) for index, item in enumerate(found)]

    def _list(self, key: str, accepts: Any, expected: str) -> list[Any]:
        value = self._take(key)
        self._expect(isinstance(value, list) and all(map(accepts, value)), key, expected)
        return cast(list[Any], value)

    def _take(self, key: str) -> object:
        _require(key in self._members, f"{self._where} lacks {key!r}")
        return self._members.pop(key)

    def _expect(self, holds: bool, key: str, expected: str) -> None:
        _require(holds, f"{self._where}: {key!r} must be {expected}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))
