"""Permissions held against a list of actions and resources; here against a small one of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import iam_reference

ACTIONS = {
    "s3:GetObject": {"arn:${Partition}:s3:::${BucketName}/${ObjectName}"},
    "s3:ListBucket": {"arn:${Partition}:s3:::${BucketName}"},
    "glue:GetJob": {"arn:${Partition}:glue:${Region}:${Account}:job/${JobName}"},
    "xray:PutTraceSegments": {"*"},
}


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is said of a role with one statement."""
    monkeypatch.setattr(iam_reference, "arn_formats", lambda action: frozenset(ACTIONS.get(action, ())))
    (tmp_path / "iam/ci").mkdir(parents=True)
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/functions.json").write_text('{"defaults": {}, "functions": {}}')

    def problems(actions: list[str], resources: list[str], **reasons: str) -> list[str]:
        statement = {"Sid": "Work", "Effect": "Allow", "Action": actions, "Resource": resources}
        role = {"statements": [statement], "reasons": reasons}
        (tmp_path / "iam/ci/role.json").write_text(json.dumps(role))
        return iam_reference.problems(tmp_path)

    return problems


def test_a_right_statement_is_passed(said: Any) -> None:
    assert said(["s3:GetObject"], ["arn:aws:s3:::${data_bucket}/raw/*"]) == []
    assert said(["glue:GetJob"], ["arn:aws:glue:${region}:${account_id}:job/${prepare_job}"]) == []
    assert said(["xray:PutTraceSegments"], ["*"]) == []
    assert said(["s3:ListBucket"], ["${data_bucket_arn}"]) == []


def test_an_action_that_does_not_exist_is_refused(said: Any) -> None:
    assert said(["s3:ReadObject"], ["*"]) == ["iam/ci/role.json, Work: AWS knows no action s3:ReadObject."]


def test_an_action_that_none_of_the_resources_can_be_is_refused(said: Any) -> None:
    [problem] = said(["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::${data_bucket}"])
    assert "s3:GetObject works on" in problem
    assert problem.endswith("so it grants nothing.")


def test_a_resource_that_nothing_is_done_to_is_refused(said: Any) -> None:
    found = said(["s3:GetObject"], ["arn:aws:s3:::b/raw/*", "arn:aws:glue:${region}:${account_id}:job/x"])
    assert found == [
        "iam/ci/role.json, Work: none of the actions works on arn:aws:glue:${region}:${account_id}:job/x."
    ]


def test_any_resource_needs_a_reason_where_the_service_takes_names(said: Any) -> None:
    [problem] = said(["glue:GetJob", "xray:PutTraceSegments"], ["*"])
    assert "glue:GetJob can be limited to resources" in problem
    assert said(["glue:GetJob", "xray:PutTraceSegments"], ["*"], Work="named by AWS, never by us") == []


@pytest.mark.parametrize(
    ("resource", "arn_format", "fitting"),
    [
        ("arn:aws:logs:r:a:log-group:/x:*", "arn:${P}:logs:${R}:${A}:log-group:${G}:log-stream:${S}", True),
        ("arn:aws:states:r:a:*:name", "arn:${P}:states:${R}:${A}:stateMachine:${N}", True),
        ("arn:aws:glue:r:a:table/x", "arn:${P}:glue:${R}:${A}:job/${N}", False),
        ("arn:aws:s3:::bucket", "arn:${P}:s3:::${B}/${K}", False),
        ("arn:aws:s3:::bucket", "*", False),
    ],
)
def test_a_resource_fits_a_form_when_some_name_is_both(resource: str, arn_format: str, fitting: bool) -> None:
    assert iam_reference.fits(resource, arn_format) is fitting
