from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.common.errors import RollbackFailed
from functions.common.inputs import parse_input
from functions.common.promotion_run import Rollback
from functions.common.serving_history import ServingHistory
from functions.common.settings import Settings
from functions.roll_back_endpoint.rollback import PATIENCE_SECONDS, RollBackEndpointEvent, roll_back

BUCKET = "titanic-sagemaker-dev-123456789012"
PROD = "titanic-survival-prod"
NAME, OLD = f"{PROD}-v7-a6fe0531ae", f"{PROD}-v6-0000000000"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
STARTED = datetime(2026, 11, 21, 8, tzinfo=UTC)

RollBack = Callable[..., Rollback]


@pytest.fixture
def history(s3: Any) -> ServingHistory:
    return ServingHistory(s3, BUCKET, PROD)


@pytest.fixture
def requested(history: ServingHistory, promotion_run: Any) -> Callable[..., None]:
    """The run's deployment, as DeployProd wrote it down before it touched prod."""

    def requested(previous: str | None = OLD) -> None:
        run_id = promotion_run["run_id"]
        entry = {"run_id": run_id, "endpoint_config_name": NAME, "previous_endpoint_config_name": previous}
        history.request(entry)

    return requested


@pytest.fixture
def go_back(hosting: Any, s3: Any, promotion_run: Any) -> RollBack:
    def go_back(seconds: int = 0) -> Rollback:
        error = {"Error": "VerificationFailed", "Cause": '{"errorType": "X", "errorMessage": "too slow"}'}
        event = {"run": promotion_run, "error": error, "started_at": "2026-11-21T08:00:00.000Z"}
        request = parse_input(event, RollBackEndpointEvent, "RollBackEndpoint event")
        settings, now = Settings(env="dev", data_bucket=BUCKET), STARTED + timedelta(seconds=seconds)
        return roll_back(request, settings, sagemaker=hosting, s3=s3, now=now)

    return go_back


def test_prod_goes_back_to_the_configuration_before_and_the_reason_is_kept(
    *, go_back: RollBack, requested: Any, hosting: Any, history: Any
) -> None:
    requested()
    hosting.serve(PROD, NAME, ARN)
    assert (go_back().status, hosting.did()) == ("rolling_back", ["UpdateEndpoint"])
    assert go_back(30).prod == "restoring", "in progress: nothing to do but wait"
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6")
    done = go_back(60)
    assert (done.status, done.prod, done.endpoint_config_name) == ("rolled_back", "restored", OLD)
    assert done.started_at == "2026-11-21T08:00:00.000Z"
    assert hosting.did() == ["UpdateEndpoint"]
    [entry] = history.deployments()
    assert (entry["outcome"], entry["reason"]) == ("rolled_back", "X: too slow.")


def test_what_sagemaker_took_back_by_itself_is_restored_already(
    go_back: RollBack, requested: Any, hosting: Any, history: Any
) -> None:
    requested()
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6", FailureReason="Alarms went off: prod-errors")
    assert (go_back().prod, hosting.did()) == ("restored", [])
    assert history.deployments()[0]["reason"] == "X: too slow. Alarms went off: prod-errors"


@pytest.mark.parametrize("status", ["InService", "Failed"])
def test_a_first_deployment_is_removed_because_there_is_nothing_before_it(
    *, go_back: RollBack, requested: Any, hosting: Any, history: Any, status: str
) -> None:
    requested(previous=None)
    hosting.serve(PROD, NAME, ARN, status)
    for _retry in range(2):
        done = go_back()
        assert (done.status, done.prod, done.endpoint_config_name) == ("rolled_back", "removed", None)
    assert hosting.did() == ["DeleteEndpoint"]
    assert history.deployments()[0]["outcome"] == "removed"


def test_prod_that_was_never_touched_is_left_alone(go_back: RollBack, hosting: Any) -> None:
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6", "Updating")
    done = go_back()
    assert (done.status, done.prod) == ("nothing_to_roll_back", "untouched")
    assert hosting.did() == []


def test_an_update_that_was_refused_has_touched_nothing(
    *, go_back: RollBack, requested: Any, hosting: Any, history: Any, promotion_run: Any
) -> None:
    requested()
    history.settle(promotion_run["run_id"], "refused", "2026-11-21T07:00:00.000Z", "no such alarm")
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6")
    assert go_back().prod == "untouched"


def test_prod_deleted_under_our_feet_is_not_made_again(
    *, go_back: RollBack, requested: Any, hosting: Any, history: Any
) -> None:
    requested()
    done = go_back()
    assert (done.status, done.prod) == ("nothing_to_roll_back", "gone")
    assert hosting.did() == []
    assert history.deployments()[0]["outcome"] == "gone"


def test_a_configuration_of_somebody_elses_is_not_overwritten(
    go_back: RollBack, requested: Any, hosting: Any
) -> None:
    requested()
    hosting.serve(PROD, "repaired-by-hand", ARN)
    done = go_back()
    assert (done.status, done.prod, done.endpoint_config_name) == (
        "nothing_to_roll_back",
        "overtaken",
        "repaired-by-hand",
    )
    assert hosting.did() == []


@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed", "OutOfService"])
def test_an_endpoint_that_can_only_be_deleted_needs_a_person(
    *, go_back: RollBack, requested: Any, hosting: Any, status: str
) -> None:
    requested()
    hosting.serve(PROD, OLD, f"{ARN[:-1]}6", status, FailureReason="no capacity")
    with pytest.raises(RollbackFailed, match=rf"{status} \(no capacity\).*{OLD}"):
        go_back()
    assert hosting.did() == []


def test_a_rollback_that_takes_too_long_needs_a_person(
    go_back: RollBack, requested: Any, hosting: Any
) -> None:
    requested()
    hosting.serve(PROD, NAME, ARN, "Updating")
    assert go_back(PATIENCE_SECONDS).status == "rolling_back"
    with pytest.raises(RollbackFailed, match="after 45 minutes"):
        go_back(PATIENCE_SECONDS + 1)
