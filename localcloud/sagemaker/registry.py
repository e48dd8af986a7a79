"""Groups, packages, pipelines, models: the records moto keeps well, corrected where it differs from AWS.

Only operations that keep records go to moto. Those that would stand for work (tuning jobs, say) are refused
until something here does the work: moto would report them as done.
"""

from __future__ import annotations

import json
import os
import pickle  # reads only what this class wrote into the cloud's own folder  # nosec B403
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from localcloud.sagemaker.errors import ApiError, Conflict, ResourceNotFound, ValidationError, not_here

Parameters = dict[str, Any]

SERVED = frozenset(
    f"{verb}{resource}"
    for resource, verbs in {
        "Model": "Create Describe Delete",
        "ModelPackage": "Create Describe Update Delete",
        "ModelPackageGroup": "Create Describe Delete",
        "Pipeline": "Create Describe Update Delete",
    }.items()
    for verb in verbs.split()
) | {
    "AddTags",
    "DeleteTags",
    "ListModelPackageGroups",
    "ListModelPackages",
    "ListModels",
    "ListPipelines",
    "ListTags",
}

# moto puts the SDK's own preamble into its messages; an SDK would then show it twice.
_PREAMBLE = re.compile(r"^An error oc+urred \(\w+\) when calling the \w+ operation: ")


class Registry:
    """moto's SageMaker backend in this process. Calls are serialised: moto is not thread-safe."""

    def __init__(self, account_id: str, region: str) -> None:
        os.environ.setdefault("MOTO_ACCOUNT_ID", account_id)
        self.account_id, self.region = account_id, region
        self._prefix = f"arn:aws:sagemaker:{region}:{account_id}"
        self._lock = threading.RLock()
        self._client: Any = None
        self._corrected: dict[str, Callable[[Parameters], Parameters]] = {
            "CreateModel": self._create_model,
            "CreateModelPackage": self._create_package,
            "CreateModelPackageGroup": self._create_group,
            "DeleteModel": self._delete_model,
            "DeleteModelPackage": self._delete_package,
            "DeleteModelPackageGroup": self._delete_group,
            "DescribeModel": self._describe_model,
            "DescribeModelPackage": self._describe_package,
            "DescribeModelPackageGroup": self._describe_group,
            "UpdateModelPackage": self._update_package,
            "UpdatePipeline": self._update_pipeline,
        }

    def call(self, operation: str, parameters: Parameters) -> Parameters:
        """The operation's answer as JSON; raises `ApiError`."""
        if operation not in SERVED:
            raise not_here(operation)
        parameters = {**parameters}
        for member in ("PipelineName", "ModelPackageGroupName"):  # AWS takes an ARN too, moto does not
            if member in parameters:
                parameters[member] = parameters[member].rsplit("/", 1)[-1]
        with self._lock:
            if operation in ("DescribePipeline", "UpdatePipeline", "DeletePipeline"):
                self._find_pipeline(parameters["PipelineName"])
            corrected = self._corrected.get(operation)
            return corrected(parameters) if corrected else self._moto(operation, parameters)

    def pipeline_started(self, name: str) -> None:
        """moto shows a pipeline's last run only for the runs it fakes itself."""
        with self._lock:
            self._backend.pipelines[name].last_execution_time = _moto_now()

    def reset(self) -> None:
        """Forgets everything: moto's backend is one for the whole process."""
        with self._lock:
            self._backend.reset()

    def snapshot(self) -> bytes:
        with self._lock:
            return pickle.dumps(self._backend.__dict__)

    def restore(self, saved: bytes) -> None:
        with self._lock:
            self._backend.__dict__.update(pickle.loads(saved))  # noqa: S301  # nosec B301

    def _moto(self, operation: str, parameters: Parameters) -> Parameters:
        """moto's own answer, without the Studio user whom it invents as author of everything."""
        response = self._http().post(
            "/",
            data=json.dumps(parameters),
            headers={
                "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20200101/{self.region}/sagemaker/"
                "aws4_request, SignedHeaders=host, Signature=none",
                "Content-Type": "application/x-amz-json-1.1",
                "Host": f"sagemaker.{self.region}.amazonaws.com",
                "X-Amz-Target": f"SageMaker.{operation}",
                "X-Moto-Account-Id": self.account_id,
            },
        )
        answer: Parameters = json.loads(response.data or b"{}")
        if response.status_code >= 400:
            message = answer.get("message") or answer.get("Message") or ""
            code = str(answer.get("__type", "InternalFailure")).rsplit("#", 1)[-1]
            raise ApiError(_PREAMBLE.sub("", message), code, response.status_code)
        return {key: {} if key in ("CreatedBy", "LastModifiedBy") else item for key, item in answer.items()}

    def _http(self) -> Any:
        if self._client is None:
            with warnings.catch_warnings():
                # moto's server extra brings what only its stand-alone server needs.
                warnings.filterwarnings("ignore", message=".*moto\\[server\\].*")
                from moto.moto_server.werkzeug_app import create_backend_app
            from werkzeug.test import Client

            self._client = Client(create_backend_app("sagemaker"))
        return self._client

    @property
    def _backend(self) -> Any:
        from moto.sagemaker.models import sagemaker_backends

        return sagemaker_backends[self.account_id][self.region]

    def _find_pipeline(self, name: str) -> None:
        """moto calls a pipeline that is not there a ValidationException."""
        if name not in self._backend.pipelines:
            raise ResourceNotFound(f"Pipeline '{self._arn('pipeline', name)}' does not exist.")

    def _arn(self, kind: str, name: str) -> str:
        return name if name.startswith("arn:") else f"{self._prefix}:{kind}/{name}"

    def _create_group(self, parameters: Parameters) -> Parameters:
        """moto replaces an existing group by an empty one."""
        if parameters["ModelPackageGroupName"] in self._backend.model_package_groups:
            raise ValidationError("Model Package Group already exists")
        return self._moto("CreateModelPackageGroup", parameters)

    def _describe_group(self, parameters: Parameters) -> Parameters:
        """moto adds tags, and leaves out who created the group."""
        group = self._moto("DescribeModelPackageGroup", parameters)
        group.pop("Tags", None)
        return {**group, "CreatedBy": {}}

    def _delete_group(self, parameters: Parameters) -> Parameters:
        """moto has no such operation."""
        group = self._describe_group(parameters)
        name = group["ModelPackageGroupName"]
        if any(p.model_package_group_name == name for p in self._backend.model_packages.values()):
            raise Conflict(
                f"Model Package Group {group['ModelPackageGroupArn']} cannot be deleted because it still"
                " contains Model Packages"
            )
        del self._backend.model_package_groups[name]
        self._versions.pop(name, None)
        return {}

    @property
    def _versions(self) -> dict[str, int]:
        """The highest version each group ever had. Kept in moto's backend, to be saved with it."""
        versions: dict[str, int] = self._backend.__dict__.setdefault("highest_versions", {})
        return versions

    def _create_package(self, parameters: Parameters) -> Parameters:
        """moto gives a version no status unless it is asked to, and reuses the number of a deleted one."""
        group = parameters.get("ModelPackageGroupName")
        if group is None:
            return self._moto("CreateModelPackage", parameters)
        parameters.setdefault("ModelApprovalStatus", "PendingManualApproval")
        with self._deleted_versions_in_place(group):
            answer = self._moto("CreateModelPackage", parameters)
        self._versions[group] = int(answer["ModelPackageArn"].rsplit("/", 1)[-1])
        return answer

    @contextmanager
    def _deleted_versions_in_place(self, group: str) -> Iterator[None]:
        """moto numbers a version by counting those of its group, so the deleted ones must be there."""
        packages = self._backend.model_packages
        living = sum(package.model_package_group_name == group for package in packages.values())
        deleted = range(self._versions.get(group, living) - living)
        packages |= {f"deleted-{n}": SimpleNamespace(model_package_group_name=group) for n in deleted}
        try:
            yield
        finally:
            for n in deleted:
                del packages[f"deleted-{n}"]

    def _describe_package(self, parameters: Parameters) -> Parameters:
        """moto has its own words for a package that is not there."""
        self._find_package(parameters["ModelPackageName"])
        return self._moto("DescribeModelPackage", parameters)

    def _delete_package(self, parameters: Parameters) -> Parameters:
        """moto has no such operation."""
        arn = self._find_package(parameters["ModelPackageName"])
        backend = self._backend
        del backend.model_packages[arn]
        backend.model_package_name_mapping = {
            name: named for name, named in backend.model_package_name_mapping.items() if named != arn
        }
        return {}

    def _find_package(self, name: str) -> str:
        """The ARN of the package that is so named."""
        backend = self._backend
        arn: str = backend.model_package_name_mapping.get(name, name)
        if arn not in backend.model_packages:
            raise ValidationError(f"ModelPackage {self._arn('model-package', name)} does not exist.")
        return arn

    def _update_package(self, parameters: Parameters) -> Parameters:
        """moto replaces metadata, where AWS merges it, and clears the status that an update leaves out."""
        old = self._describe_package({"ModelPackageName": parameters["ModelPackageArn"]})
        kept = {key: old[key] for key in ("ModelApprovalStatus", "ApprovalDescription") if old.get(key)}
        metadata = {
            **old.get("CustomerMetadataProperties", {}),
            **parameters.get("CustomerMetadataProperties", {}),
        }
        merged = {**kept, **parameters, "CustomerMetadataProperties": metadata}
        return self._moto("UpdateModelPackage", merged)

    def _create_model(self, parameters: Parameters) -> Parameters:
        """moto replaces an existing model, and forgets its network isolation."""
        name = parameters["ModelName"]
        if name in self._backend._models:
            raise ValidationError(f'Cannot create already existing model "{self._arn("model", name)}".')
        answer = self._moto("CreateModel", parameters)
        isolated = parameters.get("EnableNetworkIsolation", False)
        self._backend._models[name].enable_network_isolation = isolated
        return answer

    def _describe_model(self, parameters: Parameters) -> Parameters:
        """moto adds tags, and shows what was not given as empty."""
        self._find_model(parameters["ModelName"])
        model = self._moto("DescribeModel", parameters)
        return {key: value for key, value in model.items() if key != "Tags" and value not in ({}, [])}

    def _delete_model(self, parameters: Parameters) -> Parameters:
        self._find_model(parameters["ModelName"])
        return self._moto("DeleteModel", parameters)

    def _find_model(self, name: str) -> None:
        """moto names the model in two ways, neither of them AWS's."""
        if name not in self._backend._models:
            raise ValidationError(f'Could not find model "{self._arn("model", name)}".')

    def _update_pipeline(self, parameters: Parameters) -> Parameters:
        """moto leaves the time of the last change as it was."""
        answer = self._moto("UpdatePipeline", parameters)
        self._backend.pipelines[parameters["PipelineName"]].last_modified_time = _moto_now()
        return answer


def _moto_now() -> Any:
    from moto.core.utils import utcnow

    return utcnow()
