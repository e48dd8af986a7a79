"""Whether the transform answered each passenger with a probability, and whether they look as they used to."""

from __future__ import annotations

from collections.abc import Sequence

from functions.check_predictions.drift import Baseline, DriftMeter, not_measured
from functions.check_predictions.pairing import LOOK, check_pair, pair_files
from functions.common import s3 as storage
from functions.common.batch_run import (
    ApprovedModel,
    BatchRun,
    CheckedFile,
    Drift,
    PredictionCheck,
    Predictions,
)
from functions.common.clients import Client
from functions.common.data_report import require_data_report
from functions.common.drift_message import drift_warning
from functions.common.errors import PredictionsIncomplete
from functions.common.inputs import StrictModel
from functions.common.s3 import S3Uri
from functions.common.settings import Settings


class CheckPredictionsEvent(StrictModel):
    """The task's payload."""

    run: BatchRun
    approved: ApprovedModel


def check(event: CheckPredictionsEvent, settings: Settings, *, s3: Client) -> Predictions:
    """Writes `prediction_check.json`, which PublishPredictions goes by.

    Raises `PredictionsIncomplete`, `PredictionsOutOfRange`, `DataReportNotFound`.
    """
    run = event.run
    expected = require_data_report(s3, run.data_report_uri)["rows_out"]
    comparison = Comparison(s3, event.approved.baseline_uri, settings.data_bucket)
    pairs = pair_files(s3, S3Uri.parse(run.inference_uri), S3Uri.parse(run.transform_output_uri))
    files = [check_pair(s3, pair, comparison) for pair in pairs]
    rows = _require_rows(files, expected, run)
    drift = comparison.drift(run.drift_threshold)
    found = PredictionCheck(run_id=run.run_id, rows=rows, files=files, drift=drift)
    storage.write_json(s3, S3Uri.parse(run.prediction_check_uri), found.model_dump(mode="json"))
    return Predictions(
        rows=rows,
        files=len(files),
        check_uri=run.prediction_check_uri,
        drift=drift,
        warning=drift_warning(run, event.approved, rows, drift, settings.env)
        if drift.above_threshold
        else None,
    )


class Comparison:
    """The batch against the model's baseline, as far as there is one that fits: drift never stops a run."""

    def __init__(self, s3: Client, uri: str | None, bucket: str) -> None:
        self._uri = uri
        self._meter, self._reason = _read_meter(s3, uri, bucket)

    def __call__(self, features: Sequence[Sequence[bytes]], scores: Sequence[bytes]) -> None:
        if self._meter:
            try:
                self._meter.add(features, scores)
            except ValueError:
                self._meter, self._reason = None, "the batch has other columns than the baseline"

    def drift(self, threshold: float) -> Drift:
        if self._meter and self._uri:
            return self._meter.drift(threshold, self._uri)
        return not_measured(threshold, self._uri, self._reason)


def _read_meter(s3: Client, uri: str | None, bucket: str) -> tuple[DriftMeter | None, str]:
    """The meter of the baseline at `uri`, or None and why there is none."""
    if uri is None or not uri.startswith(f"s3://{bucket}/"):
        return None, "the version was registered without an evaluation in the project's bucket"
    try:
        document = storage.read_json(s3, S3Uri.parse(uri))
        if document is None:
            return None, "the version has no baseline: it was evaluated before there were any"
        return DriftMeter(Baseline.model_validate(document)), ""
    except ValueError:
        return None, "the version's baseline cannot be read"


def _require_rows(files: Sequence[CheckedFile], expected: int, run: BatchRun) -> int:
    rows = sum(file.rows for file in files)
    if rows == 0 or rows != expected:
        raise PredictionsIncomplete(
            f"{run.transform_output_uri} has {rows} predictions for {expected} prepared rows: {LOOK}."
        )
    return rows
