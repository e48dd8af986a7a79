from __future__ import annotations

import json

import pytest

from functions.common.causes import LONGEST_CAUSE, Cause, explain, named_error


def test_a_glue_job_speaks_in_its_own_last_line() -> None:
    cause = json.dumps(
        {
            "Id": "jr_1",
            "JobRunState": "FAILED",
            "ErrorMessage": "MissingColumn: raw/titanic.csv has no column 'Sex': add it.",
        }
    )
    assert explain("States.TaskFailed", cause) == Cause(
        "MissingColumn", "raw/titanic.csv has no column 'Sex': add it."
    )


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            {"JobRunState": "TIMEOUT", "ErrorMessage": "Job run exceeded its timeout"},
            "Glue job run jr_1 ended TIMEOUT: Job run exceeded its timeout",
        ),
        ({"JobRunState": "STOPPED"}, "Glue job run jr_1 ended STOPPED: it left no message"),
        (
            {"JobRunState": "FAILED", "ErrorMessage": "Command failed with exit code 137"},
            "Glue job run jr_1 ended FAILED: Command failed with exit code 137",
        ),
    ],
)
def test_a_glue_job_without_a_named_error_keeps_the_machines_name(record: dict[str, str], words: str) -> None:
    assert explain("States.TaskFailed", json.dumps({"Id": "jr_1"} | record)) == Cause(
        "States.TaskFailed", words
    )


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (
            "ClientError: See job logs for more information: TooWide: 8 columns.",
            Cause("TooWide", "8 columns."),
        ),
        (
            "AlgorithmError: See job logs for more information",
            Cause(
                "States.TaskFailed",
                "Transform job batch-1 ended Failed: AlgorithmError: See job logs for more information",
            ),
        ),
        (None, Cause("States.TaskFailed", "Transform job batch-1 ended Failed: it left no message")),
    ],
)
def test_a_transform_job_speaks_in_its_failure_reason(reason: str | None, cause: Cause) -> None:
    job = {"TransformJobName": "batch-1", "TransformJobStatus": "Failed", "FailureReason": reason}
    assert explain("States.TaskFailed", json.dumps(job)) == cause


def test_a_function_speaks_without_its_stack_trace() -> None:
    cause = json.dumps(
        {
            "errorMessage": "No object at s3://b/raw/x.",
            "errorType": "SourceNotFound",
            "stackTrace": ["File …"],
        }
    )
    assert explain("SourceNotFound", cause) == Cause("SourceNotFound", "No object at s3://b/raw/x.")


def test_a_service_speaks_without_its_request_id() -> None:
    cause = "Account limit reached (Service: SageMaker, Status Code: 400, Request ID: 0a-1b)"
    assert explain("SageMaker.ResourceLimitExceededException", cause) == Cause(
        "SageMaker.ResourceLimitExceededException", "Account limit reached"
    )


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        ("States.Timeout", "", "it ran past its time limit"),
        ("States.Runtime", "", "no cause was given"),
        ("States.Runtime", "[1, 2]", "[1, 2]"),
        ("Lambda.Unknown", "{broken json", "{broken json"),
    ],
)
def test_there_is_always_something_to_read(error: str, cause: str, words: str) -> None:
    assert explain(error, cause) == Cause(error, words)


@pytest.mark.parametrize(
    "text",
    [
        "SingleClassTarget: one class only.",
        "AlgorithmError: See job logs for more information: SingleClassTarget: one class only., exit code: 1",
        "ClientError: AlgorithmError: SingleClassTarget: one class only., exit code: 1",
        "AlgorithmError: ExecuteUserScriptError:\n"
        'Command "python3 -m pipeline.code.train"\n'
        "SingleClassTarget: one class only., exit code: 1",
        "AlgorithmError: framework error: \nTraceback (most recent call last):\n"
        '  File "train.py", line 5, in <module>\n'
        "pipeline.code.job.SingleClassTarget: one class only.\n, exit code: 1",
        'AlgorithmError: ExecuteUserScriptError:\nErrorMessage "Traceback (most recent call last)\n'
        ' pipeline.code.job.SingleClassTarget: one class only."\nCommand "python3 -m train"',
        'AlgorithmError: ExecuteUserScriptError:\nErrorMessage "SingleClassTarget: one class only."',
    ],
)
def test_a_jobs_own_error_is_found_in_every_wrapping(text: str) -> None:
    assert named_error(text) == Cause("SingleClassTarget", "one class only.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AlgorithmError: See job logs for more information, exit code: 1",
        "Error: it broke",
        "Note: read this",
        "the process was ended by SIGKILL",
        "LAUNCH ERROR | ClientError: An error occurred (404) when calling the HeadObject operation",
        "https://example.com: nothing",
    ],
)
def test_text_without_a_named_error_names_none(text: str) -> None:
    assert named_error(text) is None


def test_a_message_keeps_the_quotes_it_began() -> None:
    assert named_error('MissingColumn: no "Sex"') == Cause("MissingColumn", 'no "Sex"')


def test_long_causes_become_one_line_of_readable_length() -> None:
    words = explain("States.Runtime", "very long\n" * 500).words
    assert len(words) == LONGEST_CAUSE
    assert "\n" not in words
