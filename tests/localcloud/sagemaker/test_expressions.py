from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker import conditions
from localcloud.sagemaker.expressions import ExpressionError, parse_path, parse_reference, references, resolve

DESCRIBED = {
    "ProcessingOutputConfig": {
        "Outputs": [
            {"OutputName": "train", "S3Output": {"S3Uri": "s3://b/train"}},
            {"OutputName": "test", "S3Output": {"S3Uri": "s3://b/test"}},
        ]
    },
    "Environment": {"A.B": "dotted"},
}


class Scope:
    def parameter(self, name: str) -> Any:
        return {"Threshold": 0.78, "Flag": True, "Uri": "s3://b/k"}[name]

    def variable(self, name: str) -> Any:
        return {"PipelineExecutionId": "abc"}[name]

    def properties(self, step: str) -> Any:
        return {"Prepare": DESCRIBED}[step]

    def property_file(self, step: str, name: str) -> Any:
        return {("Prepare", "Report"): {"metrics": [{"value": 0.9}], "a-b": 1}}[step, name]

    def json_object(self, uri: str) -> Any:
        return {"s3://b/k": {"deep": {"er": "yes"}}}[uri]


def get(text: str) -> Any:
    return resolve({"Get": text}, Scope())


def report(path: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Prepare.PropertyFiles.Report"}, "Path": path}}


def test_gets_parameters_with_their_type() -> None:
    assert get("Parameters.Threshold") == 0.78


def test_gets_execution_variables() -> None:
    assert get("Execution.PipelineExecutionId") == "abc"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri", "s3://b/train"),
        ('ProcessingOutputConfig.Outputs["test"].S3Output.S3Uri', "s3://b/test"),
        ("ProcessingOutputConfig.Outputs[1].S3Output.S3Uri", "s3://b/test"),
        ("Environment['A.B']", "dotted"),
    ],
)
def test_gets_members_of_a_steps_job(path: str, value: str) -> None:
    assert get(f"Steps.Prepare.{path}") == value


@pytest.mark.parametrize(
    "path", ["Nothing", "ProcessingOutputConfig.Outputs['none']", "ProcessingOutputConfig.Outputs[7]"]
)
def test_names_what_has_no_value(path: str) -> None:
    with pytest.raises(ExpressionError, match="has no value"):
        get(f"Steps.Prepare.{path}")


def test_joins_values_as_text() -> None:
    values = ["s3:/", {"Get": "Execution.PipelineExecutionId"}, {"Get": "Parameters.Threshold"}, 5]
    assert resolve({"Std:Join": {"On": "/", "Values": values}}, Scope()) == "s3://abc/0.78/5"
    assert resolve({"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Flag"}]}}, Scope()) == "true"


def test_refuses_to_join_what_is_no_plain_value() -> None:
    with pytest.raises(ExpressionError, match="joins plain values"):
        resolve({"Std:Join": {"On": "", "Values": [["a"]]}}, Scope())


def test_reads_property_files() -> None:
    assert resolve(report("metrics[0].value"), Scope()) == 0.9
    assert resolve(report("['a-b']"), Scope()) == 1


def test_reads_any_json_object() -> None:
    expression = {"Std:JsonGet": {"S3Uri": {"Get": "Parameters.Uri"}, "Path": "deep.er"}}
    assert resolve(expression, Scope()) == "yes"


def test_resolves_inside_documents_and_leaves_the_rest_alone() -> None:
    document = {"a": [{"Get": "Parameters.Flag"}, "Get"], "b": {"Get": "Parameters.Uri", "other": 1}}
    assert resolve(document, Scope()) == {"a": [True, "Get"], "b": {"Get": "Parameters.Uri", "other": 1}}


@pytest.mark.parametrize(
    "text", ["", "Parameters", "Parameters.", "Nowhere.X", "Steps[0].X", "Steps.A.b[", 5, None]
)
def test_refuses_what_is_no_reference(text: object) -> None:
    with pytest.raises(ExpressionError):
        parse_reference(text)


def test_parses_paths() -> None:
    assert parse_path("a.b['c d'][0]") == ("a", "b", "c d", 0)


def test_finds_references_however_deep() -> None:
    found = references({"x": [report("p"), {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.A"}]}}]})
    assert [reference.text for reference in found] == ["Steps.Prepare.PropertyFiles.Report", "Parameters.A"]


def condition(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


@pytest.mark.parametrize(
    ("written", "outcome"),
    [
        (condition("Equals", 1, 1.0), True),
        (condition("GreaterThan", report("metrics[0].value"), {"Get": "Parameters.Threshold"}), True),
        (condition("GreaterThanOrEqualTo", 0.78, {"Get": "Parameters.Threshold"}), True),
        (condition("LessThan", 0.78, 0.78), False),
        (condition("LessThanOrEqualTo", 0.78, 0.78), True),
        ({"Type": "In", "QueryValue": "a", "Values": ["a", "b"]}, True),
        ({"Type": "Not", "Expression": condition("Equals", "a", "a")}, False),
        ({"Type": "Or", "Conditions": [condition("Equals", 1, 2), condition("Equals", 2, 2)]}, True),
    ],
)
def test_decides_every_type_of_condition(written: dict[str, Any], outcome: bool) -> None:
    assert conditions.problems(written) == []
    assert conditions.holds(written, Scope()) is outcome


@pytest.mark.parametrize(("left", "right"), [("0.9", 0.78), (True, 1), (None, 0)])
def test_refuses_to_compare_values_of_different_types(left: object, right: object) -> None:
    with pytest.raises(ExpressionError, match="cannot compare"):
        conditions.holds(condition("Equals", left, right), Scope())


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"Type": "Near"}, "unknown condition type 'Near'"),
        (None, "unknown condition type None"),
        ({"Type": "Equals", "LeftValue": 1}, "lacks RightValue"),
        ({"Type": "Not", "Expression": {"Type": "In"}}, "lacks QueryValue, Values"),
    ],
)
def test_names_what_is_wrong_with_a_condition(written: Any, words: str) -> None:
    assert words in conditions.problems(written)[0]
