from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xgboost

from pipeline_code import train

Arguments = Callable[..., list[str]]


@pytest.fixture
def arguments(
    labelled: Callable[..., Path], learnable: list[str], contract_path: Path, tmp_path: Path
) -> Arguments:
    """The command line of a small training, with more of it appended."""

    def build(*more: str) -> list[str]:
        return [
            *["--contract", str(contract_path), "--model-dir", str(tmp_path / "model"), "--num_round", "20"],
            *["--train", str(labelled(learnable[:150]))],
            *["--validation", str(labelled(learnable[150:], "validation"))],
            *more,
        ]

    return build


def test_leaves_the_model_and_nothing_else(arguments: Arguments, tmp_path: Path) -> None:
    assert train.main(arguments()) == 0
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["xgboost-model"]


def test_the_model_knows_the_contracts_features_and_gives_probabilities(
    arguments: Arguments, tmp_path: Path
) -> None:
    train.main(arguments())
    booster = xgboost.Booster(model_file=str(tmp_path / "model" / "xgboost-model"))
    assert booster.feature_names == ["Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Embarked"]
    assert booster.num_boosted_rounds() == 20
    rows = xgboost.DMatrix([[3, 0, 22, 1, 0, 7.25, 2], [1, 1, 38, 1, 0, 71.2833, 0]])
    man, woman = booster.predict(rows, validate_features=False)  # as the container's serving code calls it
    assert 0 < man < 0.5 < woman < 1


def test_takes_folders_and_hyperparameters_as_the_training_toolkit_gives_them(
    arguments: Arguments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name = dict(zip(arguments()[::2], arguments()[1::2], strict=True))
    monkeypatch.setenv("SM_CHANNEL_TRAIN", by_name["--train"])
    monkeypatch.setenv("SM_CHANNEL_VALIDATION", by_name["--validation"])
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "toolkit"))
    more = ["--max_depth", "2", "--eta", "0.1", "--num_round", "3"]
    assert train.main(["--contract", by_name["--contract"], *more]) == 0
    assert (tmp_path / "toolkit" / "xgboost-model").stat().st_size > 1000


def test_prints_the_losses_as_it_goes(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    train.main(arguments())
    assert "validation-auc:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--max_depth", "deep"], "argument --max_depth: invalid int value: 'deep'"),
        (["--max_dept", "3"], "unrecognized arguments: --max_dept 3"),
        (["--eta", "-1"], "XGBoost refuses these hyperparameters: value -1 for"),
    ],
)
def test_names_a_hyperparameter_that_is_wrong(
    arguments: Arguments, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    assert train.main(arguments(*more)) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"InvalidArgument: {says}")


def test_names_a_channel_that_is_empty(
    arguments: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert train.main(arguments("--train", str(tmp_path / "empty"))) == 1
    assert capsys.readouterr().err.startswith("MissingInput: ")
    assert not (tmp_path / "model").exists()
