"""The record of a run that reached one of its machine's ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from functions.common.causes import Cause, explain, named_error, one_line
from functions.common.clients import Client
from functions.common.execution import Execution, Kind
from functions.common.execution_history import Visit, failed_state, finished, read_visits, timings
from functions.common.inputs import StrictModel
from functions.common.instants import parse_instant
from functions.common.manifest import EndedExecution, Facts, Failure
from functions.common.pipeline_execution import (
    Step,
    failed_step,
    failure_texts,
    interrupted_step,
    read_steps,
)
from functions.common.recorder import Record, close_standing, find_data_report, standing, write_record
from functions.common.registry import versions_with_status
from functions.common.settings import Settings

UNSAID = {"Error": "UnknownError", "Cause": "the machine passed no error on"}
SUCCESSES = ("registered", "rejected", "published", "promoted", "already_live", "declined")
GATE_TIMED_OUT = Failure(
    state="RequestApproval",
    error="GateTimedOut",
    cause="nobody confirmed or declined in time, so prod stays as it is",
)
ENDPOINTS = {
    "StagingFailed": "staging_status",
    "ProdFailed": "prod_status",
    "ProdRolledBack": "prod_status",
}


Outcome = Literal[
    "registered",
    "rejected",
    "published",
    "no_approved_model",
    "promoted",
    "already_live",
    "declined",
    "gate_timed_out",
    "rolled_back",
    "failed",
]


class RecordRunSettings(Settings):
    """Whose versions may wait for approval."""

    model_package_group: str


class RecordRunEvent(StrictModel):
    """The task's payload. `state` is the machine's whole document, which may be almost empty."""

    kind: Kind
    outcome: Outcome
    state: dict[str, Any] = Field(description="the state machine's document, an object")
    execution: Execution


def record(
    event: RecordRunEvent, settings: RecordRunSettings, *, states: Client, sagemaker: Client, s3: Client
) -> Record:
    """Writes the manifest and says what to tell people. A retry does the same again."""
    visits = finished(read_visits(states, event.execution.id))
    execution = _ended(event.execution, visits)
    failure, stands = None, standing(event.state)
    if event.outcome not in SUCCESSES:
        steps = _steps(sagemaker, event.state)
        failure = (
            GATE_TIMED_OUT
            if event.outcome == "gate_timed_out"
            else find_failure(event.state, visits, steps, sagemaker)
        )
        reason = f"Run {execution.run.run_id} failed at {failure.state} before judging this version"
        stands = close_standing(sagemaker, event.state, steps, reason)
    facts = Facts(
        kind=event.kind,
        execution=execution,
        outcome=event.outcome,
        state=event.state,
        states=timings(visits, execution.finished_at),
        data_report=find_data_report(s3, settings, execution.run.run_id),
        failure=failure,
        standing=stands,
        pipeline_execution_arn=_pipeline_arn(event.state),
        waiting_versions=_waiting(event, settings, sagemaker),
    )
    return write_record(facts, settings, s3=s3)


def find_failure(
    state: Mapping[str, Any], visits: tuple[Visit, ...], steps: tuple[Step, ...], sagemaker: Client
) -> Failure:
    """Which state and step went wrong, and the named error and words of whatever really failed."""
    caught = state.get("error", UNSAID)
    error, words = str(caught["Error"]), str(caught["Cause"])
    cause, step = explain(error, words), None
    if error in ("TrainingFailed", "TrainingTimedOut"):
        step = failed_step(steps) or interrupted_step(steps)
    if error == "TrainingFailed":
        cause = _training_cause(sagemaker, state, step) or cause
    if error in ENDPOINTS:
        cause = _endpoint_cause(state.get(ENDPOINTS[error]) or {}, cause)
    return Failure(
        state=failed_state(visits, error),
        error=cause.error,
        cause=cause.words,
        step=step.name if step else None,
    )


def _training_cause(sagemaker: Client, state: Mapping[str, Any], step: Step | None) -> Cause | None:
    """From the most telling to the least: the job's own words, the step's reason, the execution's."""
    texts = failure_texts(sagemaker, step) if step else []
    described = sagemaker.describe_pipeline_execution(PipelineExecutionArn=_pipeline_arn(state))
    texts = [*texts, described.get("FailureReason") or ""]
    named = next((cause for cause in map(named_error, texts) if cause), None)
    said = next((text for text in texts if text), None)
    return named or (Cause("TrainingFailed", one_line(said)) if said else None)


def _endpoint_cause(endpoint: Mapping[str, Any], cause: Cause) -> Cause:
    """What SageMaker says of an endpoint tells more than that it failed or was taken back."""
    reason = endpoint.get("FailureReason")
    return Cause(cause.error, one_line(f"{cause.words} {reason}")) if reason else cause


def _waiting(event: RecordRunEvent, settings: RecordRunSettings, sagemaker: Client) -> tuple[int, ...]:
    """Versions that a person may approve, the newest first, for a run that had no approved one."""
    if event.outcome != "no_approved_model":
        return ()
    waiting = versions_with_status(sagemaker, settings.model_package_group, "PendingManualApproval")
    return tuple(summary["ModelPackageVersion"] for summary in waiting)


def _ended(execution: Execution, visits: tuple[Visit, ...]) -> EndedExecution:
    """The run's work ended with the last state before the recorder's."""
    started_at = parse_instant(execution.start_time)
    exits = [visit.exited_at for visit in visits if visit.exited_at]
    return EndedExecution(execution.id, execution.input, started_at, max(exits, default=started_at))


def _steps(sagemaker: Client, state: Mapping[str, Any]) -> tuple[Step, ...]:
    arn = _pipeline_arn(state)
    return read_steps(sagemaker, arn) if arn else ()


def _pipeline_arn(state: Mapping[str, Any]) -> str | None:
    arn: str | None = state.get("training", {}).get("pipeline_execution_arn")
    return arn
