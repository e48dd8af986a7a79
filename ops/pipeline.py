"""The SageMaker Pipeline execution inside a run: its steps, their jobs and why one failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from ops.target import Target

RUNNING = {"Starting", "Executing", "Stopping"}
_JOBS = ("ProcessingJob", "TrainingJob", "TransformJob")
_LOOK_BACK = 200
"""Pipeline executions searched for a run's: one run a week makes that years."""


@dataclass(frozen=True)
class Step:
    """One step of the pipeline. `job` is the SageMaker job's name, `job_kind` e.g. `TrainingJob`."""

    name: str
    status: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure_reason: str = ""
    job_kind: str = ""
    job: str = ""
    outcome: str = ""
    """A condition's answer, `True` or `False`."""

    @property
    def running(self) -> bool:
        return self.status in RUNNING

    def seconds(self, now: datetime) -> float | None:
        if self.started_at is None:
            return None
        return max(0.0, ((self.ended_at or now) - self.started_at).total_seconds())


def parse_step(answer: Mapping[str, Any]) -> Step:
    """One entry of `ListPipelineExecutionSteps`."""
    metadata = answer.get("Metadata") or {}
    kind = next((kind for kind in _JOBS if kind in metadata), "")
    arn = str(metadata.get(kind, {}).get("Arn", ""))
    return Step(
        name=answer["StepName"],
        status=answer["StepStatus"],
        started_at=answer.get("StartTime"),
        ended_at=answer.get("EndTime"),
        failure_reason=str(answer.get("FailureReason") or ""),
        job_kind=kind,
        job=arn.rpartition("/")[2],
        outcome=str(metadata.get("Condition", {}).get("Outcome") or ""),
    )


def list_steps(target: Target, pipeline_execution_arn: str) -> list[Step]:
    """The steps begun so far, in the order they began."""
    pages = target.client("sagemaker").get_paginator("list_pipeline_execution_steps")
    answers = pages.paginate(PipelineExecutionArn=pipeline_execution_arn, SortOrder="Ascending")
    steps = [parse_step(step) for page in answers for step in page["PipelineExecutionSteps"]]
    return sorted(steps, key=lambda step: (step.started_at is None, step.started_at))


def find_execution(target: Target, run_id: str) -> str | None:
    """ARN of the pipeline execution a run started: it carries the run id as its display name."""
    pages = target.client("sagemaker").get_paginator("list_pipeline_executions")
    answers = pages.paginate(
        PipelineName=target.names["pipeline"], SortBy="CreationTime", SortOrder="Descending"
    )
    summaries = (summary for page in answers for summary in page["PipelineExecutionSummaries"])
    for summary in islice(summaries, _LOOK_BACK):
        if summary.get("PipelineExecutionDisplayName") == run_id:
            return str(summary["PipelineExecutionArn"])
    return None


def trained_model_uri(target: Target, steps: list[Step]) -> str | None:
    """Where the pipeline's training job put the model, registered or not."""
    job = next((s.job for s in steps if s.job_kind == "TrainingJob" and s.status == "Succeeded"), None)
    if job is None:
        return None
    answer = target.client("sagemaker").describe_training_job(TrainingJobName=job)
    return str(answer["ModelArtifacts"]["S3ModelArtifacts"])
