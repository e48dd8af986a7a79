"""Pipelines count what they do."""

from __future__ import annotations

from typing import Any

from localcloud.sagemaker.events import Events
from localcloud.sagemaker.execution import Execution, StepRecord
from localcloud.sagemaker.metrics import Counting

OF_PIPELINE = {"PipelineName": "p"}
OF_STEP = {"PipelineName": "p", "StepName": "Train"}


class Told(Events):
    def __init__(self) -> None:
        super().__init__(put=lambda entry: self.entries.append(entry["DetailType"]))
        self.entries: list[str] = []


def execution(status: str) -> Execution:
    return Execution(
        "arn", "id", "p", "p-arn", "role", "{}", "t", [], {}, "name", status=status, created=1.0, modified=3.0
    )


def counted(change: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    told = Told()
    change(Counting(told, record=lambda *metric: found.append(metric)))
    assert len(told.entries) == 1
    return found


def test_a_started_execution_counts() -> None:
    found = counted(lambda counting: counting.execution_changed(execution("Executing"), None))
    assert found == [("ExecutionStarted", 1, "Count", OF_PIPELINE)]


def test_an_execution_that_failed_counts_and_took_time() -> None:
    found = counted(lambda counting: counting.execution_changed(execution("Failed"), "Executing"))
    assert found == [
        ("ExecutionFailed", 1, "Count", OF_PIPELINE),
        ("ExecutionDuration", 2000.0, "Milliseconds", OF_PIPELINE),
    ]


def test_a_step_counts_under_its_own_name() -> None:
    step = StepRecord("Train", "Training", status="Failed", started=1.0, ended=1.5)
    found = counted(lambda counting: counting.step_changed(execution("Executing"), step, "Executing"))
    assert found == [
        ("StepFailed", 1, "Count", OF_STEP),
        ("StepDuration", 500.0, "Milliseconds", OF_STEP),
    ]


def test_a_metric_that_is_not_taken_stops_no_pipeline() -> None:
    def refuse(*_metric: Any) -> None:
        raise RuntimeError("no")

    told = Told()
    Counting(told, record=refuse).execution_changed(execution("Failed"), "Executing")
    assert len(told.entries) == 1
