"""SageMaker's runtime API, which shares the control plane's signing name and is told from it by its path.

Registration point: `app.SERVICE_HANDLERS["sagemaker"]`, which `plugins.sagemaker` has filled.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from localcloud.sagemaker import service
from localcloud.sagemaker.hosting.invocations import Invocations
from localcloud.settings import settings

PATHS = "/endpoints/"


@cache
def invocations() -> Invocations:
    """The runtime of this server process."""
    return Invocations(service.control_plane().endpoints, settings())


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes | str, query_params: Mapping[str, Any]
) -> service.Response:
    """MiniStack's handler for both APIs."""
    from ministack.core.iam_evaluator import pin_request_caller
    from ministack.core.router import extract_access_key_id

    if not path.startswith(PATHS):
        return await service.handle_request(method, path, headers, body, query_params)
    pin_request_caller(headers, dict(query_params))
    key = extract_access_key_id(headers, query_params) or ""
    content = body.encode() if isinstance(body, str) else body
    return await invocations().respond(method, path, headers, content, key)


def install() -> None:
    """Called after `plugins.sagemaker.install`."""
    from ministack import app

    app.SERVICE_HANDLERS["sagemaker"] = handle_request
