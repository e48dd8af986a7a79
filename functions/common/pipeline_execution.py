"""What a SageMaker Pipeline execution did, read from its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.common.clients import Client

EVALUATION_STEP, EVALUATION_OUTPUT = "ModelEvaluation", "evaluation"


@dataclass(frozen=True)
class Step:
    """One step of an execution. `metadata` holds the ARN of what the step created."""

    name: str
    status: str
    failure_reason: str
    metadata: Mapping[str, Any]


def read_steps(sagemaker: Client, arn: str) -> tuple[Step, ...]:
    """All steps of the execution, oldest first."""
    pages = sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    return tuple(
        Step(
            name=found["StepName"],
            status=found.get("StepStatus", ""),
            failure_reason=found.get("FailureReason", ""),
            metadata=found.get("Metadata", {}),
        )
        for page in pages
        for found in page["PipelineExecutionSteps"]
    )


def failed_step(steps: tuple[Step, ...]) -> Step | None:
    """The step that failed first."""
    return next((step for step in steps if step.status == "Failed"), None)


def interrupted_step(steps: tuple[Step, ...]) -> Step | None:
    """The step that was running when the execution was stopped."""
    statuses = ("Starting", "Executing", "Stopping", "Stopped")
    return next((step for step in steps if step.status in statuses), None)


def failure_texts(sagemaker: Client, step: Step) -> list[str]:
    """What there is to read about a failed step, the job's own words first.

    A Processing job's last words are its ExitMessage; its FailureReason names only the exit code.
    """
    job_arn = step.metadata.get("ProcessingJob", {}).get("Arn")
    job = _processing_job(sagemaker, job_arn) if job_arn else {}
    texts = [job.get("ExitMessage"), job.get("FailureReason"), step.failure_reason]
    return [text for text in texts if text]


def registered_package(steps: tuple[Step, ...]) -> str | None:
    """The registered version; None when the pipeline's condition was false or it never got there."""
    arns = (step.metadata.get("RegisterModel", {}).get("Arn") for step in steps)
    return next((arn for arn in arns if arn), None)


def evaluation_prefix(sagemaker: Client, steps: tuple[Step, ...]) -> str | None:
    """Where the evaluation job wrote its `evaluation` output, or None when no such job ran."""
    step = next((step for step in steps if step.name == EVALUATION_STEP), None)
    job_arn = step.metadata.get("ProcessingJob", {}).get("Arn") if step else None
    if not job_arn:
        return None
    outputs = _processing_job(sagemaker, job_arn).get("ProcessingOutputConfig", {}).get("Outputs", [])
    uris = (out["S3Output"]["S3Uri"] for out in outputs if out["OutputName"] == EVALUATION_OUTPUT)
    return next(uris, None)


def _processing_job(sagemaker: Client, arn: str) -> dict[str, Any]:
    job: dict[str, Any] = sagemaker.describe_processing_job(ProcessingJobName=arn.rsplit("/", 1)[-1])
    return job
