from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.common.batch_run import Publication
from functions.common.errors import DataReportNotFound, InvalidInput, PredictionsIncomplete
from functions.common.inputs import parse_input
from functions.common.s3 import S3Uri
from functions.common.settings import Settings
from functions.publish_predictions import handler as handler_module
from functions.publish_predictions.files import Headed
from functions.publish_predictions.latest import ATTEMPTS, move_forward
from functions.publish_predictions.publishing import PublishPredictionsEvent, publish

BUCKET = "titanic-sagemaker-dev-123456789012"
RUN_ID = "20261121-a6fe0531ae"
OUTPUT, SET = f"runs/{RUN_ID}/transform", f"predictions/run_date=2026-11-21/run_id={RUN_ID}"
CHECK, REPORT, LATEST = (
    f"runs/{RUN_ID}/prediction_check.json",
    f"runs/{RUN_ID}/data_report.json",
    "predictions/latest.json",
)
SETTINGS = Settings(env="dev", data_bucket=BUCKET)
NOW = datetime(2026, 11, 21, 7, 2, 3, tzinfo=UTC)
LATEST_URI = S3Uri(BUCKET, LATEST)


@pytest.fixture
def checked(s3: Any, put: Any, batch_run: Any, approved: Any, drift: Any) -> Callable[..., dict[str, Any]]:
    """Puts the transform's output as CheckPredictions found it; returns PublishPredictions' payload."""

    def checked(*parts: str, shift: dict[str, Any] | None = None) -> dict[str, Any]:
        files = []
        for number, text in enumerate(parts or ("892,0.1\n893,0.9\n",)):
            uri = put(f"{OUTPUT}/part-{number:05d}.csv.out", text)
            etag = s3.head_object(Bucket=BUCKET, Key=uri.split("/", 3)[3])["ETag"]
            files.append({"uri": uri, "etag": etag, "rows": text.count("\n")})
        rows = sum(file["rows"] for file in files)
        found = {"run_id": RUN_ID, "rows": rows, "files": files, "drift": shift or drift()}
        put(CHECK, found)
        put(REPORT, {"data_sha256": "d" * 64, "rows_in": rows + 3, "rows_out": rows, "rows_quarantined": 3})
        predictions = {
            "rows": rows,
            "files": len(files),
            "check_uri": f"s3://{BUCKET}/{CHECK}",
            "drift": found["drift"],
            "warning": None,
        }
        return {
            "run": batch_run,
            "approved": approved,
            "model": {"model_name": "titanic-survival-xgboost-dev-v7"},
            "predictions": predictions,
        }

    return checked


@pytest.fixture
def do_publish(s3: Any) -> Callable[..., Publication]:
    def do(payload: dict[str, Any], client: Any = s3) -> Publication:
        event = parse_input(payload, PublishPredictionsEvent, "event")
        return publish(event, SETTINGS, s3=client, now=NOW)

    return do


@pytest.fixture
def read(s3: Any) -> Callable[[str], str]:
    return lambda key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()


@pytest.fixture
def keys(s3: Any) -> Callable[[], list[str]]:
    """What lies under predictions/."""
    return lambda: [
        found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix="predictions/").get("Contents", [])
    ]


def test_a_checked_set_is_published_with_a_header_and_a_manifest(
    *, do_publish: Any, checked: Any, read: Any, get: Any, keys: Any, approved: Any, drift: Any
) -> None:
    found = do_publish(checked())
    assert keys() == [LATEST, f"{SET}/manifest.json", f"{SET}/predictions-00000.csv"]
    assert read(f"{SET}/predictions-00000.csv") == "id,probability\n892,0.1\n893,0.9\n"
    assert get(f"{SET}/manifest.json") == {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "started_at": "2026-11-21T06:54:22.123Z",
        "execution_arn": (
            "arn:aws:states:eu-west-1:123456789012:execution:titanic-sagemaker-dev-batch-inference:first"
        ),
        "source_uri": f"s3://{BUCKET}/raw/new_passengers/",
        "data_sha256": "d" * 64,
        "rows_in": 5,
        "rows_quarantined": 3,
        "rows_out": 2,
        "columns": ["id", "probability"],
        "files": [{"uri": f"s3://{BUCKET}/{SET}/predictions-00000.csv", "rows": 2}],
        "model_package_arn": approved["model_package_arn"],
        "model_name": "titanic-survival-xgboost-dev-v7",
        "drift": drift(),
    }
    assert found == Publication(
        predictions_uri=f"s3://{BUCKET}/{SET}/",
        manifest_uri=f"s3://{BUCKET}/{SET}/manifest.json",
        latest_uri=f"s3://{BUCKET}/{LATEST}",
        is_latest=True,
    )


def test_the_pointer_says_which_set_is_the_newest(
    do_publish: Any, checked: Any, get: Any, approved: Any
) -> None:
    do_publish(checked())
    assert get(LATEST) == {
        "run_id": RUN_ID,
        "run_date": "2026-11-21",
        "started_at": "2026-11-21T06:54:22.123Z",
        "predictions_uri": f"s3://{BUCKET}/{SET}/",
        "manifest_uri": f"s3://{BUCKET}/{SET}/manifest.json",
        "rows": 2,
        "model_package_arn": approved["model_package_arn"],
        "published_at": "2026-11-21T07:02:03.000Z",
    }


def test_several_files_keep_the_order_of_the_input(
    do_publish: Any, checked: Any, read: Any, get: Any
) -> None:
    do_publish(checked("1,0.1\n2,0.2\n", "3,0.3\n"))
    assert read(f"{SET}/predictions-00001.csv") == "id,probability\n3,0.3\n"
    assert [file["rows"] for file in get(f"{SET}/manifest.json")["files"]] == [2, 1]


def test_a_file_of_many_parts_arrives_whole(do_publish: Any, checked: Any, read: Any) -> None:
    text = "".join(f"{number},0.123456789\n" for number in range(1_000_000))  # 18 MB: three parts
    do_publish(checked(text))
    assert read(f"{SET}/predictions-00000.csv") == f"id,probability\n{text}"


def test_a_retry_writes_the_same_files_and_leaves_the_pointer(
    do_publish: Any, checked: Any, read: Any, keys: Any
) -> None:
    payload = checked()

    def published() -> tuple[Any, dict[str, str]]:
        return do_publish(payload), {key: read(key) for key in keys()}

    assert published() == published()


def test_a_file_that_changed_after_it_was_checked_is_not_published(
    do_publish: Any, checked: Any, put: Any, keys: Any
) -> None:
    payload = checked()
    put(f"{OUTPUT}/part-00000.csv.out", "892,0.1\n893,7\n")
    with pytest.raises(PredictionsIncomplete, match="changed after it was checked"):
        do_publish(payload)
    assert keys() == []


def test_a_file_that_is_gone_leaves_the_pointer_where_it_was(
    do_publish: Any, checked: Any, put: Any, s3: Any, get: Any
) -> None:
    payload, before = checked("1,0.1\n", "2,0.2\n"), pointer("2026-11-20")
    put(LATEST, before)
    s3.delete_object(Bucket=BUCKET, Key=f"{OUTPUT}/part-00001.csv.out")
    with pytest.raises(PredictionsIncomplete):
        do_publish(payload)
    assert get(LATEST) == before


def test_a_run_that_dies_before_the_end_leaves_no_pointer_and_a_rerun_completes(
    do_publish: Any, checked: Any, s3: Any, keys: Any
) -> None:
    payload = checked()
    with pytest.raises(ConnectionError):
        do_publish(payload, client=DiesAtManifest(s3))
    assert LATEST not in keys()
    assert do_publish(payload).is_latest
    assert LATEST in keys()


@pytest.mark.parametrize(("key", "error"), [(CHECK, PredictionsIncomplete), (REPORT, DataReportNotFound)])
def test_a_set_that_nobody_checked_or_prepared_is_not_published(
    *, do_publish: Any, checked: Any, s3: Any, keys: Any, key: str, error: type[Exception]
) -> None:
    payload = checked()
    s3.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(error, match=key):
        do_publish(payload)
    assert keys() == []


def pointer(run_date: str, started_at: str = "2026-11-21T06:00:00.000Z", run_id: str = "a") -> dict[str, Any]:
    return {"run_date": run_date, "started_at": started_at, "run_id": run_id}


FIRST = pointer("2026-11-21")


@pytest.mark.parametrize(
    ("there", "moved"),
    [
        (pointer("2026-11-20", "2026-11-22T00:00:00.000Z"), True),
        (pointer("2026-11-21", "2026-11-21T05:59:59.999Z"), True),
        (pointer("2026-11-21", run_id="0"), True),
        (FIRST, True),
        (pointer("2026-11-22", "2026-11-20T00:00:00.000Z", "0"), False),
        (pointer("2026-11-21", "2026-11-21T06:00:00.001Z", "0"), False),
        (pointer("2026-11-21", run_id="b"), False),
    ],
)
def test_the_pointer_moves_forward_only(s3: Any, put: Any, get: Any, there: Any, moved: bool) -> None:
    put(LATEST, there)
    assert move_forward(s3, LATEST_URI, FIRST) is moved
    assert get(LATEST) == (FIRST if moved else there)


def test_a_late_run_is_published_beside_the_latest(
    do_publish: Any, checked: Any, put: Any, get: Any, keys: Any
) -> None:
    there = pointer("2026-11-30")
    put(LATEST, there)
    assert do_publish(checked()).is_latest is False
    assert get(LATEST) == there
    assert f"{SET}/predictions-00000.csv" in keys()


@pytest.mark.parametrize("broken", ["", "{", "[]", "3", {"run_date": "2999-01-01"}])
def test_a_pointer_that_cannot_be_read_is_replaced(s3: Any, put: Any, get: Any, broken: Any) -> None:
    put(LATEST, broken)
    assert move_forward(s3, LATEST_URI, FIRST)
    assert get(LATEST) == FIRST


@pytest.mark.parametrize("there", [None, pointer("2026-11-01")])
@pytest.mark.parametrize(("faster", "moved"), [("2026-11-20", True), ("2026-11-30", False)])
def test_whoever_is_overtaken_between_reading_and_writing_looks_again(
    *, s3: Any, put: Any, get: Any, there: Any, faster: str, moved: bool
) -> None:
    if there:
        put(LATEST, there)
    overtaken = Overtaken(s3, pointer(faster, run_id="b"))
    assert move_forward(overtaken, LATEST_URI, FIRST) is moved
    assert get(LATEST) == (FIRST if moved else overtaken.pointer)


def test_a_pointer_deleted_between_reading_and_writing_is_written_anew(s3: Any, put: Any, get: Any) -> None:
    put(LATEST, pointer("2026-11-01"))
    assert move_forward(Overtaken(s3, None), LATEST_URI, FIRST)
    assert get(LATEST) == FIRST


def test_whoever_is_always_overtaken_gives_up(s3: Any) -> None:
    losing = AlwaysConflicting(s3)
    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        move_forward(losing, LATEST_URI, FIRST)
    assert losing.attempts == ATTEMPTS


def test_another_error_is_not_taken_for_a_lost_race(s3: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        move_forward(s3, S3Uri("no-such-bucket", LATEST), FIRST)


def test_of_many_publishers_at_once_on_the_local_cloud_the_latest_stays(
    cloud: Any, clients_of: Callable[[str], Callable[[str], Any]]
) -> None:
    s3 = clients_of(cloud.endpoint_url)("s3")
    s3.create_bucket(Bucket="race", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    uri, runs = S3Uri("race", LATEST), [pointer(f"2026-11-{day:02d}") for day in range(1, 9)]
    with ThreadPoolExecutor(max_workers=len(runs)) as pool:
        moved = list(pool.map(lambda run: move_forward(s3, uri, run), runs))
    assert json.loads(s3.get_object(Bucket="race", Key=LATEST)["Body"].read()) == runs[-1]
    assert moved[-1]


@pytest.mark.parametrize("size", [1, 3, 8, 64])
def test_the_header_comes_before_the_stream_whatever_the_size_of_the_reads(size: int) -> None:
    stream = Headed(b"id,p\n", io.BytesIO(b"1,0.5\n2,0.5\n"))
    chunks = []
    while chunk := stream.read(size):
        chunks.append(chunk)
    assert b"".join(chunks) == b"id,p\n1,0.5\n2,0.5\n"


def test_the_handler_counts_what_it_published(
    *,
    checked: Any,
    s3: Any,
    lambda_context: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ENV", "dev")
    monkeypatch.setenv("DATA_BUCKET", BUCKET)
    handler_module.settings.cache_clear()
    monkeypatch.setattr(handler_module, "client", {"s3": s3}.__getitem__)
    answer = handler_module.handler(checked(), lambda_context)
    assert json.loads(json.dumps(answer))["is_latest"] is True
    [emitted] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert emitted["PublishedRows"] == [2.0]


def test_a_payload_of_another_shape_is_refused(checked: Any, lambda_context: Any) -> None:
    with pytest.raises(InvalidInput, match="unknown key 'surprise'"):
        handler_module.handler(checked() | {"surprise": 1}, lambda_context)


class Wrapped:
    def __init__(self, s3: Any) -> None:
        self.s3 = s3

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.s3, operation)


class DiesAtManifest(Wrapped):
    def put_object(self, **request: Any) -> Any:
        if request["Key"].endswith("manifest.json"):
            raise ConnectionError("the function was killed")
        return self.s3.put_object(**request)


class Overtaken(Wrapped):
    """Before the first write, another run writes its own pointer, or somebody deletes the one there is."""

    def __init__(self, s3: Any, pointer: dict[str, Any] | None) -> None:
        super().__init__(s3)
        self.pointer, self.waiting = pointer, True

    def put_object(self, **request: Any) -> Any:
        if self.waiting:
            self.waiting = False
            where = {"Bucket": request["Bucket"], "Key": request["Key"]}
            if self.pointer:
                self.s3.put_object(**where, Body=json.dumps(self.pointer).encode())
            else:
                self.s3.delete_object(**where)
        return self.s3.put_object(**request)


class AlwaysConflicting(Wrapped):
    """What S3 answers to a conditional write while another one is going on."""

    def __init__(self, s3: Any) -> None:
        super().__init__(s3)
        self.attempts = 0

    def put_object(self, **_request: Any) -> Any:
        self.attempts += 1
        raise ClientError({"Error": {"Code": "ConditionalRequestConflict", "Message": ""}}, "PutObject")
