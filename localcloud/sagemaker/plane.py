"""The control plane: from an operation's name and parameters to its answer.

Every call takes the same way, whoever makes it: an SDK over HTTP, Step Functions, or a pipeline's step:
validate against the service model, ask IAM, then do it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from typing import Any

from localcloud import credentials, logs
from localcloud.sagemaker import access, transfer
from localcloud.sagemaker.definition import parse
from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.events import Events
from localcloud.sagemaker.hosting.endpoints import Endpoints
from localcloud.sagemaker.jobs import Jobs
from localcloud.sagemaker.metrics import Counting
from localcloud.sagemaker.models import Models
from localcloud.sagemaker.pipelines import Pipelines
from localcloud.sagemaker.processing import Processing
from localcloud.sagemaker.registry import Registry
from localcloud.sagemaker.training import Training
from localcloud.sagemaker.transfer import TransferFailed
from localcloud.sagemaker.transform import Transform
from localcloud.sagemaker.validation import validate
from localcloud.sagemaker.work import Job, JobKind, Surroundings
from localcloud.settings import Settings

Request = dict[str, Any]
Operation = Callable[[Request], Request]

PIPELINE_SESSION = "SageMaker-Pipelines"


class ControlPlane:
    """SageMaker in one account and region."""

    def __init__(
        self, here: Settings, around: Surroundings | None = None, events: Events | None = None
    ) -> None:
        self._here, self._events = here, events or Events()
        self._around = around or surroundings(here)
        self.registry = Registry(here.account_id, here.region)
        self.models = Models(self.registry, self._around.s3)
        transform = Transform(self.models, self._around)
        self.jobs = {kind.name: self._jobs_of(kind) for kind in (Processing(), Training(), transform)}
        changes = Counting(self._events)
        self.pipelines = Pipelines(self.registry, self._services_of, changes, here.wait_scale)
        self.endpoints = Endpoints(self.models, self._around, here.wait_scale)
        self._operations = {
            **self._job_operations(),
            **self._pipeline_operations(),
            **self._tag_operations(),
            **self.endpoints.operations(),
        }

    def call(self, operation: str, parameters: Request, key: str = access.ROOT_KEY) -> Request:
        """The operation's answer for the caller that `key` identifies; raises `ApiError`."""
        validate(operation, parameters)
        if self._here.enforce_iam:
            access.authorize(operation, parameters, key, self._here.region, self._here.account_id)
        given = {name: value for name, value in parameters.items() if value is not None}
        own = self._operations.get(operation)
        return own(given) if own else self.registry.call(operation, given)

    def read(self, uri: str, role_arn: str) -> bytes:
        """An object in S3 under a role; raises `TransferFailed`."""
        return transfer.read(self._around.s3(role_arn, PIPELINE_SESSION), uri)

    def stop_all(self) -> None:
        """Ends all work: the server is going down. Pipelines first, or they would start what is next."""
        self.pipelines.stop_all()
        for jobs in self.jobs.values():
            jobs.stop_all()
        self.endpoints.stop_all()

    def snapshot(self) -> bytes:
        """Everything that `restore` needs, for the cloud's state folder."""
        state = {
            "registry": base64.b64encode(self.registry.snapshot()).decode(),
            "jobs": {name: jobs.snapshot() for name, jobs in self.jobs.items()},
            "executions": self.pipelines.snapshot(),
            "hosting": self.endpoints.snapshot(),
        }
        return json.dumps(state).encode()

    def restore(self, saved: bytes) -> None:
        """What was running when `saved` was made has failed, and says so."""
        state = json.loads(saved)
        self.registry.restore(base64.b64decode(state["registry"]))
        for name, jobs in self.jobs.items():
            jobs.restore(state["jobs"].get(name, []))
        self.pipelines.restore(state["executions"])
        self.endpoints.restore(state.get("hosting", {}))

    def _jobs_of(self, kind: JobKind) -> Jobs:
        def announce(job: Job) -> None:
            described = self.jobs[kind.name].describe({f"{kind.name}JobName": job.name})
            self._events.job_changed(kind.name, described)

        return Jobs(kind, self._around, announce)

    def _job_operations(self) -> dict[str, Operation]:
        operations: dict[str, Operation] = {}
        for name, jobs in self.jobs.items():
            operations |= {
                f"Create{name}Job": jobs.create,
                f"Describe{name}Job": jobs.describe,
                f"Stop{name}Job": jobs.stop,
                f"List{name}Jobs": jobs.list_jobs,
            }
        return operations

    def _pipeline_operations(self) -> dict[str, Operation]:
        return {
            "CreateModel": self.models.create,
            "CreateModelPackage": self._create_package,
            "UpdateModelPackage": self._update_package,
            "CreatePipeline": lambda request: self._publish("CreatePipeline", request),
            "UpdatePipeline": lambda request: self._publish("UpdatePipeline", request),
            "StartPipelineExecution": self.pipelines.start,
            "StopPipelineExecution": self.pipelines.stop,
            "RetryPipelineExecution": self.pipelines.retry,
            "DescribePipelineExecution": self.pipelines.describe,
            "ListPipelineExecutions": self.pipelines.list_executions,
            "ListPipelineExecutionSteps": self.pipelines.list_steps,
            "DescribePipelineDefinitionForExecution": self.pipelines.definition_of,
            "ListPipelineParametersForExecution": self.pipelines.parameters_of,
        }

    def _publish(self, operation: str, request: Request) -> Request:
        """Creates or updates a pipeline whose definition can be executed."""
        location = request.pop("PipelineDefinitionS3Location", None)
        if location:  # moto would look for it in an S3 of its own
            uri = f"s3://{location['Bucket']}/{location['ObjectKey']}"
            request["PipelineDefinition"] = self._definition_at(uri, request)
        if "PipelineDefinition" in request:
            parse(request["PipelineDefinition"])
        return self.registry.call(operation, request)

    def _definition_at(self, uri: str, request: Request) -> str:
        if "PipelineDefinition" in request:
            raise ValidationError("Give PipelineDefinition or PipelineDefinitionS3Location, not both")
        role = request.get("RoleArn") or self.registry.call("DescribePipeline", request)["RoleArn"]
        try:
            return self.read(uri, role).decode()
        except TransferFailed as error:
            raise ValidationError(f"Cannot read the pipeline definition: {error}") from error

    def _create_package(self, request: Request) -> Request:
        answer = self.registry.call("CreateModelPackage", request)
        self._announce_package(answer, [])
        return answer

    def _update_package(self, request: Request) -> Request:
        answer = self.registry.call("UpdateModelPackage", request)
        self._announce_package(answer, sorted(request.keys() - {"ModelPackageArn"}))
        return answer

    def _announce_package(self, answer: Request, updated: list[str]) -> None:
        named = {"ModelPackageName": answer["ModelPackageArn"]}
        self._events.package_changed(self.registry.call("DescribeModelPackage", named), updated)

    def _tag_operations(self) -> dict[str, Operation]:
        return {"AddTags": self._add_tags, "DeleteTags": self._delete_tags, "ListTags": self._list_tags}

    def _add_tags(self, request: Request) -> Request:
        tags = self.endpoints.tags(request["ResourceArn"])
        if tags is None:
            return self.registry.call("AddTags", request)
        new = {tag["Key"] for tag in request["Tags"]}
        tags[:] = [tag for tag in tags if tag["Key"] not in new] + request["Tags"]
        return {"Tags": tags}

    def _delete_tags(self, request: Request) -> Request:
        tags = self.endpoints.tags(request["ResourceArn"])
        if tags is None:
            return self.registry.call("DeleteTags", request)
        tags[:] = [tag for tag in tags if tag["Key"] not in request["TagKeys"]]
        return {}

    def _list_tags(self, request: Request) -> Request:
        """Tags of what is kept here are here; the rest are moto's."""
        for tags_of in (self.endpoints.tags, *(jobs.tags for jobs in self.jobs.values())):
            tags = tags_of(request["ResourceArn"])
            if tags is not None:
                return {"Tags": tags}
        return self.registry.call("ListTags", request)

    def _services_of(self, role_arn: str) -> RoleServices:
        return RoleServices(self, role_arn)


class RoleServices:
    """What the steps of a pipeline may use, each call judged as the pipeline's role."""

    def __init__(self, plane: ControlPlane, role_arn: str) -> None:
        self._plane, self._role = plane, role_arn

    def call(self, operation: str, parameters: Request) -> Request:
        variables = self._plane._around.environment(self._role, PIPELINE_SESSION)
        return self._plane.call(operation, parameters, variables["AWS_ACCESS_KEY_ID"])

    def wait_for_job(self, kind: str, name: str) -> None:
        self._plane.jobs[kind].wait(name)

    def read(self, uri: str) -> bytes:
        return self._plane.read(uri, self._role)


def surroundings(here: Settings) -> Surroundings:
    """The cloud this process serves."""
    return Surroundings(
        home=here.home,
        account_id=here.account_id,
        region=here.region,
        s3=lambda role, session: credentials.client("s3", role, session),
        environment=credentials.role_environment,
        log=logs.LogStream,
        keep_folders=os.environ.get("LOCALCLOUD_KEEP_JOBS") == "1",
    )
