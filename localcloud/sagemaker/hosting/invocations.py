"""InvokeEndpoint: SageMaker's runtime API, `POST /endpoints/<name>/invocations`.

Runs on the server's event loop from the first byte to the last: a request costs no thread, only the way to
the instance and back.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from localcloud.sagemaker import access
from localcloud.sagemaker.errors import ApiError
from localcloud.sagemaker.hosting import capture
from localcloud.sagemaker.hosting.channel import ChannelBroken, Reply
from localcloud.sagemaker.hosting.endpoints import Endpoints
from localcloud.sagemaker.hosting.metrics import Measured, Source
from localcloud.sagemaker.hosting.traffic import Lease, NoRoute
from localcloud.settings import Settings

Response = tuple[int, dict[str, str], bytes]
Headers = Mapping[str, str]

MOST_BYTES = 6 * 1024 * 1024
MODEL_SECONDS = 60.0
OCTETS = "application/octet-stream"
TYPE = (
    "content-type"  # in lower case MiniStack leaves it alone; otherwise it makes JSON the service's own type
)

_PATH = re.compile(r"/endpoints/([^/]+)/invocations")
_PREFIX = "x-amzn-sagemaker-"
_NOT_SERVED = (
    "target-model",
    "target-container-hostname",
    "inference-component",
    "enable-explanations",
    "session-id",
)
_FORWARDED = (TYPE, "accept", f"{_PREFIX}custom-attributes", f"{_PREFIX}inference-id")


class Refused(Exception):
    """A request that no model answers; `code` is what SDKs match."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Invocations:
    """The runtime of all endpoints."""

    def __init__(self, endpoints: Endpoints, here: Settings) -> None:
        self._endpoints, self._here = endpoints, here

    async def respond(self, method: str, path: str, headers: Headers, body: bytes, key: str) -> Response:
        """The HTTP answer. `headers` have lower-case names; `key` identifies the caller."""
        begun = time.perf_counter()
        try:
            name = _endpoint(method, path)
            self._authorize(name, key)
            _check(headers, body)
            lease = self._take(name, headers.get(f"{_PREFIX}target-variant"))
        except Refused as error:
            return _error(error.status, error.code, {"Message": error.message})
        except ApiError as error:
            return _error(403, error.code, {"Message": error.message})
        try:
            asked = time.perf_counter()
            reply = await _ask(lease, headers, body)
            model_seconds = time.perf_counter() - asked
        finally:
            lease.done()
        response = self._response(name, lease, reply, headers)
        self._capture(lease, headers, body, reply)
        overhead = time.perf_counter() - begun - model_seconds
        source = Source(name, lease.variant.name, lease.fleet.config_name)
        self._endpoints.metrics.record(source, Measured(reply.status, model_seconds * 1e6, overhead * 1e6))
        return response

    def _authorize(self, name: str, key: str) -> None:
        if self._here.enforce_iam:
            parameters = {"EndpointName": name}
            access.authorize("InvokeEndpoint", parameters, key, self._here.region, self._here.account_id)

    def _take(self, name: str, variant: str | None) -> Lease:
        hosted = self._endpoints.serving(name)
        missing = f"Endpoint {name} of account {self._here.account_id} not found."
        if hosted is None:
            raise Refused(400, "ValidationError", missing)
        try:
            return hosted.traffic.take(variant)
        except NoRoute:
            if hosted.stopping.is_set():
                raise Refused(503, "ServiceUnavailable", "The local cloud is being stopped.") from None
            if variant and hosted.record.ready:
                missing = f"Variant {variant} not found for the endpoint {name}."
            raise Refused(400, "ValidationError", missing) from None

    def _response(self, name: str, lease: Lease, reply: Reply, headers: Headers) -> Response:
        if not 200 <= reply.status < 300:
            return self._model_error(name, reply)
        answered = {
            TYPE: reply.headers.get(TYPE, OCTETS),
            "x-Amzn-Invoked-Production-Variant": lease.variant.name,
        }
        return 200, answered, reply.body

    def _model_error(self, name: str, reply: Reply) -> Response:
        region, account = self._here.region, self._here.account_id
        group = f"/aws/sagemaker/Endpoints/{name}"
        kind, words = ("client", "CLIENT") if reply.status < 500 else ("server", "SERVER")
        original = reply.body.decode(errors="replace")
        message = (
            f'Received {kind} error ({reply.status}) from primary with message "{original}". See'
            f" https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
            f" in account {account} for more information."
        )
        return _error(
            424,
            "ModelError",
            {
                "ErrorCode": f"{words}_ERROR_FROM_MODEL",
                "LogStreamArn": f"arn:aws:logs:{region}:{account}:log-group:{group}",
                "Message": message,
                "OriginalMessage": original,
                "OriginalStatusCode": reply.status,
            },
        )

    def _capture(self, lease: Lease, headers: Headers, body: bytes, reply: Reply) -> None:
        kept = lease.fleet.capture
        if kept and 200 <= reply.status < 300:
            kept.offer(
                capture.Exchange(
                    variant=lease.variant.name,
                    time=capture.now(),
                    request=body,
                    request_type=headers.get(TYPE, OCTETS),
                    answer=reply.body,
                    answer_type=reply.headers.get(TYPE, OCTETS),
                    inference_id=headers.get(f"{_PREFIX}inference-id", ""),
                    custom_attributes=headers.get(f"{_PREFIX}custom-attributes", ""),
                )
            )


def _endpoint(method: str, path: str) -> str:
    found = _PATH.fullmatch(path)
    if method != "POST" or not found:
        raise Refused(
            404, "UnknownOperationException", f"The local cloud's SageMaker runtime has no {method} {path}"
        )
    return unquote(found[1])


def _check(headers: Headers, body: bytes) -> None:
    if len(body) > MOST_BYTES:
        raise Refused(413, "413", f"HTTP content length exceeded {MOST_BYTES} bytes.")
    for feature in _NOT_SERVED:
        if f"{_PREFIX}{feature}" in headers:
            message = f"{feature.title()} is not implemented by the local cloud"
            raise Refused(400, "ValidationError", message)


async def _ask(lease: Lease, headers: Headers, body: bytes) -> Reply:
    """The container's answer, or what SageMaker says of one that does not come."""
    forwarded = {name: headers[name] for name in _FORWARDED if name in headers}
    try:
        async with asyncio.timeout(MODEL_SECONDS):
            return await lease.instance.channel.post("/invocations", forwarded, body)
    except TimeoutError:
        words = "Your invocation timed out while waiting for a response from container primary."
    except ChannelBroken:
        words = "The connection to container primary was closed before it answered."
    return Reply(500, {}, words.encode())


def _error(status: int, code: str, content: dict[str, Any]) -> Response:
    headers = {TYPE: "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps(content).encode()
