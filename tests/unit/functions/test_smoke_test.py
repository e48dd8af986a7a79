from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.common import smoke
from functions.common.promotion_run import SmokeTest
from functions.common.smoke import SmokeSettings, as_csv, make_probe, read_contract, run_smoke_test
from functions.smoke_test import handler as handler_module

SETTINGS = SmokeSettings(env="dev", data_bucket="bucket", smoke_rows=100, smoke_latency_milliseconds=500)


def run_test(runtime: Any) -> SmokeTest:
    return run_smoke_test(runtime, "titanic-survival-staging", SETTINGS)


def failed(found: SmokeTest) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


def test_a_sound_endpoint_passes_and_its_latency_is_measured(runtime: Any) -> None:
    found = run_test(runtime)
    assert (found.passed, found.reason, found.rows) == (True, None, 100)
    assert found.latency
    assert 0 <= found.latency.p50 <= found.latency.p95 <= found.latency.max
    assert len(runtime.bodies) == 1 + smoke.TIMED_REQUESTS


def test_golden_passengers_come_first_then_the_same_random_ones_each_time(runtime: Any) -> None:
    probe = make_probe(read_contract(), 100)
    assert as_csv(probe.rows[:2]).decode() == "3,0,22,1,0,7.25,2\n1,1,38,1,0,71.2833,0"
    assert probe == make_probe(read_contract(), 100)


def test_random_rows_stay_within_the_contract_and_have_gaps_only_where_it_allows() -> None:
    contract = read_contract()
    columns = {column["name"]: column for column in contract["columns"]}
    rows = make_probe(contract, 500).rows
    for index, name in enumerate(contract["features"]):
        values = [row[index] for row in rows]
        column = columns[name]
        assert (None in values) == column["nullable"], name
        allowed = column.get("allowed") or sorted(column.get("encoding", {}).values())
        for value in (value for value in values if value is not None):
            assert value in allowed if allowed else column["minimum"] <= value <= column["maximum"], name


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (lambda rows: "0.1\n0.9\n" + "0.5\n" * (len(rows) - 3), ["row count"]),
        (lambda rows: "", ["row count"]),
        (lambda rows: "0.1\n0.9\n" + "0.5\n" * (len(rows) - 1), ["row count"]),
        (lambda rows: "0.1\n0.9\n" + "nan\n" * (len(rows) - 2), ["probabilities"]),
        (lambda rows: "0.1\n0.9\n" + "1.01\n" * (len(rows) - 2), ["probabilities"]),
        (lambda rows: "0.1\n0.9\n" + "<html>\n" * (len(rows) - 2), ["probabilities"]),
        (
            lambda rows: "0.9\n0.1\n" + "0.5\n" * (len(rows) - 2),
            ["third-class man, 22", "first-class woman, 38"],
        ),
        (lambda rows: "0.5\n0.5\n" + "0.5\n" * (len(rows) - 2), ["third-class man, 22"]),
    ],
)
def test_an_endpoint_that_does_not_predict_fails_by_name(runtime: Any, answer: Any, names: list[str]) -> None:
    runtime.answer = lambda rows: answer(rows) if len(rows) > 1 else "0.5"
    found = run_test(runtime)
    assert (found.passed, failed(found)) == (False, names)
    assert all(name in (found.reason or "") for name in names)


def test_predictions_with_commas_between_them_are_read_too(runtime: Any) -> None:
    runtime.answer = lambda rows: runtime.sound(rows).strip().replace("\n", ",")
    assert run_test(runtime).passed


def test_a_slow_endpoint_fails(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    found = run_test(runtime)
    assert failed(found) == ["latency"]
    assert "95th percentile 1000 ms, at most 500 ms" in (found.reason or "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ClientError(
                {"Error": {"Code": "ModelError", "Message": "Received server error (500)"}}, "InvokeEndpoint"
            ),
            "server error",
        ),
        (ReadTimeoutError(endpoint_url="https://runtime"), "timeout"),
    ],
)
def test_an_endpoint_that_does_not_answer_fails_and_says_how(
    runtime: Any, error: Exception, words: str
) -> None:
    runtime.error = error
    found = run_test(runtime)
    assert (failed(found), found.latency) == (["answers"], None)
    assert words in (found.reason or "").lower()


def test_the_handler_answers_what_becomes_of_the_state(
    runtime: Any, promotion_run: Any, lambda_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ENV": "dev", "DATA_BUCKET": "b", "SMOKE_ROWS": "20"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SMOKE_LATENCY_MILLISECONDS", "500")
    monkeypatch.setattr(handler_module, "client", lambda _service: runtime)
    handler_module.settings.cache_clear()
    name = "titanic-survival-staging"
    staging = {
        "endpoint_name": name,
        "endpoint_config_name": name,
        "model_name": name,
        "previous_endpoint_config_name": None,
        "deadline": "2026-11-21T07:40:00.000Z",
    }
    found = handler_module.handler({"run": promotion_run, "staging": staging}, lambda_context)
    assert found["passed"] is True
    assert found["rows"] == 20
