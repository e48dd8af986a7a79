"""The state-change events that SageMaker sends to EventBridge, so that rules fire here as on AWS.

The layouts are those of "Events that Amazon SageMaker AI sends to Amazon EventBridge": jobs and model
packages repeat their Describe answer, pipelines have fields of their own. EventBridge is asked from
inside, because its API refuses sources that begin with `aws.`, as on AWS.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from localcloud.sagemaker.execution import RUNNING, Execution, StepRecord
from localcloud.sagemaker.times import iso

logger = logging.getLogger("localcloud.sagemaker")

Put = Callable[[dict[str, Any]], None]


def put_event(entry: dict[str, Any]) -> None:
    """Sends one entry to the account's default bus."""
    from ministack.services import eventbridge

    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


class Events:
    """Listener of jobs, packages and pipelines. A rule's trouble is not theirs: it is logged, not raised."""

    def __init__(self, put: Put = put_event) -> None:
        self._put = put

    def job_changed(self, kind: str, described: dict[str, Any]) -> None:
        """`SageMaker Processing Job State Change` and its like."""
        arn = described[f"{kind}JobArn"]
        self._send(f"SageMaker {kind} Job State Change", [arn], with_milliseconds(described))

    def package_changed(self, described: dict[str, Any], updated: list[str]) -> None:
        """`updated` are the members that an UpdateModelPackage named; empty for a new package."""
        detail = {**described, **({"UpdatedModelPackageFields": updated} if updated else {})}
        for name in ("CreationTime", "LastModifiedTime"):
            if name in detail:
                detail[name] = iso(detail[name])
        self._send("SageMaker Model Package State Change", [described["ModelPackageArn"]], detail)

    def execution_changed(self, execution: Execution, previous: str | None) -> None:
        detail = {
            "pipelineExecutionDisplayName": execution.display_name,
            "pipelineExecutionDescription": execution.description,
            "currentPipelineExecutionStatus": execution.status,
            "previousPipelineExecutionStatus": previous,
            "executionStartTime": iso(execution.created),
            "executionEndTime": None if execution.status in RUNNING else iso(execution.modified),
            "pipelineArn": execution.pipeline_arn,
            "pipelineExecutionArn": execution.arn,
        }
        self._send("SageMaker Model Building Pipeline Execution Status Change", _resources(execution), detail)

    def step_changed(self, execution: Execution, step: StepRecord, previous: str | None) -> None:
        detail = {
            "metadata": _lower_camel(step.metadata),
            "stepStartTime": iso(step.started),
            "stepEndTime": iso(step.ended) if step.ended else None,
            "stepName": step.name,
            "stepType": step.type,
            "previousStepStatus": previous,
            "currentStepStatus": step.status,
            "failureReason": step.failure_reason,
            "pipelineArn": execution.pipeline_arn,
            "pipelineExecutionArn": execution.arn,
        }
        name = "SageMaker Model Building Pipeline Execution Step Status Change"
        self._send(name, _resources(execution), detail)

    def _send(self, detail_type: str, resources: list[str], detail: dict[str, Any]) -> None:
        present = {key: value for key, value in detail.items() if value is not None}
        entry = {
            "Source": "aws.sagemaker",
            "DetailType": detail_type,
            "Resources": resources,
            "Detail": json.dumps(present, default=str),
        }
        try:
            self._put(entry)
        except Exception:
            logger.exception("EventBridge did not take %s", detail_type)


def _resources(execution: Execution) -> list[str]:
    return [execution.pipeline_arn, execution.arn]


def with_milliseconds(value: Any) -> Any:
    """Job events carry their times as milliseconds, those of the status transitions too."""
    if isinstance(value, list):
        return [with_milliseconds(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: int(item * 1000)
        if key.endswith("Time") and isinstance(item, int | float)
        else with_milliseconds(item)
        for key, item in value.items()
    }


def _lower_camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _lower_camel(item) for key, item in value.items()}
    return value
