"""What monitoring found about the requests to prod: reports of its jobs, and starting one now."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ops.endpoints import PROD, endpoint_name
from ops.errors import MonitoringFailed, NotDeployed
from ops.runs import iso
from ops.target import Target

REPORTS = "monitoring/reports"
FUNCTION = "start_monitoring"
STARTED = "started"
FINAL = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True)
class MonitoringReport:
    """One report: whose requests of which day, how many rows they had, and what is wrong with them."""

    endpoint: str
    day: str
    job: str
    made_at: datetime
    uri: str
    rows: int
    violations: tuple[dict[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "made_at": iso(self.made_at)}


def latest_reports(target: Target, limit: int) -> list[MonitoringReport]:
    """The newest reports on prod, the newest first."""
    bucket = target.names["data_bucket"]
    prefix = f"{REPORTS}/{endpoint_name(target, PROD)}/"
    pages = target.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    found = [item for page in pages for item in page.get("Contents", [])]
    reports = [item for item in found if item["Key"].endswith("/constraint_violations.json")]
    newest = sorted(reports, key=lambda item: item["LastModified"], reverse=True)[:limit]
    return [_report(target, item) for item in newest]


def monitor_now(target: Target, day: date | None = None) -> dict[str, Any]:
    """Looks at one day, today unless said otherwise: what the function answered, once its job is done.

    Raises `MonitoringFailed`, `NotDeployed`.
    """
    started = start(target, (day or datetime.now(UTC).date()).isoformat())
    if started["outcome"] == STARTED:
        wait_for_job(target, started["job_name"])
    return started


def start(target: Target, day: str) -> dict[str, Any]:
    """What the function answers: see `functions/start_monitoring`."""
    from botocore.exceptions import ClientError

    name = target.names.function(FUNCTION)
    asked_at = datetime.now(UTC).isoformat()  # so that a day may be looked at again
    payload = json.dumps({"day": day, "scheduled_time": asked_at})
    try:
        answer = target.client("lambda").invoke(FunctionName=name, Payload=payload)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        raise NotDeployed(f"There is no function {name} in {target.label}: deploy the project.") from error
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise MonitoringFailed(f"{name} refused: {said.get('errorMessage')}")
    return said


def wait_for_job(target: Target, name: str) -> None:
    """Returns when the job has completed. Raises `MonitoringFailed`."""
    while True:
        job = target.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        if job["ProcessingJobStatus"] in FINAL:
            break
        time.sleep(target.poll_seconds)
    if job["ProcessingJobStatus"] != "Completed":
        raise MonitoringFailed(
            f"Job {name} is {job['ProcessingJobStatus']}: {job.get('FailureReason', 'no reason was given')}"
        )


def _report(target: Target, item: dict[str, Any]) -> MonitoringReport:
    """The key ends in `<endpoint>/yyyy/mm/dd/<job>/constraint_violations.json`."""
    endpoint, year, month, day, job, _ = item["Key"].rsplit("/", 5)
    folder = item["Key"].rpartition("/")[0]
    return MonitoringReport(
        endpoint=endpoint.rpartition("/")[2],
        day=f"{year}-{month}-{day}",
        job=job,
        made_at=item["LastModified"],
        uri=f"s3://{target.names['data_bucket']}/{folder}",
        rows=_read(target, f"{folder}/statistics.json")["dataset"]["item_count"],
        violations=tuple(_read(target, item["Key"])["violations"]),
    )


def _read(target: Target, key: str) -> Any:
    stored = target.client("s3").get_object(Bucket=target.names["data_bucket"], Key=key)
    return json.loads(stored["Body"].read())
