"""A training run: one at a time, from one table and one code bundle, judged by three thresholds."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.errors import CodeBundleNotFound, RunInProgress
from functions.common.execution import Execution
from functions.common.instants import format_instant, parse_instant
from functions.common.run_identity import identify
from functions.common.training_run import Thresholds, TrainingRun
from functions.init_run.inputs import RAW, RunInput, parse_run_input, require_source, within
from functions.init_run.settings import InitRunSettings
from functions.init_run.single_flight import earlier_run

CODE = "pipeline/code/"

Threshold = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]


class TrainingInput(RunInput):
    """The execution input of the training machine."""

    code_bundle_uri: Annotated[
        str, Field(description="an s3:// URI under pipeline/code/ of the project's bucket")
    ]
    accuracy_threshold: Threshold
    f1_threshold: Threshold
    auc_threshold: Threshold
    approval: Annotated[Literal["manual", "auto"], Field(description="'manual' or 'auto'")]


def start_training_run(
    given: Any, execution: Execution, settings: InitRunSettings, *, s3: Client, states: Client
) -> TrainingRun:
    """Raises `InvalidInput`, `RunInProgress`, `SourceNotFound`, `CodeBundleNotFound`."""
    wanted = parse_run_input(given, TrainingInput, execution, _defaults(settings))
    source = within(wanted.source_uri, "source_uri", settings.data_bucket, RAW)
    bundle = within(wanted.code_bundle_uri, "code_bundle_uri", settings.data_bucket, CODE)
    _yield_to_earlier_run(states, execution)
    require_source(s3, source)
    if not storage.object_exists(s3, bundle):
        raise CodeBundleNotFound(f"No code bundle at {bundle}: publish it or correct code_bundle_uri.")
    return _describe_run(execution, wanted, settings)


def _defaults(settings: InitRunSettings) -> dict[str, Any]:
    return {
        "source_uri": settings.source_uri,
        "code_bundle_uri": settings.code_bundle_uri,
        "accuracy_threshold": settings.accuracy_threshold,
        "f1_threshold": settings.f1_threshold,
        "auc_threshold": settings.auc_threshold,
        "approval": "manual",
    }


def _yield_to_earlier_run(states: Client, execution: Execution) -> None:
    earlier = earlier_run(states, execution)
    if earlier:
        raise RunInProgress(
            f"Training run {earlier.arn} started at {format_instant(earlier.started_at)} and has not ended: "
            "wait for its end or stop it, then start again."
        )


def _describe_run(execution: Execution, wanted: TrainingInput, settings: InitRunSettings) -> TrainingRun:
    started_at = parse_instant(execution.start_time)
    identity = identify(execution.id, started_at, {"scheduled_time": wanted.scheduled_time})
    bucket, run_id = settings.data_bucket, identity.run_id
    return TrainingRun(
        run_id=run_id,
        run_date=identity.run_date,
        execution_arn=execution.id,
        source_uri=wanted.source_uri,
        code_bundle_uri=wanted.code_bundle_uri,
        accuracy_threshold=str(wanted.accuracy_threshold),
        thresholds=Thresholds(
            accuracy=wanted.accuracy_threshold, f1=wanted.f1_threshold, auc=wanted.auc_threshold
        ),
        approval=wanted.approval,
        train_uri=f"s3://{bucket}/curated/runs/{run_id}/train.csv",
        validation_uri=f"s3://{bucket}/curated/runs/{run_id}/validation.csv",
        data_report_uri=f"s3://{bucket}/runs/{run_id}/data_report.json",
        client_request_token=identity.client_request_token,
        training_deadline=format_instant(started_at + timedelta(seconds=settings.training_deadline_seconds)),
    )
