"""`runs/<run_id>/data_report.json`, which the prepare job leaves: rows in, out and set aside, and a hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.common import s3 as storage
from functions.common.clients import Client
from functions.common.errors import DataReportNotFound
from functions.common.s3 import S3Uri

DataReport = Mapping[str, Any]


def read_data_report(s3: Client, uri: S3Uri) -> DataReport | None:
    """The report, or None where the run did not get that far."""
    report: DataReport | None = storage.read_json(s3, uri)
    return report


def require_data_report(s3: Client, uri: str) -> DataReport:
    """The report of a run that prepared its data. Raises `DataReportNotFound`."""
    report = read_data_report(s3, S3Uri.parse(uri))
    if report is None:
        raise DataReportNotFound(
            f"There is no {uri}, so the run's data cannot be named: "
            "look at the prepare job, then start again."
        )
    return report
