"""The whole path with the roles the project describes and nothing more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.xdist_group("e2e-iam")


def test_a_run_passes_under_its_roles(enforcing: Any) -> None:
    run = enforcing.run()
    assert run.description["status"] == "SUCCEEDED", run.manifest["failure"]
    assert run.output["decision"] == "registered"


def test_a_batch_run_passes_under_its_roles(enforcing: Any) -> None:
    enforcing.run({"approval": "auto"})
    run = enforcing.predict()
    assert run.description["status"] == "SUCCEEDED", run.manifest["failure"]
    assert run.output["decision"] == "published"
    assert len(run.alerts) == 1


def test_a_stopped_batch_run_is_recorded_under_its_roles(enforcing: Any, until: Any) -> None:
    arn = enforcing.start(kind="batch_inference")
    enforcing.aws("stepfunctions").stop_execution(executionArn=arn)
    [manifest] = until(
        lambda: [m for m in enforcing.manifests() if m["execution_arn"] == arn], "there is a manifest"
    )
    assert manifest["outcome"] == "aborted"
    assert until(lambda: enforcing.alerts_of(manifest["run_id"]), "people hear of it")


def test_a_failing_batch_run_is_recorded_under_its_roles(enforcing: Any) -> None:
    run = enforcing.predict({"source_uri": enforcing.put("raw/batches/empty.csv", b"")})
    assert run.manifest["failure"]["error"] == "EmptySource"
    assert len(run.alerts) == 1


def test_a_failing_run_is_recorded_under_its_roles(enforcing: Any) -> None:
    run = enforcing.run(enforcing.event("training-table-missing-column"))
    assert run.manifest["failure"]["error"] == "MissingColumn"
    assert len(run.alerts) == 1


def test_a_job_whose_role_may_not_read_its_source_says_so(enforcing: Any) -> None:
    iam, role = enforcing.aws("iam"), enforcing.names.role("prepare_job")
    policy = iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName=role)
    try:
        run = enforcing.run()
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=json.dumps(policy))
    assert run.manifest["failure"]["state"] == "PrepareData"
    assert "403" in run.manifest["failure"]["cause"] or "AccessDenied" in run.manifest["failure"]["cause"]


def test_what_the_machine_itself_may_not_do_fails_the_run_and_people_hear_of_it(enforcing: Any) -> None:
    with _without(enforcing, "training_state_machine", "StartPipeline"):
        run = enforcing.run()
    failure = run.manifest["failure"]
    assert (failure["state"], failure["error"]) == ("StartTraining", "SageMaker.SageMakerException")
    assert "is not authorized to perform: sagemaker:StartPipelineExecution" in failure["cause"]
    assert len(run.alerts) == 1


def test_a_machine_that_may_not_call_its_functions_fails_where_it_stands(enforcing: Any) -> None:
    with _without(enforcing, "batch_inference_state_machine", "CallFunctions"):
        arn = enforcing.start(kind="batch_inference")
        ended = enforcing.wait(enforcing.aws("stepfunctions"), arn)
    assert ended["status"] == "FAILED"
    assert "RecordFailure" in enforcing.visited(arn)


@contextmanager
def _without(enforcing: Any, role: str, sid: str) -> Iterator[None]:
    """A role that lacks one of its statements meanwhile."""
    iam, name = enforcing.aws("iam"), enforcing.names.role(role)
    policy = iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
    less = {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] != sid]}
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(less))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))


def test_sagemaker_is_judged_by_role_too(enforcing: Any) -> None:
    sts = enforcing.aws("sts")
    keys = sts.assume_role(RoleArn=enforcing.names.role_arn("init_run"), RoleSessionName="probe")[
        "Credentials"
    ]
    sagemaker = boto3.client(
        "sagemaker",
        endpoint_url=enforcing.stack.endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        sagemaker.describe_pipeline(PipelineName=enforcing.names["pipeline"])


def test_staging_is_looked_after_at_night_under_its_roles(enforcing: Any, until: Any) -> None:
    group = f"/aws/lambda/{enforcing.names.function('stop_staging')}"
    enforcing.let_fall_due("nightly_staging_shutdown")

    def logged() -> str:
        groups = enforcing.aws("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        events = enforcing.aws("logs").filter_log_events(logGroupName=group)["events"] if groups else []
        return "".join(event["message"] for event in events)

    until(lambda: '"outcome"' in logged(), "the function says what came of it")
    assert '"nothing_to_stop"' in logged()
