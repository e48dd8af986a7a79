from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from functions.common.run_identity import identify
from ops.errors import RunNotFound, UsageError
from ops.runs import (
    BATCH_INFERENCE,
    TRAINING,
    console_link,
    find_run,
    latest_runs,
    parse_input,
    read_manifest,
    start_run,
)
from ops.target import LOCAL_CREDENTIALS, Choice, Target, open_target


def test_lists_the_newest_runs_first(aws: Target, states: Any) -> None:
    first = states.add("one")
    start = states.executions[first]["startDate"]
    states.add("two", startDate=start + timedelta(hours=1))
    states.add("three", startDate=start + timedelta(hours=2))

    assert [run.name for run in latest_runs(aws, 2)] == ["three", "two"]
    assert len(latest_runs(aws, 0)) == 3


@pytest.mark.parametrize(
    ("status", "output", "decision"),
    [
        ("SUCCEEDED", {"decision": "rejected", "outcome": "rejected"}, "rejected"),
        ("SUCCEEDED", {"decision": "registered"}, "registered"),
        ("FAILED", {}, "failed"),
        ("ABORTED", {}, "aborted"),
        ("TIMED_OUT", {}, "timed_out"),
        ("RUNNING", {}, None),
    ],
)
def test_tells_the_decision(
    aws: Target, states: Any, status: str, output: dict[str, str], decision: str | None
) -> None:
    states.add("one", status, output=json.dumps(output))

    assert latest_runs(aws, 1)[0].decision == decision


def test_finds_a_run_by_its_id_its_execution_name_and_its_arn(aws: Target, states: Any) -> None:
    arn = states.add("one", input='{"scheduled_time": "2026-11-20T05:00:00Z"}')
    run_id = identify(
        arn, states.executions[arn]["startDate"], json.loads(states.executions[arn]["input"])
    ).run_id
    states.add("two")

    assert run_id.startswith("20261120-")
    for wanted in (run_id, "one", arn):
        assert find_run(aws, wanted).execution_arn == arn


def test_finds_a_run_that_step_functions_has_forgotten_by_its_manifest(
    aws: Target, states: Any, put_manifest: Any
) -> None:
    put_manifest("20260101-aaaaaaaaaa", outcome="failed", failure={"error": "NoValidRows", "cause": "c"})

    run = find_run(aws, "20260101-aaaaaaaaaa")

    assert (run.status, run.decision, run.seconds()) == ("FAILED", "failed", 9.5)


@pytest.mark.parametrize("wanted", ["20260101-aaaaaaaaaa", "nonsense", "../../etc"])
def test_an_unknown_run_says_where_it_looked_and_what_to_type(aws: Target, states: Any, wanted: str) -> None:
    with pytest.raises(RunNotFound, match="titanic runs"):
        find_run(aws, wanted)


def test_an_input_that_is_no_object_still_gives_a_run(aws: Target, states: Any) -> None:
    states.add("one", "FAILED", input="[1, 2]", error="InvalidInput", cause="not an object")

    [run] = latest_runs(aws, 1)

    assert run.to_json()["failure"] == {"error": "InvalidInput", "cause": "not an object"}


def test_a_manifest_that_is_not_there_yet_is_none(aws: Target) -> None:
    assert read_manifest(aws, "20260101-aaaaaaaaaa") is None


def test_starts_a_run_under_a_name_of_its_own_with_the_input_as_it_is(aws: Target, states: Any) -> None:
    given = {"approvall": "auto"}

    run = start_run(aws, TRAINING, given, by="train")

    [request] = states.started
    assert json.loads(request["input"]) == given
    assert request["name"] == run.name
    assert request["name"].startswith("train-")


def test_each_kind_is_started_on_its_own_machine(aws: Target, states: Any) -> None:
    run = start_run(aws, BATCH_INFERENCE, {}, by="predict")

    assert states.started[0]["stateMachineArn"].endswith(":titanic-sagemaker-dev-batch-inference")
    assert (run.kind, run.title) == ("batch_inference", "Batch inference")


def test_runs_of_both_kinds_are_listed_by_their_start(aws: Target, states: Any) -> None:
    first = states.add("one")
    start = states.executions[first]["startDate"]
    states.add("two", kind="batch_inference", startDate=start + timedelta(hours=1))
    states.add("three", startDate=start + timedelta(hours=2))

    found = [(run.name, run.kind) for run in latest_runs(aws, 0)]

    assert found == [("three", "training"), ("two", "batch_inference"), ("one", "training")]


def test_finds_a_batch_run_by_its_id(aws: Target, states: Any) -> None:
    arn = states.add("one", kind="batch_inference")
    run_id = identify(arn, states.executions[arn]["startDate"], {}).run_id

    assert find_run(aws, run_id).kind == "batch_inference"


def test_a_run_without_an_approved_model_is_an_outcome_of_its_own(aws: Target, states: Any) -> None:
    states.add("one", "FAILED", kind="batch_inference", error="NoApprovedModel", cause="none is approved")

    assert latest_runs(aws, 1)[0].decision == "no_approved_model"


def test_two_starts_have_two_names(aws: Target, states: Any) -> None:
    assert start_run(aws, TRAINING, {}, by="train").name != start_run(aws, TRAINING, {}, by="train").name


def test_links_to_the_console_on_aws_only(aws: Target) -> None:
    here = open_target(Choice("http://127.0.0.1:1", credentials=LOCAL_CREDENTIALS), "dev")
    arn = "arn:aws:states:eu-west-1:123456789012:execution:machine:one"

    assert arn in str(console_link(aws, arn))
    assert console_link(here, arn) is None


def test_an_input_that_is_not_json_says_where_it_breaks() -> None:
    with pytest.raises(UsageError, match="line 2"):
        parse_input('{\n"a" 1}', "in.json")
