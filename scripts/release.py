"""What a deployment does besides Terraform: publishes code, tries a run, keeps and asks for the evidence.

    … publish  --env dev                   the commit's code bundle, once
    … smoke    --env dev --commit COMMIT   a training run, and the record that it passed
    … evidence --env dev --commit COMMIT   whether that record is there: prod asks for that of dev

All talk to the account of the environment's AWS credentials. Exits 1 with one sentence when something is not
as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess  # nosec B404 - the trial run is the operator's own command
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ops import bundles
from ops.aws_errors import error_code
from ops.target import Target, connect

WRITTEN_ALREADY = "PreconditionFailed"
ABSENT = (
    "404",
    "AccessDenied",
    "NoSuchKey",
)  # who may not list is told of an absent object that it is denied
TITANIC = Path(sys.executable).with_name("titanic")


class ReleaseError(Exception):
    """A deployment must not go on; the message says why and what to do."""


def publish(target: Target) -> str:
    """Puts this code's bundle where the pipeline takes it from; returns its URI.

    A version is published once. Raises `ReleaseError` when it is there with other bytes.
    """
    version, content = bundles.code_version(), bundles.build_code_bundle()
    bucket, key = target.names["data_bucket"], f"pipeline/code/{version}/pipeline_code.tar.gz"
    s3 = target.client("s3")
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
    except ClientError as error:
        if error_code(error) != WRITTEN_ALREADY:
            raise
        if s3.get_object(Bucket=bucket, Key=key)["Body"].read() != content:
            raise ReleaseError(
                f"s3://{bucket}/{key} holds other bytes than this commit gives. Runs may have used them, so "
                "they stay: find out who put them there, and deploy another commit."
            ) from error
    return f"s3://{bucket}/{key}"


def smoke(target: Target, commit: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """One training run of what is deployed; the record of it, as it is kept in the data bucket.

    The run leaves a version that waits for approval, as every run does. Raises `ReleaseError` when it
    registers none.
    """
    done = subprocess.run(  # nosec B603
        [TITANIC, "train", "--env", target.env, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        env=dict(environment),
    )
    if done.returncode:
        raise ReleaseError(
            f"The trial run in {target.env} did not register a model (titanic train: exit code "
            f"{done.returncode}). What it printed above names the next command."
        )
    record = evidence_of(json.loads(done.stdout), commit, target.env)
    if server := environment.get("GITHUB_SERVER_URL"):
        run = f"{environment['GITHUB_REPOSITORY']}/actions/runs/{environment['GITHUB_RUN_ID']}"
        record["workflow_run"] = f"{server}/{run}"
    target.client("s3").put_object(
        Bucket=target.names["data_bucket"],
        Key=evidence_key(commit),
        Body=json.dumps(record, indent=2).encode(),
        ContentType="application/json",
    )
    return record


def evidence_of(run: Mapping[str, Any], commit: str, env: str) -> dict[str, Any]:
    """What is kept of a trial run that passed."""
    return {
        "commit": commit,
        "environment": env,
        "code_version": bundles.code_version(),
        "run_id": run["run_id"],
        "decision": run["decision"],
        "metrics": run["metrics"],
        "model_package_arn": run["model_package_arn"],
        "seconds": run["seconds"],
        "manifest": run["manifest_uri"],
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def evidence(target: Target, commit: str) -> dict[str, Any]:
    """The record that this commit passed in the environment. Raises `ReleaseError` when there is none."""
    try:
        answer = target.client("s3").get_object(Bucket=target.names["data_bucket"], Key=evidence_key(commit))
    except ClientError as error:
        if error_code(error) not in ABSENT:
            raise
        raise ReleaseError(
            f"Nothing shows that {commit} passed in {target.env}: s3://{target.names['data_bucket']}/"
            f"{evidence_key(commit)} is not there. Deploy it to {target.env} first."
        ) from error
    record: dict[str, Any] = json.loads(answer["Body"].read())
    if (
        record["commit"] != commit
        or record["environment"] != target.env
        or record["decision"] != "registered"
    ):
        raise ReleaseError(f"The record of {commit} in {target.env} tells of something else: {record}.")
    return record


def evidence_key(commit: str) -> str:
    return f"releases/{commit}.json"


def main(argv: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        "python -m scripts.release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("publish", "smoke", "evidence"))
    parser.add_argument("--env", required=True, help="environment of project.json")
    parser.add_argument("--commit", help="full name of the commit (smoke, evidence)")
    chosen = parser.parse_args(argv)
    if chosen.command != "publish" and not chosen.commit:
        parser.error(f"{chosen.command} needs --commit")
    target = connect(chosen.env)
    try:
        if chosen.command == "publish":
            print(publish(target))
        elif chosen.command == "smoke":
            print(json.dumps(smoke(target, chosen.commit, os.environ), indent=2))
        else:
            print(json.dumps(evidence(target, chosen.commit), indent=2))
    except ReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
