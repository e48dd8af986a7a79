"""SageMaker's runtime API, which shares the control plane's signing name and is told from it by its path.

MiniStack looks at a request in some forty ways before it calls a handler, which takes longer than all that is
done here. Where no policy decides, requests therefore come straight from the server.

Registration points: `app.app`; `app.SERVICE_HANDLERS["sagemaker"]`, which `plugins.sagemaker` has filled.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

from localcloud.sagemaker import service
from localcloud.sagemaker.hosting.invocations import Invocations
from localcloud.settings import settings

PATHS = "/endpoints/"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Disconnected(Exception):
    """The client went before its request was whole."""


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


def straight(application: Application) -> Application:
    """Wraps the ASGI application of MiniStack, which still gets all other requests."""

    async def apply(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PATHS) or settings().enforce_iam:
            await application(scope, receive, send)
            return
        try:
            body = await _body(receive)
        except Disconnected:
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status, answered, content = await invocations().respond(
            scope["method"], scope["path"], headers, body, ""
        )
        answered |= {"x-amzn-RequestId": str(uuid.uuid4()), "Content-Length": str(len(content))}
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in answered.items()]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": content})

    return apply


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


def install() -> None:
    """Called after `plugins.sagemaker.install`."""
    from ministack import app

    app.SERVICE_HANDLERS["sagemaker"] = handle_request
    app.app = straight(app.app)
