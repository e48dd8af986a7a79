"""Decides what a run is called, what it reads and by what it is judged, before anything costs money."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from aws_lambda_powertools.utilities.parser import Field, field_validator

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.errors import CodeBundleNotFound, InvalidInput, RunInProgress, SourceNotFound
from functions.common.inputs import StrictModel, describe_value, parse_input
from functions.common.instants import format_instant, parse_instant
from functions.common.run_identity import identify
from functions.common.s3 import S3Uri
from functions.common.settings import Settings
from functions.common.training_run import Execution, Thresholds, TrainingRun

RAW, CODE = "raw/", "pipeline/code/"

Threshold = Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]


class InitRunSettings(Settings):
    """Defaults for keys the execution input leaves out, and how long training may take."""

    source_uri: str
    code_bundle_uri: str
    accuracy_threshold: float
    f1_threshold: float
    auc_threshold: float
    training_deadline_seconds: int


class InitRunEvent(StrictModel):
    """The task's payload: the execution's input as it came, and who the execution is."""

    input: Any
    execution: Execution


class TrainingInput(StrictModel):
    """The execution input with its defaults filled in."""

    source_uri: Annotated[str, Field(description="an s3:// URI under raw/ of the project's bucket")]
    code_bundle_uri: Annotated[
        str, Field(description="an s3:// URI under pipeline/code/ of the project's bucket")
    ]
    accuracy_threshold: Threshold
    f1_threshold: Threshold
    auc_threshold: Threshold
    approval: Annotated[Literal["manual", "auto"], Field(description="'manual' or 'auto'")]
    scheduled_time: Annotated[str, Field(description="ISO 8601 with a time zone, like 2026-11-21T06:00:00Z")]

    @field_validator("scheduled_time")
    @classmethod
    def _is_an_instant(cls, value: str) -> str:
        parse_instant(value)
        return value


def start_run(event: InitRunEvent, settings: InitRunSettings, *, s3: Client, states: Client) -> TrainingRun:
    """The run that this execution is. Raises every `InitRun` error of `functions.common.errors`."""
    wanted = _training_input(event, settings)
    source = _within(wanted.source_uri, "source_uri", settings.data_bucket, RAW)
    bundle = _within(wanted.code_bundle_uri, "code_bundle_uri", settings.data_bucket, CODE)
    _yield_to_earlier_run(states, event.execution)
    if not (storage.object_exists(s3, source) or storage.prefix_has_objects(s3, source)):
        raise SourceNotFound(f"No object and no files at {source}: upload the table or correct source_uri.")
    if not storage.object_exists(s3, bundle):
        raise CodeBundleNotFound(f"No code bundle at {bundle}: publish it or correct code_bundle_uri.")
    return _describe_run(event.execution, wanted, settings)


def _training_input(event: InitRunEvent, settings: InitRunSettings) -> TrainingInput:
    if not isinstance(event.input, dict):
        return parse_input(event.input, TrainingInput, "Execution input")  # raises: it is no object
    defaults = {
        "source_uri": settings.source_uri,
        "code_bundle_uri": settings.code_bundle_uri,
        "accuracy_threshold": settings.accuracy_threshold,
        "f1_threshold": settings.f1_threshold,
        "auc_threshold": settings.auc_threshold,
        "approval": "manual",
        "scheduled_time": event.execution.start_time,
    }
    return parse_input(defaults | event.input, TrainingInput, "Execution input")


def _within(uri: str, key: str, bucket: str, prefix: str) -> S3Uri:
    allowed = f"give an s3:// URI under s3://{bucket}/{prefix}"
    try:
        parsed = S3Uri.parse(uri)
    except ValueError as error:
        raise InvalidInput(
            f"Execution input: key '{key}' is {describe_value(uri)} and {error}, {allowed}."
        ) from None
    if parsed.bucket != bucket or not parsed.key.startswith(prefix):
        raise InvalidInput(f"Execution input: key '{key}' is {describe_value(uri)}, {allowed}.")
    return parsed


def _yield_to_earlier_run(states: Client, execution: Execution) -> None:
    """Of several running executions the earliest goes on; ties go by ARN, so exactly one does."""
    pages = states.get_paginator("list_executions").paginate(
        stateMachineArn=execution.state_machine_id, statusFilter="RUNNING"
    )
    started = {found["executionArn"]: found["startDate"] for page in pages for found in page["executions"]}
    # The list lags behind: a fresh execution may not be in it yet.
    own = (started.pop(execution.id, None) or parse_instant(execution.start_time), execution.id)
    earlier = min((date, arn) for arn, date in [*started.items(), (own[1], own[0])])
    if earlier != own:
        raise RunInProgress(
            f"Training run {earlier[1]} started at {format_instant(earlier[0])} and has not ended: "
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
