"""Models: what CreateModel accepts, and what a container needs to serve one.

A model is one container: an image with its artifacts, or a package of the registry, which names both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker import transfer
from localcloud.sagemaker.errors import ValidationError, not_here
from localcloud.sagemaker.registry import Registry

Request = dict[str, Any]

# Variables that give the image code of its own, or other answers than those that are given here.
_OTHER_SERVING = frozenset({"SAGEMAKER_PROGRAM", "SAGEMAKER_INFERENCE_OUTPUT"})


@dataclass(frozen=True)
class ServedModel:
    """A model as its container sees it. `data_uri` is the model.tar.gz."""

    name: str
    role: str
    image: str
    data_uri: str
    environment: Mapping[str, str]


def refuse_other_serving(model: ServedModel, environment: Mapping[str, str] | None = None) -> None:
    """Raises `ValidationError` for a model that needs more to be served than what XGBoost's image has."""
    if "xgboost" not in model.image.rsplit("/", 1)[-1]:
        raise not_here(f"Serving with the image {model.image}: only XGBoost's built-in serving")
    for variable in sorted(_OTHER_SERVING & {**model.environment, **(environment or {})}.keys()):
        raise not_here(f"Serving with the variable {variable}")


class Models:
    """Creates and resolves models. Called by `ControlPlane` and by the work that serves them."""

    def __init__(self, registry: Registry, s3: Callable[[str, str], Any]) -> None:
        self._registry, self._s3 = registry, s3

    def create(self, request: Request) -> Request:
        """The `CreateModel` operation. Raises `ValidationError` for a model that could not be served."""
        if "ExecutionRoleArn" not in request:
            raise ValidationError(
                "ExecutionRoleArn must be given: the model's artifacts are read as this role"
            )
        for container in _containers(request):
            _check_form(container)
            self._check_data(self._resolve(container)["ModelDataUrl"], request["ExecutionRoleArn"])
        return self._registry.call("CreateModel", request)

    def served(self, name: str) -> ServedModel:
        """The model called `name`. Raises `ValidationError` when it, or its package, is not there."""
        model = self._registry.call("DescribeModel", {"ModelName": name})
        containers = _containers(model)
        if len(containers) != 1:
            raise not_here("A model of several containers (an inference pipeline)")
        container = self._resolve(containers[0])
        return ServedModel(
            name=name,
            role=model["ExecutionRoleArn"],
            image=container["Image"],
            data_uri=container["ModelDataUrl"],
            environment=container.get("Environment") or {},
        )

    def _resolve(self, container: Request) -> Request:
        """The container itself, or the one in its package."""
        if "ModelPackageName" not in container:
            return container
        packaged = self._packaged(container["ModelPackageName"])
        inside, outside = packaged.get("Environment") or {}, container.get("Environment") or {}
        if inside and outside:
            raise ValidationError(
                "Environment variable map cannot be specified both at Model Package"
                f" {{{_shown(inside)}}} and Model {{{_shown(outside)}}}."
            )
        return {**packaged, "Environment": inside or outside}

    def _packaged(self, name: str) -> Request:
        package = self._registry.call("DescribeModelPackage", {"ModelPackageName": name})
        containers: list[Request] = (package.get("InferenceSpecification") or {}).get("Containers") or []
        if len(containers) != 1 or "ModelDataUrl" not in containers[0]:
            raise not_here(f"The package {name}: anything but one container with a ModelDataUrl")
        return containers[0]

    def _check_data(self, uri: str, role: str) -> None:
        """SageMaker looks for the artifacts when the model is made, as the model's own role."""
        try:
            bucket, key = transfer.split_uri(uri)
            self._s3(role, "SageMaker").get_object(Bucket=bucket, Key=key)["Body"].close()
        except (transfer.TransferFailed, *transfer.S3_ERRORS) as error:
            raise ValidationError(
                f'Could not access model data at {uri}. Please ensure that the role "{role}" exists and'
                ' that its trust relationship policy allows the action "sts:AssumeRole" for the service'
                ' principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject"'
                f" permissions and that the object is located in {self._registry.region}."
            ) from error


def _containers(model: Request) -> list[Request]:
    """The containers of a request or of a description."""
    primary, several = model.get("PrimaryContainer"), model.get("Containers")
    if bool(primary) == bool(several):
        raise ValidationError("A model has either a PrimaryContainer or Containers")
    return [primary] if primary else list(several or [])


def _check_form(container: Request) -> None:
    if "ModelPackageName" in container:
        for member in ("Image", "ModelDataUrl", "ModelDataSource"):
            if member in container:
                raise ValidationError(
                    f"A container has either a ModelPackageName or its own {member}, not both"
                )
    elif "Image" not in container:
        raise ValidationError("A container needs an Image or a ModelPackageName")
    elif "ModelDataSource" in container:
        raise not_here("ModelDataSource (uncompressed model artifacts)")
    elif "ModelDataUrl" not in container:
        raise not_here("A model without ModelDataUrl (artifacts inside its image)")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise not_here("A container that hosts several models")


def _shown(environment: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in environment.items())
