"""Step `ModelEvaluation`: how well the trained model predicts the validation table.

Writes evaluation.json in SageMaker's model-quality layout, where the pipeline's condition and the Model
Registry look, with more beside it that a person deciding on the model needs: see `evaluation`. Beside it
baseline.json says what validation rows and their scores look like, for batches to be compared with: see
`drift_baseline`; statistics.json and constraints.json say it of the features, for an endpoint's requests: see
`data_quality`. None holds a date or a path, so the same model and data give the same bytes.

    python3 evaluate.py --model DIR --validation DIR --evaluation-output DIR
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost
from sklearn import metrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Labels = NDArray[np.int64]

if TYPE_CHECKING or __package__:  # job.py says why there are two ways
    from . import bootstrap, data_quality, drift_baseline, job
else:
    import bootstrap
    import data_quality
    import drift_baseline
    import job

PROCESSING = Path("/opt/ml/processing")
CUT = 0.5  # a score above it predicts class 1, as the container's own `predicted_label` does
CURVE_POINTS = 500  # more cannot be seen in a chart


def main(argv: Sequence[str] | None = None) -> int:
    return job.run(parser(), evaluate, argv)


def parser() -> job.Parser:
    parser = job.Parser("Measure a trained model on the validation table.")
    parser.add_argument("--model", type=Path, default=PROCESSING / "input" / "model")
    parser.add_argument("--validation", type=Path, default=PROCESSING / "input" / "validation")
    parser.add_argument("--evaluation-output", type=Path, default=PROCESSING / "output" / "evaluation")
    parser.add_argument("--message-file", type=Path, help="where the reason of a failure is left")
    return parser


def evaluate(arguments: argparse.Namespace) -> None:
    contract = job.read_contract(arguments.contract)
    booster = load_model(arguments.model / "model.tar.gz", contract)
    labels, features = job.read_labelled(arguments.validation, contract)
    print(f"scoring {len(labels)} rows of {arguments.validation}", flush=True)
    table = xgboost.DMatrix(features, feature_names=contract.feature_names, nthread=1)
    scores = booster.predict(table).astype(np.float64)
    report = evaluation(labels.astype(np.int64), scores)
    baseline = drift_baseline.drift_baseline(contract.features, features.astype(np.float64), scores)
    statistics = data_quality.statistics(contract.features, features.astype(np.float64), baseline["features"])
    documents = {
        "baseline": baseline,
        "constraints": data_quality.constraints(contract.features, statistics),
        "evaluation": report,
        "statistics": statistics,
    }
    arguments.evaluation_output.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        write_json(arguments.evaluation_output / f"{name}.json", document)
    print(summary(report), flush=True)


def write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def load_model(archive: Path, contract: job.Contract) -> xgboost.Booster:
    """Raises `MissingModel`, `UnsafeArchive`, `UnreadableModel`, `FeatureMismatch`."""
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(model_bytes(archive)))
    except xgboost.core.XGBoostError as error:
        raise job.UnreadableModel(
            f"{job.MODEL_FILE} in {archive} is not a model that XGBoost {xgboost.__version__} can load."
        ) from error
    if booster.feature_names != contract.feature_names:
        raise job.FeatureMismatch(
            f"the model in {archive} was trained on {booster.feature_names}, "
            f"the contract has {contract.feature_names}: train again with this code bundle."
        )
    return booster


def model_bytes(archive: Path) -> bytes:
    """The model inside model.tar.gz, read without unpacking anything to disk."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = tar.getmembers()
            for member in members:
                _require_plain(member, archive)
            model = next(
                (each for each in members if PurePosixPath(each.name) == PurePosixPath(job.MODEL_FILE)), None
            )
            stream = tar.extractfile(model) if model else None
            if stream is None:
                held = ", ".join(member.name for member in members) or "nothing"
                raise job.MissingModel(
                    f"{archive} holds {held} but no {job.MODEL_FILE}: see the training job."
                )
            return stream.read()
    except FileNotFoundError as error:
        raise job.MissingModel(f"{archive} does not exist: see the training job's model artifact.") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise job.UnreadableModel(f"{archive} is not a gzipped tar file: {error}.") from error


def _require_plain(member: tarfile.TarInfo, archive: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
        raise job.UnsafeArchive(
            f"{archive} has the member {member.name!r}, which is a link, a device or outside the folder: "
            "do not use this archive, and find out who wrote it."
        )


def evaluation(labels: Labels, scores: Numbers) -> dict[str, Any]:
    """evaluation.json: `labels` are 0 or 1 and hold both, `scores` are the probabilities of class 1.

    - `binary_classification_metrics`: the model-quality layout. A `standard_deviation` is the bootstrap's.
    - `baseline`: what always answering with the more frequent class would score.
    - `bootstrap`: for each metric the interval that 95% of the resampled validation tables fall into. A
      threshold inside the interval means that another split could have decided otherwise.
    """
    samples = bootstrap.resampled_metrics(labels, scores, CUT)
    return {
        "version": 0.0,
        "dataset": {"item_count": len(labels), "positive_count": int(labels.sum())},
        "binary_classification_metrics": {
            "confusion_matrix": confusion_matrix(labels, scores > CUT),
            **{
                name: {"value": value, "standard_deviation": float(np.std(samples[name], ddof=1))}
                for name, value in point_metrics(labels, scores).items()
            },
            "receiver_operating_characteristic_curve": roc_curve(labels, scores),
            "precision_recall_curve": precision_recall_curve(labels, scores),
        },
        "baseline": baseline(labels),
        "bootstrap": {
            "resamples": bootstrap.RESAMPLES,
            "seed": bootstrap.SEED,
            "confidence": bootstrap.CONFIDENCE,
            "intervals": {name: bootstrap.interval(values) for name, values in samples.items()},
        },
    }


def point_metrics(labels: Labels, scores: Numbers) -> dict[str, float]:
    """The metrics on the table as it is."""
    predicted = scores > CUT
    values = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted, zero_division=0.0),
        "recall": metrics.recall_score(labels, predicted, zero_division=0.0),
        "f1": metrics.f1_score(labels, predicted, zero_division=0.0),
        "auc": metrics.roc_auc_score(labels, scores),
        "log_loss": metrics.log_loss(labels, scores),
    }
    return {name: float(value) for name, value in values.items()}


def confusion_matrix(labels: Labels, predicted: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    """Counts as {actual class: {predicted class: rows}}."""
    counts = metrics.confusion_matrix(labels, predicted, labels=[0, 1])
    return {str(actual): {str(guess): int(counts[actual][guess]) for guess in (0, 1)} for actual in (0, 1)}


def baseline(labels: Labels) -> dict[str, Any]:
    """The classifier that knows only how frequent the classes are."""
    share = float(labels.mean())
    majority = int(share > 0.5)
    always, constant = np.full(len(labels), majority), np.full(len(labels), share)
    return {
        "majority_class": majority,
        "accuracy": float(metrics.accuracy_score(labels, always)),
        "f1": float(metrics.f1_score(labels, always, zero_division=0.0)),
        "auc": 0.5,  # one score for every row ranks nothing
        "log_loss": float(metrics.log_loss(labels, constant)),
    }


def roc_curve(labels: Labels, scores: Numbers) -> dict[str, list[float]]:
    false_positive_rates, true_positive_rates, _ = metrics.roc_curve(labels, scores)
    return {
        "false_positive_rates": thinned(false_positive_rates),
        "true_positive_rates": thinned(true_positive_rates),
    }


def precision_recall_curve(labels: Labels, scores: Numbers) -> dict[str, list[float]]:
    precisions, recalls, _ = metrics.precision_recall_curve(labels, scores)
    return {"precisions": thinned(precisions), "recalls": thinned(recalls)}


def thinned(values: Numbers) -> list[float]:
    """At most `CURVE_POINTS` of the values, evenly spread, both ends included."""
    if len(values) > CURVE_POINTS:
        values = values[np.linspace(0, len(values) - 1, CURVE_POINTS).astype(np.int64)]
    return [float(value) for value in values]


def summary(report: dict[str, Any]) -> str:
    """For the job's log: each metric with its interval, then the baseline."""
    intervals = report["bootstrap"]["intervals"]
    lines = [
        f"{name} {report['binary_classification_metrics'][name]['value']:.4f}"
        f" (95% interval {interval['lower']:.4f} to {interval['upper']:.4f})"
        for name, interval in intervals.items()
    ]
    baseline = report["baseline"]
    return "\n".join(
        [*lines, f"always class {baseline['majority_class']}: accuracy {baseline['accuracy']:.4f}"]
    )


if __name__ == "__main__":
    sys.exit(main())
