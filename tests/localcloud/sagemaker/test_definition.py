from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localcloud.sagemaker import parameters
from localcloud.sagemaker.definition import parse
from localcloud.sagemaker.errors import ValidationError

Document = dict[str, Any]
Change = Callable[[Document], None]


@pytest.fixture
def document(pipeline_document: Document) -> Document:
    return pipeline_document


def step(document: Document, name: str) -> Document:
    return next(found for found in document["Steps"] if found["Name"] == name)


def test_reads_steps_with_what_they_need(document: Document) -> None:
    definition = parse(json.dumps(document))
    needs = {name: sorted(found.needs) for name, found in definition.steps.items()}
    assert needs == {
        "Prepare": [],
        "Train": ["Prepare"],
        "Evaluate": ["Train"],
        "Gate": ["Evaluate"],
        "Register": ["Gate", "Train"],
        "TooBad": ["Gate"],
    }
    assert definition.steps["Register"].branch == ("Gate", True)
    assert definition.steps["TooBad"].branch == ("Gate", False)


def change_type(document: Document) -> None:
    step(document, "Train")["Type"] = "Guess"


def ask_for_tuning(document: Document) -> None:
    step(document, "Train")["Type"] = "Tuning"


def enable_caching(document: Document) -> None:
    step(document, "Train")["CacheConfig"] = {"Enabled": True, "ExpireAfter": "P30D"}


def repeat_a_name(document: Document) -> None:
    step(document, "Train")["Name"] = "Prepare"


def repeat_a_nested_name(document: Document) -> None:
    step(document, "Gate")["Arguments"]["IfSteps"][0]["Name"] = "Prepare"


def depend_on_nothing(document: Document) -> None:
    step(document, "Train")["DependsOn"] = ["Nobody"]


def mistype_a_parameter(document: Document) -> None:
    document["Parameters"][0]["Name"] = "CodeBundleUrl"


def mistype_a_variable(document: Document) -> None:
    step(document, "Prepare")["Arguments"]["Environment"] = {"A": {"Get": "Execution.Identifier"}}


def mistype_a_property(document: Document) -> None:
    step(document, "Train")["Arguments"]["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = {
        "Get": "Steps.Prepare.ProcessingOutputsConfig.Outputs['train'].S3Output.S3Uri"
    }


def mistype_a_property_file(document: Document) -> None:
    step(document, "Evaluate")["PropertyFiles"][0]["PropertyFileName"] = "Rapport"


def take_a_property_file_of_no_output(document: Document) -> None:
    step(document, "Evaluate")["PropertyFiles"][0]["OutputName"] = "nothing"


def mistype_an_argument(document: Document) -> None:
    arguments = step(document, "Train")["Arguments"]
    arguments["ResourcesConfig"] = arguments.pop("ResourceConfig")


def leave_out_an_argument(document: Document) -> None:
    del step(document, "Prepare")["Arguments"]["RoleArn"]


def give_a_wrong_type(document: Document) -> None:
    step(document, "Train")["Arguments"]["StoppingCondition"] = {"MaxRuntimeInSeconds": "1800"}


def compare_nothing(document: Document) -> None:
    del step(document, "Gate")["Arguments"]["Conditions"][0]["LeftValue"]


def go_in_circles(document: Document) -> None:
    step(document, "Prepare")["DependsOn"] = ["Evaluate"]


def retry_badly(document: Document) -> None:
    step(document, "Prepare")["RetryPolicies"] = [{"ExceptionType": ["Bad.LUCK"]}]


def remove_all_steps(document: Document) -> None:
    document["Steps"] = []


def use_another_version(document: Document) -> None:
    document["Version"] = "1"


def name_badly(document: Document) -> None:
    document["Steps"].append({"Name": "a b", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}})


def fail_without_words(document: Document) -> None:
    document["Steps"].append({"Name": "End", "Type": "Fail", "Arguments": {}})


def leave_out_a_name(document: Document) -> None:
    del document["Steps"][0]["Name"]


def make_arguments_a_list(document: Document) -> None:
    document["Steps"][0]["Arguments"] = [1]


def declare_a_parameter_twice(document: Document) -> None:
    document["Parameters"].append({"Name": "CodeBundleUri", "Type": "String"})


def declare_an_unknown_type(document: Document) -> None:
    document["Parameters"].append({"Name": "X", "Type": "Number"})


def give_a_wrong_default(document: Document) -> None:
    document["Parameters"].append({"Name": "X", "Type": "Integer", "DefaultValue": "1"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_type, "step Train: unknown step type 'Guess'"),
        (ask_for_tuning, "steps of type Tuning are not implemented by the local cloud"),
        (enable_caching, "step Train: step caching is not implemented locally"),
        (repeat_a_name, "two steps are called Prepare"),
        (repeat_a_nested_name, "two steps are called Prepare"),
        (depend_on_nothing, "step Train: it needs Nobody, which is no step"),
        (mistype_a_parameter, "Parameters.CodeBundleUri names no parameter"),
        (mistype_a_variable, "Execution.Identifier is no execution variable"),
        (mistype_a_property, "is no property of a Processing step"),
        (mistype_a_property_file, "is no property of a Processing step"),
        (take_a_property_file_of_no_output, "property file Report is of output nothing"),
        (mistype_an_argument, "step Train: Unknown parameter at 'resourcesConfig'"),
        (leave_out_an_argument, "step Prepare: Value null at 'roleArn'"),
        (give_a_wrong_type, "str can not be converted to integer at 'stoppingCondition.maxRuntimeInSeconds'"),
        (compare_nothing, "condition GreaterThanOrEqualTo lacks LeftValue"),
        (go_in_circles, "steps need each other"),
        (retry_badly, "step Prepare: unknown ExceptionType 'Bad.LUCK'"),
        (remove_all_steps, "there are no steps"),
        (use_another_version, "Version must be 2020-12-01"),
        (name_badly, "its name must match"),
        (fail_without_words, "a Fail step needs ErrorMessage"),
        (leave_out_a_name, "'Name' is missing"),
        (make_arguments_a_list, "Unable to parse pipeline definition"),
        (declare_a_parameter_twice, "two parameters are called CodeBundleUri"),
        (declare_an_unknown_type, "parameter X has the unknown type 'Number'"),
        (give_a_wrong_default, "parameter X: '1' is no Integer"),
    ],
)
def test_refuses_what_could_not_be_executed(document: Document, change: Change, words: str) -> None:
    change(document)
    with pytest.raises(ValidationError) as refused:
        parse(json.dumps(document))
    assert words in refused.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_refuses_what_is_no_json_object(text: str) -> None:
    with pytest.raises(ValidationError, match="Unable to parse pipeline definition"):
        parse(text)


def test_reports_all_problems_at_once(document: Document) -> None:
    change_type(document)
    retry_badly(document)
    with pytest.raises(ValidationError, match=r"step Prepare.*step Train"):
        parse(json.dumps(document))


DECLARED = parameters.parse_parameters(
    [
        {"Name": "Text", "Type": "String"},
        {"Name": "Count", "Type": "Integer", "DefaultValue": 3},
        {"Name": "Rate", "Type": "Float", "DefaultValue": 0.5},
        {"Name": "On", "Type": "Boolean", "DefaultValue": False},
        {"Name": "Size", "Type": "String", "DefaultValue": "s", "EnumValues": ["s", "m"]},
    ]
)


def given(**texts: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in texts.items()]


def test_parameters_get_their_type_or_their_default() -> None:
    values = parameters.values(DECLARED, given(Text="7", Count="12", On="True"))
    assert values == {"Text": "7", "Count": 12, "Rate": 0.5, "On": True, "Size": "s"}


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({}, r"\['Text'\] have no default value"),
        ({"Text": "a", "Txet": "b"}, r"Unknown pipeline parameters \['Txet'\]"),
        ({"Text": "a", "Count": "1.5"}, "Count must be of type Integer, not '1.5'"),
        ({"Text": "a", "Rate": "high"}, "Rate must be of type Float"),
        ({"Text": "a", "On": "yes"}, "On must be of type Boolean"),
        ({"Text": "a", "Size": "xl"}, r"Size must be one of \['s', 'm'\]"),
    ],
)
def test_refuses_wrong_parameters(texts: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parameters.values(DECLARED, given(**texts))
