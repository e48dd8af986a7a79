from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from functions.common.inputs import parse_input
from functions.common.recorder import Record
from functions.record_run.recording import RecordRunEvent, RecordRunSettings, record

BUCKET = "titanic-sagemaker-dev-123456789012"
PROD, STAGING = "titanic-survival-prod", "titanic-survival-staging"
NAME, OLD = f"{PROD}-v7-a6fe0531ae", f"{PROD}-v6-0000000000"
GATE = {"decision": "approved", "by": "ben", "at": "2026-11-21T08:00:00.000Z", "reason": None}
SMOKE = {
    "passed": True,
    "reason": None,
    "rows": 100,
    "latency": {"p50": 4.0, "p95": 6.0, "max": 9.0},
    "checks": [{"name": "row count", "passed": True, "detail": "100 for 100"}],
}
CLEANED = {"endpoint_name": STAGING, "deleted": [f"endpoint/{STAGING}"]}
ERROR = {"Error": "ProdRolledBack", "Cause": f"Endpoint {PROD} is InService on {OLD} and not on {NAME}."}

Recorder = Callable[..., Record]


@pytest.fixture
def record_as(states: Any, hosting: Any, s3: Any, execution: dict[str, Any]) -> Recorder:
    def record_as(outcome: str, state: dict[str, Any]) -> Record:
        event = {"kind": "promotion", "outcome": outcome, "state": state, "execution": execution}
        request = parse_input(event, RecordRunEvent, "RecordRun event")
        settings = RecordRunSettings(
            env="dev", data_bucket=BUCKET, model_package_group="titanic-survival-xgboost"
        )
        return record(request, settings, states=states, sagemaker=hosting, s3=s3)

    return record_as


@pytest.fixture
def tested(promotion_run: Any, candidate: Any) -> dict[str, Any]:
    """The state document at the gate."""
    staging = {"endpoint_name": STAGING, "endpoint_config_name": f"{STAGING}-v7-a6fe0531ae"}
    return {"run": promotion_run, "package": candidate, "staging": staging, "smoke": SMOKE}


@pytest.fixture
def deployed(tested: dict[str, Any]) -> dict[str, Any]:
    """The state document after DeployProd."""
    return tested | {"gate": GATE, "prod": {"endpoint_name": PROD, "endpoint_config_name": NAME}}


def test_a_promotion_leaves_who_asked_who_decided_and_what_is_live(
    record_as: Recorder, deployed: Any, get: Any
) -> None:
    verified = {"endpoint_config_name": NAME, "model_package_arn": "x", "checks": [], "smoke": SMOKE}
    written = record_as("promoted", deployed | {"verification": verified, "clean_up": CLEANED})
    manifest = get("runs/20261121-a6fe0531ae/manifest.json")
    assert manifest == written.manifest
    assert (manifest["decision"], manifest["requested_by"], manifest["gate"]) == ("promoted", "ana", GATE)
    assert manifest["approval"]["by"] == "arn:aws:iam::123456789012:user/ana"
    assert (manifest["git_sha"], manifest["metrics"]["f1"]) == ("0a1b2c3", 0.76)
    assert manifest["failure"] is None
    assert written.notification.subject == f"[dev] Model version 7 is live on {PROD}"
    for words in (
        "approved by ben",
        f"serves {NAME}",
        "version 6",
        "1 of 1 checks",
        f"titanic rollback {PROD}",
    ):
        assert words in written.notification.message
    assert written.summary["endpoint"] == PROD
    assert written.summary["next_command"] == "titanic endpoints"


def test_staging_that_is_left_is_told_with_the_command(record_as: Recorder, deployed: Any) -> None:
    written = record_as("promoted", deployed | {"clean_up_error": {"Error": "ClientError", "Cause": "busy"}})
    assert written.summary["next_command"] == "titanic cleanup staging"
    assert "Staging may still stand" in written.notification.message


def test_a_no_op_is_told_as_one(record_as: Recorder, promotion_run: Any, candidate: Any) -> None:
    written = record_as("already_live", {"run": promotion_run, "package": candidate})
    assert written.notification.subject == "[dev] Nothing to promote: model version 7 is live already"
    assert written.manifest["failure"] is None


def test_a_declined_promotion_says_who_and_why(record_as: Recorder, tested: Any) -> None:
    gate = GATE | {"decision": "declined", "reason": "not before the holidays"}
    written = record_as("declined", tested | {"gate": gate, "clean_up": CLEANED})
    assert written.notification.subject == "[dev] Promotion of model version 7 declined"
    assert "declined by ben at 2026-11-21T08:00:00.000Z" in written.notification.message
    assert "not before the holidays" in written.notification.message
    assert "was not touched" in written.notification.message
    assert (written.manifest["failure"], written.summary["next_command"]) == (None, "titanic promote 7")


@pytest.mark.parametrize("gate", [{"verdict": "fine"}, "fine", {}])
def test_an_answer_of_another_form_is_recorded_all_the_same(
    record_as: Recorder, tested: Any, gate: Any
) -> None:
    written = record_as("declined", tested | {"gate": gate, "clean_up": CLEANED})
    assert "not approved by somebody" in written.notification.message


def test_a_gate_without_an_answer_has_a_cause_of_its_own(record_as: Recorder, tested: Any) -> None:
    timed_out = {"error": {"Error": "States.Timeout", "Cause": ""}, "clean_up": CLEANED}
    written = record_as("gate_timed_out", tested | timed_out)
    assert "docs/runbooks/promotion-stuck-at-the-gate.md" in written.notification.message
    assert written.manifest["failure"] == {
        "state": "RequestApproval",
        "step": None,
        "error": "GateTimedOut",
        "cause": "nobody confirmed or declined in time, so prod stays as it is",
    }
    assert "not confirmed in time" in written.notification.subject


@pytest.mark.parametrize(
    ("prod", "config", "words"),
    [
        ("restored", OLD, f"is back on {OLD}"),
        ("removed", None, "is gone: there was none before this promotion"),
    ],
)
def test_a_rollback_says_why_and_what_prod_serves_again(
    *, record_as: Recorder, deployed: Any, states: Any, prod: str, config: str | None, words: str
) -> None:
    states.visit("ProdRolledBack", "Pass")
    rollback = {"status": "rolled_back", "prod": prod, "endpoint_config_name": config, "started_at": "x"}
    taken_back = {"EndpointStatus": "InService", "FailureReason": "alarms went off: prod-errors"}
    ended = {"error": ERROR, "prod_status": taken_back, "rollback": rollback, "clean_up": CLEANED}
    written = record_as("rolled_back", deployed | ended)
    assert written.manifest["failure"]["cause"].endswith("alarms went off: prod-errors")
    assert written.notification.subject == "[dev] Promotion of model version 7 rolled back: ProdRolledBack"
    assert words in written.notification.message
    assert written.manifest["failure"]["state"] == "ProdRolledBack"
    assert "docs/runbooks/regression-after-promotion.md" in written.notification.message
    assert written.manifest["decision"] == "rolled_back"


@pytest.mark.parametrize("prod", ["gone", "overtaken", "untouched"])
def test_a_failure_with_nothing_to_roll_back_says_how_prod_stands(
    record_as: Recorder, deployed: Any, prod: str
) -> None:
    rollback = {
        "status": "nothing_to_roll_back",
        "prod": prod,
        "endpoint_config_name": "c",
        "started_at": "x",
    }
    written = record_as("failed", deployed | {"error": ERROR, "rollback": rollback, "clean_up": CLEANED})
    assert re.search(rf"^Prod: +{PROD} was", written.notification.message, re.MULTILINE)
    assert written.summary["next_command"] == "titanic endpoints"
    assert written.manifest["decision"] is None


def test_a_failed_rollback_is_shouted(record_as: Recorder, deployed: Any) -> None:
    cause = json.dumps({"errorType": "RollbackFailed", "errorMessage": f"not back on {OLD}"})
    rollback_error = {"Error": "RollbackFailed", "Cause": cause}
    state = deployed | {"error": ERROR, "rollback": {"started_at": "x"}, "rollback_error": rollback_error}
    message = record_as("failed", state | {"clean_up": CLEANED}).notification.message
    assert (
        f"Prod is NOT known to be well. Rolling it back failed: RollbackFailed: not back on {OLD}" in message
    )
    assert "titanic endpoints" in message


def test_a_failed_endpoint_is_told_with_sagemakers_reason(
    record_as: Recorder, tested: Any, states: Any
) -> None:
    states.visit("StagingFailed", "Pass")
    state = tested | {
        "error": {"Error": "StagingFailed", "Cause": f"Endpoint {STAGING} ended as Failed."},
        "staging_status": {"EndpointStatus": "Failed", "FailureReason": "model.tar.gz is not a gzip file."},
        "clean_up": CLEANED,
    }
    failure = record_as("failed", state).manifest["failure"]
    assert (failure["state"], failure["error"]) == ("StagingFailed", "StagingFailed")
    assert failure["cause"].endswith("ended as Failed. model.tar.gz is not a gzip file.")


def test_a_failure_never_touches_the_version(record_as: Recorder, promotion_run: Any, hosting: Any) -> None:
    error = {"Error": "ModelNotApproved", "Cause": "it is Rejected"}
    written = record_as("failed", {"run": promotion_run, "error": error})
    assert hosting.calls == []
    assert written.manifest["arns"]["model_package"] == promotion_run["model_package_arn"]
    assert f"{PROD} was not touched" in written.notification.message


def test_a_refused_input_is_recorded_without_a_run(record_as: Recorder, states: Any) -> None:
    states.visit("InitRun", failed=True)
    written = record_as("failed", {"error": {"Error": "InvalidInput", "Cause": "is a list"}})
    assert written.notification.subject == "[dev] Promotion failed at InitRun: InvalidInput"
