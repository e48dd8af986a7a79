"""Errors of the SageMaker API.

ApiError                 any refusal, with the code AWS uses
├── ValidationError      ValidationException: the request is wrong, or asks for what is not done here
├── ResourceNotFound     a pipeline or an execution that does not exist
├── ResourceInUse        a job name that is taken
├── Conflict             ConflictException: a token that was used for another request
└── AccessDenied         AccessDeniedException: IAM says no
"""

from __future__ import annotations


class ApiError(Exception):
    """A refused request. `code` is what SDKs match, `status` the HTTP status."""

    code = "InternalFailure"
    status = 500

    def __init__(self, message: str, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.status = status or self.status


class ValidationError(ApiError):
    code, status = "ValidationException", 400


class ResourceNotFound(ApiError):
    code, status = "ResourceNotFound", 400


class ResourceInUse(ApiError):
    code, status = "ResourceInUse", 400


class Conflict(ApiError):
    code, status = "ConflictException", 400


class AccessDenied(ApiError):
    code, status = "AccessDeniedException", 400


def not_here(what: str) -> ValidationError:
    """Refuses a feature of SageMaker that the local cloud lacks, instead of pretending to have it."""
    return ValidationError(f"{what} is not implemented by the local cloud")
