"""What each type of step does, and how often it tries.

A step calls the same operations a person would, with the pipeline's role: its request is validated,
authorised and carried out like any other.
"""

from __future__ import annotations

import json
import logging
import secrets
import string
import threading
from typing import Any, Protocol

from localcloud.sagemaker import conditions
from localcloud.sagemaker.definition import OPERATIONS, Definition, Step
from localcloud.sagemaker.errors import ApiError
from localcloud.sagemaker.execution import Execution, StepRecord
from localcloud.sagemaker.expressions import ExpressionError, resolve, walk
from localcloud.sagemaker.retries import Retries, of_api_error, of_job_failure
from localcloud.sagemaker.times import iso, now
from localcloud.sagemaker.transfer import TransferFailed

logger = logging.getLogger("localcloud.sagemaker")

JOB_STEPS = frozenset({"Processing", "Training", "Transform"})
NAME_PART, SUFFIX = 20, 10  # what AWS keeps of a step's name, and the random end it adds


class Services(Protocol):
    """The control plane as a pipeline's role sees it (`plane.RoleServices`)."""

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Raises `ApiError`."""

    def wait_for_job(self, kind: str, name: str) -> None:
        """Returns when the job has ended, whatever its end."""

    def read(self, uri: str) -> bytes:
        """An object in S3; raises `TransferFailed`."""


class StepFailed(Exception):
    """The message is the step's FailureReason; `kind` what a retry policy may name, if anything."""

    def __init__(self, reason: str, kind: str | None = None) -> None:
        super().__init__(reason)
        self.kind = kind


class StepStopped(Exception):
    """The execution was stopped while the step ran."""


class StepWork:
    """One step while it runs. Its thread calls `perform`, any other may call `stop`."""

    def __init__(
        self, step: Step, record: StepRecord, scope: ExecutionScope, services: Services, scale: float
    ) -> None:
        self.step, self.record = step, record
        self._scope, self._services, self._scale = scope, services, scale
        self._lock = threading.Lock()  # over the pair of _stopping and _job
        self._stopping = threading.Event()
        self._job: str | None = None

    def perform(self) -> None:
        """Does the step, repeating it as its retry policies say. Raises `StepFailed` or `StepStopped`."""
        retries = Retries(self.step.retry_policies, self._scale)
        while True:
            self.record.attempts += 1
            try:
                self._once()
            except StepFailed as failure:
                wait = retries.next_wait(failure.kind)
                if wait is None:
                    raise
                if self._stopping.wait(wait):
                    raise StepStopped from failure
            else:
                return

    def stop(self) -> None:
        """Ends the step: its job is stopped, a pause before a retry is cut short."""
        with self._lock:
            self._stopping.set()
            job = self._job
        if job:
            self.record.status = "Stopping"
            self._stop_job(job)

    def _once(self) -> None:
        if self.step.type == "Condition":
            self._decide()
        elif self.step.type == "Fail":
            message = str(resolve(self.step.arguments["ErrorMessage"], self._scope))
            self.record.metadata = {"Fail": {"ErrorMessage": message}}
            raise StepFailed(message)
        elif self.step.type in JOB_STEPS:
            self._run_job()
        else:
            self._create_record()

    def _decide(self) -> None:
        outcome = str(all(conditions.holds(item, self._scope) for item in self.step.arguments["Conditions"]))
        self.record.metadata = {"Condition": {"Outcome": outcome}}
        self.record.properties = {"Outcome": outcome}

    def _run_job(self) -> None:
        kind, operations = self.step.type, OPERATIONS[self.step.type]
        named = {f"{kind}JobName": self._new_name()}
        answer = self._create(operations.create, {**self._arguments(), **named})
        self.record.metadata = {f"{kind}Job": {"Arn": answer[f"{kind}JobArn"]}}
        name = named[f"{kind}JobName"]
        with self._lock:
            self._job, stopping = name, self._stopping.is_set()
        if stopping:
            self._stop_job(name)
        self._services.wait_for_job(kind, name)
        with self._lock:
            self._job = None
        described = self._call(operations.describe, named)
        self._judge(described, described[f"{kind}JobStatus"])
        self.record.properties = described

    def _judge(self, described: dict[str, Any], status: str) -> None:
        if status == "Completed":
            return
        if self._stopping.is_set():
            raise StepStopped
        reason = described.get("FailureReason", f"the job ended in status {status}")
        raise StepFailed(reason, of_job_failure(reason))

    def _create_record(self) -> None:
        """Steps whose work is done once the record is there: RegisterModel and Model."""
        operations = OPERATIONS[self.step.type]
        if self.step.type == "Model":
            named = {"ModelName": self._new_name()}
            arn = self._create(operations.create, {**self._arguments(), **named})["ModelArn"]
        else:
            generated = {"MetadataProperties": {"GeneratedBy": self._scope.execution.arn}}
            arn = self._create(operations.create, {**generated, **self._arguments()})["ModelPackageArn"]
            named = {"ModelPackageName": arn}
        self.record.metadata = {self.step.type: {"Arn": arn}}
        self.record.properties = self._call(operations.describe, named)

    def _arguments(self) -> dict[str, Any]:
        resolved: dict[str, Any] = resolve(self.step.arguments, self._scope)
        return resolved

    def _create(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if self._stopping.is_set():
            raise StepStopped
        return self._call(operation, parameters)

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._services.call(operation, parameters)
        except ApiError as error:
            reason = (
                f"ClientError: Failed to invoke sagemaker:{operation}. Error Details: {error.message}"
                f" (code {error.code})"
            )
            raise StepFailed(reason, of_api_error(error.code, error.status)) from error

    def _stop_job(self, name: str) -> None:
        kind = self.step.type
        try:
            self._services.call(f"Stop{kind}Job", {f"{kind}JobName": name})
        except ApiError as error:
            # It has just ended by itself, or the role may not stop it and it runs to its end.
            logger.warning("%s was not stopped: %s", name, error.message)

    def _new_name(self) -> str:
        """`pipelines-<execution>-<step>-<random>`, as AWS names what steps create; 54 characters at most."""
        suffix = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(SUFFIX))
        step = self.step.name.replace("_", "-")[:NAME_PART].strip("-")
        return f"pipelines-{self._scope.execution.id}-{step}-{suffix}"


class ExecutionScope:
    """Where the expressions of an execution get their values."""

    def __init__(self, execution: Execution, definition: Definition, services: Services) -> None:
        self.execution, self._definition, self._services = execution, definition, services

    def parameter(self, name: str) -> Any:
        return self.execution.values[name]

    def variable(self, name: str) -> Any:
        execution = self.execution
        return {
            "CurrentDateTime": iso(now()),
            "PipelineArn": execution.pipeline_arn,
            "PipelineExecutionArn": execution.arn,
            "PipelineExecutionId": execution.id,
            "PipelineName": execution.pipeline,
            "StartDateTime": iso(execution.created),
        }[name]

    def properties(self, step: str) -> Any:
        return self.execution.steps[step].properties

    def property_file(self, step: str, name: str) -> Any:
        output, path = self._definition.steps[step].property_files[name]
        where = ("ProcessingOutputConfig", "Outputs", output, "S3Output", "S3Uri")
        return self.json_object(f"{walk(self.properties(step), where, name).rstrip('/')}/{path}")

    def json_object(self, uri: str) -> Any:
        try:
            return json.loads(self._services.read(uri))
        except TransferFailed as error:
            raise ExpressionError(f"Std:JsonGet cannot read {uri}: {error}") from error
        except ValueError as error:
            raise ExpressionError(f"Std:JsonGet: {uri} is no JSON: {error}") from error
