"""A batch inference run: any number at once, each with files of its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from functions.common.batch_run import BatchRun
from functions.common.clients import Client
from functions.common.execution import Execution
from functions.common.instants import format_instant, parse_instant
from functions.common.run_identity import identify
from functions.init_run.inputs import RAW, RunInput, parse_run_input, require_source, within
from functions.init_run.settings import InitRunSettings


class BatchInput(RunInput):
    """The execution input of the batch inference machine."""

    drift_threshold: Annotated[float, Field(ge=0, description="a number of at least 0")]


def start_batch_run(given: Any, execution: Execution, settings: InitRunSettings, *, s3: Client) -> BatchRun:
    """Raises `InvalidInput`, `SourceNotFound`."""
    defaults = {"source_uri": settings.batch_source_uri, "drift_threshold": settings.drift_threshold}
    wanted = parse_run_input(given, BatchInput, execution, defaults)
    require_source(s3, within(wanted.source_uri, "source_uri", settings.data_bucket, RAW))
    return _describe_run(execution, wanted, settings.data_bucket)


def _describe_run(execution: Execution, wanted: BatchInput, bucket: str) -> BatchRun:
    started_at = parse_instant(execution.start_time)
    identity = identify(execution.id, started_at, {"scheduled_time": wanted.scheduled_time})
    run_id, run_date = identity.run_id, identity.run_date
    return BatchRun(
        run_id=run_id,
        run_date=run_date,
        kind="batch_inference",
        execution_arn=execution.id,
        started_at=format_instant(started_at),
        source_uri=wanted.source_uri,
        inference_uri=f"s3://{bucket}/curated/runs/{run_id}/inference/",
        data_report_uri=f"s3://{bucket}/runs/{run_id}/data_report.json",
        transform_output_uri=f"s3://{bucket}/runs/{run_id}/transform/",
        prediction_check_uri=f"s3://{bucket}/runs/{run_id}/prediction_check.json",
        predictions_uri=f"s3://{bucket}/predictions/run_date={run_date}/run_id={run_id}/",
        drift_threshold=wanted.drift_threshold,
    )
