"""botocore's errors in words a person can act on. `ops.cli.main` asks for whatever a command let through."""

from __future__ import annotations

from botocore import exceptions as boto

from ops.errors import NoCloud, NotDeployed, OpsError, Refused

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_UNKNOWN_KEY = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "AuthFailure",
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "403",
    "Forbidden",
}
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
}
_ABSENT = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "QueueDoesNotExist",
    "StateMachineDoesNotExist",
}

_NO_LOGIN = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
)
_LOGIN_OVER = (
    boto.TokenRetrievalError,
    boto.SSOTokenLoadError,
    boto.UnauthorizedSSOTokenError,
)
_UNREACHABLE = (
    boto.EndpointConnectionError,
    boto.ConnectTimeoutError,
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.HTTPClientError,
)


def explain(error: Exception, env: str = "dev") -> OpsError | None:
    """The `OpsError` that says what `error` means, or None when it is not one of botocore's."""
    if isinstance(error, boto.ClientError):
        return _explain_answer(error, env)
    if isinstance(error, boto.BotoCoreError):
        return _explain_silence(error)
    return None


def error_code(error: Exception) -> str:
    """The service's own code, e.g. `ResourceNotFoundException`; empty when no service answered."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _explain_silence(error: boto.BotoCoreError) -> OpsError:
    """No answer came, because nothing was asked or nobody was there."""
    if isinstance(error, boto.ProfileNotFound):
        return NoCloud(f"{_sentence(error)} `aws configure list-profiles` shows those there are.")
    if isinstance(error, _LOGIN_OVER):
        return NoCloud(f"Your login is over: {_sentence(error)} Log in again with `aws sso login`.")
    if isinstance(error, _NO_LOGIN):
        return NoCloud(
            f"AWS needs credentials: {_sentence(error)} Choose a profile with `--profile NAME`, or work "
            "on the local cloud: `titanic up --detach`."
        )
    if isinstance(error, _UNREACHABLE):
        return NoCloud(
            f"The cloud does not answer: {_sentence(error)} Is it running? `titanic up --detach` starts "
            "the local one; AWS_ENDPOINT_URL, where set, must be its address."
        )
    return Refused(f"The request was not sent: {_sentence(error)}")


def _explain_answer(error: boto.ClientError, env: str) -> OpsError:
    code = error_code(error)
    said = _sentence(error.response.get("Error", {}).get("Message") or error)
    operation = error.operation_name
    if code in _EXPIRED:
        return NoCloud(f"Your session has expired ({operation}: {said}) Log in again and repeat the command.")
    if code in _UNKNOWN_KEY:
        return NoCloud(
            f"The cloud does not know these credentials ({operation}: {said}) Check `aws sts "
            "get-caller-identity`, or choose another profile with `--profile NAME`."
        )
    if code in _DENIED:
        return Refused(
            f"You may not do this: {operation} was denied. {said} Ask for the permission it names, or use "
            "another profile."
        )
    if code in _THROTTLED:
        return Refused(f"AWS is throttling {operation}: {said} Wait a moment and repeat the command.")
    if code in _ABSENT:
        return NotDeployed(
            f"The project is not deployed here for env {env}: {said} On the local cloud `titanic up` deploys "
            "it; on AWS `terraform apply` does. Another environment is chosen with `--env`."
        )
    return Refused(f"{operation} failed with {code}: {said}")


def _sentence(said: object) -> str:
    """One line that ends like a sentence."""
    text = " ".join(str(said).split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
