"""Every permission in the repository: role files and function statements, as text and as policy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template
from typing import Any

import pytest

from ops.names import Names

ROOT = Path(__file__).resolve().parents[3]
NAMES = Names("dev", "123456789012")
FUNCTIONS: dict[str, Any] = json.loads((ROOT / "functions/functions.json").read_text(encoding="utf-8"))
ROLES: dict[str, Any] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "iam").glob("*.json"))
}
MACHINES = sorted(path.name.partition(".")[0] for path in (ROOT / "statemachines").glob("*.asl.json"))
PLACEHOLDERS = set(NAMES.all()) | {
    "project",
    "env",
    "region",
    "account_id",
    "alerts_topic_arn",
    "dead_letter_queue_arn",
    "endpoint_name_prefix",
    "promotion_state_machine_arn",
    "training_state_machine_arn",
    "code_bundle_uri",
    "accuracy_threshold",
    "f1_threshold",
    "auc_threshold",
}


def all_statements() -> list[Any]:
    """(owner, statement, reasons) for each statement of each role."""
    defaults = FUNCTIONS["defaults"]
    owners = {
        "every function": (defaults["statements"], defaults.get("reasons", {})),
        **{
            name: (each["statements"], each.get("reasons", {}))
            for name, each in FUNCTIONS["functions"].items()
        },
        **{name: (role["statements"], role.get("reasons", {})) for name, role in ROLES.items()},
    }
    return [
        pytest.param(statement, reasons, id=f"{owner}-{statement['Sid']}")
        for owner, (statements, reasons) in owners.items()
        for statement in statements
    ]


each_statement = pytest.mark.parametrize(("statement", "reasons"), all_statements())


@each_statement
def test_a_statement_has_the_one_form(statement: dict[str, Any], reasons: dict[str, str]) -> None:
    assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", statement["Sid"])
    assert statement["Effect"] == ("Deny" if statement["Sid"].startswith("Never") else "Allow")
    for part in ("Action", "Resource"):
        assert statement[part] == sorted(set(statement[part]))


@each_statement
def test_every_action_is_named_in_full(statement: dict[str, Any], reasons: dict[str, str]) -> None:
    for action in statement["Action"]:
        assert re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action)


@each_statement
def test_a_wildcard_resource_has_its_reason(statement: dict[str, Any], reasons: dict[str, str]) -> None:
    if "*" in statement["Resource"]:
        assert len(reasons[statement["Sid"]]) > 20
    for resource in statement["Resource"]:
        # Nothing reaches across services, accounts or buckets.
        assert resource in ("*", "${alerts_topic_arn}", "${dead_letter_queue_arn}") or re.match(
            r"arn:aws:(s3:::\$\{data_bucket\}|iam::\$\{account_id\}:|[a-z]+:\$\{region\}:(\$\{account_id\}|\d{12}):)",
            resource,
        )


@each_statement
def test_listing_the_bucket_is_limited_to_prefixes(
    statement: dict[str, Any], reasons: dict[str, str]
) -> None:
    if "s3:ListBucket" in statement["Action"]:
        assert statement["Condition"]["StringLike"]["s3:prefix"]
        assert statement["Action"] == ["s3:ListBucket"]


@each_statement
def test_a_role_is_passed_only_to_the_service_that_needs_it(
    statement: dict[str, Any], reasons: dict[str, str]
) -> None:
    if statement["Effect"] == "Allow" and "iam:PassRole" in statement["Action"]:
        [role] = statement["Resource"]
        assert role.startswith("arn:aws:iam::${account_id}:role/${project}-${env}-")
        assert "*" not in role
        assert statement["Condition"]["StringEquals"]["iam:PassedToService"].endswith(".amazonaws.com")


def test_every_reason_belongs_to_a_wildcard() -> None:
    for owner in (FUNCTIONS["defaults"], *FUNCTIONS["functions"].values(), *ROLES.values()):
        wild = {each["Sid"] for each in owner.get("statements", []) if "*" in each["Resource"]}
        assert set(owner.get("reasons", {})) == wild


def test_what_no_run_proves_is_a_statement_and_says_why() -> None:
    for owner in (FUNCTIONS["defaults"], *FUNCTIONS["functions"].values(), *ROLES.values()):
        unproven = owner.get("unproven", {})
        assert set(unproven) <= {each["Sid"] for each in owner["statements"]}
        assert all(len(reason) > 20 for reason in unproven.values())


def test_no_function_repeats_what_every_function_has() -> None:
    common = FUNCTIONS["defaults"]["statements"]
    sids = {each["Sid"] for each in common}
    for function in FUNCTIONS["functions"].values():
        own = [each["Sid"] for each in function["statements"]]
        assert len(own) == len(set(own))
        assert not sids & set(own)


@pytest.mark.parametrize("path", ["functions/functions.json", *[f"iam/{name}.json" for name in ROLES]])
def test_only_known_placeholders_are_used(path: str) -> None:
    template = Template((ROOT / path).read_text(encoding="utf-8"))
    assert template.is_valid()
    allowed = PLACEHOLDERS | ({"function_name"} if path.startswith("functions") else set())
    assert set(template.get_identifiers()) <= allowed


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_assumed_by_one_service_and_says_what_for(name: str) -> None:
    role = ROLES[name]
    assert set(role) <= {
        "description",
        "assumed_by",
        "source_account",
        "statements",
        "reasons",
        "unproven",
    }
    assert len(role["description"]) > 20
    assert len(role["assumed_by"]) == 1
    assert len(NAMES.role(name)) <= 64


@pytest.mark.parametrize("name", ROLES)
def test_a_service_assumes_a_role_for_this_account_only_and_people_are_of_it(name: str) -> None:
    """Each of these services says for whom it acts; Lambda alone does not, and is in no file here."""
    [principal], account = ROLES[name]["assumed_by"], "${account_id}"
    if name == "operator":
        assert principal == f"arn:aws:iam::{account}:root"
    else:
        assert principal.endswith(".amazonaws.com")
        assert ROLES[name]["source_account"] == account


READING = ("Describe", "Filter", "Get", "List", "Receive")
STARTING = {
    "sagemaker:UpdateModelPackage",  # a decision about a version
    "sqs:ChangeMessageVisibility",  # what was read goes back
    "states:StartExecution",
}


def test_the_operator_reads_and_starts_and_changes_nothing_else() -> None:
    for statement in ROLES["operator"]["statements"]:
        if statement["Effect"] == "Allow":
            for action in statement["Action"]:
                assert action in STARTING or action.partition(":")[2].startswith(READING)


def test_a_role_that_may_pass_roles_is_no_persons() -> None:
    allowed = [each for each in ROLES["operator"]["statements"] if each["Effect"] == "Allow"]
    assert not [each["Sid"] for each in allowed if any(a.startswith("iam:") for a in each["Action"])]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_may_call_exactly_the_functions_it_names(machine: str) -> None:
    definition = (ROOT / f"statemachines/{machine}.asl.json").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{(\w+)FunctionArn\}", definition))
    called = {name for name in FUNCTIONS["functions"] if _camel(name) in named}
    assert {_camel(name) for name in called} == named
    [statement] = [
        each for each in ROLES[f"{machine}_state_machine"]["statements"] if each["Sid"] == "CallFunctions"
    ]
    values = {
        "region": NAMES.region,
        "account_id": NAMES.account_id,
        "project": NAMES.project,
        "env": NAMES.env,
    }
    allowed = {Template(resource).substitute(values) for resource in statement["Resource"]}
    assert allowed == {NAMES.arn("lambda", f"function:{NAMES.function(name)}") for name in called}


def test_the_pipeline_passes_the_role_that_it_is() -> None:
    [statement] = [each for each in ROLES["pipeline"]["statements"] if each["Sid"] == "GiveJobsThisRole"]
    [resource] = statement["Resource"]
    rendered = Template(resource).substitute(
        account_id=NAMES.account_id, project=NAMES.project, env=NAMES.env
    )
    assert rendered == NAMES.role_arn("pipeline")


def test_only_the_recorder_of_stopped_runs_may_stop_a_pipeline() -> None:
    allowed = {
        name
        for name, function in FUNCTIONS["functions"].items()
        for statement in function["statements"]
        if "sagemaker:StopPipelineExecution" in statement["Action"]
    }
    assert allowed == {"record_stopped_run"}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
