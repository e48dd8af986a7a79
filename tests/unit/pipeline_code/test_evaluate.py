from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from pipeline_code import evaluate, job

LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.2, 0.3, 0.6, 0.4, 0.7, 0.8, 0.9, 0.45])


@pytest.fixture
def report() -> dict[str, Any]:
    return evaluate.evaluation(LABELS, SCORES)


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model.tar.gz with these members: name to bytes, or to a ready TarInfo."""

    def write(members: dict[str, bytes | tarfile.TarInfo]) -> Path:
        path = tmp_path / "model" / "model.tar.gz"
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz") as tar:
            for name, content in members.items():
                info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
                data = b"" if isinstance(content, tarfile.TarInfo) else content
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return write


def test_follows_the_model_quality_layout(report: dict[str, Any]) -> None:
    found = report["binary_classification_metrics"]
    assert found["accuracy"]["value"] == pytest.approx(0.8)
    assert found["precision"]["value"] == pytest.approx(0.75)
    assert found["recall"]["value"] == pytest.approx(0.75)
    assert found["f1"]["value"] == pytest.approx(0.75)
    assert found["auc"]["value"] == pytest.approx(23 / 24)
    assert found["confusion_matrix"] == {"0": {"0": 5, "1": 1}, "1": {"0": 1, "1": 3}}
    assert set(found["receiver_operating_characteristic_curve"]) == {
        "false_positive_rates",
        "true_positive_rates",
    }
    assert set(found["precision_recall_curve"]) == {"precisions", "recalls"}
    assert report["dataset"] == {"item_count": 10, "positive_count": 4}


def test_every_metric_has_a_deviation_and_an_interval_around_it(report: dict[str, Any]) -> None:
    for name in ("accuracy", "precision", "recall", "f1", "auc", "log_loss"):
        metric = report["binary_classification_metrics"][name]
        interval = report["bootstrap"]["intervals"][name]
        assert metric["standard_deviation"] > 0
        assert interval["lower"] <= metric["value"] <= interval["upper"]
    assert report["bootstrap"]["resamples"] == 1000


def test_the_baseline_always_answers_the_more_frequent_class(report: dict[str, Any]) -> None:
    entropy = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
    expected = {"majority_class": 0, "accuracy": 0.6, "f1": 0.0, "auc": 0.5, "log_loss": entropy}
    assert report["baseline"] == pytest.approx(expected)


@pytest.mark.parametrize("score", [0.1, 0.9, 0.0, 1.0])
def test_is_finite_even_for_a_model_that_always_says_the_same(score: float) -> None:
    report = evaluate.evaluation(LABELS, np.full(len(LABELS), score))
    text = json.dumps(report, allow_nan=False)
    assert json.loads(text)["binary_classification_metrics"]["auc"]["value"] == 0.5


def test_a_score_of_exactly_a_half_is_class_0_as_in_the_containers_own_labels() -> None:
    labels = evaluate.evaluation(np.array([0, 1]), np.array([0.5, 0.5]))
    assert labels["binary_classification_metrics"]["confusion_matrix"]["1"] == {"0": 1, "1": 0}


def test_curves_of_a_large_table_are_thinned_and_keep_their_ends() -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 5000)
    curve = evaluate.precision_recall_curve(labels, generator.random(5000))
    assert len(curve["recalls"]) == len(curve["precisions"]) == 500
    assert (curve["recalls"][0], curve["recalls"][-1]) == (1.0, 0.0)


def test_finds_the_model_however_tar_writes_its_name(archive: Callable[..., Path]) -> None:
    assert evaluate.model_bytes(archive({"./xgboost-model": b"model"})) == b"model"


@pytest.mark.parametrize("name", ["../xgboost-model", "/etc/xgboost-model", "code/../../xgboost-model"])
def test_refuses_a_member_outside_the_folder(archive: Callable[..., Path], name: str) -> None:
    with pytest.raises(job.UnsafeArchive, match="find out who wrote it"):
        evaluate.model_bytes(archive({"xgboost-model": b"model", name: b"other"}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_refuses_a_member_that_is_no_plain_file(archive: Callable[..., Path], kind: bytes) -> None:
    info = tarfile.TarInfo("xgboost-model")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(job.UnsafeArchive):
        evaluate.model_bytes(archive({"xgboost-model": info}))


def test_says_what_an_archive_without_model_holds(archive: Callable[..., Path]) -> None:
    with pytest.raises(job.MissingModel, match=r"holds model\.pkl but no xgboost-model"):
        evaluate.model_bytes(archive({"model.pkl": b""}))


def test_a_folder_called_like_the_model_is_no_model(archive: Callable[..., Path]) -> None:
    folder = tarfile.TarInfo("xgboost-model")
    folder.type = tarfile.DIRTYPE
    with pytest.raises(job.MissingModel):
        evaluate.model_bytes(archive({"xgboost-model": folder}))


def test_names_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(job.MissingModel, match="does not exist"):
        evaluate.model_bytes(tmp_path / "model.tar.gz")


@pytest.mark.parametrize("content", [b"", b"not gzip", b"\x1f\x8b\x08\x00cut off"])
def test_names_an_archive_that_is_broken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.tar.gz").write_bytes(content)
    with pytest.raises(job.UnreadableModel, match="not a gzipped tar file"):
        evaluate.model_bytes(tmp_path / "model.tar.gz")


@pytest.mark.parametrize("content", [b"", b"a pickle?", b"{}"])
def test_names_a_model_that_xgboost_cannot_load(
    archive: Callable[..., Path], contract: job.Contract, content: bytes
) -> None:
    with pytest.raises(job.UnreadableModel, match="XGBoost"):
        evaluate.load_model(archive({"xgboost-model": content}), contract)


def test_names_a_model_of_other_features(archive: Callable[..., Path], contract: job.Contract) -> None:
    model = _booster(["a", "b"]).save_raw()
    with pytest.raises(job.FeatureMismatch, match=r"trained on \['a', 'b'\]"):
        evaluate.load_model(archive({"xgboost-model": bytes(model)}), contract)


def test_main_writes_a_report_and_a_baseline_that_repeat_byte_for_byte(
    *,
    archive: Callable[..., Path],
    labelled: Callable[..., Path],
    learnable: list[str],
    contract: job.Contract,
    contract_path: Path,
    tmp_path: Path,
) -> None:
    model = archive({"xgboost-model": bytes(_booster(contract.feature_names).save_raw())})
    arguments = ["--contract", str(contract_path), "--model", str(model.parent)]
    arguments += ["--validation", str(labelled(learnable, "validation"))]
    for folder in ("first", "second"):
        assert evaluate.main([*arguments, "--evaluation-output", str(tmp_path / folder)]) == 0
    for name in ("evaluation.json", "baseline.json"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert json.loads((tmp_path / "first/evaluation.json").read_text())["dataset"]["item_count"] == 200
    baseline = json.loads((tmp_path / "first/baseline.json").read_text())
    assert baseline["rows"] == 200
    assert [column["name"] for column in baseline["features"]] == contract.feature_names
    assert sum(baseline["score"]["counts"]) == 200


def test_main_names_a_validation_table_of_one_class(
    *,
    archive: Callable[..., Path],
    labelled: Callable[..., Path],
    contract: job.Contract,
    contract_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = archive({"xgboost-model": bytes(_booster(contract.feature_names).save_raw())})
    arguments = ["--contract", str(contract_path), "--model", str(model.parent)]
    arguments += ["--validation", str(labelled(["1,1,1,,0,0,7.25,"])), "--evaluation-output", str(tmp_path)]
    assert evaluate.main(arguments) == 1
    assert capsys.readouterr().err.startswith("SingleClassTarget: Survived is 1 in every row")
    assert not (tmp_path / "evaluation.json").exists()


def _booster(features: list[str]) -> xgboost.Booster:
    rows = np.random.default_rng(0).random((20, len(features)))
    table = xgboost.DMatrix(rows, label=[0, 1] * 10, feature_names=features)
    return xgboost.train({"objective": "binary:logistic", "nthread": 1}, table, 2)
