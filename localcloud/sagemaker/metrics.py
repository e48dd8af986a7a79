"""The metrics of pipelines, `AWS/Sagemaker/ModelBuildingPipeline`, so that alarms can watch them."""

from __future__ import annotations

import logging
from collections.abc import Callable

from localcloud.sagemaker.events import Events
from localcloud.sagemaker.execution import Execution, StepRecord

logger = logging.getLogger("localcloud.sagemaker")

NAMESPACE = "AWS/Sagemaker/ModelBuildingPipeline"
ENDED = frozenset({"Failed", "Stopped", "Succeeded"})
COUNTED = {
    "Executing": "Started",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "Succeeded": "Succeeded",
}

Record = Callable[[str, float, str, dict[str, str]], None]


def record(name: str, value: float, unit: str, dimensions: dict[str, str]) -> None:
    from ministack.services import cloudwatch

    cloudwatch.record_metric(NAMESPACE, name, value, unit, dimensions)
    cloudwatch._evaluate_all_alarms()


class Counting:
    """Listener of pipelines: counts each change of status, and tells `events` of it."""

    def __init__(self, events: Events, record: Record = record) -> None:
        self._events, self._record = events, record

    def execution_changed(self, execution: Execution, previous: str | None) -> None:
        self._count("Execution", execution.status, _ended(execution), {"PipelineName": execution.pipeline})
        self._events.execution_changed(execution, previous)

    def step_changed(self, execution: Execution, step: StepRecord, previous: str | None) -> None:
        dimensions = {"PipelineName": execution.pipeline, "StepName": step.name}
        took = step.ended - step.started if step.ended else None
        self._count("Step", step.status, took, dimensions)
        self._events.step_changed(execution, step, previous)

    def _count(self, what: str, status: str, took: float | None, dimensions: dict[str, str]) -> None:
        try:
            if status in COUNTED:
                self._record(f"{what}{COUNTED[status]}", 1, "Count", dimensions)
            if took is not None:
                self._record(f"{what}Duration", took * 1000, "Milliseconds", dimensions)
        except Exception:
            logger.exception("CloudWatch did not take the metrics of a pipeline")


def _ended(execution: Execution) -> float | None:
    """How long the execution took, once it has ended."""
    return execution.modified - execution.created if execution.status in ENDED else None
