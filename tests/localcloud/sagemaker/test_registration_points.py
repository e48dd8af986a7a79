"""What SageMaker relies on in the pinned MiniStack and moto is still there, and is used as documented."""

from __future__ import annotations

import inspect
from typing import Any

import pytest


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_installing_puts_sagemaker_into_every_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack import app
    from ministack.core import router
    from ministack.services import stepfunctions

    from localcloud.plugins import sagemaker
    from localcloud.sagemaker import service

    for owner, name in (
        (app, "SERVICE_HANDLERS"),
        (router, "SERVICE_PATTERNS"),
        (stepfunctions, "_AWS_SDK_SERVICE_MAP"),
        (stepfunctions, "_AWS_SDK_ERROR_PREFIX"),
        (stepfunctions, "_AWS_SDK_ERROR_CODE_OVERRIDES"),
    ):
        monkeypatch.setattr(owner, name, dict(getattr(owner, name)))
    sagemaker.install()
    assert app.SERVICE_HANDLERS["sagemaker"] is service.handle_request
    assert router.detect_service("POST", "/", {"x-amz-target": "SageMaker.ListModels"}, {}) == "sagemaker"
    assert stepfunctions._prefix_sdk_error("sagemaker", "ResourceInUse") == "SageMaker.ResourceInUseException"
    assert (
        stepfunctions._prefix_sdk_error("sagemaker", "ValidationException") == "SageMaker.SageMakerException"
    )


def test_ministack_has_what_a_service_is_made_of() -> None:
    from ministack.core import concurrency, iam_actions, iam_evaluator, router

    assert parameters(concurrency.run_reentrant) == ["fn", "args", "thread_name"]
    assert parameters(iam_evaluator.pin_request_caller) == ["headers", "query_params"]
    assert parameters(router.extract_access_key_id)[:2] == ["headers", "query_params"]
    expected = ["action", "principal_arn", "resource", "explicit_deny"]
    assert parameters(iam_actions.identity_denial_message) == expected


def test_ministack_lets_the_inside_put_events_of_aws() -> None:
    from ministack.services import eventbridge

    assert parameters(eventbridge._put_events) == ["data", "allow_aws_source"]


def test_ministack_tells_a_roles_trust_policy() -> None:
    from ministack.services import iam

    assert parameters(iam._roles.get_scoped)[:3] == ["account_id", "region", "key"]


def test_moto_keeps_the_records_that_are_corrected() -> None:
    from moto.moto_server.werkzeug_app import create_backend_app
    from moto.sagemaker.models import sagemaker_backends

    assert callable(create_backend_app)
    backend = sagemaker_backends["123456789012"]["eu-west-1"]
    for records in (
        backend.pipelines,
        backend.model_package_groups,
        backend.model_packages,
        backend.model_package_name_mapping,
        backend._models,
    ):
        assert isinstance(records, dict)
