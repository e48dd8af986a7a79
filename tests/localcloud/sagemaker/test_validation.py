from __future__ import annotations

from typing import Any

import pytest

from localcloud.sagemaker.errors import ApiError, ValidationError
from localcloud.sagemaker.expressions import is_expression
from localcloud.sagemaker.validation import UnknownOperation, input_shape, validate, violations

TOKEN = "t" * 32


def start(**more: Any) -> dict[str, Any]:
    return {"PipelineName": "p", "ClientRequestToken": TOKEN, **more}


def test_accepts_a_right_request() -> None:
    validate("StartPipelineExecution", start(PipelineParameters=[{"Name": "A", "Value": "1"}]))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"PipelineName": "p"},
            "Value null at 'clientRequestToken' failed to satisfy constraint: Member must not be",
        ),
        (start(ClientRequestToken="short"), "at 'clientRequestToken' .* length greater than or equal to 32"),
        (start(ClientRequestToken="t" * 129), "length less than or equal to 128"),
        (start(PipelineName="_"), "at 'pipelineName' failed .* regular expression pattern"),
        (start(PipelineParameters=[{"Name": "A"}]), r"at 'pipelineParameters.1.member.value'"),
        (start(PipelineParametres=[]), "Unknown parameter at 'pipelineParametres'"),
    ],
)
def test_refuses_what_aws_refuses(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        validate("StartPipelineExecution", parameters)


def test_counts_all_errors_at_once() -> None:
    with pytest.raises(
        ValidationError, match=r"2 validation errors detected: .*pipelineName.*clientRequestToken"
    ):
        validate("StartPipelineExecution", {})


def test_refuses_a_value_outside_the_enumeration() -> None:
    with pytest.raises(ValidationError, match=r"enum value set: \[Ascending, Descending\]"):
        validate("ListProcessingJobs", {"SortOrder": "Up"})


def test_refuses_a_number_out_of_range() -> None:
    with pytest.raises(ValidationError, match=r"'101' at 'maxResults' .* less than or equal to 100"):
        validate("ListProcessingJobs", {"MaxResults": 101})


@pytest.mark.parametrize("value", ["10", True, 1.5])
def test_refuses_a_value_of_another_type(value: object) -> None:
    with pytest.raises(ApiError, match="can not be converted to integer at 'maxResults'") as refused:
        validate("ListProcessingJobs", {"MaxResults": value})
    assert refused.value.code == "SerializationException"


def test_takes_null_for_absent() -> None:
    validate("ListProcessingJobs", {"MaxResults": None})


def test_refuses_an_unknown_operation() -> None:
    with pytest.raises(UnknownOperation, match="MakeCoffee"):
        validate("MakeCoffee", {})


def test_lets_unresolved_values_and_promised_members_pass() -> None:
    shape = input_shape("StartPipelineExecution")
    found = violations(
        shape,
        {"PipelineName": {"Get": "Parameters.Name"}},
        unresolved=is_expression,
        given=frozenset({"ClientRequestToken"}),
    )
    assert list(found) == []
