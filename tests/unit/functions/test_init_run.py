from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.common.errors import CodeBundleNotFound, InvalidInput, RunInProgress, SourceNotFound
from functions.common.inputs import parse_input
from functions.common.observability import logger
from functions.init_run import handler as handler_module
from functions.init_run.settings import InitRunSettings
from functions.init_run.start_run import InitRunEvent, start_run

BUCKET = "titanic-sagemaker-dev-123456789012"
BUNDLE_KEY = "pipeline/code/0a1b2c3/pipeline_code.tar.gz"
ENVIRONMENT = {
    "ENV": "dev",
    "DATA_BUCKET": BUCKET,
    "SOURCE_URI": f"s3://{BUCKET}/raw/titanic.csv",
    "CODE_BUNDLE_URI": f"s3://{BUCKET}/{BUNDLE_KEY}",
    "ACCURACY_THRESHOLD": "0.78",
    "F1_THRESHOLD": "0.7",
    "AUC_THRESHOLD": "0.8",
    "TRAINING_DEADLINE_SECONDS": "10800",
    "BATCH_SOURCE_URI": f"s3://{BUCKET}/raw/new_passengers/",
    "DRIFT_THRESHOLD": "0.2",
    "MODEL_PACKAGE_GROUP": "titanic-survival-xgboost",
    "STAGING_ENDPOINT": "titanic-survival-staging",
    "PROD_ENDPOINT": "titanic-survival-prod",
    "INSTANCE_TYPE": "ml.m5.large",
    "INSTANCE_COUNT": "1",
    "CANARY_PERCENT": "10",
    "BAKE_SECONDS": "300",
}
SETTINGS = InitRunSettings.model_validate({name.lower(): value for name, value in ENVIRONMENT.items()})


@pytest.fixture
def machine(aws: Any) -> str:
    made = aws("stepfunctions").create_state_machine(
        name="titanic-sagemaker-dev-training",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn="arn:aws:iam::123456789012:role/training",
    )
    return str(made["stateMachineArn"])


@pytest.fixture
def start(machine: str, aws: Any) -> Callable[..., dict[str, Any]]:
    """Starts an execution that moto leaves RUNNING, and returns what the context object says of it."""

    def start(name: str) -> dict[str, Any]:
        states = aws("stepfunctions")
        started = states.start_execution(stateMachineArn=machine, name=name)
        return {
            "id": started["executionArn"],
            "name": name,
            "start_time": started["startDate"].isoformat(),
            "state_machine_id": machine,
        }

    return start


@pytest.fixture
def init(
    aws: Any, s3: Any, put: Callable[..., str], start: Callable[..., dict[str, Any]]
) -> Callable[..., Any]:
    """Runs InitRun for an input; table and bundle exist."""
    put("raw/titanic.csv", "PassengerId\n1\n")
    put(BUNDLE_KEY)

    def init(execution_input: Any, execution: dict[str, Any] | None = None) -> Any:
        event = {"kind": "training", "input": execution_input, "execution": execution or start("first")}
        request = parse_input(event, InitRunEvent, "InitRun event")
        return start_run(request, SETTINGS, s3=s3, states=aws("stepfunctions"))

    return init


def test_an_empty_input_gets_every_default(init: Any) -> None:
    run = init({})
    assert run.source_uri == f"s3://{BUCKET}/raw/titanic.csv"
    assert run.code_bundle_uri == f"s3://{BUCKET}/{BUNDLE_KEY}"
    assert run.thresholds.model_dump() == {"accuracy": 0.78, "f1": 0.7, "auc": 0.8}
    assert run.accuracy_threshold == "0.78"
    assert run.approval == "manual"


def test_names_follow_from_the_execution_alone(init: Any) -> None:
    arn = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-training:first"
    machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:titanic-sagemaker-dev-training"
    start_time = "2026-11-21T23:54:22.123Z"
    execution = {"id": arn, "name": "first", "start_time": start_time, "state_machine_id": machine}
    run = init({}, execution)
    assert run == init({}, execution)
    assert run.run_id == "20261121-a6fe0531ae"
    assert run.run_date == "2026-11-21"
    assert run.client_request_token == "a6fe0531aef768d6355b2d94ec10e012fa661763bacf241b6baaccb24dd08f64"
    assert run.train_uri == f"s3://{BUCKET}/curated/runs/20261121-a6fe0531ae/train.csv"
    assert run.validation_uri == f"s3://{BUCKET}/curated/runs/20261121-a6fe0531ae/validation.csv"
    assert run.data_report_uri == f"s3://{BUCKET}/runs/20261121-a6fe0531ae/data_report.json"
    assert run.training_deadline == "2026-11-22T02:54:22.123Z"


def test_a_late_run_keeps_its_scheduled_date(init: Any) -> None:
    run = init({"scheduled_time": "2026-11-16T01:00:00+02:00"})
    assert run.run_date == "2026-11-15"
    assert run.run_id.startswith("20261115-")


def test_given_values_win_over_defaults(init: Any, put: Callable[..., str]) -> None:
    source, bundle = put("raw/2026/january.csv"), put("pipeline/code/ffff/pipeline_code.tar.gz")
    run = init(
        {
            "source_uri": source,
            "code_bundle_uri": bundle,
            "accuracy_threshold": 1,
            "f1_threshold": 0,
            "auc_threshold": 0.9,
            "approval": "auto",
        }
    )
    assert (run.source_uri, run.code_bundle_uri, run.approval) == (source, bundle, "auto")
    assert run.thresholds.model_dump() == {"accuracy": 1.0, "f1": 0.0, "auc": 0.9}
    assert run.accuracy_threshold == "1.0"


@pytest.mark.parametrize("prefix", ["raw/2026", "raw/2026/"])
def test_a_source_may_be_a_folder_of_tables(init: Any, put: Callable[..., str], prefix: str) -> None:
    put("raw/2026/january.csv")
    assert init({"source_uri": f"s3://{BUCKET}/{prefix}"}).source_uri == f"s3://{BUCKET}/{prefix}"


@pytest.mark.parametrize(
    ("execution_input", "words"),
    [
        (
            {"acuracy_threshold": 0.7},
            ["unknown key 'acuracy_threshold'", "did you mean 'accuracy_threshold'?"],
        ),
        ({"run_id": "mine"}, ["unknown key 'run_id'", "approval"]),
        ({"accuracy_threshold": "0.7"}, ["'accuracy_threshold' is a string", "a number from 0 to 1"]),
        ({"f1_threshold": True}, ["'f1_threshold' is a boolean", "a number from 0 to 1"]),
        ({"auc_threshold": 1.01}, ["'auc_threshold' is a number (1.01)", "a number from 0 to 1"]),
        ({"auc_threshold": -0.1}, ["'auc_threshold' is a number (-0.1)"]),
        ({"auc_threshold": float("nan")}, ["'auc_threshold' is a number (NaN)"]),
        ({"f1_threshold": None}, ["'f1_threshold' is null"]),
        ({"f1_threshold": [0.7]}, ["'f1_threshold' is a list"]),
        ({"approval": "yes"}, ["'approval' is a string (\"yes\")", "'manual' or 'auto'"]),
        ({"approval": {}}, ["'approval' is an object"]),
        ({"scheduled_time": "yesterday"}, ["'scheduled_time'", "ISO 8601"]),
        ({"scheduled_time": "2026-11-21T06:00:00"}, ["'scheduled_time'", "time zone"]),
        ({"scheduled_time": 1763704462}, ["'scheduled_time' is a number"]),
        ({"source_uri": 5}, ["'source_uri' is a number", "s3:// URI under raw/"]),
        ({"source_uri": "s3://elsewhere/raw/titanic.csv"}, ["'source_uri'", f"under s3://{BUCKET}/raw/"]),
        ({"source_uri": f"s3://{BUCKET}/curated/train.csv"}, ["'source_uri'", f"under s3://{BUCKET}/raw/"]),
        ({"source_uri": f"s3://{BUCKET}/raw/../curated/train.csv"}, ["'source_uri'", "'..'"]),
        ({"source_uri": f"s3://{BUCKET}/raw//titanic.csv"}, ["'source_uri'", "empty"]),
        ({"source_uri": f"s3://{BUCKET}/raw/a\nb.csv"}, ["'source_uri'", "unprintable"]),
        ({"source_uri": "/data/titanic.csv"}, ["'source_uri'", "not an s3:// URI"]),
        ({"source_uri": f"s3://{BUCKET}"}, ["'source_uri'"]),
        ({"code_bundle_uri": f"s3://{BUCKET}/raw/titanic.csv"}, ["'code_bundle_uri'", "/pipeline/code/"]),
        ({"code_bundle_uri": "https://example.com/x"}, ["'code_bundle_uri'", "not an s3:// URI"]),
        ([], ["Execution input is a list", "source_uri"]),
        ("train", ["Execution input is a string"]),
        (None, ["Execution input is null"]),
        (7, ["Execution input is a number"]),
    ],
)
def test_wrong_input_is_refused_with_its_key_type_and_what_is_allowed(
    init: Any, execution_input: Any, words: list[str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        init(execution_input)
    for word in words:
        assert word in str(caught.value)


def test_every_wrong_key_is_named_at_once(init: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        init({"f1_threshold": "x", "surprise": 1})
    assert "'f1_threshold'" in str(caught.value)
    assert "'surprise'" in str(caught.value)


def test_long_values_are_cut_and_unknown_values_are_not_shown(init: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        init({"approval": "x" * 5000, "password": "hunter2"})
    assert len(str(caught.value)) < 500
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["raw/absent.csv", "raw/titan", "raw/empty/"])
def test_a_source_that_does_not_exist_is_named(init: Any, put: Callable[..., str], key: str) -> None:
    put("raw/empty/", "")  # what the console makes of "create folder"
    with pytest.raises(SourceNotFound, match=f"s3://{BUCKET}/{key}"):
        init({"source_uri": f"s3://{BUCKET}/{key}"})


@pytest.mark.parametrize("key", ["pipeline/code/ffff/pipeline_code.tar.gz", "pipeline/code/0a1b2c3"])
def test_a_bundle_that_does_not_exist_is_named(init: Any, key: str) -> None:
    with pytest.raises(CodeBundleNotFound, match=f"s3://{BUCKET}/{key}"):
        init({"code_bundle_uri": f"s3://{BUCKET}/{key}"})


def test_the_later_of_two_running_executions_yields(init: Any, start: Callable[..., Any]) -> None:
    earlier, later = start("earlier"), start("later")
    assert init({}, earlier).execution_arn == earlier["id"]
    with pytest.raises(RunInProgress, match=f"{earlier['id']} started at"):
        init({}, later)


def test_a_run_that_has_ended_is_in_nobodys_way(aws: Any, init: Any, start: Callable[..., Any]) -> None:
    ended, later = start("ended"), start("later")
    aws("stepfunctions").stop_execution(executionArn=ended["id"])
    assert init({}, later).execution_arn == later["id"]


def test_of_executions_started_at_once_exactly_one_goes_on(s3: Any, put: Callable[..., str]) -> None:
    put("raw/titanic.csv")
    put(BUNDLE_KEY)
    arns = [f"arn:aws:states:eu-west-1:123456789012:execution:training:{name}" for name in "abc"]
    states = SameMoment(arns)
    went_on = []
    for arn in arns:
        event = {"kind": "training", "input": {}, "execution": SameMoment.execution(arn)}
        try:
            start_run(parse_input(event, InitRunEvent, "event"), SETTINGS, s3=s3, states=states)
            went_on.append(arn)
        except RunInProgress:
            pass
    assert went_on == arns[:1]


def test_an_execution_the_list_does_not_show_yet_still_yields(s3: Any, put: Callable[..., str]) -> None:
    put("raw/titanic.csv")
    put(BUNDLE_KEY)
    event = {
        "kind": "training",
        "input": {},
        "execution": SameMoment.execution("arn:aws:states:eu-west-1:1:execution:training:b"),
    }
    states = SameMoment(["arn:aws:states:eu-west-1:1:execution:training:a"])
    with pytest.raises(RunInProgress):
        start_run(parse_input(event, InitRunEvent, "event"), SETTINGS, s3=s3, states=states)


class SameMoment:
    """Executions that started in the same millisecond, listed over several pages."""

    STARTED = "2026-11-21T06:54:22.123000+00:00"

    def __init__(self, arns: list[str]) -> None:
        self.arns = arns

    def get_paginator(self, operation: str) -> SameMoment:
        assert operation == "list_executions"
        return self

    def paginate(self, **request: str) -> list[dict[str, Any]]:
        from datetime import datetime

        assert request == {"stateMachineArn": "machine", "statusFilter": "RUNNING"}
        started = datetime.fromisoformat(self.STARTED)
        return [{"executions": [{"executionArn": arn, "startDate": started}]} for arn in self.arns]

    @classmethod
    def execution(cls, arn: str) -> dict[str, Any]:
        return {"id": arn, "name": arn[-1], "start_time": cls.STARTED, "state_machine_id": "machine"}


def test_the_handler_returns_json_and_counts_success(
    init: Any, start: Any, lambda_context: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    _deploy(monkeypatch)
    answer = handler_module.handler(
        {"kind": "training", "input": {}, "execution": start("first")}, lambda_context
    )
    assert json.loads(json.dumps(answer))["thresholds"]["accuracy"] == 0.78
    emitted = _metrics(capsys.readouterr().out)
    assert emitted["Success"] == [1.0]
    assert emitted["stage"] == "InitRun"
    assert emitted["Duration"][0] > 0


def test_the_handler_logs_the_error_under_its_run_and_counts_failure(
    *, init: Any, start: Any, lambda_context: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, caplog: Any
) -> None:
    _deploy(monkeypatch)
    event = {"kind": "training", "input": {"x": 1}, "execution": start("first")}
    with pytest.raises(InvalidInput):
        handler_module.handler(event, lambda_context)
    assert _metrics(capsys.readouterr().out)["Failure"] == [1.0]
    assert "InvalidInput" in [getattr(record, "error", "") for record in caplog.records]
    assert logger.get_current_keys()["run_id"].startswith("2")


def test_a_payload_of_another_shape_is_refused(lambda_context: Any) -> None:
    event = {"kind": "training", "execution": SameMoment.execution("arn:x")}
    with pytest.raises(InvalidInput, match="InitRun event: key 'input' is missing"):
        handler_module.handler(event, lambda_context)


def _deploy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    handler_module.settings.cache_clear()


def _metrics(output: str) -> dict[str, Any]:
    found: dict[str, Any] = next(line for line in map(json.loads, output.splitlines()) if "_aws" in line)
    return found
