"""What nothing refers to, and what only looks like it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.serving_history import ServingHistory
from ops import cli, orphans, target
from ops.errors import ExitCode
from ops.target import Target

NOW = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
PROD, STAGING = "titanic-survival-prod", "titanic-survival-staging"
BATCH = "titanic-survival-xgboost-dev-v"
BUCKET = "titanic-sagemaker-dev-123456789012"
LISTS = {
    "list_endpoints": ("Endpoints", "EndpointName"),
    "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
    "list_models": ("Models", "ModelName"),
    "list_transform_jobs": ("TransformJobSummaries", "TransformJobName"),
    "list_model_packages": ("ModelPackageSummaryList", "ModelPackageVersion"),
}


class FakeSageMaker:
    """Endpoints, configurations, models, transforms and versions by name; lists give a hundred a page."""

    def __init__(self) -> None:
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, str] = {}
        self.models: dict[str, datetime] = {}
        self.transforms: dict[str, tuple[str, str]] = {}
        self.versions: dict[int, str] = {}
        self.deleted: list[str] = []

    def deploy(self, endpoint: str, config: str, status: str = "InService", **more: Any) -> None:
        self.serve(config)
        self.endpoints[endpoint] = {
            "EndpointName": endpoint,
            "EndpointStatus": status,
            "EndpointConfigName": config,
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            "ProductionVariants": [{"CurrentInstanceCount": 2}],
            **more,
        }

    def serve(self, config: str, model: str | None = None) -> None:
        self.configs[config] = model or config
        self.models.setdefault(model or config, NOW)

    def get_paginator(self, operation: str) -> Any:
        self._operation = operation
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        key, field = LISTS[self._operation]
        items = [{field: name, "CreationTime": at, **more} for name, at, more in self._items(key, asked)]
        for start in range(0, max(len(items), 1), 100):
            yield {key: items[start : start + 100]}

    def _items(self, key: str, asked: Any) -> list[tuple[Any, datetime, dict[str, Any]]]:
        if key == "TransformJobSummaries":
            wanted = asked["StatusEquals"]
            return [(name, NOW, {}) for name, (_, status) in self.transforms.items() if status == wanted]
        if key == "ModelPackageSummaryList":
            arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/"
            return [
                (number, NOW, {"ModelApprovalStatus": status, "ModelPackageArn": f"{arn}{number}"})
                for number, status in self.versions.items()
            ]
        if key == "Models":
            return [(name, at, {}) for name, at in self.models.items()]
        return [(name, NOW, {}) for name in (self.endpoints if key == "Endpoints" else self.configs)]

    def describe_endpoint(self, EndpointName: str) -> dict[str, Any]:  # noqa: N803 - AWS's spelling
        if EndpointName not in self.endpoints:
            raise ClientError({"Error": {"Code": "ValidationException", "Message": "no"}}, "DescribeEndpoint")
        return self.endpoints[EndpointName]

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:  # noqa: N803
        model = self.configs[EndpointConfigName]
        return {"ProductionVariants": [{"ModelName": model, "InstanceType": "ml.m5.large"}]}

    def describe_model(self, ModelName: str) -> dict[str, Any]:  # noqa: N803
        return {}

    def describe_transform_job(self, TransformJobName: str) -> dict[str, Any]:  # noqa: N803
        return {"ModelName": self.transforms[TransformJobName][0]}

    def delete_endpoint(self, EndpointName: str) -> None:  # noqa: N803
        self.deleted.append(EndpointName)
        del self.endpoints[EndpointName]

    def delete_endpoint_config(self, EndpointConfigName: str) -> None:  # noqa: N803
        self.deleted.append(f"config {EndpointConfigName}")
        del self.configs[EndpointConfigName]

    def delete_model(self, ModelName: str) -> None:  # noqa: N803
        self.deleted.append(f"model {ModelName}")
        del self.models[ModelName]


@pytest.fixture
def sagemaker(aws: Target, states: Any, monkeypatch: pytest.MonkeyPatch) -> FakeSageMaker:
    """Prod on its second deployment, with the way back to the first; no run goes on."""
    fake = FakeSageMaker()
    aws._clients["sagemaker"] = fake
    states.running = []
    listed = states.get_paginator

    def only_running(operation: str) -> Any:
        paginator = listed(operation)
        paginator.items = [item for item in paginator.items if item["status"] == "RUNNING"]
        return paginator

    states.get_paginator = only_running
    monkeypatch.setattr(target, "connect", lambda *_: aws)
    fake.deploy(PROD, f"{PROD}-v3-b")
    fake.serve(f"{PROD}-v2-a")
    history = ServingHistory(aws.client("s3"), BUCKET, PROD)
    for run, config, before in (("a", f"{PROD}-v2-a", f"{PROD}-v1-z"), ("b", f"{PROD}-v3-b", f"{PROD}-v2-a")):
        history.request(
            {"run_id": run, "endpoint_config_name": config, "previous_endpoint_config_name": before}
        )
    return fake


def found(aws: Target) -> list[tuple[str, str]]:
    return [(orphan.kind, orphan.name) for orphan in orphans.find_orphans(aws)]


def test_prod_and_its_way_back_are_no_orphans(aws: Target, sagemaker: FakeSageMaker) -> None:
    assert found(aws) == []


def test_what_prod_had_before_that_is_one(aws: Target, sagemaker: FakeSageMaker) -> None:
    sagemaker.serve(f"{PROD}-v1-z")
    assert found(aws) == [("endpoint-config", f"{PROD}-v1-z"), ("model", f"{PROD}-v1-z")]


def test_an_endpoint_on_its_way_to_a_configuration_refers_to_it(
    aws: Target, sagemaker: FakeSageMaker
) -> None:
    sagemaker.serve(f"{PROD}-v4-c")
    pending = {"EndpointConfigName": f"{PROD}-v4-c"}
    sagemaker.deploy(PROD, f"{PROD}-v3-b", "Updating", PendingDeploymentSummary=pending)
    assert found(aws) == []


def test_staging_is_one_only_while_nobody_promotes(
    aws: Target, sagemaker: FakeSageMaker, states: Any
) -> None:
    sagemaker.deploy(STAGING, f"{STAGING}-v3-b")
    [staging] = orphans.find_orphans(aws)
    assert (staging.kind, staging.name) == ("endpoint", STAGING)
    assert staging.usd_a_month == pytest.approx(2 * 730 * 0.128)
    assert staging.command == "titanic cleanup staging"
    states.add("promoting", "RUNNING", "promotion")
    assert found(aws) == []


def test_an_endpoint_that_is_changing_is_left_alone(aws: Target, sagemaker: FakeSageMaker) -> None:
    sagemaker.deploy(STAGING, f"{STAGING}-v3-b", "Creating")
    assert found(aws) == []


def test_what_is_younger_than_a_run_that_goes_on_may_be_its_own(
    aws: Target, sagemaker: FakeSageMaker, states: Any
) -> None:
    sagemaker.models[f"{BATCH}1"] = NOW
    states.add("predicting", "RUNNING", "batch_inference", startDate=NOW - timedelta(minutes=1))
    assert found(aws) == []
    sagemaker.models[f"{BATCH}1"] = NOW - timedelta(days=1)
    assert found(aws) == [("model", f"{BATCH}1")]


def test_the_model_that_predicts_and_the_one_that_will_are_no_orphans(
    aws: Target, sagemaker: FakeSageMaker
) -> None:
    sagemaker.models |= dict.fromkeys((f"{BATCH}1", f"{BATCH}2", f"{BATCH}3"), NOW)
    sagemaker.versions = {1: "Approved", 2: "Rejected", 3: "Approved"}
    assert found(aws) == [("model", f"{BATCH}1"), ("model", f"{BATCH}2")]
    sagemaker.transforms = {"running": (f"{BATCH}1", "InProgress"), "ended": (f"{BATCH}2", "Completed")}
    assert found(aws) == [("model", f"{BATCH}2")]


def test_a_model_that_somebody_elses_configuration_serves_is_no_orphan(
    aws: Target, sagemaker: FakeSageMaker
) -> None:
    sagemaker.serve("an-experiment", f"{PROD}-v1-z")
    assert found(aws) == []


def test_other_projects_are_not_looked_at(aws: Target, sagemaker: FakeSageMaker) -> None:
    sagemaker.serve("churn-v1")
    sagemaker.models["titanic-survival-xgboost-prod-v1"] = NOW  # the other environment's batch model
    assert found(aws) == []


def test_all_pages_are_read(aws: Target, sagemaker: FakeSageMaker) -> None:
    names = [f"{STAGING}-v1-{number:010d}" for number in range(250)]
    for name in names:
        sagemaker.serve(name)
    assert found(aws) == [(kind, name) for kind in ("endpoint-config", "model") for name in names]


def test_what_a_person_made_is_shown_and_not_deleted(aws: Target, sagemaker: FakeSageMaker) -> None:
    name = "titanic-survival-experiment"
    sagemaker.deploy(name, name)
    sagemaker.serve(f"{name}-before")
    shown = orphans.find_orphans(aws)
    assert [orphan.command for orphan in shown] == [
        f"aws sagemaker delete-endpoint --endpoint-name {name}",
        f"aws sagemaker delete-endpoint-config --endpoint-config-name {name}-before",
        f"aws sagemaker delete-model --model-name {name}-before",
    ]
    assert orphans.delete(aws, shown) == []
    assert sagemaker.deleted == []


def test_staging_goes_with_what_it_was_on_and_the_others_after_it(
    aws: Target, sagemaker: FakeSageMaker
) -> None:
    sagemaker.deploy(STAGING, f"{STAGING}-v3-b")
    sagemaker.serve(f"{STAGING}-v1-z")
    orphans.delete(aws, orphans.find_orphans(aws))
    assert sagemaker.deleted == [
        STAGING,
        f"config {STAGING}-v3-b",
        f"model {STAGING}-v3-b",
        f"config {STAGING}-v1-z",
        f"model {STAGING}-v1-z",
    ]
    assert found(aws) == []


def test_what_has_come_into_use_meanwhile_stays(aws: Target, sagemaker: FakeSageMaker) -> None:
    sagemaker.serve(f"{PROD}-v1-z")
    chosen = orphans.find_orphans(aws)
    sagemaker.deploy(PROD, f"{PROD}-v1-z")
    assert [orphan.name for orphan in orphans.delete(aws, chosen)] == []
    assert sagemaker.deleted == []


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "less than a minute"), (60, "1 minute"), (7300, "2 hours"), (86400 * 3 + 5, "3 days")],
)
def test_age_is_told_in_one_unit(seconds: int, words: str) -> None:
    assert orphans.age(NOW, NOW + timedelta(seconds=seconds)) == words


def test_the_command_lists_them(
    aws: Target, sagemaker: FakeSageMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["orphans"]) == ExitCode.OK
    assert "No orphan" in capsys.readouterr().out
    sagemaker.deploy(STAGING, f"{STAGING}-v3-b")
    assert cli.run(["orphans", "--json"]) == ExitCode.OK
    [told] = json.loads(capsys.readouterr().out)
    assert (told["name"], told["command"]) == (STAGING, "titanic cleanup staging")
    assert told["age_days"] > 0
    cli.run(["orphans"])
    assert "saves 186.88 USD a month" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "goes"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_deleting_asks_first(
    sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch, answer: str, goes: bool
) -> None:
    sagemaker.serve(f"{PROD}-v1-z")
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert cli.run(["orphans", "--delete"]) == ExitCode.OK
    assert bool(sagemaker.deleted) is goes


def test_deleting_where_nobody_can_be_asked_needs_a_yes(
    sagemaker: FakeSageMaker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker.serve(f"{PROD}-v1-z")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert cli.run(["orphans", "--delete"]) == ExitCode.USAGE
    assert "--yes" in capsys.readouterr().err
    assert sagemaker.deleted == []
    assert cli.run(["orphans", "--delete", "--yes", "--json"]) == ExitCode.OK
    deleted = json.loads(capsys.readouterr().out)["deleted"]
    assert [each["kind"] for each in deleted] == ["endpoint-config", "model"]
