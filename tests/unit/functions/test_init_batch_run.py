from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.common.batch_run import BatchRun
from functions.common.errors import InvalidInput, SourceNotFound
from functions.common.inputs import parse_input
from functions.init_run.settings import InitRunSettings
from functions.init_run.start_run import InitRunEvent, start_run

BUCKET = "titanic-sagemaker-dev-123456789012"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-batch-inference:first"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:titanic-sagemaker-dev-batch-inference"
SETTINGS = InitRunSettings(
    env="dev",
    data_bucket=BUCKET,
    source_uri=f"s3://{BUCKET}/raw/titanic.csv",
    code_bundle_uri=f"s3://{BUCKET}/pipeline/code/0a1b2c3/pipeline_code.tar.gz",
    accuracy_threshold=0.78,
    f1_threshold=0.7,
    auc_threshold=0.8,
    training_deadline_seconds=10800,
    batch_source_uri=f"s3://{BUCKET}/raw/new_passengers/",
    drift_threshold=0.2,
    model_package_group="titanic-survival-xgboost",
    staging_endpoint="titanic-survival-staging",
    prod_endpoint="titanic-survival-prod",
    instance_type="ml.m5.large",
    instance_count=1,
    canary_percent=10,
    bake_seconds=300,
)


@pytest.fixture
def init(s3: Any) -> Callable[..., BatchRun]:
    """Runs InitRun for a batch. There is no Step Functions client: a batch asks for no other run."""

    def init(execution_input: Any, name: str = "first") -> Any:
        execution = {
            "id": ARN.replace(":first", f":{name}"),
            "name": name,
            "start_time": "2026-11-21T23:54:22.123Z",
            "state_machine_id": MACHINE,
        }
        event = {"kind": "batch_inference", "input": execution_input, "execution": execution}
        return start_run(parse_input(event, InitRunEvent, "event"), SETTINGS, s3=s3, states=None)

    return init


@pytest.fixture
def delivered(put: Callable[..., str]) -> str:
    """New passengers, where they are expected."""
    return put("raw/new_passengers/2026-11-21.csv", "PassengerId\n892\n")


def test_an_empty_input_gets_every_default_and_a_place_of_its_own(init: Any, delivered: str) -> None:
    run = init({})
    assert run.run_id.startswith("20261121-")
    assert run.model_dump() == {
        "run_id": run.run_id,
        "run_date": "2026-11-21",
        "kind": "batch_inference",
        "execution_arn": ARN,
        "started_at": "2026-11-21T23:54:22.123Z",
        "source_uri": f"s3://{BUCKET}/raw/new_passengers/",
        "inference_uri": f"s3://{BUCKET}/curated/runs/{run.run_id}/inference/",
        "data_report_uri": f"s3://{BUCKET}/runs/{run.run_id}/data_report.json",
        "transform_output_uri": f"s3://{BUCKET}/runs/{run.run_id}/transform/",
        "prediction_check_uri": f"s3://{BUCKET}/runs/{run.run_id}/prediction_check.json",
        "predictions_uri": f"s3://{BUCKET}/predictions/run_date=2026-11-21/run_id={run.run_id}/",
        "drift_threshold": 0.2,
    }


def test_a_retry_names_everything_the_same_and_another_execution_nothing(init: Any, delivered: str) -> None:
    assert init({}) == init({})
    first, second = init({}, "first"), init({}, "second")
    for name in ("run_id", "inference_uri", "transform_output_uri", "predictions_uri"):
        assert getattr(first, name) != getattr(second, name)


def test_the_transform_jobs_name_fits_into_what_sagemaker_takes(init: Any, delivered: str) -> None:
    assert len(f"batch-{init({}).run_id}") <= 63


def test_a_late_run_lies_under_its_scheduled_date(init: Any, delivered: str) -> None:
    run = init({"scheduled_time": "2026-11-16T06:00:00Z"})
    assert run.predictions_uri == f"s3://{BUCKET}/predictions/run_date=2026-11-16/run_id={run.run_id}/"
    assert run.started_at == "2026-11-21T23:54:22.123Z"


@pytest.mark.parametrize("threshold", [0, 0.1, 7])
def test_a_batch_may_be_one_file_judged_by_its_own_threshold(
    init: Any, delivered: str, threshold: float
) -> None:
    run = init({"source_uri": delivered, "drift_threshold": threshold})
    assert (run.source_uri, run.drift_threshold) == (delivered, threshold)


@pytest.mark.parametrize(
    ("execution_input", "words"),
    [
        ({"drift_treshold": 1}, ["unknown key 'drift_treshold'", "did you mean 'drift_threshold'?"]),
        ({"accuracy_threshold": 0.8}, ["unknown key 'accuracy_threshold'"]),
        ({"approval": "auto"}, ["unknown key 'approval'"]),
        ({"drift_threshold": "0.2"}, ["'drift_threshold' is a string", "a number of at least 0"]),
        ({"drift_threshold": -0.1}, ["'drift_threshold' is a number (-0.1)", "a number of at least 0"]),
        ({"drift_threshold": float("inf")}, ["'drift_threshold' is a number (Infinity)"]),
        ({"drift_threshold": True}, ["'drift_threshold' is a boolean"]),
        ({"source_uri": "s3://elsewhere/raw/x"}, ["'source_uri'", f"under s3://{BUCKET}/raw/"]),
        ({"source_uri": f"s3://{BUCKET}/curated/train.csv"}, ["'source_uri'", f"under s3://{BUCKET}/raw/"]),
        ({"scheduled_time": "2026-11-16"}, ["'scheduled_time'", "time zone"]),
        ([], ["Execution input is a list", "drift_threshold"]),
        (None, ["Execution input is null"]),
    ],
)
def test_wrong_input_is_refused_with_its_key_type_and_what_is_allowed(
    init: Any, delivered: str, execution_input: Any, words: list[str]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        init(execution_input)
    for word in words:
        assert word in str(caught.value)


def test_no_new_passengers_is_said_before_anything_starts(init: Any, put: Callable[..., str]) -> None:
    put("raw/new_passengers/", "")  # what the console makes of "create folder"
    with pytest.raises(SourceNotFound, match=f"s3://{BUCKET}/raw/new_passengers/"):
        init({})


def test_a_machine_that_nobody_knows_is_refused() -> None:
    execution = {
        "id": ARN,
        "name": "first",
        "start_time": "2026-11-21T06:00:00Z",
        "state_machine_id": MACHINE,
    }
    event = {"kind": "divination", "input": {}, "execution": execution}
    with pytest.raises(InvalidInput, match=json.dumps("divination")):
        parse_input(event, InitRunEvent, "event")
