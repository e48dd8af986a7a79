"""A pipeline execution and its steps as the API shows them. Times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from localcloud.sagemaker.times import now

RUNNING = frozenset({"Executing", "Stopping"})
REASON_LENGTH = 1024


@dataclass
class StepRecord:
    """A step that has begun. `properties` is what `Get Steps.<name>…` reads: its job's Describe answer."""

    name: str
    type: str
    display_name: str | None = None
    description: str | None = None
    status: str = "Starting"
    started: float = field(default_factory=now)
    ended: float | None = None
    attempts: int = 0
    failure_reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)

    def end(self, status: str, reason: str | None = None) -> None:
        self.status, self.ended = status, now()
        self.failure_reason = reason[:REASON_LENGTH] if reason else None

    def describe(self) -> dict[str, Any]:
        """An element of ListPipelineExecutionSteps."""
        shown = {
            "StepName": self.name,
            "StepDisplayName": self.display_name,
            "StepDescription": self.description,
            "StartTime": self.started,
            "EndTime": self.ended,
            "StepStatus": self.status,
            "AttemptCount": self.attempts,
            "FailureReason": self.failure_reason,
            "Metadata": self.metadata,
        }
        return {key: value for key, value in shown.items() if value is not None}


@dataclass
class Execution:
    """`given` are the parameters as the caller wrote them, `values` those of all parameters, typed."""

    arn: str
    id: str
    pipeline: str
    pipeline_arn: str
    role_arn: str
    definition: str
    token: str
    given: list[dict[str, str]]
    values: dict[str, Any]
    display_name: str
    description: str | None = None
    parallelism: dict[str, int] | None = None
    status: str = "Executing"
    failure_reason: str | None = None
    created: float = field(default_factory=now)
    modified: float = field(default_factory=now)
    steps: dict[str, StepRecord] = field(default_factory=dict)

    def move_to(self, status: str, reason: str | None = None) -> None:
        self.status, self.modified = status, now()
        self.failure_reason = reason[:REASON_LENGTH] if reason else self.failure_reason

    def describe(self) -> dict[str, Any]:
        """The answer of DescribePipelineExecution."""
        shown = {
            "PipelineArn": self.pipeline_arn,
            "PipelineExecutionArn": self.arn,
            "PipelineExecutionDisplayName": self.display_name,
            "PipelineExecutionStatus": self.status,
            "PipelineExecutionDescription": self.description,
            "FailureReason": self.failure_reason,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "CreatedBy": {},
            "LastModifiedBy": {},
            "ParallelismConfiguration": self.parallelism,
        }
        return {key: value for key, value in shown.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """An element of ListPipelineExecutions."""
        shown = {
            "PipelineExecutionArn": self.arn,
            "StartTime": self.created,
            "PipelineExecutionStatus": self.status,
            "PipelineExecutionDescription": self.description,
            "PipelineExecutionDisplayName": self.display_name,
            "PipelineExecutionFailureReason": self.failure_reason,
        }
        return {key: value for key, value in shown.items() if value is not None}
