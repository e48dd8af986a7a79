"""What the runtime API relies on in the pinned MiniStack."""

from __future__ import annotations

import pytest

SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sagemaker/aws4_request, SignedHeaders=host"


def test_the_runtime_api_comes_to_sagemakers_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack import app
    from ministack.core import router

    from localcloud.plugins import sagemaker, sagemaker_runtime

    monkeypatch.setattr(app, "SERVICE_HANDLERS", dict(app.SERVICE_HANDLERS))
    monkeypatch.setattr(router, "SERVICE_PATTERNS", dict(router.SERVICE_PATTERNS))
    sagemaker.install()
    sagemaker_runtime.install()
    assert app.SERVICE_HANDLERS["sagemaker"] is sagemaker_runtime.handle_request
    headers = {"authorization": SIGNED, "host": "127.0.0.1:4566"}
    assert router.detect_service("POST", "/endpoints/e/invocations", headers, {}) == "sagemaker"
