"""Optimised integrations of Step Functions that MiniStack lacks: Glue job runs and SageMaker jobs.

In the `.sync` form the task starts its job, waits for it, and fails with the job's description as cause; a
task that is abandoned stops its job. Errors bear AWS's names. `step_functions.install` registers them.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from typing import Any

from localcloud.plugins import glue, step_functions_task
from localcloud.plugins import step_functions_access as access
from localcloud.plugins.sagemaker import SDK_ERRORS
from localcloud.sagemaker import service
from localcloud.sagemaker.errors import ApiError
from localcloud.sagemaker.events import with_milliseconds

Json = dict[str, Any]

# The optimised integrations speak with an older Java SDK, which has another name for its base class.
BASE_ERROR, OLD_BASE_ERROR = "SageMakerException", "AmazonSageMakerException"


def start_job_run(resource: str, parameters: Json) -> Json:
    """`arn:aws:states:::glue:startJobRun` and its `.sync` form."""
    from ministack.services.stepfunctions import _ExecutionError

    status, _headers, body = glue.start_job_run(parameters)
    answer: Json = json.loads(body)
    if status >= 400:
        raise _ExecutionError(f"Glue.{answer['__type']}", answer.get("message", ""))
    if not resource.endswith(".sync"):
        return answer
    run = glue.find_run(answer["JobRunId"])
    access.require(access.GLUE_POLL, parameters)

    def stop() -> None:
        with contextlib.suppress(_ExecutionError):  # the machine may not: the job goes on
            access.require(access.GLUE_STOP, parameters)
            run.stop()

    step_functions_task.wait_for(run.finished.wait, stop)
    if run.state != "SUCCEEDED":
        raise _ExecutionError("States.TaskFailed", glue.describe(run))
    return {key: value for key, value in run.record.items() if value is not None}


def create_sagemaker_job(resource: str, parameters: Json) -> Json:
    """`arn:aws:states:::sagemaker:createTransformJob` and its like, and their `.sync` forms."""
    from ministack.services.stepfunctions import _ExecutionError

    operation, _dot, pattern = resource.rpartition(":")[2].partition(".")
    kind, key = operation.removeprefix("create").removesuffix("Job"), access.machines_key()
    if not pattern:
        return _call(f"Create{kind}Job", parameters, key)
    _call(f"Create{kind}Job", {**parameters, "Tags": [*parameters.get("Tags", []), *_own_tags()]}, key)
    named = {f"{kind}JobName": parameters[f"{kind}JobName"]}
    _wait_for_job(kind, named, key)
    described: Json = with_milliseconds(_call(f"Describe{kind}Job", named, key))
    if described[f"{kind}JobStatus"] != "Completed":
        raise _ExecutionError("States.TaskFailed", json.dumps(described))
    return described


INTEGRATIONS = {
    "arn:aws:states:::glue:startJobRun": start_job_run,
    "arn:aws:states:::sagemaker:createProcessingJob": create_sagemaker_job,
    "arn:aws:states:::sagemaker:createTrainingJob": create_sagemaker_job,
    "arn:aws:states:::sagemaker:createTransformJob": create_sagemaker_job,
}


def _wait_for_job(kind: str, named: Json, key: str) -> None:
    plane = service.control_plane()

    def stop() -> None:
        with contextlib.suppress(ApiError):  # it has just ended by itself, or the machine may not stop it
            plane.call(f"Stop{kind}Job", named, key)

    name = named[f"{kind}JobName"]
    step_functions_task.wait_for(lambda timeout: plane.jobs[kind].wait(name, timeout), stop)


def _call(operation: str, parameters: Json, key: str) -> Json:
    from ministack.services.stepfunctions import _ExecutionError

    try:
        return service.control_plane().call(operation, parameters, key)
    except ApiError as error:
        name = SDK_ERRORS.get(error.code, BASE_ERROR)
        cause = (
            f"{error.message} (Service: AmazonSageMaker; Status Code: {error.status};"
            f" Error Code: {error.code}; Request ID: {uuid.uuid4()}; Proxy: null)"
        )
        raise _ExecutionError(f"SageMaker.{OLD_BASE_ERROR if name == BASE_ERROR else name}", cause) from error


def _own_tags() -> list[dict[str, str]]:
    """By these Step Functions knows its own jobs again; the machine's role must be allowed to set them."""
    execution = step_functions_task.current.get().execution
    return [
        {"Key": "AWS_STEP_FUNCTIONS_EXECUTION_ARN", "Value": execution["executionArn"]},
        {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"},
    ]
