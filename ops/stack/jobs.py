"""The Glue job of `glue_jobs/prepare.json`."""

from __future__ import annotations

from botocore.exceptions import ClientError

from ops.stack.base import Stack


def put_job(stack: Stack) -> None:
    job = stack.render("glue_jobs/prepare.json")
    bucket, prefix = stack.names["data_bucket"], stack.values["job_code_prefix"]
    settings = {
        "Description": job["description"],
        "Role": stack.names.role_arn("prepare_job"),
        "ExecutionProperty": {"MaxConcurrentRuns": job["max_concurrent_runs"]},
        "Command": {
            "Name": job["command"]["name"],
            "ScriptLocation": f"s3://{bucket}/{prefix}/prepare.py",
            "PythonVersion": job["command"]["python_version"],
        },
        "DefaultArguments": job["default_arguments"],
        "MaxRetries": job["max_retries"],
        "Timeout": job["timeout_minutes"],
        "GlueVersion": job["glue_version"],
        "WorkerType": job["worker_type"],
        "NumberOfWorkers": job["number_of_workers"],
    }
    glue, name = stack.client("glue"), stack.names["prepare_job"]
    try:
        glue.create_job(Name=name, **settings, Tags=stack.names.tags())
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            "AlreadyExistsException",
            "IdempotentParameterMismatchException",
        ):
            raise
        glue.update_job(JobName=name, JobUpdate=settings)
