from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

Aws = Callable[[str], Any]
Deploy = Callable[..., str]


def ended(aws: Aws, job: str, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        run: dict[str, Any] = aws("glue").get_job_run(JobName=job, RunId=run_id)["JobRun"]
        if run["JobRunState"] not in ("STARTING", "RUNNING", "STOPPING"):
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.02)


def start(aws: Aws, job: str, **arguments: str) -> str:
    answer = aws("glue").start_job_run(JobName=job, Arguments={f"--{k}": v for k, v in arguments.items()})
    run_id: str = answer["JobRunId"]
    return run_id


def log(aws: Aws, group: str, run_id: str) -> list[str]:
    events = aws("logs").filter_log_events(logGroupName=f"/aws-glue/jobs/{group}", logStreamNames=[run_id])
    return [event["message"] for event in events["events"]]


def test_runs_the_script_with_its_default_and_its_own_arguments(aws: Aws, deploy_job: Deploy) -> None:
    job = deploy_job("import sys; print(sys.argv[1:])", DefaultArguments={"--a": "1", "--b": "2"})
    run_id = start(aws, job, b="3")
    assert ended(aws, job, run_id)["JobRunState"] == "SUCCEEDED"
    [line] = log(aws, "output", run_id)
    assert f"'--JOB_NAME', '{job}'" in line
    assert line.endswith("'--a', '1', '--b', '3']")


def test_gives_the_script_its_extra_files_and_packages(aws: Aws, deploy_job: Deploy, bucket: str) -> None:
    aws("s3").put_object(Bucket=bucket, Key="extra/note.txt", Body=b"hello")
    aws("s3").put_object(Bucket=bucket, Key="extra/helper.py", Body=b"WORD = 'helped'")
    job = deploy_job(
        "import helper; print(open('note.txt').read(), helper.WORD)",
        DefaultArguments={
            "--extra-files": f"s3://{bucket}/extra/note.txt",
            "--extra-py-files": f"s3://{bucket}/extra/helper.py",
        },
    )
    run_id = start(aws, job)
    assert ended(aws, job, run_id)["JobRunState"] == "SUCCEEDED"
    assert log(aws, "output", run_id) == ["hello helped"]


def test_a_failed_run_says_the_scripts_last_error_line(aws: Aws, deploy_job: Deploy) -> None:
    job = deploy_job("import sys; print('MissingColumn: no Age', file=sys.stderr); sys.exit(1)")
    run = ended(aws, job, run_id := start(aws, job))
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "MissingColumn: no Age")
    assert log(aws, "error", run_id) == ["MissingColumn: no Age"]


def test_a_script_that_is_not_there_fails_the_run(aws: Aws, deploy_job: Deploy, bucket: str) -> None:
    job = deploy_job("")
    aws("s3").delete_object(Bucket=bucket, Key=f"{job}/script.py")
    run = ended(aws, job, start(aws, job))
    assert run["JobRunState"] == "FAILED"
    assert "LAUNCH ERROR" in run["ErrorMessage"]


def test_a_run_can_be_stopped(aws: Aws, deploy_job: Deploy) -> None:
    job = deploy_job("import time; time.sleep(60)")
    run_id = start(aws, job)
    stopped = aws("glue").batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    assert [entry["JobRunId"] for entry in stopped["SuccessfulSubmissions"]] == [run_id]
    assert ended(aws, job, run_id)["JobRunState"] == "STOPPED"


@pytest.mark.parametrize("most", [1, 2])
def test_refuses_more_runs_than_the_job_allows(aws: Aws, deploy_job: Deploy, most: int) -> None:
    job = deploy_job("import time; time.sleep(60)", ExecutionProperty={"MaxConcurrentRuns": most})
    run_ids = [start(aws, job) for _ in range(most)]
    with pytest.raises(aws("glue").exceptions.ConcurrentRunsExceededException, match=job):
        start(aws, job)
    aws("glue").batch_stop_job_run(JobName=job, JobRunIds=run_ids)
    for run_id in run_ids:
        ended(aws, job, run_id)


def test_an_updated_job_allows_what_the_update_says(aws: Aws, deploy_job: Deploy) -> None:
    job = deploy_job("import time; time.sleep(60)", ExecutionProperty={"MaxConcurrentRuns": 1})
    described = aws("glue").get_job(JobName=job)["Job"]
    update = {"Role": described["Role"], "Command": described["Command"]}
    aws("glue").update_job(JobName=job, JobUpdate=update | {"ExecutionProperty": {"MaxConcurrentRuns": 2}})
    assert aws("glue").get_job(JobName=job)["Job"]["ExecutionProperty"] == {"MaxConcurrentRuns": 2}


def test_a_job_bears_the_tags_it_was_made_with(aws: Aws, deploy_job: Deploy) -> None:
    job = deploy_job("pass", Tags={"owner": "tests"})
    arn = f"arn:aws:glue:eu-west-1:123456789012:job/{job}"
    assert aws("glue").get_tags(ResourceArn=arn)["Tags"] == {"owner": "tests"}
