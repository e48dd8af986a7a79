from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.check_predictions import handler as handler_module
from functions.check_predictions import pairing
from functions.check_predictions.checking import CheckPredictionsEvent, check
from functions.common import s3 as storage
from functions.common.batch_run import Predictions
from functions.common.errors import (
    DataReportNotFound,
    InvalidInput,
    PredictionsIncomplete,
    PredictionsOutOfRange,
)
from functions.common.inputs import parse_input
from functions.common.s3 import S3Uri
from functions.common.settings import Settings

BUCKET = "titanic-sagemaker-dev-123456789012"
RUN_ID = "20261121-a6fe0531ae"
INPUT, OUTPUT = f"curated/runs/{RUN_ID}/inference", f"runs/{RUN_ID}/transform"
CHECK, REPORT = f"runs/{RUN_ID}/prediction_check.json", f"runs/{RUN_ID}/data_report.json"
BASELINE = "pipeline/runtime/abcdefghijkl/evaluation/baseline.json"
SETTINGS = Settings(env="dev", data_bucket=BUCKET)

PASSENGERS = ["892,3,0,34.5,0,0,7.8292,1", "893,3,1,47,1,0,7,2", "894,2,0,,0,0,9.6875,1"]
PREDICTIONS = ["892,0.0712", "893,0.4521", "894,0.1"]


def bins(name: str, rows: int = 200) -> dict[str, Any]:
    return {"name": name, "edges": [0.5], "counts": [rows // 2, rows // 2], "missing": 0}


def baseline(*names: str) -> dict[str, Any]:
    return {
        "version": 1,
        "rows": 200,
        "features": [bins(name) for name in names],
        "score": bins("score"),
    }


@pytest.fixture
def put_batch(put: Callable[..., str]) -> Callable[..., None]:
    """Puts a batch: parts of input rows, the transform's answer to each, and the prepare job's report."""

    def put_batch(parts: list[tuple[list[str], list[str]]], rows_out: int | None = None) -> None:
        for number, (given, answered) in enumerate(parts):
            put(f"{INPUT}/part-{number:05d}.csv", "".join(f"{row}\n" for row in given))
            put(f"{OUTPUT}/part-{number:05d}.csv.out", "".join(f"{row}\n" for row in answered))
        expected = sum(len(given) for given, _ in parts) if rows_out is None else rows_out
        put(REPORT, {"rows_in": expected + 1, "rows_out": expected, "rows_quarantined": 1})

    return put_batch


@pytest.fixture
def do_check(s3: Any, batch_run: Any, approved: Any) -> Callable[..., Predictions]:
    def do(**changes: Any) -> Predictions:
        event = {"run": batch_run, "approved": approved | changes}
        return check(parse_input(event, CheckPredictionsEvent, "event"), SETTINGS, s3=s3)

    return do


def test_a_complete_set_is_counted_and_its_files_are_pinned(
    do_check: Any, put_batch: Any, get: Any, s3: Any
) -> None:
    put_batch([(PASSENGERS[:2], PREDICTIONS[:2]), (PASSENGERS[2:], PREDICTIONS[2:])])
    found = do_check()
    assert (found.rows, found.files, found.check_uri) == (3, 2, f"s3://{BUCKET}/{CHECK}")
    written = get(CHECK)
    assert [(file["uri"], file["rows"]) for file in written["files"]] == [
        (f"s3://{BUCKET}/{OUTPUT}/part-00000.csv.out", 2),
        (f"s3://{BUCKET}/{OUTPUT}/part-00001.csv.out", 1),
    ]
    etag = s3.head_object(Bucket=BUCKET, Key=f"{OUTPUT}/part-00000.csv.out")["ETag"]
    assert written["files"][0]["etag"] == etag
    assert written["drift"] == found.drift.model_dump(mode="json")


def test_checking_again_answers_the_same(do_check: Any, put_batch: Any) -> None:
    put_batch([(PASSENGERS, PREDICTIONS)])
    assert do_check() == do_check()


def test_more_rows_than_are_held_at_once_are_compared_to_the_end(
    do_check: Any, put_batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "ROWS", 7)
    given = [f"{number},3,0,34.5,0,0,7.8292,1" for number in range(100)]
    answered = [f"{number},0.5" for number in range(100)]
    put_batch([(given, answered)])
    assert do_check().rows == 100
    answered[99] = "1000,0.5"
    put_batch([(given, answered)])
    with pytest.raises(PredictionsIncomplete, match="Line 100 of"):
        do_check()


def test_outputs_may_lie_in_folders_of_their_own(do_check: Any, put_batch: Any, put: Any, s3: Any) -> None:
    put_batch([(PASSENGERS, PREDICTIONS)])
    s3.delete_object(Bucket=BUCKET, Key=f"{OUTPUT}/part-00000.csv.out")
    put(f"{OUTPUT}/inference/part-00000.csv.out", "".join(f"{row}\n" for row in PREDICTIONS))
    assert do_check().rows == 3


@pytest.mark.parametrize(
    ("answered", "words"),
    [
        (PREDICTIONS[:2], "part-00000.csv.out ends after 2 rows and"),
        ([*PREDICTIONS, "895,0.5"], "part-00000.csv ends after 3 rows and"),
        ([], "part-00000.csv.out ends after 0 rows"),
        ([PREDICTIONS[1], PREDICTIONS[0], PREDICTIONS[2]], "Line 1 of .*another id"),
        ([PREDICTIONS[0], PREDICTIONS[0], PREDICTIONS[2]], "Line 2 of .*another id"),
        (["892,0.1", "893", "894,0.1"], "Line 2 of .* has 1 fields, not 2"),
        (["892,3,0.1", "893,3,0.1", "894,2,0.1"], "Line 1 of .* has 3 fields, not 2"),
    ],
)
def test_an_output_that_does_not_answer_its_input_is_refused(
    do_check: Any, put_batch: Any, answered: list[str], words: str
) -> None:
    put_batch([(PASSENGERS, answered)])
    with pytest.raises(PredictionsIncomplete, match=words):
        do_check()


@pytest.mark.parametrize(
    "score", ["nan", "NaN", "inf", "-0.0001", "1.0001", "", "yes", "0.5 0.6", "null", "[0.5]"]
)
def test_what_is_no_probability_is_refused_by_line_and_value(
    do_check: Any, put_batch: Any, score: str
) -> None:
    put_batch([(PASSENGERS, [*PREDICTIONS[:2], f"894,{score}"])])
    with pytest.raises(PredictionsOutOfRange, match=r"Line 3 of .*part-00000.csv.out has "):
        do_check()


@pytest.mark.parametrize("score", ["0", "1", "0.0", "1.0", "1e-07"])
def test_the_ends_of_the_range_are_probabilities(do_check: Any, put_batch: Any, score: str) -> None:
    put_batch([(PASSENGERS, [*PREDICTIONS[:2], f"894,{score}"])])
    assert do_check().rows == 3


def test_no_message_holds_a_passengers_values(do_check: Any, put_batch: Any) -> None:
    put_batch([(["4711,3,0,34.5,0,0,7.8292,1"], ["4712,0.5"])])
    with pytest.raises(PredictionsIncomplete) as caught:
        do_check()
    assert not any(value in str(caught.value) for value in ("4711", "4712", "34.5"))


def test_an_output_that_is_missing_is_named(do_check: Any, put_batch: Any, s3: Any) -> None:
    put_batch([(PASSENGERS[:2], PREDICTIONS[:2]), (PASSENGERS[2:], PREDICTIONS[2:])])
    s3.delete_object(Bucket=BUCKET, Key=f"{OUTPUT}/part-00001.csv.out")
    with pytest.raises(PredictionsIncomplete, match=r"lacks part-00001.csv.out \(1 missing\)"):
        do_check()


def test_an_output_that_answers_nothing_is_named(do_check: Any, put_batch: Any, put: Any) -> None:
    put_batch([(PASSENGERS, PREDICTIONS)])
    put(f"{OUTPUT}/other.csv.out", "1,0.5\n")
    with pytest.raises(PredictionsIncomplete, match=r"has other.csv.out, which answers no input"):
        do_check()


def test_a_part_of_the_input_that_is_gone_is_noticed_by_the_count(do_check: Any, put_batch: Any) -> None:
    put_batch([(PASSENGERS, PREDICTIONS)], rows_out=5)
    with pytest.raises(PredictionsIncomplete, match="has 3 predictions for 5 prepared rows"):
        do_check()


@pytest.mark.parametrize("parts", [[], [([], [])]])
def test_an_empty_set_is_refused(do_check: Any, put_batch: Any, parts: Any) -> None:
    put_batch(parts)
    with pytest.raises(PredictionsIncomplete):
        do_check()


def test_a_run_without_a_data_report_cannot_be_checked(do_check: Any, put_batch: Any, s3: Any) -> None:
    put_batch([(PASSENGERS, PREDICTIONS)])
    s3.delete_object(Bucket=BUCKET, Key=REPORT)
    with pytest.raises(DataReportNotFound, match=REPORT):
        do_check()


def batch(rows: int, fare: str = "0.1") -> list[tuple[list[str], list[str]]]:
    """A column Pclass that is half 0 and half 1, a column Fare of one value, scores as in the baseline."""
    given = [f"{number},{number % 2},{fare}" for number in range(rows)]
    return [(given, [f"{number},{number % 2}" for number in range(rows)])]


def test_drift_is_measured_against_the_versions_baseline(do_check: Any, put_batch: Any, put: Any) -> None:
    uri = put(BASELINE, baseline("Pclass", "Fare"))
    put_batch(batch(200))
    found = do_check().drift
    assert found.above_threshold
    assert (found.baseline_uri, found.baseline_rows) == (uri, 200)
    assert [name for name, shift in found.shifts.items() if shift.above] == ["Fare"]


def test_drift_comes_with_a_warning_and_does_not_refuse_the_set(
    do_check: Any, put_batch: Any, put: Any
) -> None:
    put(BASELINE, baseline("Pclass", "Fare"))
    put_batch(batch(200))
    found = do_check()
    assert found.rows == 200
    assert found.warning is not None
    assert found.warning.subject.startswith("[dev] Drift: Fare ")
    for part in ("version 7", "200 rows of s3://", RUN_ID, "docs/runbooks/drift-warning.md", "titanic train"):
        assert part in found.warning.message


def test_a_batch_too_small_to_tell_warns_of_nothing(do_check: Any, put_batch: Any, put: Any) -> None:
    put(BASELINE, baseline("Pclass", "Fare"))
    put_batch(batch(4))
    found = do_check()
    assert found.drift.features["Fare"].psi > 0.2
    assert (found.drift.above_threshold, found.warning) == (False, None)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (None, "the version has no baseline"),
        ("not json", "cannot be read"),
        ({"version": 1}, "cannot be read"),
        ([], "cannot be read"),
        (baseline("Pclass"), "the batch has other columns than the baseline"),
    ],
)
def test_a_batch_that_cannot_be_compared_is_published_without(
    do_check: Any, put_batch: Any, put: Any, document: Any, reason: str
) -> None:
    if document is not None:
        put(BASELINE, document)
    put_batch(batch(200))
    found = do_check()
    assert found.rows == 200
    assert reason in (found.drift.reason or "")
    assert not found.drift.above_threshold
    assert found.drift.features == {}


@pytest.mark.parametrize("uri", [None, "s3://somebody-elses-bucket/baseline.json"])
def test_a_version_registered_by_hand_has_no_baseline(do_check: Any, put_batch: Any, uri: str | None) -> None:
    put_batch([(PASSENGERS, PREDICTIONS)])
    assert "registered without an evaluation" in str(do_check(baseline_uri=uri).drift.reason)


def test_a_large_set_is_never_whole_in_memory(batch_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "CHUNK_BYTES", 1 << 16)
    seen = []
    source, output = S3Uri(BUCKET, "in.csv"), S3Uri(BUCKET, "out.csv")
    endless = Streaming({"in.csv": (b"%d,3,0,22", 100_000), "out.csv": (b"%d,0.5", 100_000)})
    tracemalloc.start()
    file = pairing.check_pair(endless, (source, output), lambda features, scores: seen.append(len(scores)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (file.rows, sum(seen)) == (100_000, 100_000)
    assert peak < 8 << 20


class Streaming:
    """S3 whose objects are made line by line while they are read."""

    def __init__(self, objects: dict[str, tuple[bytes, int]]) -> None:
        self.objects = objects

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        line, rows = self.objects[Key]
        return {"ETag": "etag", "Body": Lines(line + b"\n", rows)}


class Lines:
    def __init__(self, line: bytes, rows: int) -> None:
        self.line, self.rows = line, rows

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        chunk = b""
        for number in range(self.rows):
            chunk += self.line % number
            if len(chunk) > size:
                yield chunk[:size]
                chunk = chunk[size:]
        yield chunk


def test_the_handler_measures_every_variable(
    *,
    put_batch: Any,
    put: Any,
    s3: Any,
    batch_run: Any,
    approved: Any,
    lambda_context: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(BASELINE, baseline("Pclass", "Fare"))
    put_batch(batch(200))
    monkeypatch.setenv("ENV", "dev")
    monkeypatch.setenv("DATA_BUCKET", BUCKET)
    handler_module.settings.cache_clear()
    monkeypatch.setattr(handler_module, "client", {"s3": s3}.__getitem__)
    answer = handler_module.handler({"run": batch_run, "approved": approved}, lambda_context)
    assert json.loads(json.dumps(answer))["drift"]["above_threshold"] is True
    emitted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    indices = {
        line["variable"]: line["PopulationStabilityIndex"][0]
        for line in emitted
        if "PopulationStabilityIndex" in line
    }
    assert indices.keys() == {"score", "Pclass", "Fare"}
    assert indices["Fare"] > 0.2
    [stage] = [line for line in emitted if line.get("stage") == "CheckPredictions"]
    assert stage["DriftedVariables"] == [1.0]


def test_a_payload_of_another_shape_is_refused(batch_run: Any, lambda_context: Any) -> None:
    with pytest.raises(InvalidInput, match="key 'approved' is missing"):
        handler_module.handler({"run": batch_run}, lambda_context)
