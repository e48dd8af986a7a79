"""What a batch inference run made: predictions, and how far the batch had moved from the training data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.target import Target

HEAD_ROWS = 5
_HEAD_BYTES = 1024
"""More than the header and `HEAD_ROWS` lines of id and probability take."""


@dataclass(frozen=True)
class Predictions:
    """A published set. `head` has the first rows as they are in the file, the header first."""

    uri: str
    rows: int
    is_latest: bool
    head: Sequence[Sequence[str]] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "head": [list(row) for row in self.head]}


@dataclass(frozen=True)
class Shift:
    """The population stability index of one variable. `noise` is what a batch of this size shows anyway."""

    variable: str
    psi: float
    noise: float
    above: bool


@dataclass(frozen=True)
class Drift:
    """The batch against the model's validation data; `reason` says why where it could not be compared."""

    threshold: float
    above_threshold: bool
    reason: str | None
    shifts: Sequence[Shift] = ()

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "shifts": [vars(shift) for shift in self.shifts]}


def read_predictions(target: Target, data: Mapping[str, Any]) -> Predictions | None:
    """The set that a run published. `data` is the machine's document or, of an older run, the manifest."""
    found = (data.get("predictions") or {}) | (data.get("publication") or {})
    uri = found.get("predictions_uri")
    return Predictions(uri, found["rows"], found["is_latest"], read_head(target, uri)) if uri else None


def parse_drift(data: Mapping[str, Any]) -> Drift | None:
    """What CheckPredictions found, the variable that moved furthest first."""
    found = (data.get("predictions") or {}).get("drift") or data.get("drift")
    if not found:
        return None
    measured = {"score": found["score"]} | found["features"]
    shifts = [Shift(name, m["psi"], m["noise"], m["above"]) for name, m in measured.items() if m]
    return Drift(
        threshold=found["threshold"],
        above_threshold=found["above_threshold"],
        reason=found["reason"],
        shifts=sorted(shifts, key=lambda shift: -shift.psi),
    )


def read_head(target: Target, folder_uri: str) -> list[list[str]]:
    """Header and first rows of the first file in a folder of predictions; few bytes are read."""
    bucket, prefix = folder_uri.removeprefix("s3://").split("/", 1)
    s3 = target.client("s3")
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    first = min((item["Key"] for item in listed if item["Key"].endswith(".csv")), default=None)
    if first is None:
        return []
    body = s3.get_object(Bucket=bucket, Key=first, Range=f"bytes=0-{_HEAD_BYTES - 1}")["Body"].read()
    return [line.split(",") for line in _whole_lines(body)[: HEAD_ROWS + 1]]


def read_rows(target: Target, folder_uri: str) -> Iterable[tuple[str, float]]:
    """Every id and probability of a published set, file by file."""
    bucket, prefix = folder_uri.removeprefix("s3://").split("/", 1)
    s3 = target.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    for key in sorted(key for key in keys if key.endswith(".csv")):
        lines = s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines()
        next(lines)  # the header
        for line in lines:
            identity, probability = line.decode().split(",")
            yield identity, float(probability)


def _whole_lines(body: bytes) -> list[str]:
    """The last line of a part of a file may be half a line."""
    lines = body.decode().splitlines()
    return lines if len(body) < _HEAD_BYTES else lines[:-1]
