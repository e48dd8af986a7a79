"""Puts a checked set of predictions where its readers look: files, manifest, and last the pointer to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from functions.common import s3 as storage
from functions.common.batch_run import (
    ApprovedModel,
    BatchRun,
    Model,
    PredictionCheck,
    Predictions,
    Publication,
)
from functions.common.clients import Client
from functions.common.data_report import DataReport, require_data_report
from functions.common.errors import PredictionsIncomplete
from functions.common.inputs import StrictModel
from functions.common.instants import format_instant
from functions.common.s3 import S3Uri
from functions.common.settings import Settings
from functions.publish_predictions.files import COLUMNS, publish_file
from functions.publish_predictions.latest import move_forward

LATEST = "predictions/latest.json"


class PublishPredictionsEvent(StrictModel):
    """The task's payload."""

    run: BatchRun
    approved: ApprovedModel
    model: Model
    predictions: Predictions


def publish(event: PublishPredictionsEvent, settings: Settings, *, s3: Client, now: datetime) -> Publication:
    """Doing it again writes the same files and leaves the pointer where it is.

    Raises `PredictionsIncomplete`, `DataReportNotFound`.
    """
    check = _read_check(s3, event.run)
    report = require_data_report(s3, event.run.data_report_uri)
    files = [
        (file, S3Uri.parse(f"{event.run.predictions_uri}predictions-{number:05d}.csv"))
        for number, file in enumerate(check.files)
    ]
    for file, target in files:
        publish_file(s3, file, target)
    manifest_uri = S3Uri.parse(f"{event.run.predictions_uri}manifest.json")
    listed = [{"uri": str(target), "rows": file.rows} for file, target in files]
    storage.write_json(s3, manifest_uri, _manifest(event, check, report, listed))
    latest_uri = S3Uri(settings.data_bucket, LATEST)
    return Publication(
        predictions_uri=event.run.predictions_uri,
        manifest_uri=str(manifest_uri),
        latest_uri=str(latest_uri),
        is_latest=move_forward(s3, latest_uri, _pointer(event, str(manifest_uri), now)),
    )


def _read_check(s3: Client, run: BatchRun) -> PredictionCheck:
    found = storage.read_json(s3, S3Uri.parse(run.prediction_check_uri))
    if found is None:
        raise PredictionsIncomplete(
            f"There is no {run.prediction_check_uri}: nobody checked this set, start again."
        )
    return PredictionCheck.model_validate(found)


def _manifest(
    event: PublishPredictionsEvent, check: PredictionCheck, report: DataReport, files: list[dict[str, Any]]
) -> dict[str, Any]:
    """What a reader of the set needs to know of it, without the machinery's records."""
    run = event.run
    return {
        "run_id": run.run_id,
        "run_date": run.run_date,
        "started_at": run.started_at,
        "execution_arn": run.execution_arn,
        "source_uri": run.source_uri,
        "data_sha256": report["data_sha256"],
        "rows_in": report["rows_in"],
        "rows_quarantined": report["rows_quarantined"],
        "rows_out": check.rows,
        "columns": list(COLUMNS),
        "files": files,
        "model_package_arn": event.approved.model_package_arn,
        "model_name": event.model.model_name,
        "drift": check.drift.model_dump(mode="json"),
    }


def _pointer(event: PublishPredictionsEvent, manifest_uri: str, now: datetime) -> dict[str, Any]:
    return {
        "run_id": event.run.run_id,
        "run_date": event.run.run_date,
        "started_at": event.run.started_at,
        "predictions_uri": event.run.predictions_uri,
        "manifest_uri": manifest_uri,
        "rows": event.predictions.rows,
        "model_package_arn": event.approved.model_package_arn,
        "published_at": format_instant(now),
    }
