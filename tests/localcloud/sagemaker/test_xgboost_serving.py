"""How the XGBoost image answers: rows without a header in, one probability a line out."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy
import pytest
import xgboost

from localcloud.sagemaker import xgboost_serving
from localcloud.sagemaker.xgboost_serving import InvocationFailed, ModelUnusable, Scorer, read_csv

CSV = ("text/csv", "text/csv")


@pytest.fixture
def folder(tmp_path: Path, model_file: bytes) -> Path:
    """An unpacked model.tar.gz."""
    (tmp_path / "xgboost-model").write_bytes(model_file)
    return tmp_path


@pytest.fixture
def scorer(folder: Path) -> Scorer:
    return Scorer.load(folder, {})


def refusal(scorer: Scorer, payload: bytes, content_type: str = "text/csv", accept: str = "text/csv") -> Any:
    with pytest.raises(InvocationFailed) as failed:
        scorer.invoke(payload, content_type, accept)
    return failed.value


def test_answers_one_probability_a_line(scorer: Scorer, folder: Path) -> None:
    rows = [[0.9, 0.9, 0.9], [0.1, float("nan"), 0.1]]
    answer = scorer.invoke(b"0.9,0.9,0.9\n0.1,,0.1\n", *CSV)
    booster = xgboost.Booster(model_file=folder / "xgboost-model")
    expected = booster.predict(xgboost.DMatrix(numpy.array(rows)), validate_features=False)
    assert answer.decode() == "".join(f"{value}\n" for value in expected.tolist())
    likely, unlikely = expected
    assert likely - unlikely > 0.7


def test_an_empty_request_has_an_empty_answer(scorer: Scorer) -> None:
    assert scorer.invoke(b"", *CSV) == b""


@pytest.mark.parametrize(
    "payload", [b"1,2,3", b"1,2,3\n", b"\n1,2,3\n\n", b"1,2,3\r\n", b"1;2;3\n", b"1\t2\t3", b" 1, 2 ,3.0"]
)
def test_reads_what_the_image_reads(payload: bytes) -> None:
    assert read_csv(payload).tolist() == [[1.0, 2.0, 3.0]]


def test_blank_fields_are_missing_wherever_they_stand() -> None:
    read = read_csv(b",2,\n,,\n1,,3")
    nan = numpy.nan
    assert numpy.array_equal(read, [[nan, 2, nan], [nan, nan, nan], [1, nan, 3]], equal_nan=True)


def own_way(payload: str) -> Any:
    """What the image does with a payload; None where it fails."""
    try:
        return numpy.array([[f or "nan" for f in line.split(",")] for line in payload.split("\n")]).astype(
            float
        )
    except ValueError:
        return None


def test_what_is_read_the_fast_way_is_what_the_image_reads() -> None:
    draw = random.Random(1)  # noqa: S311 - rows, not secrets
    texts = ["".join(draw.choices("011.,,-+eE \n", k=draw.randint(1, 9))).strip() for _ in range(5000)]
    compared = 0
    for text in filter(None, texts):
        expected = own_way(text)
        try:
            read = read_csv(text.encode())
        except InvocationFailed:
            continue
        compared += 1
        if "," in text:
            assert numpy.array_equal(read, expected, equal_nan=True), text
    assert compared > 500


def test_what_is_read_of_a_large_payload_is_what_is_read_of_a_small_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = random.Random(2)  # noqa: S311 - rows, not secrets
    texts = ["".join(draw.choices("011.,,-+eE\n", k=draw.randint(1, 9))) for _ in range(3000)]
    texts += ["1,2.5e-3,\n+3,-.5,4.\n,,\n", "0.1,1e5\n1E-300,123456789012345678901234567890", "1,2\n\n3,4"]

    def outcomes() -> list[str]:
        return [outcome_of_reading(text) for text in texts]

    small = outcomes()
    monkeypatch.setattr(xgboost_serving, "LARGE", 0)
    assert outcomes() == small
    assert sum("nan" in found for found in small) > 300


def outcome_of_reading(text: str) -> str:
    try:
        return str(read_csv(text.encode()).tolist())
    except InvocationFailed as error:
        return str(error)


def test_scores_of_a_large_payload_are_written_as_those_of_a_small_one(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = numpy.concatenate(
        [
            10 ** numpy.linspace(-12, 17, 2000),
            -(10 ** numpy.linspace(-12, 17, 200)),
            [0, numpy.nan, numpy.inf],
        ]
    )
    monkeypatch.setattr(scorer, "predict", lambda _features: scores)
    for kind in (numpy.float32, numpy.float64):
        scores = scores.astype(kind)
        small = scorer.invoke(b"1,2,3\n", *CSV)
        with monkeypatch.context() as patched:
            patched.setattr(xgboost_serving, "LARGE", 0)
            assert scorer.invoke(b"1,2,3\n", *CSV) == small


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"a,b,c\n1,2,3\n", "could not convert string to float: np.str_('a')"),
        (b"1,2,3\n1,male,3\n", "could not convert string to float: np.str_('male')"),
        (b"1, ,3\n", "could not convert string to float"),
        (b'1,"2",3\n', "could not convert string to float"),
        (b"1,2,3\n1,2\n", "inhomogeneous shape"),
        (b"1,2,3\n\n1,2,3\n", "inhomogeneous shape"),
        (b"1,2,\r\n1,2,3\r\n", r"could not convert string to float: np.str_('\r')"),
        (b"\xff,2,3\n", "codec can't decode"),
        (b"\n\n", "Could not determine delimiter"),
    ],
)
def test_a_header_and_all_that_is_no_table_of_numbers_is_415(
    scorer: Scorer, payload: bytes, words: str
) -> None:
    refused = refusal(scorer, payload)
    assert refused.status == 415
    assert str(refused).startswith(
        "Loading csv data failed with Exception, please ensure data is in csv format"
    )
    assert words in str(refused)


@pytest.mark.parametrize(("payload", "columns"), [(b"1,2\n3,4\n", 2), (b"1,2,3,4\n", 4)])
def test_another_number_of_columns_than_the_models_is_400(
    scorer: Scorer, payload: bytes, columns: int
) -> None:
    refused = refusal(scorer, payload)
    assert refused.status == 400
    assert str(refused) == (
        f"Unable to evaluate payload provided: Feature size of csv inference data {columns} is not consistent"
        " with feature size of trained model 3."
    )


@pytest.mark.parametrize("content_type", ["application/json", "application/x-parquet", ""])
def test_another_content_type_is_415(scorer: Scorer, content_type: str) -> None:
    refused = refusal(scorer, b"1,2,3", content_type)
    assert (refused.status, str(refused)) == (
        415,
        f"{content_type} is not an accepted ContentType: csv, text/csv.",
    )


def test_a_content_type_may_have_parameters(scorer: Scorer) -> None:
    assert scorer.invoke(b"1,2,3", "text/csv; charset=utf-8", "text/csv")


def test_an_answer_of_another_type_is_415(scorer: Scorer) -> None:
    refused = refusal(scorer, b"1,2,3", accept="image/png")
    assert refused.status == 415
    assert str(refused).startswith("Encoding to accept type image/png failed with exception")


def test_a_request_larger_than_the_image_takes_is_413(folder: Path) -> None:
    scorer = Scorer.load(folder, {"MAX_CONTENT_LENGTH": "5"})
    assert scorer.invoke(b"1,2,3", *CSV)
    assert refusal(scorer, b"1,2,34").status == 413


def test_every_file_at_the_root_is_a_model_and_their_mean_is_the_answer(folder: Path, scorer: Scorer) -> None:
    alone = scorer.invoke(b"1,2,3", *CSV)
    (folder / "another").write_bytes((folder / "xgboost-model").read_bytes())
    (folder / "code").mkdir()
    assert Scorer.load(folder, {}).invoke(b"1,2,3", *CSV) == alone
    (folder / "notes.txt").write_text("trained on Tuesday")
    with pytest.raises(ModelUnusable, match=r"Model at notes\.txt cannot be loaded"):
        Scorer.load(folder, {})


@pytest.mark.parametrize("content", [b"", b"no model", b'{"learner": 1}', b"{L\x00"])
def test_a_corrupt_model_is_unusable(folder: Path, content: bytes) -> None:
    (folder / "xgboost-model").write_bytes(content)
    with pytest.raises(ModelUnusable, match="Unable to load model: Model at xgboost-model") as unusable:
        Scorer.load(folder, {})
    assert "Stack trace" not in str(unusable.value)


def test_a_folder_without_a_model_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="has no file at its root"):
        Scorer.load(tmp_path, {})
