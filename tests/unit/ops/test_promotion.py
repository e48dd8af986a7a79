"""The gate, the endpoints and the way back, as an operator meets them."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.serving_history import ServingHistory
from ops import cleanup, cli, endpoints, gate, rollback, runs, target
from ops.commands.endpoints import question
from ops.errors import (
    EndpointBusy,
    EndpointNotFound,
    ExitCode,
    GateClosed,
    ModelRefused,
    NothingToRollBackTo,
    OpsError,
    RunNotFound,
    UsageError,
)
from ops.target import Target

PROD = "titanic-survival-prod"
BUCKET = "titanic-sagemaker-dev-123456789012"
NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def refusal(code: str, operation: str = "Any", **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, **more}, operation)


class FakeSageMaker:
    """One endpoint, whose configurations all serve version 3 or what `versions` says."""

    def __init__(self) -> None:
        self.status, self.config = "InService", f"{PROD}-v3-b"
        self.versions = {f"{PROD}-v3-b": 3, f"{PROD}-v2-a": 2}
        self.goes_back = False
        self.deleted: list[str] = []

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> Any:
        yield {"Endpoints": [] if PROD in self.deleted else [{"EndpointName": PROD}]}

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - AWS's spelling
        if EndpointName != PROD or PROD in self.deleted:
            raise refusal("ValidationException", "DescribeEndpoint")
        return {
            "EndpointName": PROD,
            "EndpointStatus": self.status,
            "EndpointConfigName": self.config,
            "ProductionVariants": [{"CurrentInstanceCount": 1}],
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
        }

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        return {"ProductionVariants": [{"ModelName": EndpointConfigName, "InstanceType": "ml.m5.large"}]}

    def describe_model(self, ModelName: str) -> dict[str, Any]:  # noqa: N803
        return {"PrimaryContainer": {"ModelPackageName": f"arn:model-package/g/{self.versions[ModelName]}"}}

    def update_endpoint(self, EndpointName: str, EndpointConfigName: str) -> None:  # noqa: N803
        if not self.goes_back:
            self.config = EndpointConfigName

    def delete_endpoint(self, EndpointName: str) -> None:  # noqa: N803
        self.deleted.append(EndpointName)

    def delete_endpoint_config(self, EndpointConfigName: str) -> None:  # noqa: N803
        self.deleted.append(EndpointConfigName)

    def delete_model(self, ModelName: str) -> None:  # noqa: N803
        raise refusal("ValidationException", "DeleteModel")


@pytest.fixture
def sagemaker(aws: Target) -> FakeSageMaker:
    fake = FakeSageMaker()
    aws._clients["sagemaker"] = fake
    return fake


@pytest.fixture
def history(aws: Target) -> ServingHistory:
    """Version 2 was live, then version 3."""
    kept = ServingHistory(aws.client("s3"), BUCKET, PROD)
    for run_id, config, previous in (("a", f"{PROD}-v2-a", None), ("b", f"{PROD}-v3-b", f"{PROD}-v2-a")):
        kept.request(
            {"run_id": run_id, "endpoint_config_name": config, "previous_endpoint_config_name": previous}
        )
        kept.settle(run_id, "live", "2026-11-21T07:00:00Z")
    return kept


class Answering:
    """Step Functions with a gate: what was sent to it, or how it refuses."""

    def __init__(self, states: Any) -> None:
        self.sent: list[dict[str, str]] = []
        self.refuses: str | None = None
        states.send_task_success = self.send

    def send(self, **request: str) -> None:
        if self.refuses:
            raise refusal(self.refuses, "SendTaskSuccess")
        self.sent.append(request)


@pytest.fixture
def answering(states: Any) -> Answering:
    return Answering(states)


@pytest.fixture
def waiting(aws: Target, states: Any) -> runs.Run:
    """A promotion at its gate."""
    run = runs.describe_run(aws, states.add("promote-1", "RUNNING", kind="promotion"))
    body = json.dumps({"task_token": "secret"})
    aws.client("s3").put_object(Bucket=BUCKET, Key=gate.approval_key(run.run_id), Body=body)
    return run


@pytest.mark.parametrize(("confirmed", "decision"), [(True, "approved"), (False, "declined")])
def test_an_answer_says_who_gave_it_when_and_why(
    aws: Target, answering: Answering, waiting: runs.Run, confirmed: bool, decision: str
) -> None:
    given = gate.answer(aws, gate.find_waiting(aws, "latest"), " it is\n fine ", confirmed=confirmed)

    [sent] = answering.sent
    output = json.loads(sent["output"])
    assert sent["taskToken"] == "secret"
    assert (output["decision"], output["by"], output["reason"]) == (decision, given.by, "it is fine")
    assert given.by == aws.identity["Arn"]
    assert datetime.fromisoformat(output["at"])


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_used_or_stale_token_is_said_in_words(
    aws: Target, answering: Answering, waiting: runs.Run, code: str
) -> None:
    answering.refuses = code
    with pytest.raises(GateClosed, match=f"{waiting.run_id} does not wait for an answer any more"):
        gate.answer(aws, waiting, None, confirmed=True)


def test_another_refusal_stays_what_it_is(aws: Target, answering: Answering, waiting: runs.Run) -> None:
    answering.refuses = "AccessDeniedException"
    with pytest.raises(ClientError):
        gate.answer(aws, waiting, None, confirmed=True)


def test_a_promotion_that_has_ended_or_not_come_so_far_takes_no_answer(aws: Target, states: Any) -> None:
    ended = runs.describe_run(aws, states.add("one", kind="promotion", output='{"decision": "declined"}'))
    early = runs.describe_run(aws, states.add("two", "RUNNING", kind="promotion"))
    with pytest.raises(GateClosed, match="has ended: declined"):
        gate.answer(aws, ended, None, confirmed=True)
    with pytest.raises(GateClosed, match="has not come to its gate yet"):
        gate.answer(aws, early, None, confirmed=True)


def test_only_a_promotion_is_confirmed(aws: Target, states: Any) -> None:
    states.add("train-1")
    with pytest.raises(UsageError, match="only a promotion"):
        gate.find_waiting(aws, "train-1")
    with pytest.raises(RunNotFound, match="No promotion is going on"):
        gate.find_waiting(aws, "latest")


def test_an_endpoint_is_shown_with_the_version_it_serves(aws: Target, sagemaker: FakeSageMaker) -> None:
    [found] = endpoints.list_endpoints(aws)
    assert (found.name, found.status, found.version, found.instance) == (PROD, "InService", 3, "ml.m5.large")
    with pytest.raises(EndpointNotFound, match=f"those of the project: {PROD}"):
        endpoints.describe_endpoint(aws, "no-such")


def test_rolling_back_is_seen_through_recorded_and_told(
    aws: Target, sagemaker: FakeSageMaker, history: ServingHistory
) -> None:
    sns = aws._clients["sns"] = Published()
    done = rollback.roll_back(aws, PROD, "odd answers")

    assert (done.version, done.version_before, sagemaker.config) == (2, 3, f"{PROD}-v2-a")
    entry = history.of_run("b")
    assert entry
    assert entry["outcome"] == "rolled_back"
    assert "odd answers" in entry["reason"]
    [kept] = history.rollbacks()
    assert (kept["from_endpoint_config_name"], kept["to_endpoint_config_name"]) == (
        f"{PROD}-v3-b",
        f"{PROD}-v2-a",
    )
    assert (kept["outcome"], kept["reason"], kept["by"]) == ("rolled_back", "odd answers", done.by)
    [message] = sns.sent
    assert "rolled back by hand to version 2" in message["Subject"]
    assert "odd answers" in message["Message"]
    with pytest.raises(NothingToRollBackTo, match="has served nothing before"):
        rollback.roll_back(aws, PROD, None)


class Published:
    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []

    def publish(self, **message: str) -> None:
        self.sent.append(message)


def test_a_rollback_that_sagemaker_took_back_is_none(
    aws: Target, sagemaker: FakeSageMaker, history: ServingHistory
) -> None:
    sagemaker.goes_back = True
    with pytest.raises(OpsError, match=f"did not go back to {PROD}-v2-a"):
        rollback.roll_back(aws, PROD, None)
    entry = history.of_run("b")
    assert entry
    assert entry["outcome"] == "live"
    assert [kept["outcome"] for kept in history.rollbacks()] == ["failed"]


def test_a_rollback_that_never_ended_is_known_of(
    aws: Target, sagemaker: FakeSageMaker, history: ServingHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sagemaker, "update_endpoint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rollback.roll_back(aws, PROD, "half of the answers are odd")
    [kept] = history.rollbacks()
    assert (kept["outcome"], kept["reason"]) == ("requested", "half of the answers are odd")


def test_a_deployment_leaves_the_rollbacks_before_it_in_the_history(
    aws: Target, sagemaker: FakeSageMaker, history: ServingHistory
) -> None:
    aws._clients["sns"] = Published()
    rollback.roll_back(aws, PROD, "odd answers")
    history.request({"run_id": "c", "endpoint_config_name": "c", "previous_endpoint_config_name": None})
    assert len(history.rollbacks()) == 1
    assert [each["run_id"] for each in history.deployments()] == ["a", "b", "c"]


def test_what_no_promotion_put_there_has_no_known_past(aws: Target, sagemaker: FakeSageMaker) -> None:
    with pytest.raises(NothingToRollBackTo, match="no promotion put there"):
        rollback.roll_back(aws, PROD, None)


def test_an_endpoint_takes_one_change_at_a_time(aws: Target, sagemaker: FakeSageMaker) -> None:
    sagemaker.status = "Updating"
    with pytest.raises(EndpointBusy, match="is Updating"):
        rollback.roll_back(aws, PROD, None)
    with pytest.raises(EndpointBusy, match="is Updating"):
        endpoints.delete_endpoint(aws, PROD)


def test_cleaning_up_removes_what_belongs_together_once(
    aws: Target, sagemaker: FakeSageMaker, states: Any
) -> None:
    assert cleanup.clean_up(aws, PROD) == [PROD, f"endpoint-config/{PROD}-v3-b"]
    assert cleanup.clean_up(aws, PROD) == []


def test_staging_is_not_taken_from_a_promotion_that_uses_it(
    aws: Target, sagemaker: FakeSageMaker, waiting: runs.Run
) -> None:
    with pytest.raises(EndpointBusy, match=f"titanic decline {waiting.run_id}"):
        cleanup.clean_up(aws, PROD)


class Runtime:
    def __init__(self, error: ClientError | None = None) -> None:
        self.error = error

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        if self.error:
            raise self.error
        return {"Body": io.BytesIO(b"0.1\n0.9\n"), "ContentType": request["ContentType"]}


def test_a_model_that_refuses_is_quoted(aws: Target, sagemaker: FakeSageMaker) -> None:
    said = refusal("ModelError", OriginalMessage="6 features, 7 wanted", OriginalStatusCode=400)
    aws._clients["sagemaker-runtime"] = Runtime(said)
    with pytest.raises(ModelRefused, match="answered 400: 6 features, 7 wanted"):
        endpoints.invoke(aws, PROD, b"1", endpoints.CSV)


def test_what_is_not_there_cannot_be_asked(aws: Target, sagemaker: FakeSageMaker) -> None:
    aws._clients["sagemaker-runtime"] = Runtime(refusal("ValidationError", "InvokeEndpoint"))
    with pytest.raises(EndpointNotFound):
        endpoints.invoke(aws, "no-such", b"1", endpoints.CSV)
    sagemaker.status = "Creating"
    with pytest.raises(EndpointBusy, match="is Creating and does not answer"):
        endpoints.invoke(aws, PROD, b"1", endpoints.CSV)


def test_a_question_is_asked_in_one_way(tmp_path: Any) -> None:
    file = tmp_path / "passengers.json"
    file.write_text("[]", encoding="utf-8")
    assert question("1,2\\n3,4", None, None) == (b"1,2\n3,4", "text/csv")
    assert question(None, str(file), None) == (b"[]", "application/json")
    assert question(None, None, '{"a": 1}') == (b'{"a": 1}', "application/json")
    file.write_text("\n", encoding="utf-8")
    for given in (
        *((None, None, None), ("1", "2", None), (None, None, "{"), (None, "no-such", None)),
        *(("", None, None), ("\\n", None, None), (None, str(file), None)),
    ):
        with pytest.raises(UsageError):
            question(*given)


@pytest.fixture
def connected(aws: Target, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    return aws


def test_the_commands_say_what_they_did(
    connected: Target,
    sagemaker: FakeSageMaker,
    answering: Answering,
    waiting: runs.Run,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connected._clients["sagemaker-runtime"] = Runtime()
    assert cli.run(["endpoints"]) == ExitCode.OK
    assert cli.run(["invoke", "prod", "--body", "1"]) == ExitCode.OK
    assert cli.run(["confirm", "latest"]) == ExitCode.OK
    assert cli.run(["decline", waiting.run_id, "--json"]) == ExitCode.OK
    assert cli.run(["cleanup", "staging"]) == ExitCode.FAILED
    said = capsys.readouterr()
    assert PROD in said.out
    assert "0.9" in said.out
    assert "goes on to prod" in said.out
    assert '"confirmed": false' in said.out
    assert "goes on and uses titanic-survival-staging" in said.err
