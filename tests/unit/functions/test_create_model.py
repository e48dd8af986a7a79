from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.errors import InvalidInput, ModelNameTaken, ModelNotApproved, ModelPackageNotFound
from functions.common.inputs import parse_input
from functions.create_model import handler as handler_module
from functions.create_model.creation import CreateModelEvent, CreateModelSettings, create, model_name

ROLE = "arn:aws:iam::123456789012:role/titanic-sagemaker-dev-model"
GONE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/99"
NAME = "titanic-survival-xgboost-dev-v1"
TAGS = [{"Key": "project", "Value": "titanic-sagemaker"}]
SETTINGS = CreateModelSettings(env="dev", data_bucket="bucket", model_role_arn=ROLE)


class FakeLambda:
    """Lambda, where the function bears the project's tag."""

    @staticmethod
    def list_tags(Resource: str) -> dict[str, dict[str, str]]:  # noqa: N803 - AWS's spelling
        assert Resource.split(":")[5] == "function"
        return {"Tags": {tag["Key"]: tag["Value"] for tag in TAGS}}


@pytest.fixture
def package(sagemaker: Any, register_package: Callable[..., str]) -> str:
    """An approved version, the first of its group."""
    arn = register_package()
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    return arn


@pytest.fixture
def do_create(sagemaker: Any, batch_run: Any, approved: Any) -> Callable[..., str]:
    def do(arn: str, client: Any = sagemaker, settings: CreateModelSettings = SETTINGS) -> str:
        event = {"run": batch_run, "approved": approved | {"model_package_arn": arn}}
        return create(
            parse_input(event, CreateModelEvent, "event"), settings, TAGS, sagemaker=client
        ).model_name

    return do


def test_the_model_is_the_versions_under_the_models_role(
    do_create: Any, package: str, sagemaker: Any
) -> None:
    assert do_create(package) == NAME
    found = sagemaker.describe_model(ModelName=NAME)
    assert found["PrimaryContainer"]["ModelPackageName"] == package
    assert found["ExecutionRoleArn"] == ROLE
    assert sagemaker.list_tags(ResourceArn=found["ModelArn"])["Tags"] == TAGS


def test_creating_it_again_finds_the_one_there_is(do_create: Any, package: str, sagemaker: Any) -> None:
    first = do_create(package)
    made = sagemaker.describe_model(ModelName=NAME)["CreationTime"]
    assert do_create(package) == first
    assert sagemaker.describe_model(ModelName=NAME)["CreationTime"] == made
    assert len(sagemaker.list_models()["Models"]) == 1


def test_two_runs_that_create_it_at_once_both_go_on(do_create: Any, package: str, sagemaker: Any) -> None:
    assert do_create(package, client=AnotherIsFaster(sagemaker)) == NAME


def test_a_refusal_that_is_not_about_the_name_is_not_hidden(
    do_create: Any, package: str, sagemaker: Any
) -> None:
    with pytest.raises(ClientError, match="Could not access model data"):
        do_create(package, client=Refusing(sagemaker))


def test_a_version_deleted_meanwhile_is_named(do_create: Any, sagemaker: Any) -> None:
    with pytest.raises(ModelPackageNotFound, match=GONE):
        do_create(GONE)
    assert sagemaker.list_models()["Models"] == []


@pytest.mark.parametrize("status", ["Rejected", "PendingManualApproval"])
def test_a_version_whose_approval_was_taken_back_is_not_used(
    do_create: Any, package: str, sagemaker: Any, status: str
) -> None:
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus=status)
    with pytest.raises(ModelNotApproved, match=f"is now {status}"):
        do_create(package)
    assert sagemaker.list_models()["Models"] == []


@pytest.mark.parametrize(
    "model",
    [
        {"PrimaryContainer": {"ModelPackageName": GONE}, "ExecutionRoleArn": ROLE},
        {"PrimaryContainer": {"Image": "image", "ModelDataUrl": "s3://b/model"}, "ExecutionRoleArn": ROLE},
    ],
)
def test_another_model_of_that_name_is_not_mistaken_for_it(
    do_create: Any, package: str, sagemaker: Any, model: dict[str, Any]
) -> None:
    sagemaker.create_model(ModelName=NAME, **model)
    with pytest.raises(ModelNameTaken, match=f"delete-model --model-name {NAME}"):
        do_create(package)


def test_a_model_under_another_role_is_not_used(do_create: Any, package: str) -> None:
    do_create(package)
    other = SETTINGS.model_copy(update={"model_role_arn": ROLE.replace("model", "other")})
    with pytest.raises(ModelNameTaken):
        do_create(package, settings=other)


def test_a_model_older_than_its_version_is_of_a_group_that_is_gone(
    do_create: Any, package: str, sagemaker: Any
) -> None:
    do_create(package)
    with pytest.raises(ModelNameTaken):
        do_create(package, client=Aged(sagemaker))


def test_names_are_what_sagemaker_takes() -> None:
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:model-package"
    assert model_name(f"{arn}/titanic-survival-xgboost/7", "prod") == "titanic-survival-xgboost-prod-v7"
    longest = model_name(f"{arn}/{'g' * 63}/12345", "prod")
    assert len(longest) == 63
    assert longest.endswith("g-prod-v12345")
    assert model_name(f"{arn}/{'g' * 51}-{'h' * 11}/12345", "prod") == f"{'g' * 51}-prod-v12345"


def test_a_payload_of_another_shape_is_refused(batch_run: Any, approved: Any, lambda_context: Any) -> None:
    event = {"run": batch_run, "approved": approved | {"version": "7"}}
    with pytest.raises(InvalidInput, match=r"key 'approved.version' is a string"):
        handler_module.handler(event, lambda_context)


def test_the_handler_answers_with_the_name(
    *,
    package: str,
    sagemaker: Any,
    batch_run: Any,
    approved: Any,
    lambda_context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"ENV": "dev", "DATA_BUCKET": "bucket", "MODEL_ROLE_ARN": ROLE}.items():
        monkeypatch.setenv(name, value)
    handler_module.settings.cache_clear()
    monkeypatch.setattr(
        handler_module, "client", {"sagemaker": sagemaker, "lambda": FakeLambda()}.__getitem__
    )
    event = {"run": batch_run, "approved": approved | {"model_package_arn": package}}
    assert handler_module.handler(event, lambda_context) == {"model_name": NAME}


class Wrapped:
    def __init__(self, sagemaker: Any) -> None:
        self.sagemaker = sagemaker

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.sagemaker, operation)


class AnotherIsFaster(Wrapped):
    """Between looking and creating, another run creates it."""

    def create_model(self, **request: Any) -> Any:
        self.sagemaker.create_model(**request)
        message = f'Cannot create already existing model "{request["ModelName"]}".'
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "CreateModel")


class Refusing(Wrapped):
    def create_model(self, **_request: Any) -> Any:
        message = "Could not access model data at s3://bucket/model.tar.gz."
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "CreateModel")


class Aged(Wrapped):
    """The group was deleted and made again after the model."""

    def describe_model(self, **request: Any) -> Any:
        long_ago = datetime.now(UTC) - timedelta(days=100)
        return self.sagemaker.describe_model(**request) | {"CreationTime": long_ago}
