"""An endpoint to break: the one that is there, else one made of the newest approved version for the drill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from ops.drills import what_if
from ops.endpoints import CSV, delete_endpoint, find_endpoint, invoke, refuse_while_changing, settle
from ops.errors import DrillImpossible, ModelRefused
from ops.registry import list_versions
from ops.target import Target

ROW = b"3,0,22,1,0,7.25,2\n"
MANY = 250_000  # rows: most of the six megabytes that a request may have
HELD_REQUESTS, LOST_REQUESTS = 20, 4
VARIANT = "AllTraffic"
CAPTURE = "monitoring/data-capture"
INSTANCE = "ml.m5.large"


@contextmanager
def borrowed(target: Target, name: str, *, capture: bool = False) -> Iterator[None]:
    """The endpoint in service. One that was made for this is gone afterwards."""
    found = find_endpoint(target, name)
    if found:
        refuse_while_changing(found)
        if capture and not found.captures:
            raise DrillImpossible(f"{name} keeps nothing of what it is asked. One that was promoted does.")
        yield
        return
    sagemaker, made = target.client("sagemaker"), f"drill-{name}"
    package = _approved(target, name)
    role = target.names.role_arn("model")
    sagemaker.create_model(
        ModelName=made, PrimaryContainer={"ModelPackageName": package}, ExecutionRoleArn=role
    )
    try:
        variant = {
            "VariantName": VARIANT,
            "ModelName": made,
            "InstanceType": INSTANCE,
            "InitialInstanceCount": 1,
        }
        kept = {"DataCaptureConfig": _capture(target)} if capture else {}
        sagemaker.create_endpoint_config(EndpointConfigName=made, ProductionVariants=[variant], **kept)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=made)
        settle(target, name)
        yield
    finally:
        _remove(target, name, made)


def ask_while_held(target: Target, endpoint: str, seconds: float) -> None:
    """Requests that hanging containers get: they are late."""
    what_if.hold_containers(target, endpoint, seconds)
    _ask_at_once(target, endpoint, ROW, HELD_REQUESTS)


def ask_while_dying(target: Target, endpoint: str, seconds: float) -> None:
    """Requests that keep containers busy until they die of something else: some are lost."""
    what_if.kill_containers(target, endpoint, seconds)
    _ask_at_once(target, endpoint, ROW * MANY, LOST_REQUESTS)


def ask_and_capture(target: Target, endpoint: str, body: bytes, drill: str) -> None:
    """Asks once, and returns when that has arrived among what the endpoint captures."""
    target.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=body, ContentType=CSV, InferenceId=drill
    )
    while not _captured(target, endpoint, drill):
        time.sleep(target.poll_seconds)


def forget_captured(target: Target, endpoint: str, drill: str) -> None:
    """Deletes the drill's own requests from what the endpoint captured."""
    s3, bucket = target.client("s3"), target.names["data_bucket"]
    for key, records in _captured(target, endpoint, drill).items():
        others = [record for record in records if not _is_of(record, drill)]
        if others:
            s3.put_object(Bucket=bucket, Key=key, Body="".join(f"{record}\n" for record in others).encode())
        else:
            s3.delete_object(Bucket=bucket, Key=key)


def forget_report(target: Target, uri: str) -> None:
    """Deletes a monitoring report."""
    s3, bucket = target.client("s3"), target.names["data_bucket"]
    prefix = uri.split("/", 3)[3]
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=item["Key"])


def _captured(target: Target, endpoint: str, drill: str) -> dict[str, list[str]]:
    """The records of each file of today that has one of the drill."""
    s3, bucket = target.client("s3"), target.names["data_bucket"]
    prefix = f"{CAPTURE}/{endpoint}/{VARIANT}/{datetime.now(UTC):%Y/%m/%d}/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    files = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines() for key in keys}
    return {key: records for key, records in files.items() if any(_is_of(each, drill) for each in records)}


def _is_of(record: str, drill: str) -> bool:
    return bool(json.loads(record)["eventMetadata"].get("inferenceId") == drill)


def _capture(target: Target) -> dict[str, Any]:
    """As a promotion has prod capture."""
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{target.names['data_bucket']}/{CAPTURE}",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }


def _ask_at_once(target: Target, endpoint: str, body: bytes, requests: int) -> None:
    with ThreadPoolExecutor(requests) as pool:
        list(pool.map(lambda _: _ask(target, endpoint, body), range(requests)))


def _ask(target: Target, endpoint: str, body: bytes) -> None:
    with suppress(ModelRefused):
        invoke(target, endpoint, body, CSV)


def _approved(target: Target, endpoint: str) -> str:
    versions, _ = list_versions(target, 0)
    approved = [version.arn for version in versions if version.status == "Approved"]
    if not approved:
        raise DrillImpossible(
            f"There is no endpoint {endpoint}, and no approved version to make one of for the drill: "
            "`titanic train` and `titanic approve VERSION` give one."
        )
    return approved[0]


def _remove(target: Target, name: str, made: str) -> None:
    from botocore.exceptions import ClientError

    sagemaker = target.client("sagemaker")
    if find_endpoint(target, name):
        settle(target, name)
        delete_endpoint(target, name)
    with suppress(ClientError):  # it was never made
        sagemaker.delete_endpoint_config(EndpointConfigName=made)
    sagemaker.delete_model(ModelName=made)
