"""Models and packages: what is accepted, and what becomes of their names and numbers."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.errors import ApiError, ValidationError
from localcloud.sagemaker.models import ServedModel
from localcloud.sagemaker.plane import ControlPlane

Document = dict[str, Any]

ROLE = "arn:aws:iam::123456789012:role/model"
DATA = "s3://b/model.tar.gz"
IMAGE = "1.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012"


@pytest.fixture(autouse=True)
def artifacts(s3: Any) -> None:
    s3.objects[DATA] = b""


def own(**more: Any) -> Document:
    return {"Image": IMAGE, "ModelDataUrl": DATA, **more}


def create(plane: ControlPlane, container: Document, **more: Any) -> str:
    request = {"ModelName": "m", "ExecutionRoleArn": ROLE, "PrimaryContainer": container, **more}
    arn: str = plane.call("CreateModel", request)["ModelArn"]
    return arn


@pytest.fixture
def package(plane: ControlPlane) -> str:
    """The ARN of a registered version."""
    plane.call("CreateModelPackageGroup", {"ModelPackageGroupName": "models"})
    return register(plane)


def register(plane: ControlPlane, **container: Any) -> str:
    specification = {
        "Containers": [own(**container)],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    request = {"ModelPackageGroupName": "models", "InferenceSpecification": specification}
    arn: str = plane.call("CreateModelPackage", request)["ModelPackageArn"]
    return arn


def describe(plane: ControlPlane) -> Document:
    return plane.call("DescribeModel", {"ModelName": "m"})


def test_a_model_is_described_as_it_was_made(plane: ControlPlane) -> None:
    arn = create(plane, own(), EnableNetworkIsolation=True, Tags=[{"Key": "k", "Value": "v"}])
    described = describe(plane)
    assert arn == f"{ARN}:model/m" == described["ModelArn"]
    assert described["PrimaryContainer"] == own()
    assert described["ExecutionRoleArn"] == ROLE
    assert described["EnableNetworkIsolation"] is True
    assert described.keys() & {"Containers", "VpcConfig", "Tags"} == set()
    assert plane.call("ListTags", {"ResourceArn": arn})["Tags"] == [{"Key": "k", "Value": "v"}]


def test_a_model_of_a_package_serves_what_is_in_the_package(plane: ControlPlane, package: str) -> None:
    create(plane, {"ModelPackageName": package})
    assert describe(plane)["PrimaryContainer"] == {"ModelPackageName": package}
    assert plane.models.served("m") == ServedModel("m", ROLE, IMAGE, DATA, {})


def test_a_model_of_a_package_may_add_the_environment_the_package_lacks(
    plane: ControlPlane, package: str
) -> None:
    create(plane, {"ModelPackageName": package, "Environment": {"A": "1"}})
    assert plane.models.served("m").environment == {"A": "1"}
    with_own = register(plane, Environment={"B": "2"})
    with pytest.raises(ValidationError, match=r"both at Model Package {B=2} and Model {A=1}"):
        create(plane, {"ModelPackageName": with_own, "Environment": {"A": "1"}}, ModelName="n")


def test_a_models_name_is_used_once_until_it_is_deleted(plane: ControlPlane) -> None:
    create(plane, own())
    with pytest.raises(ValidationError, match=f'Cannot create already existing model "{ARN}:model/m"'):
        create(plane, own())
    plane.call("DeleteModel", {"ModelName": "m"})
    create(plane, own())


@pytest.mark.parametrize("operation", ["DescribeModel", "DeleteModel"])
def test_a_model_that_is_not_there_is_not_found(plane: ControlPlane, operation: str) -> None:
    with pytest.raises(ValidationError, match=f'Could not find model "{ARN}:model/none"'):
        plane.call(operation, {"ModelName": "none"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PrimaryContainer": {}}, "either a PrimaryContainer or Containers"),
        ({"Containers": [own()]}, "either a PrimaryContainer or Containers"),
        ({"PrimaryContainer": {"ModelDataUrl": DATA}}, "needs an Image or a ModelPackageName"),
        ({"PrimaryContainer": {"Image": IMAGE}}, "A model without ModelDataUrl"),
        ({"PrimaryContainer": own(ModelPackageName="p")}, "either a ModelPackageName or its own Image"),
        ({"PrimaryContainer": own(Mode="MultiModel")}, "hosts several models is not implemented"),
        ({"ExecutionRoleArn": None}, "ExecutionRoleArn must be given"),
        ({"PrimaryContainer": own(ModelDataUrl="s3://b/gone")}, "Could not access model data at s3://b/gone"),
        ({"PrimaryContainer": own(ModelDataUrl="https://b/x")}, "Could not access model data at https://b/x"),
    ],
)
def test_refuses_a_model_that_could_not_be_served(plane: ControlPlane, change: Document, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        create(plane, own(), **change)
    assert words in refused.value.message
    assert plane.call("ListModels", {})["Models"] == []


@pytest.mark.parametrize("name", [f"{ARN}:model-package/models/7", "models"])
def test_refuses_a_model_of_a_package_that_is_not_there(plane: ControlPlane, name: str) -> None:
    with pytest.raises(ValidationError, match=f"ModelPackage {ARN}:model-package/models.* does not exist"):
        create(plane, {"ModelPackageName": name})


def test_refuses_a_model_whose_role_may_not_read_its_artifacts(plane: ControlPlane, s3: Any) -> None:
    s3.refuse = "AccessDenied"
    with pytest.raises(ValidationError, match=f'ensure that the role "{ROLE}" exists'):
        create(plane, own())


def test_a_deleted_package_is_gone_and_its_number_is_not_given_again(
    plane: ControlPlane, package: str
) -> None:
    second = register(plane)
    plane.call("DeleteModelPackage", {"ModelPackageName": package})
    third = register(plane)
    assert [arn.rsplit("/", 1)[1] for arn in (package, second, third)] == ["1", "2", "3"]
    plane.call("DeleteModelPackage", {"ModelPackageName": third})
    fourth = register(plane)
    listed = plane.call("ListModelPackages", {"ModelPackageGroupName": "models"})["ModelPackageSummaryList"]
    assert [item["ModelPackageArn"] for item in listed] == [second, fourth]
    assert fourth.endswith("/4")


@pytest.mark.parametrize("operation", ["DescribeModelPackage", "DeleteModelPackage"])
def test_a_package_that_was_deleted_is_not_found(plane: ControlPlane, package: str, operation: str) -> None:
    plane.call("DeleteModelPackage", {"ModelPackageName": package})
    with pytest.raises(ApiError, match=f"ModelPackage {package} does not exist") as missing:
        plane.call(operation, {"ModelPackageName": package})
    assert missing.value.code == "ValidationException"


def test_numbers_survive_a_restart(plane: ControlPlane, package: str) -> None:
    register(plane)
    plane.call("DeleteModelPackage", {"ModelPackageName": f"{ARN}:model-package/models/2"})
    saved = plane.snapshot()
    plane.registry.reset()
    plane.restore(saved)
    assert register(plane).endswith("/3")


def test_a_group_that_was_emptied_can_be_deleted_and_begins_anew(plane: ControlPlane, package: str) -> None:
    plane.call("DeleteModelPackage", {"ModelPackageName": package})
    plane.call("DeleteModelPackageGroup", {"ModelPackageGroupName": "models"})
    plane.call("CreateModelPackageGroup", {"ModelPackageGroupName": "models"})
    assert register(plane).endswith("/1")


def test_a_package_deleted_after_its_model_was_made_is_missed_when_it_is_served(
    plane: ControlPlane, package: str
) -> None:
    create(plane, {"ModelPackageName": package})
    plane.call("DeleteModelPackage", {"ModelPackageName": package})
    with pytest.raises(ValidationError, match="does not exist"):
        plane.models.served("m")
