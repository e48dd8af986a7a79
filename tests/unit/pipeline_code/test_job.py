from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline_code import job


def test_reads_the_projects_contract(contract: job.Contract) -> None:
    assert contract.feature_names == ["Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"]
    assert [column.name for column in contract.columns][:2] == ["PassengerId", "Survived"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"columns": [{"name": "a"}]}', "not json"])
def test_names_a_file_that_is_no_contract(tmp_path: Path, text: str) -> None:
    path = tmp_path / "contract.json"
    path.write_text(text)
    with pytest.raises(job.InvalidContract, match=r"contract\.json"):
        job.read_contract(path)


def test_names_a_contract_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(job.InvalidContract, match="FileNotFoundError"):
        job.read_contract(tmp_path / "none.json")


def test_names_a_feature_that_is_no_column(tmp_path: Path, contract_path: Path) -> None:
    document = json.loads(contract_path.read_text())
    document["features"].append("Cabin")
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(document))
    with pytest.raises(job.InvalidContract, match="Cabin"):
        job.read_contract(path)


@pytest.mark.parametrize(
    ("column", "text", "objection"),
    [
        ("Survived", "2", "is none of 0, 1"),
        ("Survived", "", "is missing"),
        ("Pclass", "first", "is not a number"),
        ("Sex", "male", "is not a number"),
        ("SibSp", "1.5", "is not a whole number"),
        ("Age", "-1", "is outside 0 to 120"),
        ("Age", "nan", "is not a number"),
        ("Age", "inf", "is not a number"),
        ("Age", " 22", "is not a number"),
        ("Age", "1_0", "is not a number"),
        ("Fare", "1e999", "is outside 0 to 10000"),
    ],
)
def test_the_contract_objects_to(contract: job.Contract, column: str, text: str, objection: str) -> None:
    (found,) = [each for each in contract.columns if each.name == column]
    assert found.objection(text) == objection


@pytest.mark.parametrize(
    ("column", "text"),
    [("Age", ""), ("Age", "0.9167"), ("Age", "120"), ("Fare", "7.25e1"), ("Embarked", ""), ("Sex", "1.0")],
)
def test_the_contract_allows(contract: job.Contract, column: str, text: str) -> None:
    (found,) = [each for each in contract.columns if each.name == column]
    assert found.objection(text) is None


def test_reads_labels_features_and_missing_values(
    labelled: Callable[..., Path], contract: job.Contract
) -> None:
    labels, features = job.read_labelled(labelled(["1,1,1,,0,0,7.25,", "0,3,0,22,1,0,8,2"]), contract)
    assert labels.tolist() == [1, 0]
    assert features.shape == (2, 7)
    assert np.isnan(features[0, [2, 6]]).all()


def test_reads_every_file_of_a_channel(labelled: Callable[..., Path], contract: job.Contract) -> None:
    folder = labelled(["1,1,1,,0,0,7.25,"])
    (folder / "more.csv").write_text("0,3,0,22,1,0,8,2\n")
    labels, _ = job.read_labelled(folder, contract)
    assert sorted(labels.tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        (["1,1,1", "0,1,1"], job.FeatureMismatch),
        (["1,1,1,1,1,1,1,1,1"], job.FeatureMismatch),
        (["1,1,1,,0,0,7.25,", "1,3,0,22,1,0,8,2"], job.SingleClassTarget),
        (["Survived,Pclass,Sex,Age,SibSp,Parch,Fare,Embarked", "1,1,1,,0,0,7.25,"], job.NotACsv),
        ([], job.EmptyTable),
    ],
)
def test_refuses_a_table_that_preprocessing_did_not_write(
    labelled: Callable[..., Path], contract: job.Contract, rows: list[str], error: type[job.JobError]
) -> None:
    with pytest.raises(error):
        job.read_labelled(labelled(rows), contract)


def test_says_what_a_channel_holds_instead_of_a_table(tmp_path: Path, contract: job.Contract) -> None:
    (tmp_path / "train.parquet").touch()
    with pytest.raises(job.MissingInput, match=r"train\.parquet"):
        job.read_labelled(tmp_path, contract)


def test_a_named_error_is_the_last_line_and_the_exit_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = tmp_path / "output" / "message"

    def fail(_: argparse.Namespace) -> None:
        raise job.EmptyTable("nothing\nhere")

    assert job.run(_parser(), fail, ["--message-file", str(message)]) == 1
    assert capsys.readouterr().err == "EmptyTable: nothing here\n"
    assert message.read_text() == "EmptyTable: nothing here"


def test_an_exit_message_is_at_most_what_sagemaker_keeps_and_whole_characters(tmp_path: Path) -> None:
    message = tmp_path / "message"

    def fail(_: argparse.Namespace) -> None:
        raise job.InvalidValue("é" * 2000)

    job.run(_parser(), fail, ["--message-file", str(message)])
    assert 1000 < len(message.read_bytes()) <= 1024
    assert message.read_bytes().decode().startswith("InvalidValue: éé")


def test_a_bug_keeps_its_traceback_and_leaves_its_message(tmp_path: Path) -> None:
    message = tmp_path / "message"

    def fail(_: argparse.Namespace) -> None:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        job.run(_parser(), fail, ["--message-file", str(message)])
    assert message.read_text() == "ZeroDivisionError: by zero"


def test_names_an_argument_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    def work(_: argparse.Namespace) -> None:
        pytest.fail("the work must not begin")

    assert job.run(_parser(), work, ["--tarin", "x"]) == 1
    assert capsys.readouterr().err.startswith("InvalidArgument: unrecognized arguments: --tarin x.")


def test_every_error_is_in_the_tree_at_the_top() -> None:
    for error in job.JobError.__subclasses__():
        assert f"── {error.__name__} " in (job.__doc__ or "")


def _parser() -> job.Parser:
    parser = job.Parser("A job.")
    parser.add_argument("--message-file", type=Path)
    return parser
