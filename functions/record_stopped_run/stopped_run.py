"""The record of a run that was ended from outside, where no state of it is left to do that.

Step Functions stops the job of a `.sync` task itself: data preparation and batch transform. The SageMaker
pipeline of a training run was started without one, so it goes on unless it is stopped here. A promotion's
endpoints stay as they are: whether prod goes on or back, and whether staging goes, is for a person to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from functions.common import s3 as storage
from functions.common.causes import one_line
from functions.common.clients import Client
from functions.common.execution import Kind
from functions.common.execution_history import Visit, read_visits, timings
from functions.common.manifest import EndedExecution, Facts, Failure
from functions.common.pipeline_execution import Step, interrupted_step, read_steps
from functions.common.recorder import Record, close_standing, find_data_report, write_record
from functions.common.s3 import S3Uri
from functions.common.settings import Settings

WORDS = {"ABORTED": "somebody stopped the execution", "TIMED_OUT": "it ran past the machine's time limit"}
ERRORS = {"ABORTED": "ExecutionAborted", "TIMED_OUT": "ExecutionTimedOut"}


class StoppedRunSettings(Settings):
    """Which machines' runs start no pipeline, which pipeline the others', and where messages go."""

    batch_inference_state_machine: str
    promotion_state_machine: str
    pipeline: str
    alerts_topic_arn: str


class StoppedExecution(BaseModel):
    """The detail of the event. The shape is AWS's, so further keys may come; only these are read."""

    executionArn: str  # noqa: N815 - AWS's spelling
    status: Literal["ABORTED", "TIMED_OUT"]


class StatusChangeEvent(BaseModel):
    """EventBridge's `Step Functions Execution Status Change`."""

    detail: StoppedExecution


@dataclass(frozen=True)
class Clients:
    """The boto3 clients this needs."""

    states: Client
    sagemaker: Client
    s3: Client
    sns: Client


def record_stopped(event: StatusChangeEvent, settings: StoppedRunSettings, clients: Clients) -> Record:
    """Stops the run's pipeline, writes its manifest and tells people once, however often it is called."""
    found = clients.states.describe_execution(executionArn=event.detail.executionArn)
    execution = _ended(found)
    kind = _kind(found, settings)
    pipeline_arn = (
        stop_pipeline(clients.sagemaker, settings.pipeline, execution) if kind == "training" else None
    )
    steps = read_steps(clients.sagemaker, pipeline_arn) if pipeline_arn else ()
    visits = read_visits(clients.states, execution.arn, with_data=True)
    state = visits[-1].document if visits else {}
    failure = _failure(event.detail.status, found, visits, interrupted_step(steps))
    reason = f"Run {execution.run.run_id} was ended at {failure.state} before judging this version"
    facts = Facts(
        kind=kind,
        execution=execution,
        outcome=event.detail.status.lower(),
        state=state,
        states=timings(visits, execution.finished_at),
        data_report=find_data_report(clients.s3, settings, execution.run.run_id),
        failure=failure,
        pipeline_execution_arn=pipeline_arn,
        standing=close_standing(clients.sagemaker, state, steps, reason),
    )
    record = write_record(facts, settings, s3=clients.s3)
    tell_once(record, settings, clients)
    return record


def stop_pipeline(sagemaker: Client, pipeline: str, execution: EndedExecution) -> str | None:
    """ARN of the pipeline execution that bears the run's id, stopped if it was running; None without one."""
    run = execution.run
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=pipeline,
        CreatedAfter=execution.started_at,
        SortBy="CreationTime",
        SortOrder="Descending",
    )
    summaries = (summary for page in pages for summary in page["PipelineExecutionSummaries"])
    ours = (each for each in summaries if each.get("PipelineExecutionDisplayName") == run.run_id)
    found = next(ours, None)
    if found is None:
        return None
    arn = str(found["PipelineExecutionArn"])
    if found["PipelineExecutionStatus"] == "Executing":
        sagemaker.stop_pipeline_execution(
            PipelineExecutionArn=arn, ClientRequestToken=run.client_request_token
        )
    return arn


def tell_once(record: Record, settings: StoppedRunSettings, clients: Clients) -> None:
    """EventBridge delivers at least once and Lambda retries: the kept message says that it was sent."""
    kept = S3Uri(settings.data_bucket, f"runs/{record.manifest['run_id']}/alert.json")
    if storage.object_exists(clients.s3, kept):
        return
    text = {"subject": record.notification.subject, "message": record.notification.message}
    sent = clients.sns.publish(
        TopicArn=settings.alerts_topic_arn, Subject=text["subject"], Message=text["message"]
    )
    storage.write_json(clients.s3, kept, text | {"message_id": sent["MessageId"]})


def _kind(found: Mapping[str, Any], settings: StoppedRunSettings) -> Kind:
    machine = found["stateMachineArn"].rsplit(":", 1)[-1]
    others: dict[str, Kind] = {
        settings.batch_inference_state_machine: "batch_inference",
        settings.promotion_state_machine: "promotion",
    }
    return others.get(machine, "training")


def _ended(found: Mapping[str, Any]) -> EndedExecution:
    return EndedExecution(
        arn=found["executionArn"],
        input=json.loads(found.get("input") or "{}"),
        started_at=found["startDate"],
        finished_at=found["stopDate"],
    )


def _failure(status: str, found: Mapping[str, Any], visits: tuple[Visit, ...], step: Step | None) -> Failure:
    said = one_line(found.get("cause") or "")
    return Failure(
        state=visits[-1].name if visits else None,
        error=found.get("error") or ERRORS[status],
        cause=f"{WORDS[status]}: {said}" if said else WORDS[status],
        step=step.name if step else None,
    )
