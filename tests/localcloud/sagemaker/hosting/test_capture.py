from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.sagemaker.hosting import capture
from localcloud.sagemaker.hosting.capture import Capture, Exchange

CONFIG: dict[str, Any] = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/monitoring/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}
MOMENT = datetime(2026, 11, 21, 9, 8, 7, 654321, tzinfo=UTC)


class Bucket:
    """What was put, by key."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.refuse = False
        self.put_something = threading.Event()

    def put(self, bucket: str, key: str, content: bytes) -> None:
        if self.refuse:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
        assert bucket == "bucket"
        self.files[key] = content
        self.put_something.set()

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for content in self.files.values() for line in content.splitlines()]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def make(bucket: Bucket, log: Any = None, **config: Any) -> Capture:
    return Capture("endpoint", {**CONFIG, **config}, bucket.put, log or (lambda line: None))


def exchange(**more: Any) -> Exchange:
    fields = {
        "variant": "AllTraffic",
        "time": MOMENT,
        "request": b"1,2\n",
        "request_type": "text/csv",
        "answer": b"0.5\n",
        "answer_type": "text/csv; charset=utf-8",
    }
    return Exchange(**{**fields, **more})


def test_a_record_has_the_layout_of_sagemaker(bucket: Bucket) -> None:
    kept = make(bucket)
    kept.offer(exchange(inference_id="id-1", custom_attributes="trace=1"))
    kept.close()
    [record] = bucket.records()
    assert record["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv",
            "mode": "INPUT",
            "data": "1,2\n",
            "encoding": "CSV",
        },
        "endpointOutput": {
            "observedContentType": "text/csv; charset=utf-8",
            "mode": "OUTPUT",
            "data": "0.5\n",
            "encoding": "CSV",
        },
    }
    event_id = record["eventMetadata"].pop("eventId")
    assert len(event_id) == 36
    assert record["eventMetadata"] == {
        "inferenceTime": "2026-11-21T09:08:07Z",
        "inferenceId": "id-1",
        "customAttributes": ["trace=1"],
    }
    assert record["eventVersion"] == "0"


def test_files_lie_by_endpoint_variant_and_hour(bucket: Bucket) -> None:
    kept = make(bucket)
    kept.offer(exchange())
    kept.offer(exchange(time=MOMENT + timedelta(hours=1)))
    kept.offer(exchange(variant="Other"))
    kept.close()
    folders = sorted(key.rpartition("/")[0] for key in bucket.files)
    base = "monitoring/endpoint"
    assert folders == [
        f"{base}/AllTraffic/2026/11/21/09",
        f"{base}/AllTraffic/2026/11/21/10",
        f"{base}/Other/2026/11/21/09",
    ]
    assert all(key.rpartition("/")[2].startswith("08-07-654-") for key in bucket.files)
    assert all(key.endswith(".jsonl") for key in bucket.files)


@pytest.mark.parametrize(
    ("modes", "sides"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_captures_what_was_asked_for(bucket: Bucket, modes: list[str], sides: set[str]) -> None:
    kept = make(bucket, CaptureOptions=[{"CaptureMode": mode} for mode in modes])
    kept.offer(exchange())
    kept.close()
    assert set(bucket.records()[0]["captureData"]) == sides


def test_types_that_are_not_named_are_base64(bucket: Bucket) -> None:
    kept = make(bucket)
    kept.offer(
        exchange(request=b"\xff", request_type="image/png", answer=b"{}", answer_type="application/json")
    )
    kept.close()
    data = bucket.records()[0]["captureData"]
    assert data["endpointInput"]["encoding"] == "BASE64"
    assert base64.b64decode(data["endpointInput"]["data"]) == b"\xff"
    assert data["endpointOutput"]["encoding"] == "JSON"


@pytest.mark.parametrize(("percentage", "kept_of_200"), [(0, 0), (5, 10), (20, 40), (100, 200)])
def test_the_sample_is_as_large_as_it_should_be(bucket: Bucket, percentage: int, kept_of_200: int) -> None:
    kept = make(bucket, InitialSamplingPercentage=percentage)
    for _ in range(200):
        kept.offer(exchange())
    kept.close()
    assert len(bucket.records()) == kept_of_200


def test_a_capture_that_is_switched_off_keeps_nothing(bucket: Bucket) -> None:
    kept = make(bucket, EnableCapture=False)
    kept.offer(exchange())
    kept.close()
    assert not bucket.files


def test_many_records_do_not_wait_for_the_clock(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 3600.0)
    kept = make(bucket)
    for _ in range(capture.MOST_RECORDS):
        kept.offer(exchange())
    assert bucket.put_something.wait(5)
    kept.close()
    assert len(bucket.records()) == capture.MOST_RECORDS


def test_few_records_wait_no_longer_than_they_should(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0.01)
    kept = make(bucket)
    kept.offer(exchange())
    assert bucket.put_something.wait(5)
    kept.close()


def test_what_s3_does_not_take_is_told_in_the_endpoints_log(bucket: Bucket) -> None:
    lines: list[str] = []
    kept = make(bucket, lines.append)
    bucket.refuse = True
    kept.offer(exchange())
    kept.close()
    assert len(lines) == 1
    assert "1 captured requests could not be written to s3://bucket/monitoring/endpoint" in lines[0]
    assert "AccessDenied" in lines[0]
