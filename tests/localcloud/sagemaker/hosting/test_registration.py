"""What the runtime API relies on in the pinned MiniStack."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sagemaker/aws4_request, SignedHeaders=host"


def test_the_runtime_api_comes_to_sagemakers_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack import app
    from ministack.core import router

    from localcloud.plugins import sagemaker, sagemaker_runtime

    monkeypatch.setattr(app, "SERVICE_HANDLERS", dict(app.SERVICE_HANDLERS))
    monkeypatch.setattr(router, "SERVICE_PATTERNS", dict(router.SERVICE_PATTERNS))
    monkeypatch.setattr(app, "app", app.app)
    sagemaker.install()
    sagemaker_runtime.install()
    assert app.SERVICE_HANDLERS["sagemaker"] is sagemaker_runtime.handle_request
    headers = {"authorization": SIGNED, "host": "127.0.0.1:4566"}
    assert router.detect_service("POST", "/endpoints/e/invocations", headers, {}) == "sagemaker"


def test_a_client_that_goes_before_its_request_is_whole_gets_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from localcloud.plugins import sagemaker_runtime

    monkeypatch.setattr(sagemaker_runtime, "settings", lambda: SimpleNamespace(enforce_iam=False))
    events = [{"type": "http.request", "body": b"1,2", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    async def never(*_: Any) -> None:
        raise AssertionError

    request = {"type": "http", "method": "POST", "path": "/endpoints/e/invocations", "headers": []}
    asyncio.run(sagemaker_runtime.straight(never)(request, receive, never))
    assert events == []


def test_other_requests_come_to_ministack() -> None:
    from localcloud.plugins.sagemaker_runtime import straight

    came: list[str] = []

    async def ministack(scope: Any, *_: Any) -> None:
        came.append(scope["type"])

    for scope in ({"type": "lifespan"}, {"type": "http", "path": "/bucket/endpoints/e/invocations"}):
        asyncio.run(straight(ministack)(scope, None, None))  # type: ignore[arg-type]
    assert came == ["lifespan", "http"]
