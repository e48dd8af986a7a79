from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.errors import InvalidInput
from functions.start_monitoring.monitoring import (
    Started,
    StartMonitoringEvent,
    StartMonitoringSettings,
    start_monitoring,
)
from ops.names import ROOT

PROD, NAME = "titanic-survival-prod", "titanic-survival-prod-v7-a6fe0531ae"
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"
EVALUATION = "s3://b/pipeline/runtime/x/evaluation"
SETTINGS = StartMonitoringSettings(
    env="dev",
    data_bucket="b",
    code_bundle_uri="s3://b/pipeline/code/abc/pipeline_code.tar.gz",
    image_uri="image",
    instance_type="ml.m5.large",
    job_prefix="titanic-sagemaker-dev-monitor",
    monitor_role_arn="arn:aws:iam::123456789012:role/titanic-sagemaker-dev-monitor",
    prod_endpoint=PROD,
)


class Captured:
    """S3 with requests captured on one day."""

    def __init__(self, prefix: str | None) -> None:
        self.prefix = prefix

    def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        return {"KeyCount": int(request["Prefix"] == self.prefix)}


class Jobs:
    """The hosting of a test, and the jobs that were asked for."""

    def __init__(self, hosting: Any, error: str | None = None) -> None:
        self._hosting, self._error = hosting, error
        self.created: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hosting, name)

    def create_processing_job(self, **request: Any) -> None:
        self.created.append(request)
        if self._error:
            raise ClientError({"Error": {"Code": self._error, "Message": ""}}, "CreateProcessingJob")


@pytest.fixture
def jobs(hosting: Any) -> Jobs:
    hosting.serve(PROD, NAME, PACKAGE)
    quality = {"Statistics": {"S3Uri": f"{EVALUATION}/evaluation.json"}}
    hosting.packages[PACKAGE]["ModelMetrics"] = {"ModelQuality": quality}
    return Jobs(hosting)


def look(jobs: Any, captured: str = "2026/11/20", **event: str) -> Started:
    prefix = f"monitoring/data-capture/{PROD}/AllTraffic/{captured}/"
    asked = StartMonitoringEvent(**(event or {"scheduled_time": "2026-11-21T05:00:00Z"}))
    return start_monitoring(asked, SETTINGS, sagemaker=jobs, s3=Captured(prefix))  # type: ignore[arg-type]


def test_the_day_before_is_compared_with_the_baseline_of_what_serves(jobs: Jobs) -> None:
    started = look(jobs)
    [request] = jobs.created
    assert started.outcome == "started"
    assert started.job_name == request["ProcessingJobName"]
    inputs = {each["InputName"]: each["S3Input"]["S3Uri"] for each in request["ProcessingInputs"]}
    assert inputs["captured"] == f"s3://b/monitoring/data-capture/{PROD}/AllTraffic/2026/11/20/"
    assert inputs["baseline"] == f"{EVALUATION}/"
    [output] = request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == started.report_uri
    assert f"monitoring/reports/{PROD}/2026/11/20/" in str(started.report_uri)


def test_a_day_may_be_named(jobs: Jobs) -> None:
    assert look(jobs, "2026/11/21", day="2026-11-21").outcome == "started"


def test_the_same_event_names_the_same_job(jobs: Jobs) -> None:
    taken = Jobs(jobs._hosting, error="ResourceInUse")
    assert look(taken).job_name == look(jobs).job_name


def test_another_refusal_goes_on(jobs: Jobs) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        look(Jobs(jobs._hosting, error="AccessDeniedException"))


def test_without_an_endpoint_there_is_nothing_to_look_at(hosting: Any) -> None:
    assert look(Jobs(hosting)).outcome == "no_endpoint"


def test_without_requests_there_is_nothing_to_look_at(jobs: Jobs) -> None:
    assert look(jobs, "2026/11/01").outcome == "no_requests"


def test_a_version_that_was_never_evaluated_has_no_baseline(jobs: Jobs, hosting: Any) -> None:
    del hosting.packages[PACKAGE]["ModelMetrics"]
    assert look(jobs).outcome == "no_baseline"
    assert jobs.created == []


@pytest.mark.parametrize("event", [{"day": "yesterday"}, {"scheduled_time": "2026-11-21"}])
def test_a_time_that_is_none_is_refused(jobs: Jobs, event: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        look(jobs, **event)


def test_neither_a_time_nor_a_day_is_refused(jobs: Jobs) -> None:
    with pytest.raises(InvalidInput, match="give scheduled_time or day"):
        start_monitoring(StartMonitoringEvent(), SETTINGS, sagemaker=jobs, s3=Captured(None))  # type: ignore[arg-type]


def test_the_image_is_that_of_the_pipeline() -> None:
    functions = json.loads((ROOT / "functions/functions.json").read_text(encoding="utf-8"))["functions"]
    image = functions["start_monitoring"]["environment"]["IMAGE_URI"].replace("${region}", "eu-west-1")
    definition = (ROOT / "terraform/03_sagemaker_pipeline/pipeline_definition.json.tpl").read_text()
    assert f'"{image}"' in definition
