from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops import render, run_logs
from ops.pipeline import Step
from ops.run_logs import GroupNotFound, Line, Unseen, invocations, lines_of_group, lines_of_run, only_of_run
from ops.runs import Run
from ops.target import Target

RUN = "20261121-0123456789"
OTHER = "20261121-9876543210"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:m:one"
# Log groups refuse events that are far from now.
NOW = datetime.now(UTC).replace(microsecond=0)


def run(status: str = "SUCCEEDED", kind: str = "training") -> Run:
    return Run(RUN, kind, EXECUTION, status, NOW, NOW + timedelta(seconds=9))


def line(message: str, stream: str = "s", at: float = 0) -> Line:
    return Line(NOW + timedelta(seconds=at), "init-run", "/aws/lambda/x", stream, message)


@pytest.fixture
def write(aws: Target) -> Any:
    """Writes lines into a log stream; each is (seconds since the run began, message)."""
    logs = aws.client("logs")

    def put(group: str, stream: str, *lines: tuple[float, str]) -> None:
        if group not in [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]:
            logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        events = [{"timestamp": int((NOW.timestamp() + at) * 1000), "message": text} for at, text in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    return put


@pytest.fixture
def jobs(aws: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run has one Glue job run and one training job."""

    class Glue:
        def get_paginator(self, _: str) -> Glue:
            return self

        def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
            yield {
                "JobRuns": [
                    {"Id": "jr_other", "StartedOn": NOW, "Arguments": {"--run_id": OTHER}},
                    {"Id": "jr_1", "StartedOn": NOW, "Arguments": {"--run_id": RUN}},
                    {"Id": "jr_old", "StartedOn": NOW - timedelta(days=1), "Arguments": {}},
                ]
            }
            raise AssertionError("job runs from long before the run need not be read")

    aws._clients["glue"] = Glue()
    monkeypatch.setattr(run_logs.pipeline, "find_execution", lambda *_: "arn:p")
    steps = [Step("TrainModel", "Succeeded", job_kind="TrainingJob", job="pipelines-1-TrainModel")]
    monkeypatch.setattr(run_logs.pipeline, "list_steps", lambda *_: steps)


def test_gathers_every_jobs_lines_in_time_order(aws: Target, write: Any, jobs: None) -> None:
    function = "/aws/lambda/titanic-sagemaker-dev-init-run"
    write("/aws/sagemaker/TrainingJobs", "pipelines-1-TrainModel/algo-1", (5, "trained"))
    write("/aws/sagemaker/TrainingJobs", "pipelines-2-TrainModel/algo-1", (5, "another run's"))
    write("/aws-glue/jobs/output", "jr_1", (2, "prepared"))
    write("/aws-glue/jobs/output", "jr_other", (2, "another run's"))
    write("/aws-glue/jobs/error", "jr_1", (3, "a warning"))
    write(function, "s1", (1, "START RequestId: a"), (1, f'{{"run_id": "{RUN}"}}'), (1, "END RequestId: a"))

    lines = lines_of_run(aws, run())

    assert [(found.source, found.message) for found in lines] == [
        ("init-run", "START RequestId: a"),
        ("init-run", f'{{"run_id": "{RUN}"}}'),
        ("init-run", "END RequestId: a"),
        ("prepare", "prepared"),
        ("prepare", "a warning"),
        ("TrainModel", "trained"),
    ]


def test_a_run_that_logged_nothing_yet_has_no_lines(aws: Target, jobs: None) -> None:
    assert lines_of_run(aws, run()) == []


def test_lambda_lines_outside_the_runs_time_are_not_the_runs(aws: Target, write: Any, jobs: None) -> None:
    write("/aws/lambda/titanic-sagemaker-dev-init-run", "s", (-60, "START RequestId: before"), (900, "after"))

    assert lines_of_run(aws, run()) == []


def test_invocations_of_another_run_are_left_out() -> None:
    lines = [line("START RequestId: a"), line(f"for {OTHER}"), line("START RequestId: b"), line(f"for {RUN}")]

    assert [kept.message for kept in only_of_run(lines, run())] == ["START RequestId: b", f"for {RUN}"]


def test_an_invocation_that_names_two_runs_is_kept_by_the_one_refused() -> None:
    lines = [line("START RequestId: a"), line(f"RunInProgress: {OTHER} is running, so {RUN} is refused")]

    assert len(only_of_run(lines, run())) == 2


def test_an_invocation_that_could_not_even_begin_is_kept() -> None:
    lines = [line("START RequestId: a"), line("Runtime.ImportModuleError: No module named 'x'")]

    assert len(only_of_run(lines, run())) == 2


def test_the_run_that_an_invocation_logs_as_its_own_counts() -> None:
    refused = f'{{"message": "{RUN} is running", "run_id": "{OTHER}"}}'

    assert only_of_run([line("START RequestId: a"), line(refused)], run()) == []


@pytest.mark.parametrize(
    ("status", "at", "kept"),
    [("SUCCEEDED", 9.5, 2), ("SUCCEEDED", 30, 0), ("ABORTED", 30, 2), ("TIMED_OUT", 30, 2)],
)
def test_a_silent_invocation_after_the_end_is_the_next_runs_or_records_a_stopped_one(
    status: str, at: float, kept: int
) -> None:
    lines = [line("START RequestId: a", at=at), line("END RequestId: a", at=at)]

    assert len(only_of_run(lines, run(status))) == kept


def test_invocations_of_two_streams_are_not_mixed() -> None:
    lines = [line("START RequestId: a", "1"), line("START RequestId: b", "2"), line("a", "1"), line("b", "2")]

    assert [[each.message for each in part] for part in invocations(lines)] == [
        ["START RequestId: a", "a"],
        ["START RequestId: b", "b"],
    ]


def test_following_says_each_line_once_and_a_repeated_line_twice() -> None:
    unseen = Unseen()

    first = list(unseen.among([line("a"), line("a")]))
    second = list(unseen.among([line("a"), line("a"), line("b")]))

    assert [found.message for found in first] == ["a", "a"]
    assert [found.message for found in second] == ["b"]


def test_following_ends_with_the_run(
    aws: Target, write: Any, jobs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("/aws-glue/jobs/output", "jr_1", (1, "prepared"))
    monkeypatch.setattr(run_logs, "_FOLLOW_SECONDS", 0)
    monkeypatch.setattr(type(aws), "poll_seconds", 0)
    answers = iter([run("RUNNING"), run("SUCCEEDED")])
    monkeypatch.setattr(run_logs.runs, "describe_run", lambda *_: next(answers))

    assert [found.message for found in run_logs.follow_run(aws, run("RUNNING"))] == ["prepared"]


def test_prints_one_group(aws: Target, write: Any) -> None:
    write("/aws-glue/jobs/error", "jr_1", (1, "oh"))

    [found] = lines_of_group(aws, "/aws-glue/jobs/error")

    assert (found.source, found.message) == ("error", "oh")


def test_an_unknown_group_is_told_which_there_are(aws: Target, write: Any) -> None:
    write("/aws-glue/jobs/error", "jr_1", (1, "oh"))

    with pytest.raises(GroupNotFound, match="/aws-glue/jobs/error"):
        lines_of_group(aws, "/aws-glue/jobs/err")
    with pytest.raises(GroupNotFound, match="/aws-glue/jobs/error"):
        lines_of_group(aws, "nothing like it")


def test_a_line_is_shown_with_time_and_source() -> None:
    shown = render.log_line(
        Line(datetime(2026, 11, 21, 7, 1, 2, 345000, UTC), "TrainModel", "g", "s", "[1] ok")
    )

    assert shown is not None
    assert shown.plain == "07:01:02.345 TrainModel         [1] ok"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('{"level":"ERROR","message":"No object","run_id":"r"}', "ERROR No object"),
        ('{"level":"ERROR","message":"broken","exception":"Traceback …"}', "ERROR broken\nTraceback …"),
        ('{"_aws":{"Timestamp":1},"Success":[1.0]}', None),
        ('{"rows": 891}', '{"rows": 891}'),
        ("{not json", "{not json"),
        ("plain", "plain"),
    ],
)
def test_structured_lines_are_shown_as_text_and_metrics_are_not(message: str, said: str | None) -> None:
    assert render.log_message(message) == said


def test_a_batch_runs_transform_job_is_among_its_logs(aws: Target, write: Any, jobs: None) -> None:
    write("/aws/sagemaker/TransformJobs", f"batch-{RUN}/worker-1", (4, "418 rows"))
    write("/aws/sagemaker/TransformJobs", f"batch-{OTHER}/worker-1", (4, "another run's"))
    write("/aws-glue/jobs/output", "jr_1", (2, "prepared"))

    lines = lines_of_run(aws, run(kind="batch_inference"))

    assert [(found.source, found.message) for found in lines] == [
        ("prepare", "prepared"),
        ("transform", "418 rows"),
    ]
