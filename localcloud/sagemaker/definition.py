"""A pipeline definition: parsed, and checked as far as can be before anything runs.

`parse` is called by CreatePipeline and UpdatePipeline, so a definition that could not be executed is
refused when it is published, not when the first run meets the mistake.
"""

from __future__ import annotations

import graphlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker import conditions, retries
from localcloud.sagemaker.errors import ValidationError
from localcloud.sagemaker.expressions import (
    ExpressionError,
    Path,
    Reference,
    is_expression,
    property_file_of,
    references,
)
from localcloud.sagemaker.parameters import Parameter, parse_parameters
from localcloud.sagemaker.validation import WrongType, input_shape, output_shape, violations

VARIABLES = frozenset(
    {
        "CurrentDateTime",
        "PipelineArn",
        "PipelineExecutionArn",
        "PipelineExecutionId",
        "PipelineName",
        "StartDateTime",
    }
)


@dataclass(frozen=True)
class Operations:
    """The API calls behind a type of step. `name` is the member that the executor fills in."""

    create: str
    describe: str
    name: str | None = None


OPERATIONS = {
    "Processing": Operations("CreateProcessingJob", "DescribeProcessingJob", "ProcessingJobName"),
    "Training": Operations("CreateTrainingJob", "DescribeTrainingJob", "TrainingJobName"),
    "Transform": Operations("CreateTransformJob", "DescribeTransformJob", "TransformJobName"),
    "RegisterModel": Operations("CreateModelPackage", "DescribeModelPackage"),
    "Model": Operations("CreateModel", "DescribeModel", "ModelName"),
}

KNOWN_ELSEWHERE = frozenset(
    {"AutoML", "Callback", "ClarifyCheck", "EMR", "Lambda", "MonitorBatchTransform", "NotebookJob"}
) | {"QualityCheck", "Tuning"}

_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")


@dataclass(frozen=True)
class Step:
    """`needs` are the steps that must have succeeded first; `branch` is (condition step, outcome) of a
    step that stands in a condition's IfSteps or ElseSteps."""

    name: str
    type: str
    arguments: dict[str, Any]
    needs: frozenset[str]
    branch: tuple[str, bool] | None
    retry_policies: tuple[dict[str, Any], ...]
    property_files: Mapping[str, tuple[str, str]]  # name -> (output, path)
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Definition:
    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    experiment: dict[str, Any]


def parse(text: str) -> Definition:
    """Raises `ValidationError` that lists everything that is wrong."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValidationError(f"Unable to parse pipeline definition: it is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValidationError("Unable to parse pipeline definition: it is no JSON object")
    try:
        definition = _parse(document)
        found = list(_problems(definition, document))
    except KeyError as error:
        raise ValidationError(f"Unable to parse pipeline definition: {error} is missing") from error
    except (ExpressionError, TypeError, AttributeError) as error:
        # The shape of definitions is open; what is no step or no expression at all ends here.
        raise ValidationError(f"Unable to parse pipeline definition: {error}") from error
    if found:
        raise ValidationError(f"Unable to parse pipeline definition: {'; '.join(found)}")
    return definition


def _parse(document: dict[str, Any]) -> Definition:
    steps: dict[str, Step] = {}
    for written, branch in _flatten(document.get("Steps", []), None):
        step = _parse_step(written, branch)
        if step.name in steps:
            raise ExpressionError(f"two steps are called {step.name}")
        steps[step.name] = step
    return Definition(
        parameters=parse_parameters(document.get("Parameters") or []),
        steps=steps,
        experiment=document.get("PipelineExperimentConfig") or {},
    )


def _flatten(
    written: list[dict[str, Any]], branch: tuple[str, bool] | None
) -> Iterator[tuple[dict[str, Any], tuple[str, bool] | None]]:
    """Each step with its branch: those inside a condition follow their condition."""
    for step in written:
        yield step, branch
        if step.get("Type") == "Condition":
            arguments = step.get("Arguments", {})
            yield from _flatten(arguments.get("IfSteps", []), (step["Name"], True))
            yield from _flatten(arguments.get("ElseSteps", []), (step["Name"], False))


def _parse_step(written: dict[str, Any], branch: tuple[str, bool] | None) -> Step:
    arguments = dict(written.get("Arguments") or {})
    own = {key: value for key, value in arguments.items() if key not in ("IfSteps", "ElseSteps")}
    mentioned = {ref.name for ref in references(own) if ref.namespace == "Steps"}
    return Step(
        name=written["Name"],
        type=written["Type"],
        arguments=own,
        needs=frozenset({*mentioned, *(written.get("DependsOn") or []), *([branch[0]] if branch else [])}),
        branch=branch,
        retry_policies=tuple(written.get("RetryPolicies") or []),
        property_files={
            file["PropertyFileName"]: (file["OutputName"], file["FilePath"])
            for file in written.get("PropertyFiles") or []
        },
        display_name=written.get("DisplayName"),
        description=written.get("Description"),
    )


def _problems(definition: Definition, document: dict[str, Any]) -> Iterator[str]:
    if document.get("Version") != "2020-12-01":
        yield f"Version must be 2020-12-01, not {document.get('Version')!r}"
    if not definition.steps:
        yield "there are no steps"
    for written, _branch in _flatten(document.get("Steps", []), None):
        if (written.get("CacheConfig") or {}).get("Enabled"):
            yield f"step {written['Name']}: step caching is not implemented locally"
    for step in definition.steps.values():
        for problem in _step_problems(step, definition):
            yield f"step {step.name}: {problem}"
    for reference in references(definition.experiment):
        yield from _reference_problems(reference, definition)
    yield from _cycles(definition)


def _step_problems(step: Step, definition: Definition) -> Iterator[str]:
    if not _NAME.fullmatch(step.name):
        yield f"its name must match {_NAME.pattern}"
    for need in sorted(step.needs - definition.steps.keys()):
        yield f"it needs {need}, which is no step"
    for policy in step.retry_policies:
        yield from retries.problems(policy)
    for reference in references(step.arguments):
        yield from _reference_problems(reference, definition)
    yield from _property_file_problems(step, definition)
    yield from _argument_problems(step)


def _argument_problems(step: Step) -> Iterator[str]:
    if step.type in OPERATIONS:
        operations = OPERATIONS[step.type]
        given = frozenset({operations.name} if operations.name else ())
        shape = input_shape(operations.create)
        try:
            yield from violations(shape, step.arguments, unresolved=is_expression, given=given)
        except WrongType as error:
            yield str(error)
    elif step.type == "Condition":
        for condition in step.arguments.get("Conditions") or [None]:
            yield from conditions.problems(condition)
    elif step.type == "Fail":
        if "ErrorMessage" not in step.arguments:
            yield "a Fail step needs ErrorMessage"
    elif step.type in KNOWN_ELSEWHERE:
        yield f"steps of type {step.type} are not implemented by the local cloud"
    else:
        yield f"unknown step type {step.type!r}"


def _reference_problems(reference: Reference, definition: Definition) -> Iterator[str]:
    if reference.namespace == "Parameters" and reference.name not in definition.parameters:
        yield f"{reference.text} names no parameter"
    elif reference.namespace == "Execution" and reference.name not in VARIABLES:
        yield f"{reference.text} is no execution variable"
    elif reference.namespace == "Steps" and reference.name in definition.steps:
        step = definition.steps[reference.name]
        if not _has_property(step, reference.path):
            yield f"{reference.text} is no property of a {step.type} step"


def _has_property(step: Step, path: Path) -> bool:
    if path[:1] == ("PropertyFiles",):
        return len(path) == 2 and path[1] in step.property_files
    if step.type == "Condition":
        return path == ("Outcome",)
    if step.type not in OPERATIONS or not path:
        return False
    shape = output_shape(OPERATIONS[step.type].describe)
    for token in path:
        if shape.type_name == "structure" and token in shape.members:
            shape = shape.members[token]
        elif shape.type_name == "list":
            shape = shape.member
        elif shape.type_name == "map":
            shape = shape.value
        else:
            return False
    return True


def _property_file_problems(step: Step, definition: Definition) -> Iterator[str]:
    outputs = (step.arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    for name, (output, _path) in step.property_files.items():
        if output not in [written.get("OutputName") for written in outputs]:
            yield f"property file {name} is of output {output}, which the step does not have"
    for operand in _json_gets(step.arguments):
        if "S3Uri" not in operand and property_file_of(operand)[0] not in definition.steps:
            yield f"Std:JsonGet of {operand['PropertyFile']} names no step"


def _json_gets(value: Any) -> Iterator[dict[str, Any]]:
    if is_expression(value) and "Std:JsonGet" in value:
        yield value["Std:JsonGet"]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _json_gets(item)


def _cycles(definition: Definition) -> Iterator[str]:
    graph = {name: step.needs & definition.steps.keys() for name, step in definition.steps.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"steps need each other: {' -> '.join(error.args[1])}"
