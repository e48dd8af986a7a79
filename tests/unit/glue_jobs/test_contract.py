from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glue_jobs.contract import Contract, load_contract, parse_contract
from glue_jobs.errors import InvalidContract


@pytest.fixture
def document(contract_path: Path) -> Any:
    return json.loads(contract_path.read_text(encoding="utf-8"))


def test_the_titanic_contract_has_its_features_in_the_order_of_the_model(contract: Contract) -> None:
    assert contract.features == ("Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked")
    assert contract.column("Sex").encoding == {"male": 0, "female": 1}
    assert contract.column("Embarked").encoding == {"C": 0, "Q": 1, "S": 2}


def test_the_curated_table_begins_with_id_and_target(contract: Contract) -> None:
    training = [column.name for column in contract.curated_columns(with_target=True)]
    inference = [column.name for column in contract.curated_columns(with_target=False)]
    assert training == ["PassengerId", "Survived", *contract.features]
    assert inference == ["PassengerId", *contract.features]


def set_column(name: str, /, **changes: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        next(column for column in document["columns"] if column["name"] == name).update(changes)

    return change


def set_member(**changes: object) -> Callable[[Any], None]:
    return lambda document: document.update(changes)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(set_member(feature=[]), "unknown members: feature", id="unknown member"),
        pytest.param(lambda document: document.pop("target"), "lacks 'target'", id="missing member"),
        pytest.param(set_member(version="1"), "'version' must be an integer", id="wrong type"),
        pytest.param(set_member(version=True), "'version' must be an integer", id="a boolean is no integer"),
        pytest.param(set_member(name=""), "'name' must be text", id="empty text"),
        pytest.param(set_member(columns={}), "'columns' must be a list", id="columns not a list"),
        pytest.param(set_member(features=[]), "features is empty", id="no features"),
        pytest.param(set_member(features=["Sex", "Sex"]), "named twice", id="feature twice"),
        pytest.param(set_member(features=["Sex", "Deck"]), "'Deck' is used", id="unknown feature"),
        pytest.param(set_member(features=["Sex"]), "neither id, target nor feature", id="unused column"),
        pytest.param(set_member(validation_fraction=1), "validation_fraction", id="nothing to train on"),
        pytest.param(
            set_member(maximum_quarantine_fraction=1.5), "maximum_quarantine", id="fraction above 1"
        ),
        pytest.param(
            set_member(missing_values=["C"]), "a category and a missing value", id="missing category"
        ),
        pytest.param(set_column("Sex", encoding={}), "only it, is encoded", id="category without codes"),
        pytest.param(set_column("Sex", encoding={"a": 1, "b": 1}), "share a code", id="codes not unique"),
        pytest.param(set_column("Sex", encoding={"a": "0"}), "integer code", id="codes not integers"),
        pytest.param(set_column("Sex", minimum=0), "a category's encoding is its range", id="category range"),
        pytest.param(set_column("Age", encoding={"a": 1}), "only it, is encoded", id="number with codes"),
        pytest.param(set_column("Age", allowed=[1]), "allowed is for integers", id="allowed numbers"),
        pytest.param(set_column("Age", minimum=200), "minimum is above maximum", id="empty range"),
        pytest.param(set_column("Age", type="float"), "one of integer, number, category", id="unknown type"),
        pytest.param(set_column("Age", nullable="no"), "true or false", id="nullable as text"),
        pytest.param(
            set_column("Age", units="years"), r"columns\[4\] has unknown", id="unknown column member"
        ),
        pytest.param(set_column("Age", name="Fare"), "same name", id="column twice"),
        pytest.param(set_column("PassengerId", minimum=-1), "the id PassengerId", id="negative ids"),
        pytest.param(set_column("PassengerId", nullable=True), "the id PassengerId", id="nullable id"),
        pytest.param(set_column("Survived", allowed=[0, 1, 2]), "two allowed values", id="three classes"),
        pytest.param(
            set_member(golden_rows=[{"name": "g", "features": [1], "expect": "below", "threshold": 0.5}]),
            "1 values for 7 features",
            id="short golden row",
        ),
    ],
)
def test_rejects_a_contract_that_cannot_hold(
    document: Any, change: Callable[[Any], None], complaint: str
) -> None:
    change(document)
    with pytest.raises(InvalidContract, match=complaint):
        parse_contract(document)


def test_an_id_may_begin_at_zero(document: Any) -> None:
    set_column("PassengerId", minimum=0)(document)
    assert parse_contract(document).column("PassengerId").minimum == 0


def test_names_the_contract_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidContract, match=r"cannot read .*nowhere\.json"):
        load_contract(tmp_path / "nowhere.json")


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_rejects_a_contract_file_that_holds_no_json_object(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidContract):
        load_contract(path)
