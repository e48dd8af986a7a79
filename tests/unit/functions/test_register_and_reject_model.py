from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from functions.common import registry
from functions.common.errors import DataReportNotFound, InvalidInput, ModelPackageNotFound
from functions.common.inputs import parse_input
from functions.register_model import handler as register_handler
from functions.register_model.registration import RegisterModelEvent, register
from functions.reject_model import handler as reject_handler
from functions.reject_model.rejection import RejectModelEvent, reject

PIPELINE = "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/titanic-modelbuild-dev/execution/abcdefghijkl"
GONE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/99"

# SageMaker's own pattern for keys and values, Unicode classes aside.
ACCEPTED = re.compile(r"[\w\s.:/=+@-]{1,256}")


@pytest.fixture
def event(run: dict[str, Any], evaluation: Callable[..., Any], put: Any) -> Callable[..., dict[str, Any]]:
    """RegisterModel's payload for a package; the data report exists."""
    put(f"runs/{run['run_id']}/data_report.json", {"data_sha256": "d" * 64, "rows_in": 891})

    def event(package_arn: str | None, approval: str = "manual", **metrics: float) -> dict[str, Any]:
        return {
            "run": run | {"approval": approval},
            "prepare": {"job_run_id": "jr_1"},
            "training": {"pipeline_execution_arn": PIPELINE, "status": "Succeeded"},
            "evaluation": evaluation(package_arn, **metrics),
        }

    return event


@pytest.fixture
def do_register(event: Any, sagemaker: Any, s3: Any) -> Callable[..., Any]:
    def do(package_arn: str | None, approval: str = "manual") -> Any:
        request = parse_input(event(package_arn, approval), RegisterModelEvent, "event")
        return register(request, sagemaker=sagemaker, s3=s3)

    return do


@pytest.fixture
def do_reject(event: Any, sagemaker: Any) -> Callable[..., Any]:
    def do(package_arn: str | None, **metrics: float) -> Any:
        payload = event(package_arn, **metrics)
        wanted = {"run": payload["run"], "evaluation": payload["evaluation"]}
        return reject(parse_input(wanted, RejectModelEvent, "event"), sagemaker=sagemaker)

    return do


@pytest.fixture
def package(sagemaker: Any) -> Callable[[str], dict[str, Any]]:
    return lambda arn: sagemaker.registry.describe_model_package(ModelPackageName=arn)


def test_a_manual_run_leaves_the_version_pending_and_stamped(
    do_register: Any, register_package: Any, package: Any, run: Any
) -> None:
    arn = register_package({"code_bundle_uri": "old", "framework": "xgboost"})
    answer = do_register(arn)
    assert answer.model_dump() == {"model_package_arn": arn, "approval_status": "PendingManualApproval"}
    found = package(arn)
    assert found["ModelApprovalStatus"] == "PendingManualApproval"
    assert found["CustomerMetadataProperties"] == {
        "framework": "xgboost",
        "run_id": run["run_id"],
        "run_date": run["run_date"],
        "execution_arn": run["execution_arn"],
        "pipeline_execution_arn": PIPELINE,
        "glue_job_run_id": "jr_1",
        "git_sha": "0a1b2c3",
        "code_bundle_uri": run["code_bundle_uri"],
        "source_uri": run["source_uri"],
        "evaluation_uri": found["CustomerMetadataProperties"]["evaluation_uri"],
        "data_sha256": "d" * 64,
        "accuracy": "0.820000",
        "accuracy_threshold": "0.78",
        "f1": "0.760000",
        "f1_threshold": "0.7",
        "auc": "0.870000",
        "auc_threshold": "0.8",
    }
    assert run["run_id"] in found["ApprovalDescription"]


def test_an_auto_run_approves_the_version(do_register: Any, register_package: Any, package: Any) -> None:
    arn = register_package()
    assert do_register(arn, approval="auto").approval_status == "Approved"
    assert package(arn)["ModelApprovalStatus"] == "Approved"
    assert "as its input asked" in package(arn)["ApprovalDescription"]


@pytest.mark.parametrize("approval", ["manual", "auto"])
def test_registering_again_changes_nothing(
    do_register: Any, register_package: Any, package: Any, approval: str
) -> None:
    arn = register_package()
    once, before = do_register(arn, approval), package(arn)
    assert do_register(arn, approval) == once
    kept = ("ModelApprovalStatus", "ApprovalDescription", "CustomerMetadataProperties")
    assert {key: package(arn)[key] for key in kept} == {key: before[key] for key in kept}


@pytest.mark.parametrize("arn", [GONE, None])
def test_a_version_that_is_not_there_is_named(do_register: Any, arn: str | None) -> None:
    with pytest.raises(ModelPackageNotFound, match="look"):
        do_register(arn)


def test_a_version_of_unknown_data_is_not_registered(
    do_register: Any, register_package: Any, package: Any, s3: Any, run: Any
) -> None:
    arn = register_package()
    bucket, key = run["data_report_uri"].removeprefix("s3://").split("/", 1)
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(DataReportNotFound, match=run["data_report_uri"]):
        do_register(arn, approval="auto")
    assert package(arn)["ModelApprovalStatus"] == "PendingManualApproval"


def test_a_rejected_version_says_by_how_much_it_missed(
    do_reject: Any, register_package: Any, package: Any, run: Any
) -> None:
    arn = register_package()
    answer = do_reject(arn, f1=0.62, auc=0.7)
    assert answer.model_dump() == {"model_package_arn": arn, "approval_status": "Rejected"}
    found = package(arn)
    assert found["ModelApprovalStatus"] == "Rejected"
    assert found["ApprovalDescription"] == (
        f"Run {run['run_id']}: f1 0.6200 is below 0.7000, auc 0.7000 is below 0.8000"
    )
    assert found["CustomerMetadataProperties"]["run_id"] == run["run_id"]
    assert do_reject(arn, f1=0.62, auc=0.7) == answer


def test_rejecting_a_model_that_was_never_registered_does_nothing(do_reject: Any) -> None:
    assert do_reject(None, accuracy=0.5).model_dump() == {"model_package_arn": None, "approval_status": None}


def test_rejecting_a_version_that_is_gone_is_named(do_reject: Any) -> None:
    with pytest.raises(ModelPackageNotFound, match=GONE):
        do_reject(GONE, f1=0.1)


def test_properties_are_what_sagemaker_accepts() -> None:
    merged = registry.merge({}, {"a": "s3://bucket/raw/it's (new)!.csv", "b": "x" * 900, "c": ""}, "arn")
    assert merged == {"a": "s3://bucket/raw/it_s _new__.csv", "b": "x" * 256}
    assert all(ACCEPTED.fullmatch(value) for value in merged.values())


def test_more_properties_than_sagemaker_takes_are_refused() -> None:
    existing = {f"key{number}": "x" for number in range(49)}
    assert len(registry.merge(existing, {"key1": "y", "mine": "z"}, "arn")) == 50
    with pytest.raises(InvalidInput, match="would carry 51"):
        registry.merge(existing, {"mine": "z", "other": "z"}, "arn")


@pytest.mark.parametrize(
    ("handler", "change", "words"),
    [
        (register_handler.handler, {"surprise": 1}, "unknown key 'surprise'"),
        (register_handler.handler, {"prepare": {"job_run_id": 5}}, "'prepare.job_run_id' is a number"),
        (reject_handler.handler, {}, "unknown key 'prepare'"),
    ],
)
def test_a_payload_of_another_shape_is_refused(
    event: Any, handler: Any, change: dict[str, Any], words: str, lambda_context: Any
) -> None:
    with pytest.raises(InvalidInput, match=words):
        handler(event(GONE) | change, lambda_context)


def test_the_handlers_answer_with_the_registration(
    *,
    event: Any,
    register_package: Any,
    sagemaker: Any,
    s3: Any,
    lambda_context: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = {"sagemaker": sagemaker, "s3": s3}
    for module in (register_handler, reject_handler):
        monkeypatch.setattr(module, "client", clients.__getitem__)
    payload = event(register_package(), f1=0.1)
    assert register_handler.handler(payload, lambda_context)["approval_status"] == "PendingManualApproval"
    judged = {key: payload[key] for key in ("run", "evaluation")}
    assert reject_handler.handler(judged, lambda_context)["approval_status"] == "Rejected"
