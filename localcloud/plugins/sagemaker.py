"""SageMaker, which MiniStack does not have: a service of its own, and Step Functions' way to it.

Registration points: `app.SERVICE_HANDLERS`, `core.router.SERVICE_PATTERNS`,
`stepfunctions._AWS_SDK_SERVICE_MAP`, `_AWS_SDK_ERROR_PREFIX`, `_AWS_SDK_ERROR_CODE_OVERRIDES`.
"""

from __future__ import annotations

from localcloud.sagemaker import service

# Step Functions reports the exceptions of the Java SDK: those that SageMaker's model declares by their
# class names, everything else (ValidationException, AccessDeniedException, …) as the service's base class.
SDK_ERRORS = {
    "ResourceNotFound": "ResourceNotFoundException",
    "ResourceInUse": "ResourceInUseException",
    "ResourceLimitExceeded": "ResourceLimitExceededException",
    "ValidationException": "SageMakerException",
    "AccessDeniedException": "SageMakerException",
    "ThrottlingException": "SageMakerException",
    "SerializationException": "SageMakerException",
    "UnknownOperationException": "SageMakerException",
    "InternalFailure": "SageMakerException",
}


def install() -> None:
    """Puts SageMaker behind MiniStack's port. Called once, before the server starts."""
    from ministack import app
    from ministack.core import router
    from ministack.services import stepfunctions

    app.SERVICE_HANDLERS["sagemaker"] = service.handle_request
    router.SERVICE_PATTERNS["sagemaker"] = {
        "target_prefixes": ["SageMaker."],
        "host_patterns": [r"sagemaker\.", r"api\.sagemaker\."],
    }
    stepfunctions._AWS_SDK_SERVICE_MAP["sagemaker"] = {"target_prefix": "SageMaker", "protocol": "json"}
    stepfunctions._AWS_SDK_ERROR_PREFIX["sagemaker"] = "SageMaker"
    stepfunctions._AWS_SDK_ERROR_CODE_OVERRIDES["sagemaker"] = dict(SDK_ERRORS)


def stop_all() -> None:
    """Ends pipelines and jobs. Called at shutdown, before the processes that are left are ended."""
    service.control_plane().stop_all()


def snapshot() -> bytes:
    """The state to keep, after `stop_all`."""
    return service.control_plane().snapshot()


def restore(saved: bytes) -> None:
    """Takes back what `snapshot` gave, in the next server process."""
    service.control_plane().restore(saved)
