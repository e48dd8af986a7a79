"""Publishing a commit's code, trying it, and the evidence that prod asks for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops import bundles
from ops.target import Target
from scripts import release

COMMIT = "1234567890123456789012345678901234567890"
RUN = {
    "run_id": "20261121-0123456789",
    "decision": "registered",
    "metrics": {"auc": 0.86},
    "model_package_arn": "arn:aws:sagemaker:eu-west-1:123456789012:model-package/g/1",
    "seconds": 4.2,
    "manifest_uri": "s3://b/runs/20261121-0123456789/manifest.json",
}
WORKFLOW = {
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_REPOSITORY": "octocat/titanic",
    "GITHUB_RUN_ID": "7",
}


@pytest.fixture
def target() -> Iterator[Target]:
    with mock_aws():
        session = boto3.session.Session("test", "test", region_name="eu-west-1")
        there = Target(session, "dev")
        there.client("s3").create_bucket(
            Bucket=there.names["data_bucket"],
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        yield there


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """`titanic train` registers a model; the list gets what was called."""
    calls: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        calls.append([str(word) for word in command[1:]])
        return subprocess.CompletedProcess(command, 0, json.dumps(RUN))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(bundles, "code_version", lambda: "1234567")
    return calls


def stored(target: Target, key: str) -> bytes:
    body: bytes = target.client("s3").get_object(Bucket=target.names["data_bucket"], Key=key)["Body"].read()
    return body


def test_the_bundle_is_put_where_the_pipeline_takes_it_from(target: Target) -> None:
    uri = release.publish(target)
    version = bundles.code_version()
    assert uri == f"s3://{target.names['data_bucket']}/pipeline/code/{version}/pipeline_code.tar.gz"
    assert stored(target, uri.split("/", 3)[3]) == bundles.build_code_bundle()


def test_publishing_a_commit_again_changes_nothing(target: Target) -> None:
    assert release.publish(target) == release.publish(target)


def test_a_bundle_with_other_bytes_is_never_replaced(target: Target) -> None:
    key = release.publish(target).split("/", 3)[3]
    target.client("s3").put_object(Bucket=target.names["data_bucket"], Key=key, Body=b"another")
    with pytest.raises(release.ReleaseError, match="holds other bytes"):
        release.publish(target)
    assert stored(target, key) == b"another"


def test_a_trial_run_that_passed_is_the_evidence_that_prod_asks_for(
    target: Target, trained: list[list[str]]
) -> None:
    record = release.smoke(target, COMMIT, WORKFLOW)
    assert trained == [["train", "--env", "dev", "--json"]]
    assert record["run_id"] == RUN["run_id"]
    assert record["workflow_run"] == "https://git.example/octocat/titanic/actions/runs/7"
    assert release.evidence(target, COMMIT) == record


def test_a_trial_run_that_failed_is_no_evidence(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = subprocess.CompletedProcess([], 2, json.dumps(RUN))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: rejected)
    with pytest.raises(release.ReleaseError, match="exit code 2"):
        release.smoke(target, COMMIT, {})
    with pytest.raises(release.ReleaseError, match="Nothing shows that"):
        release.evidence(target, COMMIT)


@pytest.mark.parametrize(
    "changed", [{"commit": "another"}, {"environment": "prod"}, {"decision": "rejected"}], ids=str
)
def test_a_record_of_something_else_is_no_evidence(
    target: Target, trained: list[list[str]], changed: dict[str, str]
) -> None:
    record = release.smoke(target, COMMIT, {}) | changed
    target.client("s3").put_object(
        Bucket=target.names["data_bucket"], Key=release.evidence_key(COMMIT), Body=json.dumps(record)
    )
    with pytest.raises(release.ReleaseError, match="something else"):
        release.evidence(target, COMMIT)
