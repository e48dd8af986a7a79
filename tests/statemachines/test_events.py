"""The files under `events/`: every input is listed, can be filled in, and is about what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.common.errors import InvalidInput
from functions.common.execution import Execution
from functions.init_run.batch_inference import BatchInput
from functions.init_run.promotion import start_promotion
from functions.init_run.settings import InitRunSettings
from functions.init_run.training import TrainingInput
from ops.templates import MissingValue, placeholders, render

EVENTS = Path(__file__).resolve().parent.parent.parent / "events"
BUCKET = "titanic-sagemaker-dev-123456789012"
KEYS = {"training": TrainingInput.model_fields.keys(), "batch": BatchInput.model_fields.keys()}
INPUTS = sorted(path for kind in KEYS for path in EVENTS.glob(f"{kind}-*.json"))
ABOUT_KEYS = ("-unknown-key", "-training-key", "-not-an-object")

PROMOTIONS = sorted(EVENTS.glob("promotion-*.json"))
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/titanic-survival-xgboost/7"

ROW = re.compile(r"^\| `((?:training|batch|promotion)-[\w-]+\.json)` \| `(\w+)` \|", re.MULTILINE)


SETTINGS = InitRunSettings.model_construct(
    model_package_group="titanic-survival-xgboost",
    staging_endpoint="titanic-survival-staging",
    prod_endpoint="titanic-survival-prod",
    instance_type="ml.m5.large",
    instance_count=1,
    canary_percent=10,
    bake_seconds=300,
)


class NoExecutions:
    """Step Functions with nothing running."""

    def get_paginator(self, _operation: str) -> NoExecutions:
        return self

    def paginate(self, **_request: str) -> list[dict[str, Any]]:
        return [{"executions": []}]


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    """File name -> how the run ends, from the README's tables."""
    return dict(ROW.findall((EVENTS / "README.md").read_text(encoding="utf-8")))


def test_readme_lists_every_input(listed: dict[str, str]) -> None:
    assert listed.keys() == {path.name for path in (*INPUTS, *PROMOTIONS)}


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_input_needs_only_the_bucket(path: Path) -> None:
    assert placeholders(path) <= {"DataBucket"}
    render(path, {"DataBucket": BUCKET})


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_input_has_only_keys_the_machine_knows_unless_that_is_its_point(path: Path) -> None:
    document = render(path, {"DataBucket": BUCKET})

    known = isinstance(document, dict) and document.keys() <= KEYS[path.name.partition("-")[0]]
    assert known != path.stem.endswith(ABOUT_KEYS)


@pytest.mark.parametrize("path", PROMOTIONS, ids=lambda path: path.stem)
def test_a_promotion_ends_as_the_readme_says(path: Path, listed: dict[str, str]) -> None:
    assert placeholders(path) <= {"ModelPackageArn"}
    given = render(path, {"ModelPackageArn": PACKAGE})
    execution = Execution(
        id="arn:aws:states:eu-west-1:123456789012:execution:promotion:first",
        name="first",
        start_time="2026-11-21T06:00:00Z",
        state_machine_id="arn:aws:states:eu-west-1:123456789012:stateMachine:promotion",
    )
    if listed[path.name] == "InvalidInput":
        with pytest.raises(InvalidInput):
            start_promotion(given, execution, SETTINGS, states=NoExecutions())
    else:
        run = start_promotion(given, execution, SETTINGS, states=NoExecutions())
        assert run.model_package_arn == PACKAGE


def test_every_broken_table_has_its_input_and_the_other_way_round() -> None:
    tables = {path.name for path in (EVENTS / "tables").iterdir()}
    sources = [render(path, {"DataBucket": BUCKET}) for path in EVENTS.glob("*-table-*.json")]
    prefix = f"s3://{BUCKET}/raw/examples/"

    assert {source["source_uri"].removeprefix(prefix) for source in sources} == tables


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_the_rule_notices_runs_that_step_functions_ended(sample: dict[str, Any], status: str) -> None:
    sample["detail"]["status"] = status

    assert matches(pattern(sample["detail"]["stateMachineArn"]), sample)


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED"])
def test_the_rule_leaves_runs_alone_that_told_of_themselves(sample: dict[str, Any], status: str) -> None:
    sample["detail"]["status"] = status

    assert not matches(pattern(sample["detail"]["stateMachineArn"]), sample)


def test_the_rule_leaves_other_machines_alone(sample: dict[str, Any]) -> None:
    assert not matches(pattern("arn:aws:states:eu-west-1:123456789012:stateMachine:somebody-elses"), sample)


def test_a_template_without_its_values_is_an_error_that_names_them() -> None:
    with pytest.raises(MissingValue, match=r"stopped_runs\.json needs TrainingStateMachineArn"):
        render(
            EVENTS / "patterns" / "stopped_runs.json",
            {"BatchInferenceStateMachineArn": "arn", "PromotionStateMachineArn": "arn"},
        )


def test_a_value_is_text_and_cannot_change_the_document(tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    template.write_text('{"path": "$.a", "context": "$$.b", "name": "x-${Name}"}', encoding="utf-8")

    rendered = render(template, {"Name": '"}, {"', "Unused": ""})

    assert rendered == {"path": "$.a", "context": "$$.b", "name": 'x-"}, {"'}


@pytest.fixture
def sample() -> dict[str, Any]:
    path = EVENTS / "samples" / "step_functions_execution_aborted.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def pattern(machine_arn: str) -> dict[str, Any]:
    path = EVENTS / "patterns" / "stopped_runs.json"
    machines = {
        "TrainingStateMachineArn": machine_arn,
        "BatchInferenceStateMachineArn": f"{machine_arn}-2",
        "PromotionStateMachineArn": f"{machine_arn}-3",
    }
    rendered: dict[str, Any] = render(path, machines)
    return rendered


def matches(wanted: dict[str, Any], event: dict[str, Any]) -> bool:
    """EventBridge's rule for patterns of plain values: each field's value is one of those listed."""
    return all(
        matches(value, event.get(key, {})) if isinstance(value, dict) else event.get(key) in value
        for key, value in wanted.items()
    )
