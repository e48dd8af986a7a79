"""What GitHub will run: pinned, with the least permissions, through the make targets that people use.

None of it can run here, so what can be read from the files is held by tests; `make check` runs actionlint and
zizmor over them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / ".github").rglob("*.yml"))
WORKFLOWS: dict[str, Any] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github/workflows").glob("*.yml"))
}
JOBS = [
    pytest.param(workflow, name, job, id=f"{workflow}-{name}")
    for workflow, read in WORKFLOWS.items()
    for name, job in read["jobs"].items()
]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PERMISSIONS: dict[str, dict[str, str]] = {
    "pull-request-plan": {"contents": "read", "id-token": "write"},
    "pull-request-comment": {"pull-requests": "write"},
    "deploy-dev": {"contents": "read", "id-token": "write"},
    "deploy-evidence": {"contents": "read", "id-token": "write"},
    "deploy-prod": {"contents": "read", "id-token": "write"},
    "environment-deploy": {"contents": "read", "id-token": "write"},
}
"""Jobs that may do more than read the repository."""

each_job = pytest.mark.parametrize(("workflow", "name", "job"), JOBS)


def steps() -> Iterator[dict[str, Any]]:
    for path in FILES:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield from read.get("runs", {}).get("steps", [])
        for job in read.get("jobs", {}).values():
            yield from job.get("steps", [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line and "uses: ./" not in line:
            assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_version_everywhere() -> None:
    versions = defaultdict(set)
    for path in FILES:
        for action, version in re.findall(
            r"uses: ([\w.-]+/[\w.-]+)@(.+)$", path.read_text(encoding="utf-8"), re.M
        ):
            versions[action].add(version)
    assert versions
    assert {action for action, found in versions.items() if len(found) > 1} == set()


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_has_no_permissions_of_its_own(workflow: str) -> None:
    assert WORKFLOWS[workflow]["permissions"] == {}


@each_job
def test_a_job_has_the_least_permissions(workflow: str, name: str, job: dict[str, Any]) -> None:
    assert job["permissions"] == PERMISSIONS.get(f"{workflow}-{name}", {"contents": "read"})


@each_job
def test_a_job_that_writes_to_the_repository_runs_none_of_its_code(
    workflow: str, name: str, job: dict[str, Any]
) -> None:
    if any(value == "write" and permission != "id-token" for permission, value in job["permissions"].items()):
        assert all("uses" not in step and "make" not in step["run"] for step in job["steps"])


@each_job
def test_a_job_ends_one_day(workflow: str, name: str, job: dict[str, Any]) -> None:
    assert "uses" in job or 0 < job["timeout-minutes"] <= 120


def test_nothing_is_kept_as_a_secret() -> None:
    for path in FILES:
        assert not re.search(r"secrets\b|aws-secret|aws-access-key", path.read_text(encoding="utf-8"))


def test_scripts_take_what_others_wrote_from_the_environment() -> None:
    for step in steps():
        assert "${{" not in step.get("run", "")


def test_checkouts_leave_no_token_behind() -> None:
    for step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_every_make_target_exists() -> None:
    called = {target for step in steps() for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert {
        "check",
        "test",
        "audit",
        "plan",
        "publish",
        "deploy",
        "smoke",
        "evidence",
    } <= called
    assert called <= TARGETS


def test_what_ci_runs_is_part_of_a_pull_request_and_of_a_deployment() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    verified = {
        step["run"].partition(" #")[0]
        for job in WORKFLOWS["verify"]["jobs"].values()
        for step in job["steps"]
        if "run" in step
    }
    assert set(re.findall(r"^make [a-z-]+$", script, re.MULTILINE)) <= verified
    for workflow in ("pull-request", "deploy"):
        assert WORKFLOWS[workflow]["jobs"]["verify"]["uses"] == "./.github/workflows/verify.yml"


def test_prod_comes_after_evidence_of_dev_and_dev_after_the_checks() -> None:
    jobs = WORKFLOWS["deploy"]["jobs"]
    assert [jobs["dev"]["needs"], jobs["evidence"]["needs"], jobs["prod"]["needs"]] == [
        "verify",
        "dev",
        "evidence",
    ]
    environments = json.loads((ROOT / "project.json").read_text(encoding="utf-8"))["environments"]
    assert [jobs[name]["with"]["environment"] for name in environments] == environments


def test_only_jobs_of_an_environment_take_the_role_that_deploys() -> None:
    for read in WORKFLOWS.values():
        for job in read["jobs"].values():
            if "AWS_DEPLOY_ROLE" in json.dumps(job):
                assert job["environment"] == "${{ inputs.environment }}"


def test_an_environment_takes_one_deployment_at_a_time_and_finishes_it() -> None:
    concurrency = WORKFLOWS["environment"]["jobs"]["deploy"]["concurrency"]
    assert concurrency == {"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": False}


def test_the_region_is_that_of_the_project() -> None:
    region = json.loads((ROOT / "project.json").read_text(encoding="utf-8"))["region"]
    asked = [step["with"]["aws-region"] for step in steps() if "aws-region" in step.get("with", {})]
    assert asked
    assert set(asked) == {region}


def test_every_variable_is_explained() -> None:
    used = {name for path in FILES for name in re.findall(r"vars\.(\w+)", path.read_text(encoding="utf-8"))}
    document = (ROOT / "docs/05-cicd.md").read_text(encoding="utf-8")
    assert used
    assert {name for name in used if f"`{name}`" not in document} == set()
