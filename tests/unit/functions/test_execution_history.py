from __future__ import annotations

from datetime import timedelta
from typing import Any

from functions.common.execution_history import failed_state, finished, read_visits, timings


def test_a_loop_is_added_up(states: Any) -> None:
    for _ in range(3):
        states.visit("WaitForTraining", "Wait")
        states.visit("DescribeTraining")
    found = timings(read_visits(states, "arn"), states.now)
    assert [(each["name"], each["seconds"], each["visits"]) for each in found] == [
        ("WaitForTraining", 30.0, 3),
        ("DescribeTraining", 30.0, 3),
    ]
    assert found[1]["entered_at"] == "2026-11-21T06:54:32.123Z"


def test_a_state_that_still_runs_counts_up_to_now_or_not_at_all(states: Any) -> None:
    states.visit("InitRun")
    states.enter("PrepareData")
    visits = read_visits(states, "arn")
    now = states.now + timedelta(seconds=4)
    assert [each["seconds"] for each in timings(visits, now)] == [10.0, 4.0]
    assert [visit.name for visit in finished(visits)] == ["InitRun"]


def test_what_a_task_reports_after_the_end_counts_for_nothing(states: Any) -> None:
    states.enter("PrepareData")
    states.end("ExecutionAborted")
    states.visit("PrepareData", failed=True)
    assert [(visit.name, visit.exited_at) for visit in read_visits(states, "arn")] == [("PrepareData", None)]


def test_data_is_asked_for_only_when_needed(states: Any) -> None:
    states.enter("PrepareData", document={"run": {"run_id": "x"}})
    [visit] = read_visits(states, "arn", with_data=True)
    assert visit.document == {"run": {"run_id": "x"}}
    read_visits(states, "arn")
    assert [request["includeExecutionData"] for request in states.requests] == [True, False]


def test_the_first_state_that_failed_for_good_is_to_blame(states: Any) -> None:
    states.visit("InitRun")
    states.visit("DescribeTraining", failed=True)
    states.visit("StopTraining", failed=True)
    assert failed_state(read_visits(states, "arn"), "SageMaker.SageMakerException") == "DescribeTraining"


def test_a_retry_that_succeeded_is_not_to_blame(states: Any) -> None:
    states.enter("InitRun")
    states.end("LambdaFunctionFailed")
    states.end("LambdaFunctionSucceeded")
    states.visit("PrepareData", failed=True)
    assert failed_state(read_visits(states, "arn"), "States.TaskFailed") == "PrepareData"


def test_a_declared_failure_is_blamed_on_the_state_that_declares_it(states: Any) -> None:
    states.visit("TrainingTimedOut", "Pass")
    states.visit("StopTraining", failed=True)
    assert failed_state(read_visits(states, "arn"), "TrainingTimedOut") == "TrainingTimedOut"


def test_without_any_failure_the_last_state_is_named(states: Any) -> None:
    assert failed_state(read_visits(states, "arn"), "States.Runtime") is None
    states.visit("InitRun")
    assert failed_state(read_visits(states, "arn"), "States.Runtime") == "InitRun"
