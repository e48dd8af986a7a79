"""Rules on small frames; `test_every_row_fares_as_a_plain_reading_of_the_contract_says` is the wide net."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from glue_jobs.contract import Contract
from glue_jobs.engines import PolarsEngine
from glue_jobs.transforms import (
    DUPLICATE,
    RAGGED,
    SOURCE,
    Frame,
    accepted,
    believed_ids,
    classify,
    is_in_validation,
    mark_duplicates,
    part,
    raw,
    reasons,
    rejected,
    summary,
    value,
)

GOOD = {
    "PassengerId": "1", "Survived": "1", "Pclass": "3", "Sex": "female", "Age": "22", "SibSp": "0",
    "Parch": "0", "Fare": "7.25", "Embarked": "S",
}  # fmt: skip
NUMBERS = [1, 1, 3, 1, 22.0, 0, 0, 7.25, 2]


def row(identity: int = 1, **changes: str) -> dict[str, str]:
    return GOOD | {"PassengerId": str(identity)} | changes


def scanned(rows: Iterable[Mapping[str, str]], ragged: Sequence[int] = ()) -> Frame:
    listed = list(rows)
    columns = {raw(name): [one[name] for one in listed] for name in listed[0]}
    flags = {SOURCE: ["s3://b/t.csv"] * len(listed), RAGGED: [i in ragged for i in range(len(listed))]}
    return nw.from_native(pl.LazyFrame(columns | flags))


def collect(frame: Frame) -> list[dict[str, Any]]:
    return frame.to_native().collect(engine="streaming").to_dicts()


Classify = Callable[..., Frame]


@pytest.fixture
def classified(contract: Contract) -> Classify:
    """classified(rows, ragged=()) with duplicates marked, as the job does."""

    def run(rows: Iterable[Mapping[str, str]], ragged: Sequence[int] = ()) -> Frame:
        frame = classify(scanned(rows, ragged), contract, contract.columns)
        engine = PolarsEngine({}, shutil.copy)
        ids = engine.repeated(believed_ids(frame, contract))
        flagged = engine.flag(frame, value(contract.id), ids, DUPLICATE) if ids else None
        return mark_duplicates(flagged) if flagged else frame

    return run


@pytest.fixture
def curated(contract: Contract, classified: Classify) -> Callable[..., list[list[Any]]]:
    def run(rows: Iterable[Mapping[str, str]]) -> list[list[Any]]:
        frame = accepted(classified(rows), contract.curated_columns(with_target=True))
        return [list(one.values()) for one in collect(frame)]

    return run


@pytest.fixture
def reasons_of(classified: Classify) -> Callable[..., list[str | None]]:
    def run(rows: Iterable[Mapping[str, str]], ragged: Sequence[int] = ()) -> list[str | None]:
        return [one["reason"] for one in collect(classified(rows, ragged).select("reason"))]

    return run


def test_a_good_row_becomes_numbers_in_the_order_of_the_contract(curated: Any) -> None:
    assert curated([GOOD]) == [NUMBERS]


def test_blanks_around_values_do_not_count(curated: Any) -> None:
    assert curated([{name: f" \t{value}\u00a0 \r" for name, value in GOOD.items()}]) == [NUMBERS]


@pytest.mark.parametrize("missing", ["", "?", "NA", "  ", " ? "])
def test_what_is_missing_stays_empty_where_the_contract_allows(curated: Any, missing: str) -> None:
    [found] = curated([row(Age=missing, Fare=missing, Embarked=missing)])
    assert found == [1, 1, 3, 1, None, 0, 0, None, None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22", 22),
        ("22.5", 22.5),
        (".5", 0.5),
        ("5.", 5),
        ("+5", 5),
        ("1e1", 10),
        ("0.9167", 0.9167),
        ("0", 0),
    ],
)
def test_reads_numbers_as_tables_write_them(curated: Any, text: str, value: float) -> None:
    assert curated([row(Age=text)])[0][4] == value


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("3.0", 3), ("3.", 3), ("+3", 3), ("003", 3)])
def test_an_integer_may_have_a_fraction_of_nothing(curated: Any, text: str, value: int) -> None:
    assert curated([row(Pclass=text)])[0][2] == value


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PassengerId": ""}, "PassengerId.missing"),
        ({"PassengerId": "0"}, "PassengerId.below_minimum"),
        ({"PassengerId": "1.5"}, "PassengerId.not_an_integer"),
        ({"PassengerId": "9" * 30}, "PassengerId.not_an_integer"),
        ({"Survived": ""}, "Survived.missing"),
        ({"Survived": "2"}, "Survived.not_allowed"),
        ({"Survived": "yes"}, "Survived.not_an_integer"),
        ({"Pclass": "4"}, "Pclass.not_allowed"),
        ({"Pclass": "1e0"}, "Pclass.not_an_integer"),
        ({"Sex": ""}, "Sex.missing"),
        ({"Sex": "Male"}, "Sex.unknown_category"),
        ({"Age": "-1"}, "Age.below_minimum"),
        ({"Age": "120.5"}, "Age.above_maximum"),
        ({"Age": "1e99"}, "Age.above_maximum"),
        ({"Age": "12,5"}, "Age.not_a_number"),
        ({"Age": "nan"}, "Age.not_a_number"),
        ({"Age": "inf"}, "Age.not_a_number"),
        ({"Age": "٣"}, "Age.not_a_number"),
        ({"Age": "1e400"}, "Age.not_a_number"),
        ({"SibSp": "?"}, "SibSp.missing"),
        ({"Parch": "21"}, "Parch.above_maximum"),
        ({"Embarked": "X"}, "Embarked.unknown_category"),
        ({"Age": "old", "Fare": "dear"}, "Age.not_a_number"),
    ],
)
def test_a_bad_row_is_set_aside_for_its_first_fault(
    reasons_of: Any, changes: dict[str, str], reason: str
) -> None:
    assert reasons_of([GOOD | changes, row(2)]) == [reason, None]


def test_every_row_of_a_duplicated_id_is_set_aside(reasons_of: Any) -> None:
    rows = [row(1), row(2), row(1, Age="30"), row(PassengerId="1.0"), row(3, Age="old"), row(3)]
    assert reasons_of(rows) == [
        "duplicate_id", None, "duplicate_id", "duplicate_id", "Age.not_a_number", "duplicate_id",
    ]  # fmt: skip


def test_a_ragged_row_is_set_aside_and_its_id_is_not_believed(reasons_of: Any) -> None:
    assert reasons_of([row(1), row(1), row(2)], ragged=[1]) == [None, "ragged_line", None]


def test_rejected_rows_keep_their_original_text(classified: Classify) -> None:
    frame = classified([row(1, Age=" old ", Name="Braund, Mr. Owen"), row(2, Name="x")])
    [found] = collect(rejected(frame, ["Name", "Age"]))
    assert found == {
        "reason": "Age.not_a_number",
        "source": "s3://b/t.csv",
        "Name": "Braund, Mr. Owen",
        "Age": " old ",
    }


def test_rejected_rows_that_come_back_are_rejected_under_one_reason_column(classified: Classify) -> None:
    frame = classified([row(1, Age="old", reason="Age.not_a_number", source="s3://b/elsewhere.csv")])
    [found] = collect(rejected(frame, ["reason", "source", "Age"]))
    assert found == {"reason": "Age.not_a_number", "source": "s3://b/t.csv", "Age": "old"}


def test_the_two_parts_are_the_accepted_rows(contract: Contract, classified: Classify) -> None:
    frame = classified([row(number) for number in range(1, 200)])
    ids = {
        validation: [
            one["PassengerId"] for one in collect(part(frame, contract.columns, validation=validation))
        ]
        for validation in (True, False)
    }
    assert sorted(ids[True] + ids[False]) == list(range(1, 200))
    assert ids[True] == sorted(ids[True])
    assert ids[False] == sorted(ids[False])


def validation_ids(ids: Iterable[int], fraction: float) -> list[int]:
    frame = nw.from_native(pl.LazyFrame({"id": list(ids)}, schema={"id": pl.Int64}))
    return [one["id"] for one in collect(frame.filter(is_in_validation(nw.col("id"), fraction)))]


def plainly_in_validation(identity: int, fraction: float) -> bool:
    modulus, multiplier = 2**31 - 1, 742_938_285
    state = identity * multiplier % modulus
    return state * state * multiplier % modulus < round(fraction * modulus)


def test_the_split_is_exact_integer_arithmetic_even_for_the_largest_ids() -> None:
    ids = [0, 1, 2**31 - 2, 2**31 - 1, 2**31, 2**40, 10**15 - 1, *range(10**9, 10**9 + 500)]
    assert validation_ids(ids, 0.3) == [number for number in ids if plainly_in_validation(number, 0.3)]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("stride", [1, 2, 3, 7, 10, 64, 100, 891, 1000, 4096, 65536, 10**6])
def test_the_split_is_even_however_ids_are_spaced(stride: int, fraction: float) -> None:
    rows = 5000
    found = len(validation_ids(range(stride, stride * rows + 1, stride), fraction))
    four_deviations = 4 * (fraction * (1 - fraction) / rows) ** 0.5
    assert found / rows == pytest.approx(fraction, abs=four_deviations)


def test_neighbours_are_split_independently() -> None:
    chosen = set(validation_ids(range(1, 20_001), 0.2))
    pairs = sum(number + 1 in chosen for number in chosen)
    assert pairs / len(chosen) == pytest.approx(0.2, abs=0.03)


VALUES = {
    "PassengerId": ["", "x", "0", "-3", "7", "7.0", "1e3"],
    "Survived": ["0", "1", "1.0", "2", "", "true"],
    "Pclass": ["1", "2", " 3", "4", "?", "first"],
    "Sex": ["male", " female", "FEMALE", "", "NA", "other"],
    "Age": ["", "?", "30", "0.42", "-1", "121", "old", "1e2", "1,5", "120"],
    "SibSp": ["0", "20", "21", "1.0", "1.5", "NA"],
    "Parch": ["0", "2", "", "two"],
    "Fare": ["", "0", "512.3292", "10000", "10000.01", "$7"],
    "Embarked": ["S", "C ", "Q", "", "?", "X"],
}


def any_rows(seed: int, count: int) -> list[dict[str, str]]:
    chance = random.Random(seed)  # noqa: S311 - test data

    def one(identity: int) -> dict[str, str]:
        faulty = chance.sample(sorted(VALUES), k=chance.choice([0, 0, 1, 2]))
        return row(identity) | {name: chance.choice(VALUES[name]) for name in faulty}

    return [one(identity) for identity in range(100, 100 + count)]


def plain_reasons(rows: Sequence[Mapping[str, str]], contract: Contract) -> list[str | None]:
    """The contract's rules, read row by row without any frame."""
    found = [
        next(filter(None, (plain_fault(one, column) for column in contract.columns)), None) for one in rows
    ]
    counted = Counter(filter(None, (plain_integer(one["PassengerId"].strip()) for one in rows)))
    repeated = [counted.get(plain_integer(one["PassengerId"].strip()) or 0, 0) > 1 for one in rows]
    return [
        fault or ("duplicate_id" if twice else None) for fault, twice in zip(found, repeated, strict=True)
    ]


def plain_integer(text: str) -> int | None:
    return int(float(text)) if re.fullmatch(r"[+-]?\d+(\.0*)?", text) else None


def plain_fault(one: Mapping[str, str], column: Any) -> str | None:
    text = one[column.name].strip()
    if text in ("", "?", "NA"):
        return None if column.nullable else f"{column.name}.missing"
    if column.type == "category":
        return None if text in column.encoding else f"{column.name}.unknown_category"
    value: float | None = plain_integer(text)
    if column.type == "number":
        value = float(text) if re.fullmatch(r"[+-]?[\d.]+(e\d+)?", text) else None
    if value is None:
        return f"{column.name}.not_{'an_integer' if column.type == 'integer' else 'a_number'}"
    if column.minimum is not None and value < column.minimum:
        return f"{column.name}.below_minimum"
    if column.maximum is not None and value > column.maximum:
        return f"{column.name}.above_maximum"
    return f"{column.name}.not_allowed" if column.allowed and value not in column.allowed else None


@pytest.mark.parametrize("seed", range(5))
def test_every_row_fares_as_a_plain_reading_of_the_contract_says(
    contract: Contract, reasons_of: Any, seed: int
) -> None:
    rows = any_rows(seed, 400)
    assert reasons_of(rows) == plain_reasons(rows, contract)


@pytest.mark.parametrize("seed", range(3))
def test_no_row_is_lost(contract: Contract, classified: Classify, seed: int) -> None:
    frame = classified(any_rows(seed, 300), ragged=range(0, 300, 50))
    [counts] = collect(summary(frame, contract, contract.columns))
    by_reason = sum(counts[f"reason/{code}"] for code in reasons(contract.columns))
    assert counts["rows"] == 300
    assert counts["accepted"] + by_reason == 300
    assert counts["accepted"] == len(collect(accepted(frame, contract.columns)))
    assert by_reason == len(collect(rejected(frame, ["Age"])))


def test_the_order_of_rows_changes_neither_the_accepted_nor_the_rejected(
    contract: Contract, classified: Classify
) -> None:
    rows = any_rows(11, 300)
    straight, reversed_ = classified(rows), classified(rows[::-1])
    assert (
        collect(accepted(straight, contract.columns)) == collect(accepted(reversed_, contract.columns))[::-1]
    )
    assert collect(summary(straight, contract, contract.columns)) == collect(
        summary(reversed_, contract, contract.columns)
    )
