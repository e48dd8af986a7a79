from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.common.errors import InvalidInput
from functions.common.inputs import parse_input
from functions.common.recorder import Record
from functions.record_stopped_run import handler as handler_module
from functions.record_stopped_run.stopped_run import (
    Clients,
    StatusChangeEvent,
    StoppedRunSettings,
    record_stopped,
)

BUCKET = "titanic-sagemaker-dev-123456789012"
RUN_ID = "20261121-a6fe0531ae"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-training:first"
PIPELINE = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/titanic-modelbuild-dev/execution"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:titanic-sagemaker-dev-alerts"
SETTINGS = StoppedRunSettings(
    env="dev",
    data_bucket=BUCKET,
    batch_inference_state_machine="titanic-sagemaker-dev-batch-inference",
    promotion_state_machine="titanic-sagemaker-dev-promotion",
    pipeline="titanic-modelbuild-dev",
    alerts_topic_arn=TOPIC,
)


class FakeTopic:
    """Keeps what was published; fails as often as told."""

    def __init__(self, failures: int = 0) -> None:
        self.published: list[dict[str, Any]] = []
        self.failures = failures

    def publish(self, **message: Any) -> dict[str, str]:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the topic is down")
        self.published.append(message)
        return {"MessageId": str(len(self.published))}


@pytest.fixture
def topic() -> FakeTopic:
    return FakeTopic()


@pytest.fixture
def stop(states: Any, sagemaker: Any, s3: Any, topic: FakeTopic) -> Callable[..., Record]:
    def stop(status: str = "ABORTED", execution_input: str = "{}", **said: str) -> Record:
        started = states.events[0]["timestamp"] if states.events else states.now
        states.description = {
            "input": execution_input,
            "startDate": started,
            "stopDate": states.now + timedelta(seconds=5),
            **said,
        }
        event = {"version": "0", "source": "aws.states", "detail": {"executionArn": ARN, "status": status}}
        request = parse_input(event, StatusChangeEvent, "event")
        return record_stopped(request, SETTINGS, Clients(states, sagemaker, s3, topic))

    return stop


def pipeline_run(name: str, display_name: str, status: str = "Executing") -> dict[str, str]:
    return {
        "PipelineExecutionArn": f"{PIPELINE}/{name}",
        "PipelineExecutionDisplayName": display_name,
        "PipelineExecutionStatus": status,
    }


def test_only_the_runs_own_pipeline_execution_is_stopped(stop: Any, sagemaker: Any) -> None:
    sagemaker.executions = [pipeline_run("other", "20261121-ffffffffff"), pipeline_run("ours", RUN_ID)]
    written = stop()
    [request] = sagemaker.stopped
    assert request["PipelineExecutionArn"] == f"{PIPELINE}/ours"
    assert 32 <= len(request["ClientRequestToken"]) <= 128
    assert written.manifest["arns"]["pipeline_execution"] == f"{PIPELINE}/ours"


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Stopping", "Stopped"])
def test_a_pipeline_execution_that_does_not_run_is_not_stopped(
    stop: Any, sagemaker: Any, status: str
) -> None:
    sagemaker.executions = [pipeline_run("ours", RUN_ID, status)]
    stop()
    assert sagemaker.stopped == []


def test_the_record_tells_how_far_the_run_got(
    *, stop: Any, states: Any, sagemaker: Any, put: Any, get: Any, run: Any
) -> None:
    put(f"runs/{RUN_ID}/data_report.json", {"rows_in": 891})
    sagemaker.executions = [pipeline_run("ours", RUN_ID)]
    sagemaker.add_step("TrainModel", "Executing")
    states.visit("StartTraining", document={"run": run})
    states.enter("WaitForTraining", "Wait", document={"run": run})
    states.end("ExecutionAborted")
    written = stop(cause="wrong table")
    found = get(f"runs/{RUN_ID}/manifest.json")
    assert found == written.manifest
    assert found["outcome"] == "aborted"
    assert found["decision"] is None
    assert found["source_uri"] == run["source_uri"]
    assert found["data"] == {"rows_in": 891}
    assert found["failure"] == {
        "state": "WaitForTraining",
        "step": "TrainModel",
        "error": "ExecutionAborted",
        "cause": "somebody stopped the execution: wrong table",
    }
    assert [each["name"] for each in found["states"]] == ["StartTraining", "WaitForTraining"]
    assert found["states"][-1]["seconds"] == 5.0


def test_a_timeout_of_the_whole_machine_is_told_as_one(stop: Any, states: Any, topic: FakeTopic) -> None:
    states.enter("PrepareData")
    states.end("ExecutionTimedOut")
    written = stop("TIMED_OUT", error="States.Timeout")
    assert written.manifest["outcome"] == "timed_out"
    assert written.manifest["failure"]["error"] == "States.Timeout"
    assert written.manifest["failure"]["cause"] == "it ran past the machine's time limit"
    assert topic.published[0]["Subject"] == "[dev] Training timed out at PrepareData"


def test_a_run_stopped_before_its_first_state_is_recorded(stop: Any) -> None:
    written = stop(execution_input='{"scheduled_time": "2026-11-16T06:00:00Z"}')
    assert written.manifest["run_id"] == "20261116-a6fe0531ae"
    assert written.manifest["failure"]["state"] is None
    assert written.manifest["states"] == []


def test_people_are_told_once_however_often_the_event_comes(stop: Any, topic: FakeTopic) -> None:
    first, second = stop(), stop()
    assert first == second
    [message] = topic.published
    assert message["TopicArn"] == TOPIC
    assert RUN_ID in message["Message"]


def test_a_message_that_could_not_be_sent_is_sent_by_the_retry(stop: Any, topic: FakeTopic, get: Any) -> None:
    topic.failures = 1
    with pytest.raises(ConnectionError):
        stop()
    assert get(f"runs/{RUN_ID}/manifest.json")["outcome"] == "aborted"
    stop()
    assert len(topic.published) == 1


def test_a_version_registered_before_the_stop_is_withdrawn(
    stop: Any, states: Any, sagemaker: Any, register_package: Any, run: Any
) -> None:
    arn = register_package()
    sagemaker.executions = [pipeline_run("ours", RUN_ID, "Succeeded")]
    sagemaker.add_step("RegisterModel", "Succeeded", RegisterModel={"Arn": arn})
    states.enter("EvalMetrics", document={"run": run})
    written = stop()
    package = sagemaker.registry.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Rejected"
    assert (
        package["ApprovalDescription"] == f"Run {RUN_ID} was ended at EvalMetrics before judging this version"
    )
    assert written.manifest["approval"]["status"] == "Rejected"


def test_a_decision_made_before_the_stop_stands(
    *, stop: Any, states: Any, sagemaker: Any, register_package: Any, run: Any, evaluation: Any
) -> None:
    arn = register_package()
    registration = {"model_package_arn": arn, "approval_status": "PendingManualApproval"}
    document = {"run": run, "evaluation": evaluation(arn), "registration": registration}
    states.enter("NotifyRegistered", document=document)
    written = stop()
    assert (written.manifest["outcome"], written.manifest["decision"]) == ("aborted", "registered")
    package = sagemaker.registry.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"


def test_a_stopped_batch_is_recorded_as_one_and_looks_for_no_pipeline(
    *, stop: Any, states: Any, sagemaker: Any, batch_run: Any, approved: Any, topic: FakeTopic
) -> None:
    states.machine_arn = states.machine_arn.replace("training", "batch-inference")
    sagemaker.executions = [pipeline_run("somebody-elses", RUN_ID)]
    states.enter("CreateTransformJob", document={"run": batch_run, "approved": approved})
    written = stop(cause="wrong file")
    assert written.manifest["kind"] == "batch_inference"
    assert written.manifest["arns"]["model_package"] == approved["model_package_arn"]
    assert written.manifest["approval"]["status"] == "Approved"
    assert sagemaker.stopped == []
    assert topic.published[0]["Subject"] == "[dev] Batch inference was stopped at CreateTransformJob"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"detail": {"executionArn": ARN, "status": "SUCCEEDED"}}, "detail.status"),
        ({"detail": {"status": "ABORTED"}}, "'detail.executionArn' is missing"),
        ({}, "'detail' is missing"),
    ],
)
def test_an_event_about_something_else_is_refused(
    lambda_context: Any, event: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        handler_module.handler(event, lambda_context)


def test_the_sample_event_is_understood() -> None:
    sample = Path(__file__).resolve().parents[3] / "events/samples/step_functions_execution_aborted.json"
    event = parse_input(json.loads(sample.read_text(encoding="utf-8")), StatusChangeEvent, "event")
    assert event.detail.status == "ABORTED"


def test_a_stopped_promotion_says_that_staging_may_stand_and_leaves_the_version_alone(
    *, stop: Any, states: Any, sagemaker: Any, promotion_run: Any, candidate: Any, topic: FakeTopic
) -> None:
    states.machine_arn = states.machine_arn.replace("training", "promotion")
    staging = {"endpoint_name": "titanic-survival-staging"}
    document = {"run": promotion_run, "package": candidate, "staging": staging}
    states.enter("RequestApproval", document=document)
    sagemaker.get_paginator = None  # there is no pipeline to look for
    written = stop()
    assert (written.manifest["kind"], written.manifest["decision"]) == ("promotion", None)
    assert written.manifest["failure"]["state"] == "RequestApproval"
    [message] = topic.published
    assert message["Subject"] == "[dev] Promotion was stopped at RequestApproval"
    assert "titanic cleanup staging" in message["Message"]
