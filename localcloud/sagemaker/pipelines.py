"""Pipeline executions through the API: start, describe, list, stop."""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from localcloud.sagemaker import paging, parameters
from localcloud.sagemaker.definition import parse
from localcloud.sagemaker.errors import Conflict, ResourceNotFound, ValidationError, not_here
from localcloud.sagemaker.execution import RUNNING, Execution, StepRecord
from localcloud.sagemaker.executor import Executor, Listener
from localcloud.sagemaker.registry import Registry
from localcloud.sagemaker.steps import Services

Request = dict[str, Any]

ID_LENGTH = 12
INTERRUPTED = "InternalServerError: the local cloud was stopped while the pipeline ran"
STOP_SECONDS = 10.0


class Pipelines:
    """All executions of all pipelines."""

    def __init__(
        self, registry: Registry, services: Callable[[str], Services], listener: Listener, scale: float
    ) -> None:
        self._registry, self._services_of_role = registry, services
        self._listener, self._scale = listener, scale
        self._lock = threading.Lock()
        self._executions: dict[str, Execution] = {}
        self._executors: dict[str, Executor] = {}

    def start(self, request: Request) -> Request:
        """The same token starts the same execution once, however often it is sent."""
        for member in ("SelectiveExecutionConfig", "PipelineVersionId", "MlflowExperimentName"):
            if member in request:
                raise not_here(member)
        pipeline = self._registry.call("DescribePipeline", {"PipelineName": request["PipelineName"]})
        with self._lock:
            started = self._started_before(pipeline["PipelineArn"], request)
            if started:
                return {"PipelineExecutionArn": started.arn}
            definition = parse(pipeline["PipelineDefinition"])
            execution = _new_execution(pipeline, request)
            execution.values = parameters.values(definition.parameters, execution.given)
            services = self._services_of_role(execution.role_arn)
            executor = Executor(execution, definition, services, self._listener, self._scale)
            self._executions[execution.arn], self._executors[execution.arn] = execution, executor
        self._registry.pipeline_started(execution.pipeline)
        executor.start()
        return {"PipelineExecutionArn": execution.arn}

    def stop(self, request: Request) -> Request:
        execution = self._find(request)
        if execution.status not in RUNNING:
            raise ValidationError(
                f"Pipeline execution with ARN {execution.arn} status {execution.status}. Only pipelines with"
                ' "Executing" status can be stopped.'
            )
        self._executors[execution.arn].stop()
        return {"PipelineExecutionArn": execution.arn}

    def describe(self, request: Request) -> Request:
        return self._find(request).describe()

    def list_executions(self, request: Request) -> Request:
        pipeline = self._registry.call("DescribePipeline", {"PipelineName": request["PipelineName"]})
        found = [
            execution
            for execution in list(self._executions.values())
            if execution.pipeline_arn == pipeline["PipelineArn"]
            and paging.within(execution.created, request, "Created")
        ]
        by_arn = request.get("SortBy") == "PipelineExecutionArn"
        ordered = paging.order(
            found,
            (lambda e: e.arn) if by_arn else (lambda e: e.created),
            request.get("SortOrder"),
            "Descending",
        )
        shown, token = paging.page(ordered, request)
        return {"PipelineExecutionSummaries": [execution.summary() for execution in shown], **token}

    def list_steps(self, request: Request) -> Request:
        steps = list(self._find(request).steps.values())
        ordered = paging.order(steps, lambda step: step.started, request.get("SortOrder"), "Descending")
        shown, token = paging.page(ordered, request)
        return {"PipelineExecutionSteps": [step.describe() for step in shown], **token}

    def definition_of(self, request: Request) -> Request:
        execution = self._find(request)
        return {"PipelineDefinition": execution.definition, "CreationTime": execution.created}

    def parameters_of(self, request: Request) -> Request:
        shown, token = paging.page(self._find(request).given, request)
        return {"PipelineParameters": shown, **token}

    def retry(self, _request: Request) -> Request:
        raise not_here("RetryPipelineExecution (start a new execution instead)")

    def stop_all(self) -> None:
        """Stops what still runs and waits for it: the server is going down."""
        running = [executor for executor in self._executors.values() if executor.execution.status in RUNNING]
        for executor in running:
            executor.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for executor in running:
            executor.wait(max(0.0, deadline - time.monotonic()))

    def wait(self, arn: str) -> None:
        """Returns when the execution has ended; for tests."""
        self._executors[arn].wait()

    def snapshot(self) -> list[Request]:
        return [asdict(execution) for execution in list(self._executions.values())]

    def restore(self, saved: list[Request]) -> None:
        """Executions that were running have failed: their threads went with the cloud that ran them."""
        for record in saved:
            steps = {name: StepRecord(**step) for name, step in record["steps"].items()}
            execution = Execution(**{**record, "steps": steps})
            if execution.status in RUNNING:
                _interrupt(execution)
            self._executions[execution.arn] = execution

    def _started_before(self, pipeline_arn: str, request: Request) -> Execution | None:
        for execution in self._executions.values():
            if execution.token != request["ClientRequestToken"] or execution.pipeline_arn != pipeline_arn:
                continue
            if execution.given != request.get("PipelineParameters", []):
                raise Conflict(
                    f"ClientRequestToken {execution.token} was used for {execution.arn} with other parameters"
                )
            return execution
        return None

    def _find(self, request: Request) -> Execution:
        arn = request.get("PipelineExecutionArn", "")
        if arn not in self._executions:
            raise ResourceNotFound(f"Pipeline execution with ARN {arn} does not exist.")
        return self._executions[arn]


def _new_execution(pipeline: Request, request: Request) -> Execution:
    alphabet = string.ascii_lowercase + string.digits
    identity = "".join(secrets.choice(alphabet) for _ in range(ID_LENGTH))
    return Execution(
        arn=f"{pipeline['PipelineArn']}/execution/{identity}",
        id=identity,
        pipeline=pipeline["PipelineName"],
        pipeline_arn=pipeline["PipelineArn"],
        role_arn=pipeline["RoleArn"],
        definition=pipeline["PipelineDefinition"],
        token=request["ClientRequestToken"],
        given=request.get("PipelineParameters", []),
        values={},
        display_name=request.get("PipelineExecutionDisplayName") or f"execution-{int(time.time() * 1000)}",
        description=request.get("PipelineExecutionDescription"),
        parallelism=request.get("ParallelismConfiguration") or pipeline.get("ParallelismConfiguration"),
    )


def _interrupt(execution: Execution) -> None:
    for step in execution.steps.values():
        if step.ended is None:
            step.end("Failed", INTERRUPTED)
    execution.move_to("Failed", INTERRUPTED)
