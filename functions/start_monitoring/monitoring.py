"""Starts the Processing job that holds a day of captured requests against the baseline of the version served.

It does what an execution of a SageMaker Model Monitor schedule does, in the same files, because accounts that
never had Model Monitor cannot get it any more (docs/adr/0011). The job is `pipeline_code/monitor.py`. Its
baseline is that of the version that serves when it starts: the day of a promotion is judged by the new one.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from functions.common.clients import Client
from functions.common.endpoints import VARIANT, find_endpoint, package_of_config
from functions.common.errors import InvalidInput
from functions.common.inputs import StrictModel
from functions.common.instants import parse_instant
from functions.common.registry import describe_package, evaluation_folder
from functions.common.settings import Settings

Outcome = Literal["started", "no_endpoint", "no_requests", "no_baseline"]

INPUT, REPORT = "/opt/ml/processing/input", "/opt/ml/processing/output/report"
UNPACK = (
    "cd /opt/ml/processing && mkdir -p src && tar -xzf input/code/*.tar.gz -C src"
    ' && exec python3 "src/pipeline/code/$0" "$@"'
)
MOST_SECONDS = 3600
DISK_GIGABYTES = 20


class StartMonitoringEvent(StrictModel):
    """What the schedule sends, or who wants a certain day looked at."""

    scheduled_time: str | None = Field(
        default=None, description="the instant it was due, as EventBridge Scheduler writes it"
    )
    day: str | None = Field(default=None, description="the day to look at in UTC, like 2026-11-21")


class StartMonitoringSettings(Settings):
    """What the job runs as, on and with."""

    code_bundle_uri: str
    image_uri: str
    instance_type: str
    job_prefix: str
    monitor_role_arn: str
    prod_endpoint: str


class Started(StrictModel):
    """What came of it; `reason` says it in words. A job that was started has a name and a report."""

    outcome: Outcome
    reason: str
    job_name: str | None = None
    report_uri: str | None = None


def start_monitoring(
    event: StartMonitoringEvent, settings: StartMonitoringSettings, *, sagemaker: Client, s3: Client
) -> Started:
    """Raises `InvalidInput`, `ModelPackageNotFound`. Started twice for one event, there is one job."""
    day, endpoint = monitored_day(event), settings.prod_endpoint
    found = find_endpoint(sagemaker, endpoint)
    if found is None:
        return Started(outcome="no_endpoint", reason=f"There is no endpoint {endpoint}.")
    captured = f"monitoring/data-capture/{endpoint}/{VARIANT}/{day:%Y/%m/%d}/"
    if not _has_objects(s3, settings.data_bucket, captured):
        return Started(outcome="no_requests", reason=f"{endpoint} was asked nothing on {day}.")
    package = package_of_config(sagemaker, found["EndpointConfigName"])
    baseline = evaluation_folder(describe_package(sagemaker, package)) if package else None
    if baseline is None:
        return Started(outcome="no_baseline", reason=f"What {endpoint} serves was never evaluated here.")
    request = job_request(event, settings, f"s3://{settings.data_bucket}/{captured}", baseline, day)
    _create(sagemaker, request)
    return Started(
        outcome="started",
        reason=f"The requests of {day} are being compared with {baseline}.",
        job_name=request["ProcessingJobName"],
        report_uri=request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"],
    )


def monitored_day(event: StartMonitoringEvent) -> date:
    """The day that was asked for, else the one before the schedule was due. Raises `InvalidInput`."""
    try:
        if event.day is not None:
            return date.fromisoformat(event.day)
        if event.scheduled_time is not None:
            return parse_instant(event.scheduled_time).date() - timedelta(days=1)
    except ValueError as error:
        raise InvalidInput(f"StartMonitoring event: {error}.") from None
    raise InvalidInput("StartMonitoring event: give scheduled_time or day.")


def job_request(
    event: StartMonitoringEvent, settings: StartMonitoringSettings, captured: str, baseline: str, day: date
) -> dict[str, Any]:
    """CreateProcessingJob's. The name follows from the event, so that a retry makes no second job."""
    asked = hashlib.sha256(event.model_dump_json().encode()).hexdigest()[:10]
    name = f"{settings.job_prefix}-{day:%Y%m%d}-{asked}"
    report = f"s3://{settings.data_bucket}/monitoring/reports/{settings.prod_endpoint}/{day:%Y/%m/%d}/{name}"
    options = {
        "endpoint": settings.prod_endpoint,
        "captured": f"{INPUT}/captured",
        "baseline": f"{INPUT}/baseline",
        "report": REPORT,
        "message-file": "/opt/ml/output/message",
    }
    inputs = {"code": settings.code_bundle_uri, "captured": captured, "baseline": f"{baseline}/"}
    return {
        "ProcessingJobName": name,
        "RoleArn": settings.monitor_role_arn,
        "AppSpecification": {
            "ImageUri": settings.image_uri,
            "ContainerEntrypoint": ["/bin/bash", "-c", UNPACK, "monitor.py"],
            "ContainerArguments": [word for key, value in options.items() for word in (f"--{key}", value)],
        },
        "ProcessingInputs": [_input(key, uri) for key, uri in inputs.items()],
        "ProcessingOutputConfig": {"Outputs": [_output("report", report)]},
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": settings.instance_type,
                "VolumeSizeInGB": DISK_GIGABYTES,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": MOST_SECONDS},
    }


def _input(name: str, uri: str) -> dict[str, Any]:
    source = {
        "S3Uri": uri,
        "LocalPath": f"{INPUT}/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": source}


def _output(name: str, uri: str) -> dict[str, Any]:
    target = {"S3Uri": uri, "LocalPath": REPORT, "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "S3Output": target}


def _create(sagemaker: Client, request: dict[str, Any]) -> None:
    try:
        sagemaker.create_processing_job(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUse":
            raise


def _has_objects(s3: Client, bucket: str, prefix: str) -> bool:
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))
