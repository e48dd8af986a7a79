"""The HTTP edge of SageMaker, in the shape of a MiniStack service.

MiniStack's router calls `handle_request` for each request, and Step Functions' `aws-sdk:sagemaker:*`
tasks call it from inside. The protocol is JSON 1.1: the operation is in `X-Amz-Target`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from localcloud.sagemaker.errors import ApiError, ValidationError
from localcloud.sagemaker.plane import ControlPlane
from localcloud.settings import settings

logger = logging.getLogger("localcloud.sagemaker")

Response = tuple[int, dict[str, str], bytes]


@cache
def control_plane() -> ControlPlane:
    """The SageMaker of this server process."""
    return ControlPlane(settings())


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes | str, query_params: Mapping[str, Any]
) -> Response:
    """MiniStack's handler. The work may call back into this server, so it leaves the event loop."""
    from ministack.core.concurrency import run_reentrant
    from ministack.core.iam_evaluator import pin_request_caller
    from ministack.core.router import extract_access_key_id

    pin_request_caller(headers, dict(query_params))
    key = extract_access_key_id(headers, dict(query_params)) or ""
    target = headers.get("x-amz-target", "")
    response: Response = await run_reentrant(respond, target, body, key, thread_name="sagemaker-request")
    return response


def respond(target: str, body: bytes | str, key: str) -> Response:
    """The HTTP answer to one request; errors become the JSON that SDKs turn into exceptions."""
    try:
        answer = control_plane().call(target.rpartition(".")[2], _parse(body), key)
    except ApiError as error:
        return _answer(error.status, {"__type": error.code, "message": error.message})
    except Exception:
        logger.exception("SageMaker failed on %s", target)
        return _answer(
            500, {"__type": "InternalFailure", "message": f"{target} failed; see the server's log"}
        )
    return _answer(200, answer)


def _parse(body: bytes | str) -> dict[str, Any]:
    try:
        parameters = json.loads(body or "{}")
    except ValueError:
        raise ApiError("The request body is no JSON", "SerializationException", 400) from None
    if not isinstance(parameters, dict):
        raise ValidationError("The request body is no JSON object")
    return parameters


def _answer(status: int, content: dict[str, Any]) -> Response:
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    return status, headers, json.dumps(content, default=str).encode()
